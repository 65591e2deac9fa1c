// SPDX-License-Identifier: GPL-2.0-or-later
/* Hands out what is due, VM by VM, as far as gates and budgets allow. */
#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/ring.h"
#include "daemon/policy/sums.h"

/* After this a batch without an answer counts as lost: twice the daemon's own deadline for outcomes. */
#define FLIGHT_MAX_NS (10 * NS_PER_S)

/* VMs that are asked for a batch in one call: those behind a shut gate have none. */
#define SERVE_SLICE 1024

static bool is_dry(const struct policy_vm *vm)
{
	return vm->settings.dry_run || vm->policy->global.dry_run;
}

/* Hands out one region. */
static void take_off(struct policy_vm *vm, struct region_ref *ref, struct policy_batch *batch,
		     uint64_t now_ns)
{
	struct region *region = ref->region;

	batch->actions[batch->nr++] = decide_numbers(vm, region, region_rfn(ref), now_ns);
	if (is_dry(vm)) {
		SUMS_ADD(vm, dry_run_merges, 1);
		region->reason = REASON_DRY;
		vm_set_phase(vm, region, PHASE_SETTLED);
		return;
	}
	SUMS_ADD(vm, tries, 1);
	vm_set_phase(vm, region, PHASE_FLIGHT);
	region_arm(&vm->policy->heap, ref, tick_after(now_ns + FLIGHT_MAX_NS), tick_of(now_ns));
}

static bool has_due_regions(const struct policy_vm *vm)
{
	return vm->queue.nr || vm->holds.nr || backlog_waits(vm);
}

/* The next region of a queue that still waits there: it may have been converted since. */
static bool take_next(struct policy_vm *vm, struct queue *queue, enum phase phase,
		      struct region_ref *ret)
{
	struct queue_entry entry;

	while (queue_pop(queue, &entry)) {
		table_find(&vm->table, entry.rfn, ret);
		if (ret->region && ret->region->phase == phase && ret->region->stamp == entry.stamp)
			return true;
	}
	return false;
}

static void fill_batch(struct policy_vm *vm, struct policy_batch *batch, unsigned int want,
		       uint64_t now_ns)
{
	struct region_ref ref;

	*batch = (struct policy_batch){
		.vm_id = vm->id,
		.op = POLICY_OP_MERGE,
		.gate = is_dry(vm) ? LPAGE_REASON_DRY_RUN : LPAGE_REASON_NONE,
	};
	while (batch->nr < want && take_next(vm, &vm->queue, PHASE_QUEUED, &ref))
		take_off(vm, &ref, batch, now_ns);
	if (!has_due_regions(vm))
		ring_remove(vm);
}

/* Holds cost next to nothing: no budget applies. */
static void fill_holds(struct policy_vm *vm, struct policy_batch *batch, uint64_t now_ns)
{
	struct region_ref ref;

	*batch = (struct policy_batch){
		.vm_id = vm->id,
		.op = POLICY_OP_HOLD,
		.gate = is_dry(vm) ? LPAGE_REASON_DRY_RUN : LPAGE_REASON_NONE,
		.hold_ns = vm->settings.hold_for_ns,
	};
	while (batch->nr < POLICY_BATCH_MAX && take_next(vm, &vm->holds, PHASE_BACKOFF, &ref)) {
		batch->actions[batch->nr++] =
			decide_numbers(vm, ref.region, region_rfn(&ref), now_ns);
		SUMS_ADD(vm, holds, 1);
	}
	if (!has_due_regions(vm))
		ring_remove(vm);
}

/* A walk, or what is left of it, goes on at the next call. */
static void serve_again(const struct policy_vm *vm, uint64_t now_ns)
{
	struct policy *policy = vm->policy;
	uint64_t again_ns = vm->backlog.retry_ns > now_ns ? vm->backlog.retry_ns : now_ns;

	if (vm->active && again_ns < policy->retry_ns)
		policy->retry_ns = again_ns;
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
	budget_fill(vm, now_ns);
	allowed = budget_allow(vm, vm->settings.batch, now_ns, &reason, &until_ns);
	if (!allowed) {
		if (until_ns < policy->retry_ns)
			policy->retry_ns = until_ns;
		return 0;
	}
	if (!vm->queue.nr)
		backlog_fetch(vm, now_ns);
	fill_batch(vm, ret, allowed < POLICY_BATCH_MAX ? allowed : POLICY_BATCH_MAX, now_ns);
	if (!ret->nr) {
		serve_again(vm, now_ns);
		return 0;
	}
	budget_charge(vm, ret->nr, now_ns);
	if (vm->active)
		policy->active = vm->next_active;
	return 1;
}

/* Serves those whose turn it is in this round: the first with a batch, or none. */
static int serve_some(struct policy *policy, struct policy_batch *ret, uint64_t now_ns)
{
	for (unsigned int i = 0; i < SERVE_SLICE && policy->round_left && policy->active; i++) {
		struct policy_vm *vm = policy->active;

		policy->round_left--;
		if (serve(vm, ret, now_ns))
			return 1;
		if (policy->active == vm)
			policy->active = vm->next_active;
	}
	return 0;
}

/* A round ends with a batch, or when all VMs with due regions had none to give. */
static int go_round(struct policy *policy, struct policy_batch *ret, uint64_t now_ns)
{
	bool is_new = !policy->retry_ns || !policy->round_left;

	if (is_new)
		policy->round_left = policy->nr_active;
	policy->retry_ns = is_new ? POLICY_NO_DEADLINE : policy->round_retry_ns;
	if (serve_some(policy, ret, now_ns)) {
		policy->round_left = 0;
		policy->retry_ns = 0;
		return 1;
	}
	policy->round_retry_ns = policy->retry_ns;
	if (!policy->active)
		policy->round_left = 0;
	/* It goes on at the next call: not with a new round, as 0 would. */
	if (policy->round_left)
		policy->retry_ns = 1;
	return 0;
}

int policy_next_batch(struct policy *policy, uint64_t now_ns, struct policy_batch *ret)
{
	now_ns = policy_clock(policy, now_ns);
	if (policy->nr_lost)
		return 0;
	backlog_begin_slice(policy);
	backlog_replan(policy, now_ns);
	backlog_expire(policy, now_ns);
	return go_round(policy, ret, now_ns);
}

uint64_t policy_next_deadline(const struct policy *policy)
{
	uint64_t due_tick = chunks_due_tick(&policy->heap);
	uint64_t due_ns = due_tick == NO_TICK ? POLICY_NO_DEADLINE : due_tick << TICK_SHIFT;

	if (policy->nr_lost)
		return POLICY_NO_DEADLINE;
	if (backlog_replans(policy))
		return 0;
	return due_ns < policy->retry_ns ? due_ns : policy->retry_ns;
}
