/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of VMs: they appear, are described, and go. */
#ifndef TDX_LPAGE_CORE_VMS_H
#define TDX_LPAGE_CORE_VMS_H

#include "daemon/core/vm.h"

/*
 * Adds a VM, or updates a known one. @full: the description has statistics. Out of memory: the VM is
 * ignored, and logged.
 */
void vms_update(struct lp_manager *m, const struct lp_vm *vm, bool full);

/* Removes the VM: ends its flights, logs its last summary and @why. */
void vms_remove(struct lp_manager *m, struct vm_entry *vm, const char *why);

/*
 * The family is gone: vm_find() finds no VM any more, and all are removed, some at a time. Until its turn has
 * come, a VM is still counted, and listed by view_vm_ids().
 */
void vms_lose_all(struct lp_manager *m, const char *why);

/* Removes the VMs that the last dump of VMs did not list. */
void vms_remove_unlisted(struct lp_manager *m);

/* Finds the rule in force for the VM, and applies its settings. */
void vms_apply_rule(struct lp_manager *m, struct vm_entry *vm);

/* Reads the identity of the VM: name, cgroup, command. */
void vms_identify(struct lp_manager *m, struct vm_entry *vm);

/* Passes dry-run and the global limits in force to the policy. */
void vms_set_global(struct lp_manager *m);

#endif
