// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/outcomes.h"

#include "daemon/core/shadow.h"
#include "daemon/core/triage.h"
#include "daemon/core/watchers.h"

void outcome_of_region(struct lp_manager *m, const struct flight *flight, uint64_t rfn,
		       enum lpage_reason reason, uint64_t ns)
{
	if (flight->op != KVM_LPAGE_OP_MERGE)
		return;
	(void)policy_outcome(m->policy, flight->vm_id, rfn, reason, ns, manager_now(m));
	shadow_outcome(m, flight->vm_id, rfn, reason);
}

/* The same outcome for all regions of an operation of the policy. */
static void outcome_of_all(struct lp_manager *m, const struct flight *flight,
			   enum lpage_reason reason)
{
	if (flight->manual)
		return;
	for_each_region(flight, i, rfn)
		outcome_of_region(m, flight, rfn, reason, 0);
}

static void notify_failed(struct lp_manager *m, const struct flight *flight, int error,
			  const char *text)
{
	struct lp_watch_event event = {
		.kind = LP_WATCH_OP_FAILED,
		.now_ns = manager_now(m),
		.vm_id = flight->vm_id,
		.text = text,
		.op = flight->op,
		.ranges = flight->ranges,
		.nr_ranges = flight->nr_ranges,
		.error = error,
	};

	watchers_notify(m, &event);
}

void outcome_failed(struct lp_manager *m, struct flight *flight, int error, const char *text)
{
	outcome_of_all(m, flight, lp_triage_reason(lp_triage(error)));
	notify_failed(m, flight, error, text);
	if (flight->cb)
		flight->cb(flight->ctx, NULL, error, text);
	flight_drop(m, flight);
}
