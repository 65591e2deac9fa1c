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
#include "daemon/core/vmm_args.h"

/*
 * Fills @ret from @vm, @args (NULL: the command line is not known) and the proc file system at @procfs
 * ("/proc"), of which it reads nothing that waits for the VMM. Never fails.
 */
void lp_identity_read(const char *procfs, const struct lp_vm *vm, const struct lp_vmm_args *args,
		      struct lp_identity *ret);

/* Converts it for config_select(); borrows the strings of @identity. */
void lp_identity_for_rules(const struct lp_identity *identity, struct config_identity *ret);

/* "ioctl", "libvirt", "qemu", "none". */
const char *lp_name_source_name(enum lp_name_source source);

/* Pure, declared for the tests. */

/* The innermost slice of a cgroup path, "" for none. */
void lp_identity_slice(const char *cgroup, char *ret, size_t size);

#endif
