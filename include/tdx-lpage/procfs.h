/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says of the host. @procfs is "/proc", or what a test has in its place; nothing here blocks. */
#ifndef TDX_LPAGE_PROCFS_H
#define TDX_LPAGE_PROCFS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Counts the free blocks of 2 MiB, larger ones as several: the columns of buddyinfo from order 9 on. Negative
 * errno.
 */
int procfs_free_huge_blocks(const char *procfs, uint64_t *ret);

/*
 * The share of the last 10 seconds for which some task waited for @resource ("memory", "cpu"), in
 * millionths: avg10 of pressure/RESOURCE. Negative errno; -ENOENT, or -EOPNOTSUPP if it is turned off: the
 * kernel does not tell.
 */
int procfs_pressure(const char *procfs, const char *resource, uint32_t *ret_ppm);

/* When a process started, in clock ticks, from the text of its stat. 0 or -EINVAL. */
int procfs_start_ticks(const char *stat, unsigned long long *ret);

/*
 * The kernel's words about a VM are of the initial namespaces: the pid of its creator, when that started, and
 * when regions changed.
 */
struct procfs_namespaces {
	bool pid;  /* processes have other numbers here than there, or none */
	bool time; /* clocks differ, by what follows */
	int64_t monotonic_ns;
	int64_t boottime_ns; /* also of times in /proc */
};

/*
 * In which namespaces this process is beside the initial ones, or whose processes @procfs has. Without
 * @procfs/self, as in what a test has in its place: none.
 */
void procfs_namespaces(const char *procfs, struct procfs_namespaces *ret);

#endif
