// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/retry.h"
#include "daemon/policy/ring.h"
#include "daemon/policy/sums.h"

/* GiB of guest memory with tracked regions, and VMs, that one call frees. */
#define CLEAR_SLICE 64

/* VMs that one call takes out of a policy that is being freed. */
#define BURY_SLICE 128

static struct policy_vm *vm_new(struct policy *policy, uint32_t vm_id,
				const struct config_settings *settings, uint64_t now_ns)
{
	struct policy_vm *vm = blocks_get_zeroed(&policy->blocks, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->id = vm_id;
	vm->policy = policy;
	vm->round = policy->round;
	vm->table.blocks = vm->queue.blocks = vm->holds.blocks = &policy->blocks;
	vm->settings = *settings;
	vm->birth_tick = tick_of(now_ns);
	vm->guard_batch = settings->batch;
	vm->saved_until_ns = now_ns;
	bucket_init(&vm->rate, settings->merge_rate_per_s, now_ns);
	sums_init(vm);
	vm_costs_changed(vm);
	return vm;
}

/* But for its table, which is empty. */
static void vm_free(struct policy_vm *vm)
{
	queue_done(&vm->queue);
	queue_done(&vm->holds);
	free(vm->adaptive); /* so large that malloc() maps it on its own */
	blocks_put(&vm->policy->blocks, vm, sizeof(*vm));
}

/* Nothing is decided for the VM any more; its memory is freed by policy_clear(). */
static void vm_bury(struct policy_vm *vm)
{
	struct policy *policy = vm->policy;

	ring_remove(vm);
	backlog_end_replan(vm);
	if (policy->last_vm == vm)
		policy->last_vm = NULL;
	vm->removed = true;
	TAILQ_INSERT_HEAD(&policy->removed, vm, list);
}

int policy_vm_add(struct policy *policy, uint32_t vm_id, const struct config_settings *settings,
		  uint64_t now_ns)
{
	size_t at = vm_index(policy, vm_id);
	struct policy_vm *vm, **place;

	if (vm_any(policy, vm_id))
		return -EEXIST;
	if (array_reserve(&policy->vms, &policy->vms_capacity, policy->nr_vms + 1,
			  sizeof(*policy->vms)) < 0)
		return -ENOMEM;
	vm = vm_new(policy, vm_id, settings, policy_clock(policy, now_ns));
	if (!vm)
		return -ENOMEM;
	if (policy->of && shadow_adopt_vm(vm) < 0) {
		vm_free(vm); /* has no regions yet */
		return -ENOMEM;
	}
	place = array_open(policy->vms, policy->nr_vms++, at, sizeof(*policy->vms));
	*place = vm;
	vm_weigh(vm);
	return 0;
}

int policy_vm_remove(struct policy *policy, uint32_t vm_id, uint64_t now_ns)
{
	struct policy_vm *vm = vm_any(policy, vm_id);
	size_t at = vm_index(policy, vm_id);

	if (!vm)
		return -ENOENT;
	if (vm->round == policy->round)
		sums_remove_vm(vm, policy_clock(policy, now_ns));
	else
		policy->nr_lost--;
	array_close(policy->vms, policy->nr_vms--, at, sizeof(*policy->vms));
	vm_bury(vm);
	return 0;
}

void policy_lose_all(struct policy *policy, uint64_t now_ns)
{
	policy_group_clear(policy, &policy->all, now_ns);
	policy->round++;
	policy->nr_lost = policy->nr_vms;
	policy->last_vm = NULL;
}

bool policy_clear(struct policy *policy)
{
	unsigned int steps = CLEAR_SLICE;
	struct policy_vm *vm;

	while ((vm = TAILQ_FIRST(&policy->removed))) {
		bool more = table_shrink(&vm->table, &policy->heap, &steps);

		vm_weigh(vm);
		if (more || !steps)
			return true;
		steps--;
		policy->vm_bytes -= vm->weighed_bytes;
		TAILQ_REMOVE(&policy->removed, vm, list);
		vm_free(vm);
	}
	return false;
}

int policy_vm_configure(struct policy *policy, uint32_t vm_id,
			const struct config_settings *settings, uint64_t now_ns)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);

	now_ns = policy_clock(policy, now_ns);
	if (!vm)
		return -ENOENT;
	vm->settings = *settings;
	vm->guard_batch = settings->batch;
	bucket_set_rate(&vm->rate, settings->merge_rate_per_s, now_ns);
	vm_costs_changed(vm);
	if (vm->adaptive)
		(void)vm_learn(vm); /* without memory as up to now */
	vm_weigh(vm);
	backlog_begin_replan(vm, now_ns);
	return 0;
}

int policy_vm_gate(struct policy *policy, uint32_t vm_id, enum lpage_reason gate, uint64_t now_ns)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);

	policy_clock(policy, now_ns);
	if (!vm)
		return -ENOENT;
	vm->gate = gate;
	policy->retry_ns = 0;
	return 0;
}

/* ---- the engine as a whole ---- */

struct policy *policy_new(const struct config_global *global, uint64_t now_ns)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return NULL;
	policy->global = *global;
	policy->now_ns = now_ns;
	policy->retry_ns = POLICY_NO_DEADLINE;
	TAILQ_INIT(&policy->replanning);
	TAILQ_INIT(&policy->removed);
	backlog_begin_slice(policy);
	bucket_init(&policy->rate, global->merge_rate_per_s, now_ns);
	bucket_init(&policy->cpu, UINT64_C(1000) * global->cpu_budget_ppm, now_ns);
	return policy;
}

