// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "daemon/policy/internal.h"

static uint64_t due_ns(const struct region_ref *ref, uint64_t now_ns)
{
	uint64_t due_tick = region_due_tick(ref, tick_of(now_ns));

	return due_tick == NO_TICK ? POLICY_NO_DEADLINE : due_tick << TICK_SHIFT;
}

/* A region that waits for its time. */
static void explain_waiting(const struct policy_vm *vm, const struct region *region,
			    struct policy_explanation *ret)
{
	if (region->phase == PHASE_WAIT)
		ret->reason = ret->numbers.samples &&
					      ret->numbers.saving_ns < ret->numbers.cost_ns ?
				      LPAGE_REASON_KEPT_SMALL :
				      LPAGE_REASON_NOT_DUE;
	else
		ret->reason = region->retries ? LPAGE_REASON_BACKOFF : LPAGE_REASON_QUEUED;
	ret->have = ret->numbers.quiet_ns;
	ret->need = ret->numbers.threshold_ns;
	if (ret->due_ns != POLICY_NO_DEADLINE && ret->due_ns > vm->policy->now_ns)
		ret->need = ret->have + ret->due_ns - vm->policy->now_ns;
}

/* A region that is due: which limit stands against it? Buckets are filled in copies, so that asking changes nothing. */
static void explain_queued(const struct policy_vm *vm, uint64_t now_ns,
			   struct policy_explanation *ret)
{
	enum lpage_reason reason = LPAGE_REASON_QUEUED;
	uint64_t until_ns = now_ns;
	struct policy policy = *vm->policy;
	struct policy_vm copy = *vm;

	copy.policy = &policy;
	budget_fill(&copy, now_ns);
	if (budget_allow(&copy, 1, now_ns, &reason, &until_ns))
		reason = LPAGE_REASON_QUEUED;
	ret->reason = reason;
	ret->due_ns = until_ns;
	ret->have = 0;
	ret->need = until_ns - now_ns;
}

static void explain_settled(const struct region *region, struct policy_explanation *ret)
{
	if (region->reason == REASON_DRY || region->retries)
		ret->reason = region_reason(region);
	else
		ret->reason = LPAGE_REASON_KEPT_SMALL;
	ret->have = ret->numbers.saving_ns;
	ret->need = ret->numbers.cost_ns;
}

static void explain_phase(const struct policy_vm *vm, const struct region *region, uint64_t now_ns,
			  struct policy_explanation *ret)
{
	switch (region->phase) {
	case PHASE_SHARED:
		ret->reason = LPAGE_REASON_MIXED;
		break;
	case PHASE_WAIT:
	case PHASE_BACKOFF:
		explain_waiting(vm, region, ret);
		break;
	case PHASE_QUEUED:
		explain_queued(vm, now_ns, ret);
		break;
	case PHASE_FLIGHT:
		ret->reason = LPAGE_REASON_IN_FLIGHT;
		break;
	case PHASE_SETTLED:
		explain_settled(region, ret);
		break;
	default:
		ret->reason = LPAGE_REASON_ALREADY_LARGE;
		break;
	}
}

/* A plan that is worked out for who asks is worked out again for the next decision, with the lessons until then. */
static struct policy_action numbers_now(const struct policy_vm *vm, const struct region *region,
					uint64_t rfn, uint64_t now_ns)
{
	const uint32_t stale = vm->adaptive->accept.stale;
	struct policy_action numbers = decide_numbers(vm, region, rfn, now_ns);

	vm->adaptive->accept.stale = stale;
	return numbers;
}

int policy_explain(const struct policy *policy, uint32_t vm_id, uint64_t rfn, uint64_t now_ns,
		   struct policy_explanation *ret)
{
	const struct policy_vm *vm = policy_vm_find(policy, vm_id);
	struct region_ref ref = {0};
	enum lpage_reason gate;

	if (!vm)
		return -ENOENT;
	if (now_ns < policy->now_ns)
		now_ns = policy->now_ns;
	*ret = (struct policy_explanation){
		.reason = LPAGE_REASON_ALREADY_LARGE,
		.due_ns = POLICY_NO_DEADLINE,
	};
	if (rfn <= POLICY_RFN_MAX)
		table_find(&vm->table, (uint32_t)rfn, &ref);
	if (!ref.region)
		return 0;
	ret->tracked = true;
	ret->due_ns = due_ns(&ref, now_ns);
	if (!region_is_merged(ref.region)) {
		if (ref.region->reason != REASON_DRY)
			ret->last_refusal = region_reason(ref.region);
		ret->retries = ref.region->retries;
	}
	ret->intervals = ref.region->past;
	ret->typical_ns = adaptive_typical_tick(vm->adaptive, ref.region) << TICK_SHIFT;
	ret->numbers = numbers_now(vm, ref.region, rfn, now_ns);
	explain_phase(vm, ref.region, now_ns, ret);
	gate = decide_gate(vm);
	/* Over in a moment, and it says nothing of a region that is not due. */
	if (gate != LPAGE_REASON_NONE && gate != LPAGE_REASON_IN_FLIGHT &&
	    ref.region->phase != PHASE_LARGE && ref.region->phase != PHASE_SHARED)
		ret->reason = gate;
	return 0;
}
