/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What merges cost and saved, by the rule that was in force for their VM at the time, and what their VMs
 * are now. All sums are kept as they change: to show them takes a time that no number of VMs changes.
 */
#ifndef TDX_LPAGE_CORE_ACCOUNTS_H
#define TDX_LPAGE_CORE_ACCOUNTS_H

#include "daemon/core/context.h"
#include "daemon/core/vm.h"

/* @accounts: zeroed. */
void accounts_init(struct accounts *accounts);

/* Takes @now for what is known of the VM, also in the sums. */
void accounts_describe(struct lp_manager *m, struct vm_entry *vm, const struct lp_vm *now);

/* The rule of the VM may have changed: what it gains from now on is another account's. */
void accounts_assign(struct lp_manager *m, struct vm_entry *vm);

/* The VMs are lost: all of them go from the sums. */
void accounts_lose_all(struct lp_manager *m);

/* The VM goes; what it gained stays. */
void accounts_remove(struct lp_manager *m, struct vm_entry *vm);

/*
 * After a reload and accounts_assign() of all VMs: accounts are in the order of the rules, those of rules
 * that are gone are summed up in one. Without memory some are summed up that are not gone.
 */
void accounts_reorder(struct lp_manager *m);

/* struct lp_core_ops */
size_t accounts_view(const struct lp_core *core, struct lp_rule_snapshot *ret, size_t capacity);

/* Frees the list. The VMs must be gone. */
void accounts_done(struct lp_manager *m);

#endif
