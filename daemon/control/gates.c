// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/gates.h"

#include <errno.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/control/methods.h"

#define COUNTED_MAX	 262144 /* regions that one call looks at: 512 GiB */
#define COUNTED_PER_TURN 256	/* of the event loop; each costs a few microseconds */

static void count(struct gates *gates, uint64_t rfn, const struct lp_explain *explain)
{
	struct gate_view *gate = &gates->by_reason[explain->reason];

	if (gate->regions++ == 0) {
		gate->gpa = rfn_to_gpa(rfn);
		gate->wait_ns = explain->wait_ns;
	}
	if (explain->wait_ns < gate->wait_ns)
		gate->wait_ns = explain->wait_ns;
	if (explain->try_ns != UINT64_MAX)
		forecast_add(&gates->tries, explain->try_ns);
}

static int count_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct lp_explain explain = {.wait_ns = UINT64_MAX};
	struct gates *gates = ctx;

	if (gates->seen == gates->enough)
		return 1;
	gates->seen++;
	if (gates->core->ops->explain(gates->core, gates->vm_id, region->region.rfn, &explain) ==
		    0 &&
	    explain.reason < LP_NR_REASONS)
		count(gates, region->region.rfn, &explain);
	return 0;
}

json_t *gates_json(struct gates *gates)
{
	json_t *list = json_array();

	for (int i = lpage_reason_next(-1); i >= 0; i = lpage_reason_next(i)) {
		const struct lpage_reason_info *info = lpage_reason_info((unsigned int)i);
		struct gate_view *gate = &gates->by_reason[i];

		if (!gate->regions)
			continue;
		gate->reason = (uint32_t)i;
		gate->why = info->why;
		gate->remedy = info->remedy;
		json_array_append_new(list, fields_json(&control_gate_fields, gate));
	}
	return list;
}

bool gates_cut(const struct gates *gates)
{
	return gates->next_rfn != UINT64_MAX;
}

static struct gates *begin(struct control_call *call)
{
	struct gates *gates;
	uint32_t id;

	if (call->work)
		return call->work;
	if (!control_param_vm(call, &id) || method_wait_fresh(call, id))
		return NULL;
	gates = calloc(1, sizeof(*gates));
	if (!gates) {
		control_failed(call, -ENOMEM, NULL);
		return NULL;
	}
	gates->core = call->core;
	gates->vm_id = id;
	call->work = gates;
	return gates;
}

struct gates *gates_count(struct control_call *call)
{
	struct lp_region_filter filter = {
		.states = 1U << KVM_LPAGE_STATE_TABLE | 1U << KVM_LPAGE_STATE_MIXED,
	};
	struct gates *gates = begin(call);
	int r;

	if (!gates)
		return NULL;
	filter.start_rfn = gates->next_rfn;
	gates->enough = gates->seen + COUNTED_PER_TURN;
	r = call->core->ops->regions(call->core, gates->vm_id, &filter, count_region, gates,
				     &gates->next_rfn);
	/* 1: enough for this turn. */
	r = r > 0 ? 0 : r;
	if (r == 0 && gates_cut(gates) && gates->seen < COUNTED_MAX) {
		control_again(call);
		return NULL;
	}
	call->work = NULL;
	if (r == 0)
		return gates;
	free(gates);
	control_failed(call, r, NULL);
	return NULL;
}

void gates_cancel(struct control_call *call)
{
	free(call->work);
	method_unfresh(call);
}
