// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/notify.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#define RETRY_NS (100 * NS_PER_MS)

void lp_notify_status_text(const char *status, char *ret, size_t size)
{
	snprintf(ret, size, "STATUS=%s", status);
	/* A line break would start another assignment. */
	for (char *c = ret; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	}
}

void lp_notify_reloading_text(uint64_t now_us, char *ret, size_t size)
{
	snprintf(ret, size, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_us);
}

/* Returns false when the queue of the service manager is full. */
static bool send_text(const struct lp_notify *notify, const char *text)
{
	return sendto(notify->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&notify->address, notify->address_len) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM);
}

/* Sends what waits. */
static void flush(struct lp_notify *notify)
{
	static const struct timeval pause = {0, RETRY_NS / NS_PER_US};
	char text[sizeof(notify->state) + sizeof(notify->status)];

	if (notify->fd < 0)
		return;
	snprintf(text, sizeof(text), "%s%s%s", notify->state,
		 notify->state[0] && notify->status[0] ? "\n" : "", notify->status);
	if (!send_text(notify, text)) {
		event_add(notify->retry, &pause);
		return;
	}
	event_del(notify->retry);
	notify->state[0] = notify->status[0] = '\0';
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	flush(ctx);
}

static int parse_address(struct lp_notify *notify, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len >= sizeof(notify->address.sun_path))
		return -EINVAL;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, name, len + 1);
	if (name[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

int lp_notify_open(struct lp_notify *notify, struct event_base *base)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int r;

	*notify = (struct lp_notify){.fd = -1};
	if (!name)
		return 0;
	r = parse_address(notify, name);
	if (r < 0)
		return r;
	notify->retry = evtimer_new(base, on_retry, notify);
	if (!notify->retry)
		return -ENOMEM;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return notify->fd < 0 ? -errno : 0;
}

void lp_notify_close(struct lp_notify *notify)
{
	if (notify->retry)
		event_free(notify->retry);
	if (notify->fd >= 0)
		close(notify->fd);
	*notify = (struct lp_notify){.fd = -1};
}

void lp_notify_status(struct lp_notify *notify, const char *status)
{
	lp_notify_status_text(status, notify->status, sizeof(notify->status));
	flush(notify);
}

void lp_notify_ready(struct lp_notify *notify, const char *status)
{
	snprintf(notify->state, sizeof(notify->state), "READY=1");
	lp_notify_status(notify, status);
}

void lp_notify_reloading(struct lp_notify *notify)
{
	lp_notify_reloading_text(monotonic_ns() / NS_PER_US, notify->state, sizeof(notify->state));
	flush(notify);
}

void lp_notify_stopping(struct lp_notify *notify)
{
	snprintf(notify->state, sizeof(notify->state), "STOPPING=1");
	lp_notify_status(notify, "stopping");
}

void lp_notify_watchdog(struct lp_notify *notify)
{
	if (notify->fd >= 0)
		(void)send_text(notify, "WATCHDOG=1");
}

uint64_t lp_notify_watchdog_interval_us(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us / 2 : 0;
}
