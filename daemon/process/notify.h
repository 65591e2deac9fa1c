/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notifications of the service manager, sd_notify(3). Without one they do nothing. */
#ifndef TDX_LPAGE_PROCESS_NOTIFY_H
#define TDX_LPAGE_PROCESS_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

void lp_notify_ready(const char *status);
void lp_notify_status(const char *status);
/* With the time, by which systemd tells this reload from an earlier one. */
void lp_notify_reloading(void);
void lp_notify_stopping(void);
void lp_notify_watchdog(void);

/* How often to ping the watchdog, in microseconds: twice per timeout. 0: no watchdog. */
uint64_t lp_notify_watchdog_interval_us(void);

/* Pure: the message of lp_notify_reloading() at @now_us (CLOCK_MONOTONIC). */
void lp_notify_reloading_text(uint64_t now_us, char *ret, size_t size);

/* Pure: STATUS= and @status as one line. */
void lp_notify_status_text(const char *status, char *ret, size_t size);

#endif
