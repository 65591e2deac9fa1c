/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Totals of many VMs, kept as they change: to show them costs the same for one VM as for thousands. Each
 * event counts in the groups of its VM: the VM itself, all VMs, and the group that the caller gave it.
 */
#ifndef TDX_LPAGE_POLICY_SUMS_H
#define TDX_LPAGE_POLICY_SUMS_H

#include "daemon/policy/policy.h"

struct policy_vm;

/* A new VM counts for itself and for all, and in no group of the caller. */
void sums_init(struct policy_vm *vm);

/* Adds @n, which wraps, to a counter of the ledger. */
#define SUMS_ADD(vm, counter, n)                                                                   \
	do {                                                                                       \
		const uint64_t sums_n_ = (n);                                                      \
		for (struct policy_group **sums_ = (vm)->groups; *sums_; sums_++)                  \
			(*sums_)->ledger.counter += sums_n_;                                       \
	} while (0)

/* A region leaves one phase for another; with @entered or @left, it begins or ends to be tracked. */
void sums_move_region(struct policy_vm *vm, unsigned int from, unsigned int to);
void sums_enter_region(struct policy_vm *vm, unsigned int phase);
void sums_leave_region(struct policy_vm *vm, unsigned int phase);

/*
 * What merged regions save is counted up to @now_ns, and from then on at the rate of now: to be called
 * before and after they, or the cost of their walks, change.
 */
void sums_count_savings(struct policy_vm *vm, uint64_t now_ns);

/* The VM's figures of now go to another group (NULL: none), or away from all. */
void sums_set_group(struct policy_vm *vm, struct policy_group *group, uint64_t now_ns);
void sums_remove_vm(struct policy_vm *vm, uint64_t now_ns);

#endif
