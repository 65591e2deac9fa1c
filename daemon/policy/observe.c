// SPDX-License-Identifier: GPL-2.0-or-later
/* What was seen of regions, and the intervals that follow from it. */
#include "daemon/policy/internal.h"

#include <errno.h>

#include <linux/kvm_lpage.h>

#include "daemon/policy/regret.h"
#include "daemon/policy/retry.h"
#include "daemon/policy/sums.h"

/* Regions; the work on so many takes as long as memory takes to answer. */
#define FETCH_AHEAD 4

/* A merge is undone, by a split unless all pages went: was it for nothing? @age_tick: since the conversion. */
static void count_undone(struct policy_vm *vm, const struct region *region, uint64_t age_tick,
			 bool whole)
{
	uint64_t merge_tick = regret_merge_age_tick(vm, region);
	uint64_t merged_tick = age_tick > merge_tick ? age_tick - merge_tick : 0;
	uint64_t split_ns = whole ? 0 : vm->cost.split_ns;
	double regret_ns =
		(double)(vm->cost.merge_ns + split_ns) - rental_walk_ns(merged_tick, &vm->cost);

	SUMS_ADD(vm, splits, !whole);
	SUMS_ADD(vm, split_ns, split_ns);
	if (regret_ns <= 0)
		return;
	SUMS_ADD(vm, regrets, 1);
	SUMS_ADD(vm, regret_ns, (uint64_t)regret_ns);
}

/* The conversion that ended a region's interval came at @end_tick. @whole: of all pages. */
static void interval_end(struct policy_vm *vm, struct region_ref *ref, uint64_t end_tick,
			 bool whole, uint64_t now_ns)
{
	struct region *region = ref->region;
	uint64_t start_tick = stamp_tick(region->stamp, tick_of(now_ns));
	uint64_t age_tick = end_tick > start_tick ? end_tick - start_tick : 0;

	region_disarm(ref);
	if (region->phase == PHASE_LARGE && region->whole)
		return;
	adaptive_note_end(vm->adaptive, region, age_tick, region_is_merged(region), whole,
			  &vm->cost);
	if (region_is_merged(region))
		count_undone(vm, region, age_tick, whole);
}

static void interval_start(struct policy_vm *vm, struct region_ref *ref,
			   const struct policy_observation *obs, uint64_t start_ns, uint64_t now_ns)
{
	struct region *region = ref->region;

	region->stamp = (uint32_t)tick_of(start_ns);
	region_forget_dry_run(region);
	if (region_is_late(region))
		region->retries = 0;
	adaptive_note_start(
		vm->adaptive, region,
		start_ns > obs->last_to_shared_ns ? tick_of(start_ns - obs->last_to_shared_ns) : 0,
		obs->to_shared_pages);
	vm_set_phase(vm, region, PHASE_WAIT);
	decide_plan(vm, ref, start_ns, now_ns);
}

static bool is_shared(const struct policy_observation *obs)
{
	return obs->to_shared_pages != obs->to_private_pages || obs->state == KVM_LPAGE_STATE_MIXED;
}

/* Is it large again by itself, because it was converted as a whole? */
static bool is_large(const struct region *region, const struct policy_observation *obs)
{
	if (obs->state != POLICY_STATE_UNKNOWN)
		return obs->state != KVM_LPAGE_STATE_TABLE;
	return region->whole;
}

static void count_conversion(struct policy_vm *vm, const struct policy_observation *obs)
{
	uint64_t now_tick = tick_of(vm->policy->now_ns);
	uint64_t busy_tick = tick_of(obs->last_to_shared_ns);

	SUMS_ADD(vm, conversions, 1);
	adaptive_note_busy(vm->adaptive, busy_tick,
			   busy_tick < now_tick ? now_tick - busy_tick : 0);
}

static void found_shared(struct policy_vm *vm, struct region_ref *ref,
			 const struct policy_observation *obs, uint64_t now_ns)
{
	struct region *region = ref->region;
	bool all = obs->to_shared_pages - obs->to_private_pages == REGION_PAGES;

	if (region->phase == PHASE_SHARED)
		return;
	if (region->phase != PHASE_NONE)
		interval_end(vm, ref, tick_of(obs->last_to_shared_ns), all, now_ns);
	count_conversion(vm, obs);
	vm_set_phase(vm, region, PHASE_SHARED);
	region->whole = all;
}

static void found_private(struct policy_vm *vm, struct region_ref *ref,
			  const struct policy_observation *obs, uint64_t now_ns)
{
	struct region *region = ref->region;
	uint64_t start_ns = obs->last_to_private_ns ? obs->last_to_private_ns : now_ns;

	if (region->phase != PHASE_SHARED) {
		/* Shared and back since it was last looked at. All pages, if the total says so. */
		bool all = obs->to_shared_pages && obs->to_shared_pages % REGION_PAGES == 0;

		if (region->phase != PHASE_NONE)
			interval_end(vm, ref, tick_of(obs->last_to_shared_ns), all, now_ns);
		vm_set_phase(vm, region, PHASE_SHARED);
		region->whole = all;
		count_conversion(vm, obs);
	}
	if (is_large(region, obs)) {
		region->stamp = (uint32_t)tick_of(start_ns);
		region->whole = 1;
		vm_set_phase(vm, region, PHASE_LARGE);
		return;
	}
	region->whole = 0;
	interval_start(vm, ref, obs, start_ns, now_ns);
}

