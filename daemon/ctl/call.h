/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CTL_CALL_H
#define TDX_LPAGE_CTL_CALL_H

#include "daemon/ctl/ctl.h"

/* Connects to the socket that the verb needs, once. Returns CTL_OK, or complains. */
int ctl_connect(struct ctl *ctl);

/* The same for a call whose answers come when they come: makes sure within --timeout that the daemon answers at all. */
int ctl_connect_to_wait(struct ctl *ctl);

/* Receives a reply's parameters, to be dropped. Returns CTL_OK, or complains. */
int ctl_receive(struct ctl *ctl, int timeout_ms, json_t **ret);

/*
 * Does the answer to @method, its parameters, have what it cannot do without? Returns CTL_OK, or
 * complains about a daemon of another version.
 */
int ctl_check_reply(struct ctl *ctl, const char *method, const json_t *params);

/* Complains about a negative errno of the connection, and closes it. */
int ctl_lost(struct ctl *ctl, int error);

/* Complains about a reply that is an error. Returns the exit code. */
int ctl_complain(struct ctl *ctl, const json_t *reply);

#endif
