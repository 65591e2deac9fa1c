// SPDX-License-Identifier: GPL-2.0-or-later
/* A policy beside another one, on the same observations: how it begins, and what disproves it. */
#include <errno.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/regret.h"
#include "daemon/policy/retry.h"
#include "daemon/policy/sums.h"

/* Everything but who @to shares with. */
static void copy_learnt(struct adaptive *to, const struct adaptive *from)
{
	struct hazards *hazards = to->hazards.host;
	struct accept *accept = to->accept.host;

	*to = *from;
	to->hazards.host = hazards;
	to->accept.host = accept;
}

struct policy *policy_new_shadow(const struct config_global *global, const struct policy *of,
				 uint64_t now_ns)
{
	struct policy *policy = policy_new(global, now_ns);

	if (!policy)
		return NULL;
	policy->of = of;
	for (unsigned int unit = 0; unit < ADAPTIVE_UNITS; unit++) {
		if (!of->adaptive[unit])
			continue;
		policy->adaptive[unit] = adaptive_new(NULL, unit, 0);
		if (!policy->adaptive[unit])
			return policy_free(policy);
		copy_learnt(policy->adaptive[unit], of->adaptive[unit]);
	}
	return policy;
}

int shadow_adopt_vm(struct policy_vm *vm)
{
	const struct policy_vm *from = policy_vm_find(vm->policy->of, vm->id);

	if (!from)
		return 0;
	vm->birth_tick = from->birth_tick;
	vm->costs = from->costs;
	vm_costs_changed(vm);
	if (!from->adaptive)
		return 0;
	if (vm_learn(vm) < 0)
		return -ENOMEM;
	/* Other costs count in another unit: it learns from the beginning. */
	if (vm->unit != from->unit)
		return 0;
	copy_learnt(vm->adaptive, from->adaptive);
	/* Lessons are taken over; plans are made by the shadow's own costs. */
	accept_plan(&vm->adaptive->accept);
	return 0;
}

bool shadow_adopt_region(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns)
{
	const struct policy_vm *from = policy_vm_find(vm->policy->of, vm->id);
	struct region_ref known = {.region = NULL};
	struct region *region = ref->region;
	enum phase phase;

	if (from)
		table_find(&from->table, region_rfn(ref), &known);
	if (!known.region)
		return false;
	phase = (enum phase)known.region->phase;
	*region = *known.region;
	region->phase = PHASE_NONE;
	if (phase == PHASE_SHARED || phase == PHASE_LARGE)
		vm_set_phase(vm, region, phase);
	if (phase == PHASE_LARGE)
		decide_watch(vm, ref, now_ns);
	if (phase == PHASE_SHARED || phase == PHASE_LARGE)
		return true;
	/* Whatever has become of it there: here it is decided on now. */
	region_forget_dry_run(region);
	vm_set_phase(vm, region, PHASE_WAIT);
	decide_plan(vm, ref, stamp_tick(region->stamp, tick_of(now_ns)) << TICK_SHIFT, now_ns);
	return true;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes back what a merge at @merge_tick of the interval's age has been counted for. */
static void uncount_merge(struct policy_vm *vm, uint64_t merge_tick, uint64_t age_tick,
			  enum lpage_reason reason)
{
	const struct policy_ledger *ledger = &vm->own.ledger;
	uint64_t merged_tick = age_tick > merge_tick ? age_tick - merge_tick : 0;
	uint64_t saved_ns = (uint64_t)rental_walk_ns(merged_tick, &vm->cost);

	/* It may have been merged before the shadow began: split by request since, which no conversion tells. */
	if (ledger->merges) {
		SUMS_ADD(vm, merges, -UINT64_C(1));
		SUMS_ADD(vm, reasons[LPAGE_REASON_NONE], -UINT64_C(1));
	}
	SUMS_ADD(vm, refusals, 1);
	SUMS_ADD(vm, reasons[reason], 1);
	SUMS_ADD(vm, spent_ns, vm->cost.fail_ns - smaller(ledger->spent_ns, vm->cost.merge_ns));
	SUMS_ADD(vm, walk_saved_ns, -smaller(ledger->walk_saved_ns, saved_ns));
}

int policy_disprove(struct policy *policy, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason,
		    uint64_t now_ns)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);
	struct region_ref ref;
	uint64_t age_tick, merge_tick;

	now_ns = policy_clock(policy, now_ns);
	if (!vm || rfn > POLICY_RFN_MAX)
		return -ENOENT;
	table_find(&vm->table, (uint32_t)rfn, &ref);
	if (!ref.region || !region_is_merged(ref.region))
		return 0;
	age_tick = tick_of(now_ns) - stamp_tick(ref.region->stamp, tick_of(now_ns));
	merge_tick = regret_merge_age_tick(vm, ref.region);
	/* Now is when it stops saving, and it begins to wait. */
	vm_set_phase(vm, ref.region, PHASE_WAIT);
	uncount_merge(vm, merge_tick, age_tick, reason);
	retry_later(vm, &ref, reason, now_ns);
	return 1;
}
