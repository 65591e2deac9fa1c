/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon put together: configuration, lock, link, manager, sockets, signals, service manager. */
#ifndef TDX_LPAGE_PROCESS_DAEMON_H
#define TDX_LPAGE_PROCESS_DAEMON_H

#include "daemon/process/options.h"

/* Runs until told to stop. Returns the exit status; what went wrong has been logged. */
int lp_daemon_run(const struct lp_options *options);

#endif
