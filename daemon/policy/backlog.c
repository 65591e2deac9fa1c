// SPDX-License-Identifier: GPL-2.0-or-later
/* Work on many regions, in slices: the caller has other things to do in between. */
#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"

/*
 * Regions per call of policy_next_batch(): decided, and looked at in search of some. Both take well
 * under a millisecond. Higher: the event loop is busy for longer at a time; lower: a burst takes more
 * turns of it.
 */
#define DECIDE_SLICE 1024
#define SEARCH_SLICE 8192

/* Chunks whose deadline was taken back are visited, too. */
#define CHUNK_SLICE 256

/* VMs of which nothing was to be planned anew before. */
#define VM_SLICE 256

/* When there was no memory for the queue. */
#define RETRY_NS (100 * NS_PER_MS)

void backlog_expire(struct policy *policy, uint64_t now_ns)
{
	uint64_t enough = policy->decisions + DECIDE_SLICE;

	for (unsigned int i = 0; i < CHUNK_SLICE && policy->decisions < enough; i++) {
		if (chunks_due_tick(&policy->heap) > tick_of(now_ns))
			break;
		if (chunks_first_vm(&policy->heap)->removed)
			chunks_retire_first(&policy->heap);
		else
			chunks_expire_first(&policy->heap, tick_of(now_ns), decide_expired);
	}
}

static bool has_room(const struct queue *queue)
{
	return queue->nr < QUEUE_CAPACITY - 1;
}

/* Looks at the next region. False: the walk is over, or cannot go on now. */
static bool fetch_next(struct policy_vm *vm, uint64_t now_ns)
{
	struct backlog *backlog = &vm->backlog;
	struct region_ref ref;

	if (!table_from(&vm->table, backlog->fetch_rfn, &ref)) {
		backlog->fetching = false;
		return false;
	}
	backlog->fetch_rfn = region_rfn(&ref) + 1;
	if (ref.region->phase != PHASE_QUEUED)
		return true;
	vm->policy->decisions++;
	if (decide_enqueue(vm, &ref, tick_of(now_ns)))
		return true;
	backlog->retry_ns = now_ns + RETRY_NS;
	return false;
}

void backlog_fetch(struct policy_vm *vm, uint64_t now_ns)
{
	struct backlog *backlog = &vm->backlog;
	uint64_t enough = vm->policy->decisions + DECIDE_SLICE;

	if (!backlog_waits(vm) || now_ns < backlog->retry_ns)
		return;
	if (!backlog->fetching) {
		backlog->fetching = true;
		backlog->missed = false;
		backlog->fetch_rfn = 0;
	}
	for (unsigned int i = 0; i < SEARCH_SLICE && vm->policy->decisions < enough; i++)
		if (!has_room(&vm->queue) || !fetch_next(vm, now_ns))
			break;
}

/* ---- new settings ---- */

/* Returns how many regions it looked at: less than @max when the VM is done. */
static unsigned int replan_some(struct policy_vm *vm, unsigned int max, uint64_t now_ns)
{
	struct region_ref ref;
	unsigned int nr;

	for (nr = 0; nr < max; nr++) {
		if (!table_from(&vm->table, vm->backlog.replan_rfn, &ref)) {
			backlog_end_replan(vm);
			break;
		}
		vm->backlog.replan_rfn = region_rfn(&ref) + 1;
		decide_replan(vm, &ref, now_ns);
	}
	return nr;
}

/* No more than a slice between two calls for a batch, for however many VMs. */
static void replan_now(struct policy_vm *vm, uint64_t now_ns)
{
	struct policy *policy = vm->policy;

	policy->slice -= replan_some(vm, policy->slice, now_ns);
}

void backlog_begin_replan(struct policy_vm *vm, uint64_t now_ns)
{
	if (!vm->backlog.replanning)
		TAILQ_INSERT_TAIL(&vm->policy->replanning, vm, list);
	vm->backlog.replanning = true;
	vm->backlog.replan_rfn = 0;
	replan_now(vm, now_ns);
}

void backlog_replan_all(struct policy *policy, uint64_t now_ns)
{
	policy->replan_all = true;
	policy->replan_id = 0;
	backlog_replan(policy, now_ns);
}

/* Some of those that all of is planned anew of. */
static void begin_some(struct policy *policy, uint64_t now_ns)
{
	for (unsigned int i = 0; i < VM_SLICE && policy->replan_all && policy->slice; i++) {
		size_t at = vm_index(policy, policy->replan_id);

		policy->replan_all = at < policy->nr_vms;
		if (!policy->replan_all)
			break;
		policy->replan_all = policy->vms[at]->id < UINT32_MAX;
		policy->replan_id = policy->vms[at]->id + 1;
		backlog_begin_replan(policy->vms[at], now_ns);
	}
}

void backlog_replan(struct policy *policy, uint64_t now_ns)
{
	struct policy_vm *vm;

	if (policy->nr_lost)
		return;
	while (policy->slice && (vm = TAILQ_FIRST(&policy->replanning)))
		replan_now(vm, now_ns);
	begin_some(policy, now_ns);
}

bool backlog_replans(const struct policy *policy)
{
	return policy->replan_all || !TAILQ_EMPTY(&policy->replanning);
}

void backlog_begin_slice(struct policy *policy)
{
	policy->slice = DECIDE_SLICE;
}

void backlog_end_replan(struct policy_vm *vm)
{
	if (vm->backlog.replanning)
		TAILQ_REMOVE(&vm->policy->replanning, vm, list);
	vm->backlog.replanning = false;
	vm->forgets = false;
}
