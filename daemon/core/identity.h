/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who runs a VM: what the kernel's family says of it, and what /proc says of the process.
 *
 * The process may be gone, and its number may belong to another one by now: the start time is
 * compared. What cannot be read stays unknown; a rule that asks for it does not match.
 */
#ifndef TDX_LPAGE_CORE_IDENTITY_H
#define TDX_LPAGE_CORE_IDENTITY_H

#include <stddef.h>

#include "daemon/config/config.h"
#include "daemon/core/snapshot.h"

/* Fills @ret from @vm and the proc file system at @procfs ("/proc"). Reads files, never fails. */
void lp_identity_read(const char *procfs, const struct lp_vm *vm, struct lp_identity *ret);

/* As the rules want it; borrows the strings of @identity. */
void lp_identity_for_rules(const struct lp_identity *identity, struct config_identity *ret);

/* "ioctl", "libvirt", "qemu", "none". */
const char *lp_name_source_name(enum lp_name_source source);

/* The following are pure, and here for the tests. */

/* The name in a cgroup path with a libvirt scope. 0, or -ENOENT when there is none. */
int lp_identity_libvirt_name(const char *cgroup, char *ret, size_t size);

/* The name in QEMU's arguments (@len bytes, each ended by NUL). 0, or -ENOENT. */
int lp_identity_qemu_name(const char *args, size_t len, char *ret, size_t size);

/* The innermost slice of a cgroup path, "" for none. */
void lp_identity_slice(const char *cgroup, char *ret, size_t size);

/* Start time in clock ticks out of the text of /proc/PID/stat. 0 or -EINVAL. */
int lp_identity_start_ticks(const char *stat, unsigned long long *ret);

#endif
