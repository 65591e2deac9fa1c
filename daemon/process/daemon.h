/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Assembles the daemon: configuration, lock, link, manager, sockets, signals, service manager. */
#ifndef TDX_LPAGE_PROCESS_DAEMON_H
#define TDX_LPAGE_PROCESS_DAEMON_H

#include "daemon/process/options.h"

/* Runs until SIGTERM or SIGINT. Returns the exit status, enum lp_exit; errors have been logged. */
int lp_daemon_run(const struct lp_options *options);

#endif
