// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/ring.h"

#include "daemon/policy/internal.h"

void ring_add(struct policy_vm *vm)
{
	struct policy *policy = vm->policy;

	if (vm->active)
		return;
	vm->active = true;
	policy->nr_active++;
	/* It is last: a round that is under way ends with it. */
	policy->round_left += policy->round_left > 0;
	/* Served last of those that wait. */
	if (!policy->active) {
		policy->active = vm->next_active = vm->prev_active = vm;
		return;
	}
	vm->next_active = policy->active;
	vm->prev_active = policy->active->prev_active;
	vm->prev_active->next_active = vm;
	vm->next_active->prev_active = vm;
}

void ring_remove(struct policy_vm *vm)
{
	struct policy *policy = vm->policy;

	if (!vm->active)
		return;
	vm->active = false;
	policy->nr_active--;
	vm->prev_active->next_active = vm->next_active;
	vm->next_active->prev_active = vm->prev_active;
	if (policy->active == vm)
		policy->active = vm->next_active == vm ? NULL : vm->next_active;
}
