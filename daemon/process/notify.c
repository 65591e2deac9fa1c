// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/notify.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include <tdx-lpage/base.h>

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

void lp_notify_status(const char *status)
{
	char text[256];

	lp_notify_status_text(status, text, sizeof(text));
	(void)sd_notify(0, text);
}

void lp_notify_ready(const char *status)
{
	char text[256], message[300];

	lp_notify_status_text(status, text, sizeof(text));
	snprintf(message, sizeof(message), "READY=1\n%s", text);
	(void)sd_notify(0, message);
}

void lp_notify_reloading(void)
{
	char text[64];

	lp_notify_reloading_text(monotonic_ns() / NS_PER_US, text, sizeof(text));
	(void)sd_notify(0, text);
}

void lp_notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void lp_notify_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

uint64_t lp_notify_watchdog_interval_us(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us / 2 : 0;
}
