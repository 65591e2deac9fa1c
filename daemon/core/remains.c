// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/remains.h"

#include <limits.h>
#include <stdlib.h>

#include "daemon/core/vm.h"

/*
 * GiB of guest memory with known regions, and VMs, that are freed in a turn. A GiB has up to 70 kB. Higher: longer turns;
 * lower: more turns, in which the memory is still in use.
 */
#define SLICE 64

struct old_policy {
	TAILQ_ENTRY(old_policy) entry;
	struct policy *policy;
};

void remains_add_vm(struct lp_manager *m, struct vm_entry *vm)
{
	/* The heap shrinks bit by bit if the last one, which often lies at its end, is freed first. */
	TAILQ_INSERT_HEAD(&m->remains, vm, by_stats);
	manager_wake(m);
}

void remains_add_policy(struct lp_manager *m, struct policy *policy)
{
	struct old_policy *old = policy ? malloc(sizeof(*old)) : NULL;

	if (!old) {
		policy_free(policy);
		return;
	}
	old->policy = policy;
	TAILQ_INSERT_TAIL(&m->old_policies, old, entry);
	manager_wake(m);
}

/* Returns whether there is more. */
static bool free_vms(struct lp_manager *m, unsigned int steps)
{
	struct vm_entry *vm;

	while ((vm = TAILQ_FIRST(&m->remains))) {
		if (lp_regions_shrink(&vm->regions, &steps) || !steps)
			return true;
		steps--;
		TAILQ_REMOVE(&m->remains, vm, by_stats);
		blocks_put(&m->blocks, vm, sizeof(*vm));
	}
	return false;
}

static bool free_policies(struct lp_manager *m)
{
	struct old_policy *old = TAILQ_FIRST(&m->old_policies);

	if (!old)
		return false;
	old->policy = policy_shrink(old->policy);
	if (!old->policy) {
		TAILQ_REMOVE(&m->old_policies, old, entry);
		free(old);
	}
	return !TAILQ_EMPTY(&m->old_policies);
}

void remains_run(struct lp_manager *m)
{
	bool more = free_vms(m, SLICE);

	more |= free_policies(m);
	more |= policy_clear(m->policy);
	more |= m->shadow.policy && policy_clear(m->shadow.policy);
	if (more)
		manager_go_on(m);
}

size_t remains_policy_bytes(const struct lp_manager *m)
{
	const struct old_policy *old;
	size_t bytes = 0;

	TAILQ_FOREACH(old, &m->old_policies, entry)
		bytes += policy_memory_bytes(old->policy);
	return bytes;
}

void remains_done(struct lp_manager *m)
{
	struct old_policy *old;

	while (free_vms(m, UINT_MAX))
		;
	while ((old = TAILQ_FIRST(&m->old_policies))) {
		TAILQ_REMOVE(&m->old_policies, old, entry);
		policy_free(old->policy);
		free(old);
	}
}
