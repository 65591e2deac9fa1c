/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The runtime directory: one daemon for it, one for the host, and the switches of the last one. */
#ifndef TDX_LPAGE_PROCESS_RUNTIME_H
#define TDX_LPAGE_PROCESS_RUNTIME_H

#include "daemon/core/log.h"
#include "daemon/core/state.h"
#include "daemon/process/options.h"

struct runtime {
	struct lp_state state;
	int state_dir_fd;
	int lock_fds[2]; /* of the runtime directory, of the host */
};

#define RUNTIME_NONE                                                                               \
	{                                                                                          \
		.state_dir_fd = -1, .lock_fds = { -1, -1 }                                         \
	}

/*
 * Creates the directory, takes the locks, and reads the switches; without readable ones all VMs are paused,
 * as is logged. LP_EXIT_*, after a line in the log; runtime_close() is to be called in any case.
 */
int runtime_open(struct runtime *runtime, const struct lp_options *options,
		 const struct lp_log *log);
void runtime_close(struct runtime *runtime);

#endif
