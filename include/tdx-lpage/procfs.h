/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says of the host. @procfs is "/proc", or what a test has in its place; nothing here blocks. */
#ifndef TDX_LPAGE_PROCFS_H
#define TDX_LPAGE_PROCFS_H

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

#endif
