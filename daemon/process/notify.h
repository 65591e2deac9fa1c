/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notifications of the service manager, sd_notify(3), which never wait for it: while its queue is full
 * the newest state and status wait, and are sent later. Without a service manager they do nothing.
 */
#ifndef TDX_LPAGE_PROCESS_NOTIFY_H
#define TDX_LPAGE_PROCESS_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct event;
struct event_base;

struct lp_notify {
	int fd; /* kept: there may be none left when it is needed. -1: no service manager */
	struct sockaddr_un address;
	socklen_t address_len;
	struct event *retry;
	char state[64];	  /* assignments without the status, "": none */
	char status[256]; /* STATUS=, "": none */
};

/*
 * Initializes @notify for $NOTIFY_SOCKET, a path or, after "@", an abstract name. 0, also without one;
 * -EINVAL for another kind of address, -ENOMEM, or the error of socket(2). To be closed in any case.
 */
int lp_notify_open(struct lp_notify *notify, struct event_base *base);
void lp_notify_close(struct lp_notify *notify);

void lp_notify_ready(struct lp_notify *notify, const char *status);
void lp_notify_status(struct lp_notify *notify, const char *status);
/* With the time, by which systemd tells this reload from an earlier one. */
void lp_notify_reloading(struct lp_notify *notify);
void lp_notify_stopping(struct lp_notify *notify);
/* Not repeated: the next one comes soon. */
void lp_notify_watchdog(struct lp_notify *notify);

/* How often to ping the watchdog, in microseconds: twice per timeout. 0: no watchdog. */
uint64_t lp_notify_watchdog_interval_us(void);

/* Pure: the message of lp_notify_reloading() at @now_us (CLOCK_MONOTONIC). */
void lp_notify_reloading_text(uint64_t now_us, char *ret, size_t size);

/* Pure: STATUS= and @status as one line. */
void lp_notify_status_text(const char *status, char *ret, size_t size);

#endif