/* No conversion since: what else may have changed. */
static void found_same(struct policy_vm *vm, struct region_ref *ref,
		       const struct policy_observation *obs, uint64_t now_ns)
{
	struct region *region = ref->region;

	if (obs->state == KVM_LPAGE_STATE_LARGE && region->phase != PHASE_LARGE) {
		/* Merged by somebody else, or by us and the answer was lost. */
		vm_merged(vm, ref, now_ns);
	} else if (region->phase == PHASE_FLIGHT) {
		return;
	} else if (obs->state == KVM_LPAGE_STATE_TABLE && region->phase == PHASE_LARGE) {
		/* In this order: one that was large as a whole is not one that was merged. */
		vm_set_phase(vm, region, PHASE_WAIT);
		region->whole = 0;
		interval_start(vm, ref, obs, now_ns, now_ns);
	} else if (obs->held && (region->phase == PHASE_WAIT || region->phase == PHASE_QUEUED)) {
		retry_later(vm, ref, LPAGE_REASON_HELD, now_ns);
	}
}

/* Has it left `large` as far as we know? */
static bool is_worth_tracking(const struct policy_observation *obs)
{
	return obs->to_shared_pages || obs->to_private_pages ||
	       obs->state == KVM_LPAGE_STATE_TABLE || obs->state == KVM_LPAGE_STATE_MIXED;
}

/* Starts to track a region; what a VM learns takes memory from its first one on. */
static int track(struct policy_vm *vm, uint32_t rfn, uint64_t now_ns, struct region_ref *ret)
{
	int err = vm->adaptive ? 0 : vm_learn(vm);

	if (!err)
		err = table_get(vm, &vm->table, &vm->policy->heap, rfn, tick_of(now_ns), ret);
	if (!err)
		sums_enter_region(vm, PHASE_NONE);
	/* A part of it may be there even so. */
	vm_weigh(vm);
	return err;
}

/*
 * Finds the region, or starts to track it, if that is worth it. *@ret_acted: it is a shadow's, and has been seen
 * before, so that its state is what others made of it.
 */
static int find_or_track(struct policy_vm *vm, const struct policy_observation *obs,
			 uint64_t now_ns, struct region_ref *ret, bool *ret_acted)
{
	int err;

	table_find(&vm->table, (uint32_t)obs->rfn, ret);
	*ret_acted = vm->policy->of;
	if (ret->region || !is_worth_tracking(obs))
		return 0;
	err = track(vm, (uint32_t)obs->rfn, now_ns, ret);
	if (!err && vm->policy->of)
		*ret_acted = shadow_adopt_region(vm, ret, now_ns);
	return err;
}

static int observe(struct policy_vm *vm, const struct policy_observation *obs, uint64_t now_ns)
{
	struct policy_observation seen = *obs;
	struct region_ref ref;
	bool acted;
	int err;

	if (obs->rfn > POLICY_RFN_MAX)
		return -ERANGE;
	err = find_or_track(vm, obs, now_ns, &ref, &acted);
	if (err || !ref.region)
		return err;
	/* To a shadow, large or not is what others did. */
	if (acted && seen.state != KVM_LPAGE_STATE_MIXED)
		seen.state = POLICY_STATE_UNKNOWN;
	if (is_shared(&seen))
		found_shared(vm, &ref, &seen, now_ns);
	else if (ref.region->phase == PHASE_NONE || ref.region->phase == PHASE_SHARED ||
		 tick_of(obs->last_to_shared_ns) > stamp_tick(ref.region->stamp, tick_of(now_ns)))
		found_private(vm, &ref, &seen, now_ns);
	else
		found_same(vm, &ref, &seen, now_ns);
	return 0;
}

int policy_observe_all(struct policy *policy, uint32_t vm_id, const struct policy_observation *obs,
		       size_t nr, uint64_t now_ns)
{
	struct policy_vm *vm = vm_use(policy, vm_id);
	int ret = 0;

	now_ns = policy_clock(policy, now_ns);
	if (!vm)
		return -ENOENT;
	for (size_t i = 0; i < nr; i++) {
		int err;

		if (i + 2 * FETCH_AHEAD < nr)
			table_prefetch_chunk(&vm->table, (uint32_t)obs[i + 2 * FETCH_AHEAD].rfn);
		if (i + FETCH_AHEAD < nr)
			table_prefetch(&vm->table, (uint32_t)obs[i + FETCH_AHEAD].rfn);
		err = observe(vm, &obs[i], now_ns);
		/* Memory may come back: nothing else must hide that it is worth to try again. */
		ret = !ret || err == -ENOMEM ? err : ret;
	}
	return ret;
}

int policy_observe(struct policy *policy, uint32_t vm_id, const struct policy_observation *obs,
		   uint64_t now_ns)
{
	return policy_observe_all(policy, vm_id, obs, 1, now_ns);
}

int policy_forget(struct policy *policy, uint32_t vm_id, uint64_t rfn)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);
	struct region_ref ref;

	if (!vm || rfn > POLICY_RFN_MAX)
		return -ENOENT;
	table_find(&vm->table, (uint32_t)rfn, &ref);
	if (!ref.region)
		return -ENOENT;
	vm_set_phase(vm, ref.region, PHASE_NONE);
	sums_leave_region(vm, PHASE_NONE);
	table_drop(&vm->table, &ref);
	return 0;
}
