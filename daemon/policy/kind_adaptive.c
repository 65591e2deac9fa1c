// SPDX-License-Identifier: GPL-2.0-or-later
/* Policy `adaptive`: merges at the age that past intervals suggest. */
#include <tdx-lpage/base.h>

#include "daemon/policy/accept.h"
#include "daemon/policy/internal.h"
#include "daemon/policy/kind.h"

static void plan(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns, uint64_t now_ns)
{
	uint64_t start_tick = tick_of(start_ns);
	uint64_t age_tick = adaptive_merge_age_tick(vm->adaptive, ref->region, &vm->cost);
	uint64_t look_tick = adaptive_next_look_tick(ref->region);
	uint64_t first_tick = tick_after(accept_first_try_ns(vm, ref->region, start_ns));
	uint64_t due_tick = age_tick == NO_TICK ? NO_TICK : start_tick + age_tick;

	if (due_tick < first_tick)
		due_tick = first_tick;
	if (look_tick != NO_TICK && start_tick + look_tick < due_tick)
		due_tick = start_tick + look_tick;
	if (due_tick == NO_TICK)
		region_disarm(ref);
	else
		region_arm(&vm->policy->heap, ref, due_tick, tick_of(now_ns));
}

static uint64_t next_look_tick(const struct region *region)
{
	return region->whole ? NO_TICK : adaptive_next_look_tick(region);
}

static void note_age(struct policy_vm *vm, struct region *region, uint64_t age_tick)
{
	adaptive_note_age(vm->adaptive, region, age_tick);
}

static void outlook(const struct policy_vm *vm, const struct region *region,
		    struct policy_action *ret)
{
	struct adaptive_outlook outlook = adaptive_outlook(vm->adaptive, region);
	uint64_t age_tick = adaptive_merge_age_tick(vm->adaptive, region, &vm->cost);
	uint64_t age_ns = age_tick < NO_TICK >> TICK_SHIFT ? age_tick << TICK_SHIFT : NO_TICK;

	ret->expected_ns = (uint64_t)outlook.expected_tick << TICK_SHIFT;
	ret->samples = (uint32_t)outlook.samples;
	ret->cost_ns = vm->cost.merge_ns + (uint64_t)(outlook.ends * (double)vm->cost.split_ns);
	if (ret->threshold_ns < age_ns)
		ret->threshold_ns = age_ns;
}

const struct policy_kind policy_kind_adaptive = {
	.plan = plan,
	.next_look_tick = next_look_tick,
	.note_age = note_age,
	.outlook = outlook,
};
