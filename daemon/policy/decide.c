// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "daemon/policy/internal.h"
#include <tdx-lpage/base.h>

#define FLIGHT_MAX_NS	(10 * NS_PER_S)
#define DEFER_TICKS	64
#define RETRY_STEPS_MAX 15
#define ACCEPT_MIN_NS	(NS_PER_MS / 4)
#define ACCEPT_MAX_NS	(1000 * NS_PER_MS)
#define ACCEPT_LAST_NS	(600000 * NS_PER_MS)

/* ---- VMs that have due regions ---- */

static void activate(struct policy_vm *vm)
{
	struct policy *policy = vm->policy;

	if (vm->active)
		return;
	vm->active = true;
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

void decide_deactivate(struct policy_vm *vm)
{
	struct policy *policy = vm->policy;

	if (!vm->active)
		return;
	vm->active = false;
	vm->prev_active->next_active = vm->next_active;
	vm->next_active->prev_active = vm->prev_active;
	if (policy->active == vm)
		policy->active = vm->next_active == vm ? NULL : vm->next_active;
}

/* ---- when to try ---- */

/* No try before this. A guest that did not accept in time gets more of it. */
static uint64_t first_try_ns(const struct policy_vm *vm, const struct region *region,
			     uint64_t start_ns)
{
	uint64_t quiet = vm->settings.min_quiet_ns;
	uint64_t accept = vm->accept_ns;

	if (region->retries && region->reason == LPAGE_REASON_NOT_ACCEPTED)
		accept = accept << region->retries;
	if (accept > ACCEPT_LAST_NS)
		accept = ACCEPT_LAST_NS;
	return start_ns + (quiet > accept ? quiet : accept);
}

/* Arms for the merge, or for the next note of the age, whichever comes first. */
static void plan_adaptive(struct policy_vm *vm, struct spot *spot, uint64_t start_ns,
			  uint64_t now_ns)
{
	uint64_t start = tick_of(start_ns);
	uint64_t age = adaptive_merge_age(vm->adaptive, spot->region, &vm->cost);
	uint64_t note = adaptive_next_note(spot->region);
	uint64_t first = tick_after(first_try_ns(vm, spot->region, start_ns));
	uint64_t due = age == NO_TICK ? NO_TICK : start + age;

	if (due < first)
		due = first;
	if (note != NO_TICK && start + note < due)
		due = start + note;
	if (due == NO_TICK)
		spot_disarm(spot);
	else
		spot_arm(&vm->policy->heap, spot, due, tick_of(now_ns));
}

static void plan_fixed(struct policy_vm *vm, struct spot *spot, uint64_t start_ns, uint64_t now_ns)
{
	uint64_t due_ns = first_try_ns(vm, spot->region, start_ns);
	uint64_t quiet_ns = start_ns + vm->settings.quiet_time_ns;

	if (vm->settings.policy == CONFIG_POLICY_THRESHOLD && due_ns < quiet_ns)
		due_ns = quiet_ns;
	spot_arm(&vm->policy->heap, spot, tick_after(due_ns), tick_of(now_ns));
}

static bool ruled_out(const struct policy_vm *vm)
{
	return vm->settings.policy == CONFIG_POLICY_NEVER || vm->settings.mode == CONFIG_MODE_OFF;
}

/* Has it had hold-after's number of conversions, that close together? */
static bool is_hot(const struct policy_vm *vm, const struct region *region)
{
	const struct config_count_per *limit = &vm->settings.hold_after;
	unsigned int enough = limit->count < PAST_MAX ? limit->count : PAST_MAX;
	uint64_t each = limit->count ? tick_of(limit->ns / limit->count) : 0;

	return limit->count && region->past >= enough && past_typical(region) <= each;
}

/* Asks for a hold; the region is tried once that has run out. */
static bool plan_hold(struct policy_vm *vm, struct spot *spot, uint64_t now_ns)
{
	struct queue_entry entry = {spot_rfn(spot), spot->region->stamp};
	struct queue_entry left;

	if (!is_hot(vm, spot->region) || queue_push(&vm->holds, entry, 1, &left) != 1)
		return false;
	vm_set_phase(vm, spot->region, PHASE_BACKOFF);
	spot_arm(&vm->policy->heap, spot, tick_after(now_ns + vm->settings.hold_for_ns),
		 tick_of(now_ns));
	activate(vm);
	return true;
}

void decide_plan(struct policy_vm *vm, struct spot *spot, uint64_t start_ns, uint64_t now_ns)
{
	if (ruled_out(vm)) {
		vm_set_phase(vm, spot->region, PHASE_SETTLED);
		spot_disarm(spot);
	} else if (plan_hold(vm, spot, now_ns)) {
		vm->policy->retry_ns = 0;
	} else if (vm->settings.policy == CONFIG_POLICY_ADAPTIVE) {
		plan_adaptive(vm, spot, start_ns, now_ns);
	} else {
		plan_fixed(vm, spot, start_ns, now_ns);
	}
}

void decide_watch(struct policy_vm *vm, struct spot *spot, uint64_t now_ns)
{
	uint64_t start = stamp_tick(spot->region->stamp, tick_of(now_ns));
	uint64_t note = adaptive_next_note(spot->region);

	if (vm->settings.policy != CONFIG_POLICY_ADAPTIVE || spot->region->whole || note == NO_TICK)
		spot_disarm(spot);
	else
		spot_arm(&vm->policy->heap, spot, start + note, tick_of(now_ns));
}

/* Calls decide_plan() anew for whatever waits. */
static void replan_spot(struct policy_vm *vm, struct spot *spot, uint64_t now_ns)
{
	struct region *region = spot->region;
	uint64_t start = stamp_tick(region->stamp, tick_of(now_ns)) << TICK_SHIFT;

	if (region->phase == PHASE_LARGE)
		decide_watch(vm, spot, now_ns);
	if (region->phase != PHASE_WAIT && region->phase != PHASE_QUEUED &&
	    region->phase != PHASE_SETTLED)
		return;
	if (region->reason == REASON_DRY)
		region->reason = LPAGE_REASON_NONE;
	vm_set_phase(vm, region, PHASE_WAIT);
	decide_plan(vm, spot, start, now_ns);
}

void decide_replan(struct policy_vm *vm, uint64_t now_ns)
{
	struct spot spot = {0};

	while (table_next(&vm->table, &spot))
		replan_spot(vm, &spot, now_ns);
}

/* ---- when to try again ---- */

struct backoff {
	uint64_t first_ns;
	uint64_t last_ns; /* 0: not before the region's next conversion */
};

/* By the kernel's reason. What does not change by itself is tried rarely. */
static struct backoff backoff_for(const struct policy_vm *vm, enum lpage_reason reason)
{
	switch (reason) {
	case LPAGE_REASON_NOT_ACCEPTED:
		return (struct backoff){2 * vm->accept_ns, ACCEPT_LAST_NS};
	case LPAGE_REASON_BUSY:
	case LPAGE_REASON_INTERRUPTED:
	case LPAGE_REASON_RATE_LIMITED:
		return (struct backoff){50 * NS_PER_MS, 10000 * NS_PER_MS};
	case LPAGE_REASON_TOO_RECENT:
		return (struct backoff){vm->settings.min_quiet_ns + 10 * NS_PER_MS,
					3600000 * NS_PER_MS};
	case LPAGE_REASON_INHIBITED:
	case LPAGE_REASON_NOT_MAPPED:
	case LPAGE_REASON_NO_MEMORY:
	case LPAGE_REASON_NOT_RUNNING:
	case LPAGE_REASON_DIRTY_LOGGING:
		return (struct backoff){1000 * NS_PER_MS, 600000 * NS_PER_MS};
	case LPAGE_REASON_HELD:
		return (struct backoff){10000 * NS_PER_MS, 600000 * NS_PER_MS};
	case LPAGE_REASON_VM_GONE:
	case LPAGE_REASON_MIXED:
	case LPAGE_REASON_NOT_PRIVATE:
		return (struct backoff){0, 0};
	default:
		return (struct backoff){10000 * NS_PER_MS, 3600000 * NS_PER_MS};
	}
}

/* The guest was slower, or quicker, than thought. */
static void learn_accept(struct policy_vm *vm, bool refused)
{
	if (refused)
		vm->accept_ns += vm->accept_ns;
	else
		vm->accept_ns -= vm->accept_ns / 64;
	if (vm->accept_ns < ACCEPT_MIN_NS)
		vm->accept_ns = ACCEPT_MIN_NS;
	if (vm->accept_ns > ACCEPT_MAX_NS)
		vm->accept_ns = ACCEPT_MAX_NS;
}

void decide_accepted(struct policy_vm *vm)
{
	learn_accept(vm, false);
}

void decide_retry(struct policy_vm *vm, struct spot *spot, enum lpage_reason reason,
		  uint64_t now_ns)
{
	struct region *region = spot->region;
	struct backoff backoff = backoff_for(vm, reason);
	uint64_t wait_ns = backoff.first_ns << region->retries;

	if (reason == LPAGE_REASON_NOT_ACCEPTED && !region->retries)
		learn_accept(vm, true);
	region->reason = reason & 31;
	if (region->retries < RETRY_STEPS_MAX)
		region->retries++;
	if (!backoff.last_ns) {
		vm_set_phase(vm, region, PHASE_SETTLED);
		spot_disarm(spot);
		return;
	}
	vm_set_phase(vm, region, PHASE_BACKOFF);
	if (wait_ns > backoff.last_ns)
		wait_ns = backoff.last_ns;
	spot_arm(&vm->policy->heap, spot, tick_after(now_ns + wait_ns), tick_of(now_ns));
}

struct policy_action decide_numbers(const struct policy_vm *vm, const struct region *region,
				    uint64_t rfn, uint64_t now_ns)
{
	uint64_t now = tick_of(now_ns);
	uint64_t start = stamp_tick(region->stamp, now);
	struct policy_action action = {
		.rfn = rfn,
		.quiet_ns = (now - start) << TICK_SHIFT,
		.cost_ns = vm->cost.merge_ns + vm->cost.split_ns,
	};

	action.threshold_ns = first_try_ns(vm, region, 0);
	if (vm->settings.policy == CONFIG_POLICY_ADAPTIVE) {
		struct adaptive_outlook outlook = adaptive_outlook(vm->adaptive, region);
		uint64_t age = adaptive_merge_age(vm->adaptive, region, &vm->cost);
		uint64_t age_ns = age < NO_TICK >> TICK_SHIFT ? age << TICK_SHIFT : NO_TICK;

		action.expected_ns = (uint64_t)outlook.expected_ticks << TICK_SHIFT;
		action.samples = (uint32_t)outlook.samples;
		action.cost_ns =
			vm->cost.merge_ns + (uint64_t)(outlook.ends * (double)vm->cost.split_ns);
		if (action.threshold_ns < age_ns)
			action.threshold_ns = age_ns;
	} else {
		/* Without experience: as long again as it has been quiet. */
		action.expected_ns = action.quiet_ns;
		if (vm->settings.policy == CONFIG_POLICY_THRESHOLD &&
		    action.threshold_ns < vm->settings.quiet_time_ns)
			action.threshold_ns = vm->settings.quiet_time_ns;
	}
	action.saving_ns =
		(uint64_t)((double)action.expected_ns * (double)vm->cost.walk_ns_per_s / NS_PER_S);
	return action;
}

static void enqueue(struct policy_vm *vm, struct spot *spot, uint64_t now)
{
	struct heap *heap = &vm->policy->heap;
	struct policy_action numbers = decide_numbers(vm, spot->region, 0, now << TICK_SHIFT);
	struct queue_entry entry = {spot_rfn(spot), spot->region->stamp};
	struct queue_entry left;
	int result = queue_push(&vm->queue, entry,
				(double)numbers.saving_ns / (double)numbers.cost_ns, &left);

	if (result <= 0) {
		/* Better ones fill the queue: ask again a little later. */
		vm_set_phase(vm, spot->region, PHASE_BACKOFF);
		spot_arm(heap, spot, now + DEFER_TICKS, now);
		return;
	}
	vm_set_phase(vm, spot->region, PHASE_QUEUED);
	activate(vm);
	if (result == 2) {
		struct spot other;

		table_find(&vm->table, left.rfn, &other);
		if (other.region && other.region->phase == PHASE_QUEUED &&
		    other.region->stamp == left.stamp) {
			vm_set_phase(vm, other.region, PHASE_BACKOFF);
			spot_arm(heap, &other, now + DEFER_TICKS, now);
		}
	}
}

/* Is a waiting region due, or was it only its age that had to be noted? */
static bool still_waits(struct policy_vm *vm, struct spot *spot, uint64_t start, uint64_t now)
{
	if (vm->settings.policy != CONFIG_POLICY_ADAPTIVE)
		return false;
	adaptive_note_age(vm->adaptive, spot->region, now - start);
	plan_adaptive(vm, spot, start << TICK_SHIFT, now << TICK_SHIFT);
	if (spot_due(spot, now) > now)
		return true;
	spot_disarm(spot);
	return false;
}

void decide_expired(struct policy_vm *vm, struct spot *spot, uint64_t now)
{
	struct region *region = spot->region;
	uint64_t start = stamp_tick(region->stamp, now);

	switch (region->phase) {
	case PHASE_LARGE:
		adaptive_note_age(vm->adaptive, region, now - start);
		decide_watch(vm, spot, now << TICK_SHIFT);
		break;
	case PHASE_WAIT:
		if (!still_waits(vm, spot, start, now))
			enqueue(vm, spot, now);
		break;
	case PHASE_FLIGHT: /* the answer was lost; the next dump tells what became of it */
	case PHASE_BACKOFF:
		enqueue(vm, spot, now);
		break;
	default:
		break;
	}
}

enum lpage_reason decide_gate(const struct policy_vm *vm)
{
	if (vm->gate != LPAGE_REASON_NONE)
		return vm->gate;
	if (ruled_out(vm))
		return LPAGE_REASON_RULE;
	return vm->policy->paused ? LPAGE_REASON_PAUSED : LPAGE_REASON_NONE;
}

/* ---- batches ---- */

static bool is_dry(const struct policy_vm *vm)
{
	return vm->settings.dry_run || vm->policy->global.dry_run;
}

/* Hands out one region. */
static void take_off(struct policy_vm *vm, struct spot *spot, struct policy_batch *batch,
		     uint64_t now_ns)
{
	struct region *region = spot->region;

	batch->actions[batch->nr++] = decide_numbers(vm, region, spot_rfn(spot), now_ns);
	if (is_dry(vm)) {
		vm->ledger.dry_run_merges++;
		region->reason = REASON_DRY;
		vm_set_phase(vm, region, PHASE_SETTLED);
		return;
	}
	vm->ledger.tries++;
	vm_set_phase(vm, region, PHASE_FLIGHT);
	spot_arm(&vm->policy->heap, spot, tick_after(now_ns + FLIGHT_MAX_NS), tick_of(now_ns));
}

static void fill_batch(struct policy_vm *vm, struct policy_batch *batch, unsigned int want,
		       uint64_t now_ns)
{
	struct queue_entry entry;

	*batch = (struct policy_batch){
		.vm_id = vm->id,
		.op = POLICY_OP_MERGE,
		.gate = is_dry(vm) ? LPAGE_REASON_DRY_RUN : LPAGE_REASON_NONE,
	};
	while (batch->nr < want && queue_pop(&vm->queue, &entry)) {
		struct spot spot;

		table_find(&vm->table, entry.rfn, &spot);
		/* It may have been converted since. */
		if (spot.region && spot.region->phase == PHASE_QUEUED &&
		    spot.region->stamp == entry.stamp)
			take_off(vm, &spot, batch, now_ns);
	}
	if (!vm->queue.nr && !vm->holds.nr)
		decide_deactivate(vm);
}

/* Holds cost next to nothing: no budget applies. */
static void fill_holds(struct policy_vm *vm, struct policy_batch *batch, uint64_t now_ns)
{
	struct queue_entry entry;

	*batch = (struct policy_batch){
		.vm_id = vm->id,
		.op = POLICY_OP_HOLD,
		.gate = is_dry(vm) ? LPAGE_REASON_DRY_RUN : LPAGE_REASON_NONE,
		.hold_ns = vm->settings.hold_for_ns,
	};
	while (batch->nr < POLICY_BATCH_MAX && queue_pop(&vm->holds, &entry)) {
		struct spot spot;

		table_find(&vm->table, entry.rfn, &spot);
		if (!spot.region || spot.region->stamp != entry.stamp ||
		    spot.region->phase != PHASE_BACKOFF)
			continue;
		batch->actions[batch->nr++] = decide_numbers(vm, spot.region, entry.rfn, now_ns);
		vm->ledger.holds++;
	}
	if (!vm->queue.nr && !vm->holds.nr)
		decide_deactivate(vm);
}

/* Serves one VM; 0 when a gate or limit is shut, or nothing was left to do. */
static int serve(struct policy_vm *vm, struct policy_batch *ret, uint64_t now_ns)
{
	struct policy *policy = vm->policy;
	enum lpage_reason reason;
	uint64_t until_ns;
	unsigned int allowed;

	if (decide_gate(vm) != LPAGE_REASON_NONE)
		return 0;
	fill_holds(vm, ret, now_ns);
	if (ret->nr)
		return 1;
	if (!vm->active)
		return 0;
	allowed = budget_allow(vm, vm->settings.batch, now_ns, &reason, &until_ns);
	if (!allowed) {
		if (until_ns < policy->retry_ns)
			policy->retry_ns = until_ns;
		return 0;
	}
	fill_batch(vm, ret, allowed < POLICY_BATCH_MAX ? allowed : POLICY_BATCH_MAX, now_ns);
	if (!ret->nr)
		return 0;
	budget_charge(vm, ret->nr, now_ns);
	if (vm->active)
		policy->active = vm->next_active;
	return 1;
}

int policy_next_batch(struct policy *policy, uint64_t now_ns, struct policy_batch *ret)
{
	struct policy_vm *vm;
	size_t nr = 0;

	now_ns = policy_clock(policy, now_ns);
	while (heap_due(&policy->heap) <= tick_of(now_ns))
		heap_expire_first(&policy->heap, tick_of(now_ns), decide_expired);
	policy->retry_ns = POLICY_NO_DEADLINE;
	vm = policy->active;
	for (struct policy_vm *i = vm; i; i = i->next_active == vm ? NULL : i->next_active)
		nr++;
	while (nr-- > 0 && policy->active) {
		vm = policy->active;
		if (serve(vm, ret, now_ns)) {
			policy->retry_ns = 0;
			return 1;
		}
		if (policy->active == vm)
			policy->active = vm->next_active;
	}
	return 0;
}

uint64_t policy_next_deadline(const struct policy *policy, uint64_t now_ns)
{
	uint64_t due = heap_due(&policy->heap);
	uint64_t due_ns = due == NO_TICK ? POLICY_NO_DEADLINE : due << TICK_SHIFT;

	(void)now_ns;
	return due_ns < policy->retry_ns ? due_ns : policy->retry_ns;
}
