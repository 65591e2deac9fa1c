/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One daemon at a time: a locked file that has the pid of its holder. */
#ifndef TDX_LPAGE_PROCESS_LOCK_H
#define TDX_LPAGE_PROCESS_LOCK_H

#include <sys/types.h>

/*
 * Locks the file "lock" in the directory @dir_fd. Returns a file descriptor to keep open; -EBUSY when
 * a process holds the lock, with its pid in *@ret_holder (0: unknown); or another negative errno. The
 * lock ends with the process. The file has mode 0600.
 */
int lp_lock_take(int dir_fd, pid_t *ret_holder);

#endif
