/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who runs a VM: what the kernel reports, and what /proc has of the VMM.
 *
 * The VMM may have exited, and its pid been reused: the start time is compared. What cannot be read
 * stays unknown; a rule that matches on it does not apply.
 */
#ifndef TDX_LPAGE_CORE_IDENTITY_H
#define TDX_LPAGE_CORE_IDENTITY_H

#include <stddef.h>

#include "daemon/config/config.h"
#include "daemon/core/snapshot.h"
#include "daemon/core/vm_names.h"

/* Fills @ret from @vm and the proc file system at @procfs ("/proc"). Blocks on files, never fails. */
void lp_identity_read(const char *procfs, const struct lp_vm *vm, struct lp_identity *ret);

/* Converts it for config_select(); borrows the strings of @identity. */
void lp_identity_for_rules(const struct lp_identity *identity, struct config_identity *ret);

/* "ioctl", "libvirt", "qemu", "none". */
const char *lp_name_source_name(enum lp_name_source source);

/* Pure functions, declared for the tests. */

/* The innermost slice of a cgroup path, "" for none. */
void lp_identity_slice(const char *cgroup, char *ret, size_t size);

/* The start time, in clock ticks, from the text of /proc/PID/stat. 0 or -EINVAL. */
int lp_identity_start_ticks(const char *stat, unsigned long long *ret);

#endif
