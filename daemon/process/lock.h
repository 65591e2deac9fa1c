/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only one daemon at a time: a locked file that names its holder. */
#ifndef TDX_LPAGE_PROCESS_LOCK_H
#define TDX_LPAGE_PROCESS_LOCK_H

#include <sys/types.h>

/*
 * Locks the file "lock" in the directory @dir_fd. Returns a file descriptor to be kept open, -EBUSY
 * when a live process holds it (its pid in *@ret_holder, 0 when it cannot be told), or another
 * negative errno. The lock ends with the process, however it ends.
 */
int lp_lock_take(int dir_fd, pid_t *ret_holder);

#endif
