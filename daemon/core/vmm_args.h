/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the command line of a VMM says.
 *
 * The kernel reads /proc/PID/cmdline from the memory of the process, under its mmap_lock: whoever reads it
 * waits for as long as that process likes. The event loop therefore has it read elsewhere, and goes on.
 */
#ifndef TDX_LPAGE_CORE_VMM_ARGS_H
#define TDX_LPAGE_CORE_VMM_ARGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/core/snapshot.h"

/* Strings are "" where the command line has none. */
struct lp_vmm_args {
	char command[64]; /* base name of the program */
	char name[KVM_LPAGE_NAME_MAX + 1];
	char uuid[37];
};

/* Whose command line is to be read. */
struct lp_vmm_query {
	uint32_t vm_id;
	uint32_t pid;
	uint32_t uid;
	uint64_t start_ns; /* of the process */
};

/*
 * Opens the directory of a process, which stays that of this process even if the pid is reused.
 * A descriptor, or negative errno: -ESRCH if the pid is another process's now, -EXDEV if @procfs has other
 * pids than the kernel reports. @start_ns is as the kernel reports it.
 */
int vmm_open(const char *procfs, uint32_t pid, uint64_t start_ns);

/* Reads up to @size - 1 bytes of a file there, and ends them with NUL. Their number, or negative errno. */
ssize_t vmm_read_file(int dir_fd, const char *name, char *ret, size_t size);

/* Pure. @len > 0; arguments end with NUL. */
void vmm_args_parse(const char *args, size_t len, struct lp_vmm_args *ret);

/* Reads and parses the command line. Blocks: not for the event loop. 0 or negative errno. */
int vmm_args_read(const char *procfs, const struct lp_vmm_query *query, struct lp_vmm_args *ret);

#endif
