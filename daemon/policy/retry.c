// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/retry.h"

#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"

/* Refusals after which the delay stops doubling; what region.retries holds. */
#define RETRY_STEPS_MAX 7

struct backoff {
	uint64_t first_ns;
	uint64_t last_ns; /* 0: not before the region's next conversion */
};

/* By the kernel's reason. What does not change by itself is tried rarely. */
static struct backoff backoff_for(const struct policy_vm *vm, enum lpage_reason reason)
{
	switch (reason) {
	case LPAGE_REASON_BUSY:
	case LPAGE_REASON_INTERRUPTED:
	case LPAGE_REASON_RATE_LIMITED:
		return (struct backoff){50 * NS_PER_MS, 10 * NS_PER_S};
	case LPAGE_REASON_TOO_RECENT:
		return (struct backoff){vm->settings.min_quiet_ns + 10 * NS_PER_MS,
					3600 * NS_PER_S};
	case LPAGE_REASON_INHIBITED:
	case LPAGE_REASON_NOT_MAPPED:
	case LPAGE_REASON_NO_MEMORY:
	case LPAGE_REASON_NOT_RUNNING:
	case LPAGE_REASON_DIRTY_LOGGING:
		return (struct backoff){NS_PER_S, 600 * NS_PER_S};
	case LPAGE_REASON_HELD:
		return (struct backoff){10 * NS_PER_S, 600 * NS_PER_S};
	case LPAGE_REASON_VM_GONE:
	case LPAGE_REASON_MIXED:
	case LPAGE_REASON_NOT_PRIVATE:
		return (struct backoff){0, 0};
	default:
		return (struct backoff){10 * NS_PER_S, 3600 * NS_PER_S};
	}
}

/* Not accepted yet: how long it takes is learnt. When to try again. */
static uint64_t retry_late_ns(struct policy_vm *vm, struct region *region, uint64_t now_ns)
{
	uint64_t start_tick = stamp_tick(region->stamp, tick_of(now_ns));
	uint64_t age_tick = tick_of(now_ns) - start_tick;

	accept_note(&vm->adaptive->accept, region, age_tick, region_is_late(region), false);
	return (start_tick + decide_try_tick(vm, region, age_tick + 1)) << TICK_SHIFT;
}

void retry_later(struct policy_vm *vm, struct region_ref *ref, enum lpage_reason reason,
		 uint64_t now_ns)
{
	struct region *region = ref->region;
	struct backoff backoff = backoff_for(vm, reason);
	uint64_t wait_ns = backoff.first_ns << region->retries;
	uint64_t again_ns = now_ns + (wait_ns < backoff.last_ns ? wait_ns : backoff.last_ns);

	if (reason == LPAGE_REASON_NOT_ACCEPTED)
		again_ns = retry_late_ns(vm, region, now_ns);
	region_set_reason(region, reason);
	if (region->retries < RETRY_STEPS_MAX)
		region->retries++;
	if (!backoff.last_ns) {
		vm_set_phase(vm, region, PHASE_SETTLED);
		region_disarm(ref);
		return;
	}
	vm_set_phase(vm, region, PHASE_BACKOFF);
	region_arm(&vm->policy->heap, ref, tick_after(again_ns), tick_of(now_ns));
}
