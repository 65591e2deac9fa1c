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

/* When there was no memory for the queue. */
#define RETRY_NS (100 * NS_PER_MS)

void backlog_expire(struct policy *policy, uint64_t now_ns)
{
	uint64_t enough = policy->decisions + DECIDE_SLICE;

	for (unsigned int i = 0; i < CHUNK_SLICE && policy->decisions < enough; i++) {
		if (heap_due_tick(&policy->heap) > tick_of(now_ns))
			break;
		heap_expire_first(&policy->heap, tick_of(now_ns), decide_expired);
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

void backlog_begin_replan(struct policy_vm *vm, uint64_t now_ns)
{
	vm->policy->nr_replanning += !vm->backlog.replanning;
	vm->backlog.replanning = true;
	vm->backlog.replan_rfn = 0;
	(void)replan_some(vm, DECIDE_SLICE, now_ns);
}

void backlog_replan(struct policy *policy, uint64_t now_ns)
{
	unsigned int left = DECIDE_SLICE;

	for (size_t i = 0; i < policy->nr_vms && policy->nr_replanning && left; i++)
		if (policy->vms[i]->backlog.replanning)
			left -= replan_some(policy->vms[i], left, now_ns);
}

void backlog_end_replan(struct policy_vm *vm)
{
	vm->policy->nr_replanning -= vm->backlog.replanning;
	vm->backlog.replanning = false;
	vm->forgets = false;
}
