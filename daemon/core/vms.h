/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs come, are described, and go. */
#ifndef TDX_LPAGE_CORE_VMS_H
#define TDX_LPAGE_CORE_VMS_H

#include "daemon/core/vm.h"

/* A VM that is new, or known and described anew; @full: with its statistics. */
void vms_update(struct lp_manager *m, const struct lp_vm *vm, bool full);

void vms_remove(struct lp_manager *m, struct vm_entry *vm, const char *why);
void vms_remove_all(struct lp_manager *m, const char *why);

/* Those that the last dump of VMs has not named. */
void vms_remove_unlisted(struct lp_manager *m);

/* Finds the rule that is in force. */
void vms_apply_rule(struct lp_manager *m, struct vm_entry *vm);

/* Reads who runs the VM. */
void vms_identify(struct lp_manager *m, struct vm_entry *vm);

/* Hands the dry-run switch and the limits to the policy. */
void vms_set_global(struct lp_manager *m);

#endif
