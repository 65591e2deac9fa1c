// SPDX-License-Identifier: GPL-2.0-or-later
/* VMs by id, and the counts that follow their regions' phases. */
#include <errno.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/regret.h"
#include "daemon/policy/sums.h"

static int is_before(const void *element, const void *vm_id)
{
	const struct policy_vm *vm = *(struct policy_vm *const *)element;

	return vm->id < *(const uint32_t *)vm_id;
}

size_t vm_index(const struct policy *policy, uint32_t vm_id)
{
	return lower_bound(policy->vms, policy->nr_vms, sizeof(struct policy_vm *), &vm_id,
			   is_before);
}

struct policy_vm *vm_any(const struct policy *policy, uint32_t vm_id)
{
	size_t i = vm_index(policy, vm_id);

	return i < policy->nr_vms && policy->vms[i]->id == vm_id ? policy->vms[i] : NULL;
}

struct policy_vm *policy_vm_find(const struct policy *policy, uint32_t vm_id)
{
	struct policy_vm *vm;

	if (policy->last_vm && policy->last_vm->id == vm_id)
		return policy->last_vm;
	vm = vm_any(policy, vm_id);
	return vm && vm->round == policy->round ? vm : NULL;
}

struct policy_vm *vm_use(struct policy *policy, uint32_t vm_id)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);

	if (vm)
		policy->last_vm = vm;
	return vm;
}

void vm_set_phase(struct policy_vm *vm, struct region *region, enum phase phase)
{
	bool was_merged = region_is_merged(region);

	sums_move_region(vm, region->phase, phase);
	region->phase = phase & 7;
	if (was_merged == region_is_merged(region))
		return;
	if (was_merged)
		regret_forget_merge(region);
	vm->merged_regions += region_is_merged(region) ? 1 : -UINT64_C(1);
	sums_count_savings(vm, vm->policy->now_ns);
}

void vm_merged(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns)
{
	uint64_t now_tick = tick_of(now_ns);
	struct region *region = ref->region;

	vm_set_phase(vm, region, PHASE_LARGE);
	regret_note_merge(vm, region, now_tick - stamp_tick(region->stamp, now_tick));
	decide_watch(vm, ref, now_ns);
}

void vm_costs_changed(struct policy_vm *vm)
{
	vm->cost = costs_in_force(&vm->costs, &vm->settings);
	sums_count_savings(vm, vm->policy->now_ns);
}

int vm_learn(struct policy_vm *vm)
{
	const struct costs unseen = {0};
	const struct policy_costs costs = costs_in_force(&unseen, &vm->settings);
	unsigned int unit = adaptive_unit(&costs);
	struct adaptive **host = &vm->policy->adaptive[unit];

	if (!vm->adaptive || vm->unit != unit) {
		struct adaptive *adaptive;

		if (!*host)
			*host = adaptive_new(NULL, unit, 0);
		adaptive = *host ? adaptive_new(*host, unit, vm->birth_tick) : NULL;
		if (!adaptive)
			return -ENOMEM;
		vm->forgets = vm->adaptive;
		free(vm->adaptive);
		vm->adaptive = adaptive;
		vm->unit = unit;
	}
	accept_plan(&vm->adaptive->accept);
	return 0;
}
