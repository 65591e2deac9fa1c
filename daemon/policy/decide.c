// SPDX-License-Identifier: GPL-2.0-or-later
/* When a region is to be tried: plans, and what becomes of them when their time has come. */
#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/kind.h"
#include "daemon/policy/ring.h"

/* Has it had hold-after's number of conversions, that close together? */
static bool is_hot(const struct policy_vm *vm, const struct region *region)
{
	const struct config_count_per *limit = &vm->settings.hold_after;
	unsigned int enough = limit->count < PAST_MAX ? limit->count : PAST_MAX;
	uint64_t each_tick = limit->count ? tick_of(limit->ns / limit->count) : 0;

	return limit->count && region->past >= enough &&
	       adaptive_typical_tick(vm->adaptive, region) <= each_tick;
}

/* Asks for a hold; the region is tried once that has run out. */
static bool plan_hold(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns)
{
	struct queue_entry entry = {region_rfn(ref), ref->region->stamp};
	struct queue_entry left;

	if (!is_hot(vm, ref->region) || queue_push(&vm->holds, entry, 1, &left) != 1)
		return false;
	vm_weigh(vm);
	vm_set_phase(vm, ref->region, PHASE_BACKOFF);
	region_arm(&vm->policy->heap, ref, tick_after(now_ns + vm->settings.hold_for_ns),
		   tick_of(now_ns));
	ring_add(vm);
	return true;
}

uint64_t decide_try_tick(const struct policy_vm *vm, const struct region *region,
			 uint64_t refused_tick)
{
	const struct policy_kind *kind = policy_kind_of(vm);
	uint64_t quiet_tick = tick_after(vm->settings.min_quiet_ns);
	uint64_t age_tick = refused_tick   ? refused_tick :
			    kind->age_tick ? kind->age_tick(vm, region) :
					     0;
	uint64_t due_tick = accept_try_tick(&vm->adaptive->accept, region, age_tick,
					    refused_tick > 0, &vm->cost);

	if (kind->learns) {
		uint64_t bound_tick = rental_within_bound(region, due_tick, &vm->cost);

		/* What was refused is not tried any sooner for that. */
		if (!refused_tick || (bound_tick > due_tick && bound_tick != NO_TICK))
			due_tick = bound_tick;
	}
	return due_tick < quiet_tick ? quiet_tick : due_tick;
}

/* The age at which a region is looked at to learn from it, NO_TICK: not at all. */
static uint64_t look_tick(const struct policy_vm *vm, const struct region *region)
{
	return policy_kind_of(vm)->learns && !region->whole ?
		       adaptive_next_look_tick(vm->adaptive, region) :
		       NO_TICK;
}

/* Arms a region at an age; NO_TICK: takes it back. */
static void arm(struct policy_vm *vm, struct region_ref *ref, uint64_t start_tick,
		uint64_t age_tick, uint64_t now_ns)
{
	if (age_tick == NO_TICK)
		region_disarm(ref);
	else
		region_arm(&vm->policy->heap, ref, start_tick + age_tick, tick_of(now_ns));
}

/* For its try, or for the next look at it. */
static void arm_waiting(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns,
			uint64_t now_ns)
{
	uint64_t due_tick = decide_try_tick(vm, ref->region, 0);
	uint64_t next_tick = look_tick(vm, ref->region);

	arm(vm, ref, tick_after(start_ns), due_tick < next_tick ? due_tick : next_tick, now_ns);
}

void decide_plan(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns, uint64_t now_ns)
{
	if (!policy_kind_of(vm)->age_tick) {
		vm_set_phase(vm, ref->region, PHASE_SETTLED);
		region_disarm(ref);
	} else if (plan_hold(vm, ref, now_ns)) {
		vm->policy->retry_ns = 0;
	} else {
		arm_waiting(vm, ref, start_ns, now_ns);
	}
}

void decide_watch(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns)
{
	uint64_t start_tick = stamp_tick(ref->region->stamp, tick_of(now_ns));

	arm(vm, ref, start_tick, look_tick(vm, ref->region), now_ns);
}

