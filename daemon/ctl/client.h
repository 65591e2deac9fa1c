/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Varlink client on a Unix socket. It blocks, with a time limit. */
#ifndef TDX_LPAGE_CTL_CLIENT_H
#define TDX_LPAGE_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

struct ctl_client;

/*
 * Connects, and sends later, within @timeout_ms each (-1: no limit). Returns 0, -ETIMEDOUT or another
 * negative errno.
 */
int ctl_client_connect(const char *path, int timeout_ms, struct ctl_client **ret);

/* NULL-safe; returns NULL. */
struct ctl_client *ctl_client_close(struct ctl_client *client);

/* Sends a call; @params is borrowed and may be NULL. Returns 0 or a negative errno. */
int ctl_client_send(struct ctl_client *client, const char *method, json_t *params, bool more);

/*
 * Receives one reply within @timeout_ms (-1: no limit), a new reference. Returns 0, -ETIMEDOUT,
 * -ECONNRESET at the end, -EBADMSG, or another negative errno.
 */
int ctl_client_receive(struct ctl_client *client, int timeout_ms, json_t **ret);

/* Has the daemon answer once within @timeout_ms. Returns as ctl_client_receive(), -ECONNRESET if it takes no more clients. */
int ctl_client_ping(struct ctl_client *client, int timeout_ms);

enum ctl_client_event { CTL_CLIENT_TIMEOUT, CTL_CLIENT_READABLE, CTL_CLIENT_OTHER };

/*
 * Waits until something can be received, or read from @other_fd, which comes first. Returns one of
 * the above or a negative errno.
 */
int ctl_client_wait(struct ctl_client *client, int other_fd, int timeout_ms);

#endif