struct policy *policy_shrink(struct policy *policy)
{
	for (unsigned int i = 0; i < BURY_SLICE && policy->nr_vms; i++)
		vm_bury(policy->vms[--policy->nr_vms]);
	if (policy_clear(policy) || policy->nr_vms)
		return policy;
	return policy_free(policy);
}

bool policy_give_back(struct policy *policy, unsigned int *steps)
{
	return blocks_give_back(&policy->blocks, steps);
}

struct policy *policy_free(struct policy *policy)
{
	if (!policy)
		return NULL;
	while (policy->nr_vms)
		vm_bury(policy->vms[--policy->nr_vms]);
	while (policy_clear(policy))
		;
	free(policy->vms);
	heap_done(&policy->heap);
	blocks_done(&policy->blocks);
	for (unsigned int unit = 0; unit < ADAPTIVE_UNITS; unit++)
		free(policy->adaptive[unit]);
	free(policy);
	return NULL;
}

void policy_set_global(struct policy *policy, const struct config_global *global, uint64_t now_ns)
{
	bool dry_run_ends = policy->global.dry_run && !global->dry_run;

	now_ns = policy_clock(policy, now_ns);
	policy->global = *global;
	/* What was due in the meantime is due now. */
	if (dry_run_ends)
		backlog_replan_all(policy, now_ns);
	bucket_set_rate(&policy->rate, global->merge_rate_per_s, now_ns);
	bucket_set_rate(&policy->cpu, UINT64_C(1000) * global->cpu_budget_ppm, now_ns);
	policy->retry_ns = 0;
}

void policy_pause_all(struct policy *policy, bool paused, uint64_t now_ns)
{
	policy_clock(policy, now_ns);
	policy->paused = paused;
	policy->retry_ns = 0;
}

/* ---- outcomes ---- */

static void merged(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns)
{
	struct region *region = ref->region;
	uint64_t now_tick = tick_of(now_ns);
	uint64_t age_tick = now_tick - stamp_tick(region->stamp, now_tick);

	rental_add_merge(region, age_tick, &vm->cost);
	accept_note(&vm->adaptive->accept, region, age_tick, region_is_late(region), true);
	vm_merged(vm, ref, now_ns);
}

static void refused(struct policy_vm *vm, struct region_ref *ref, enum lpage_reason reason,
		    uint64_t now_ns)
{
	rental_add_refusal(ref->region, &vm->cost);
	if (reason != LPAGE_REASON_ALREADY_LARGE) {
		retry_later(vm, ref, reason, now_ns);
		return;
	}
	/* It was not small after all: nothing to learn from. */
	region_disarm(ref);
	ref->region->whole = 1;
	vm_set_phase(vm, ref->region, PHASE_LARGE);
}

static void count_outcome(struct policy_vm *vm, enum lpage_reason reason, uint64_t ns)
{
	unsigned int known = lpage_reason_info(reason) ? reason : LPAGE_REASON_OTHER;

	SUMS_ADD(vm, spent_ns, ns);
	SUMS_ADD(vm, reasons[known], 1);
	if (reason == LPAGE_REASON_NONE)
		SUMS_ADD(vm, merges, 1);
	else
		SUMS_ADD(vm, refusals, 1);
}

int policy_outcome(struct policy *policy, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason,
		   uint64_t ns, uint64_t now_ns)
{
	struct policy_vm *vm = vm_use(policy, vm_id);
	struct region_ref ref;

	now_ns = policy_clock(policy, now_ns);
	if (!vm || rfn > POLICY_RFN_MAX)
		return -ENOENT;
	if (!ns)
		ns = reason == LPAGE_REASON_NONE ? vm->cost.merge_ns : vm->cost.fail_ns;
	count_outcome(vm, reason, ns);
	table_find(&vm->table, (uint32_t)rfn, &ref);
	if (!ref.region)
		return 0;
	if (ref.region->phase == PHASE_FLIGHT) {
		budget_correct(vm, ns);
		if (reason == LPAGE_REASON_NONE)
			merged(vm, &ref, now_ns);
		else
			refused(vm, &ref, reason, now_ns);
	} else if (reason == LPAGE_REASON_NONE && ref.region->phase != PHASE_SHARED &&
		   ref.region->phase != PHASE_LARGE) {
		/* A late answer. */
		merged(vm, &ref, now_ns);
	}
	return 0;
}

int policy_batch_done(struct policy *policy, uint32_t vm_id, const struct policy_batch_cost *cost,
		      uint64_t now_ns)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);

	now_ns = policy_clock(policy, now_ns);
	if (!vm)
		return -ENOENT;
	costs_note_batch(&vm->costs, cost);
	vm_costs_changed(vm);
	/* It is not the batch of a shadow that stalled anybody. */
	if (!policy->of)
		budget_guard(vm, cost, now_ns);
	return 0;
}

int policy_split_cost(struct policy *policy, uint32_t vm_id, uint64_t splits, uint64_t ns)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);

	if (!vm)
		return -ENOENT;
	if (!splits)
		return 0;
	costs_note_split(&vm->costs, ns / splits);
	vm_costs_changed(vm);
	return 0;
}

/* ---- statistics ---- */

int policy_vm_costs(const struct policy *policy, uint32_t vm_id, struct policy_costs *ret)
{
	const struct policy_vm *vm = policy_vm_find(policy, vm_id);

	if (!vm)
		return -ENOENT;
	*ret = vm->cost;
	return 0;
}