/* Calls decide_plan() anew for what waits. */
void decide_replan(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns)
{
	struct region *region = ref->region;
	uint64_t start_ns = stamp_tick(region->stamp, tick_of(now_ns)) << TICK_SHIFT;

	if (vm->forgets)
		adaptive_forget(region);
	if (region->phase == PHASE_LARGE)
		decide_watch(vm, ref, now_ns);
	if (region->phase != PHASE_WAIT && region->phase != PHASE_QUEUED &&
	    region->phase != PHASE_SETTLED)
		return;
	region_forget_dry_run(region);
	vm_set_phase(vm, region, PHASE_WAIT);
	decide_plan(vm, ref, start_ns, now_ns);
}

struct policy_action decide_numbers(const struct policy_vm *vm, const struct region *region,
				    uint64_t rfn, uint64_t now_ns)
{
	uint64_t now_tick = tick_of(now_ns);
	uint64_t due_tick = decide_try_tick(vm, region, 0);
	struct policy_action action = {
		.rfn = rfn,
		.quiet_ns = (now_tick - stamp_tick(region->stamp, now_tick)) << TICK_SHIFT,
		.threshold_ns = due_tick == NO_TICK ? NO_TICK : due_tick << TICK_SHIFT,
		.cost_ns = vm->cost.merge_ns + vm->cost.split_ns,
	};

	policy_kind_of(vm)->outlook(vm, region, &action);
	action.saving_ns =
		(uint64_t)((double)action.expected_ns * (double)vm->cost.walk_ns_per_s / NS_PER_S);
	return action;
}

bool decide_enqueue(struct policy_vm *vm, struct region_ref *ref, uint64_t now_tick)
{
	struct policy_action numbers = decide_numbers(vm, ref->region, 0, now_tick << TICK_SHIFT);
	struct queue_entry entry = {region_rfn(ref), ref->region->stamp};
	struct queue_entry left;
	int result = queue_push(&vm->queue, entry,
				(double)numbers.saving_ns / (double)numbers.cost_ns, &left);

	vm_weigh(vm);
	vm_set_phase(vm, ref->region, PHASE_QUEUED);
	ring_add(vm);
	/* This one, or the one that left, is due without a place: backlog_fetch() finds it. */
	if (result != 1)
		vm->backlog.missed = true;
	return result >= 0;
}

/* Is a waiting region due, or was it only its age that had to be noted? */
static bool still_waits(struct policy_vm *vm, struct region_ref *ref, uint64_t start_tick,
			uint64_t now_tick)
{
	if (!policy_kind_of(vm)->learns)
		return false;
	adaptive_note_age(vm->adaptive, ref->region, now_tick - start_tick);
	arm_waiting(vm, ref, start_tick << TICK_SHIFT, now_tick << TICK_SHIFT);
	if (region_due_tick(ref, now_tick) > now_tick)
		return true;
	region_disarm(ref);
	return false;
}

void decide_expired(struct policy_vm *vm, struct region_ref *ref, uint64_t now_tick)
{
	struct region *region = ref->region;
	uint64_t start_tick = stamp_tick(region->stamp, now_tick);

	vm->policy->decisions++;
	switch (region->phase) {
	case PHASE_LARGE:
		adaptive_note_age(vm->adaptive, region, now_tick - start_tick);
		decide_watch(vm, ref, now_tick << TICK_SHIFT);
		break;
	case PHASE_WAIT:
		if (!still_waits(vm, ref, start_tick, now_tick))
			(void)decide_enqueue(vm, ref, now_tick);
		break;
	case PHASE_FLIGHT: /* the answer was lost; the next dump shows what became of it */
	case PHASE_BACKOFF:
		(void)decide_enqueue(vm, ref, now_tick);
		break;
	default:
		break;
	}
}

enum lpage_reason decide_gate(const struct policy_vm *vm)
{
	if (vm->gate != LPAGE_REASON_NONE)
		return vm->gate;
	if (!policy_kind_of(vm)->age_tick)
		return LPAGE_REASON_RULE;
	return vm->policy->paused ? LPAGE_REASON_PAUSED : LPAGE_REASON_NONE;
}
