/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What merges cost and saved, by the rule that was in force for their VM at the time. A VM is charged to
 * its account when its rule changes and when it goes; until then, what it gained is added where it is shown.
 */
#ifndef TDX_LPAGE_CORE_ACCOUNTS_H
#define TDX_LPAGE_CORE_ACCOUNTS_H

#include "daemon/core/context.h"
#include "daemon/core/vm.h"

/* @accounts: zeroed. */
void accounts_init(struct accounts *accounts);

/* Charges the VM to its account, if it has one. */
void accounts_charge(const struct lp_manager *m, struct vm_entry *vm);

/* The rule of the VM may have changed: charges the account of the one before. */
void accounts_assign(struct lp_manager *m, struct vm_entry *vm);

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
