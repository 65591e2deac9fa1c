// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/methods.h"
#include "daemon/control/views.h"
#include <tdx-lpage/base.h>

#define SUMMED_MAX	262144 /* regions that one call looks at: 512 GiB */
#define SUMMED_PER_TURN 256    /* of the event loop; each costs a few microseconds */

/* ---- one region ---- */

/* Returns the one region as an object, or NULL when nothing is known of it. */
static json_t *one_region(struct lp_core *core, uint32_t vm_id, uint64_t rfn)
{
	struct region_list list = {.limit = 1};
	struct lp_region_filter filter = {.start_rfn = rfn, .nr_regions = 1};
	json_t *region = NULL;

	if (method_regions(core, vm_id, &filter, &list) == 0)
		region = json_incref(json_array_get(list.regions, 0));
	json_decref(list.regions);
	json_decref(list.next);
	return region;
}

static json_t *explanation(uint32_t vm_id, uint64_t rfn, const struct lp_explain *explain)
{
	const struct lpage_reason_info *info = lpage_reason_info(explain->reason);
	const struct explain_view view = {
		.vm_id = vm_id,
		.gpa = rfn_to_gpa(rfn),
		.reason = explain->reason,
		.why = info ? info->why : "a reason that this version does not know",
		.remedy = info ? info->remedy : NULL,
		/* Where there are no numbers the core repeats the table. */
		.text = info && strcmp(explain->text, info->why) == 0 ? NULL : explain->text,
		.wait_ns = explain->wait_ns,
		.estimated = explain->estimated,
	};

	return fields_json(&control_explain_fields, &view);
}

void method_explain(struct control_call *call)
{
	uint64_t rfn = gpa_to_rfn((uint64_t)control_param_int(call, "gpa", 0));
	struct lp_core *core = call->core;
	struct lp_explain explain = {.wait_ns = UINT64_MAX};
	uint32_t id;
	int r;

	if (!control_param_vm(call, &id) || method_wait_fresh(call, id))
		return;
	r = core->ops->explain(core, id, rfn, &explain);
	if (r == -ERANGE)
		control_bad_value(call, "gpa", json_object_get(call->params, "gpa"),
				  "an address in the VM's private memory");
	else if (r < 0)
		control_failed(call, r, NULL);
	else
		control_reply(call, json_pack("{s:o, s:o?}", "explanation",
					      explanation(id, rfn, &explain), "region",
					      one_region(core, id, rfn)));
}

/* ---- a whole VM: which gate keeps how many of its regions ---- */

struct summary {
	struct lp_core *core;
	uint32_t vm_id;
	uint64_t seen;
	uint64_t enough; /* of them in this turn */
	uint64_t next_rfn;
	struct gate_view gates[LP_NR_REASONS];
};

static int sum_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct summary *sum = ctx;
	struct lp_explain explain = {.wait_ns = UINT64_MAX};
	struct gate_view *gate;

	if (sum->seen == sum->enough)
		return 1;
	sum->seen++;
	if (sum->core->ops->explain(sum->core, sum->vm_id, region->region.rfn, &explain) < 0 ||
	    explain.reason >= LP_NR_REASONS)
		return 0;
	gate = &sum->gates[explain.reason];
	if (gate->regions++ == 0) {
		gate->gpa = rfn_to_gpa(region->region.rfn);
		gate->wait_ns = explain.wait_ns;
	}
	if (explain.wait_ns < gate->wait_ns)
		gate->wait_ns = explain.wait_ns;
	return 0;
}

static json_t *gates_json(struct summary *sum)
{
	json_t *list = json_array();

	for (int i = lpage_reason_next(-1); i >= 0; i = lpage_reason_next(i)) {
		const struct lpage_reason_info *info = lpage_reason_info((unsigned int)i);

		if (!sum->gates[i].regions)
			continue;
		sum->gates[i].reason = (uint32_t)i;
		sum->gates[i].why = info->why;
		sum->gates[i].remedy = info->remedy;
		json_array_append_new(list, fields_json(&control_gate_fields, &sum->gates[i]));
	}
	return list;
}

static struct summary *begin_summary(struct control_call *call)
{
	struct summary *sum;
	uint32_t id;

	if (call->work)
		return call->work;
	if (!control_param_vm(call, &id) || method_wait_fresh(call, id))
		return NULL;
	sum = calloc(1, sizeof(*sum));
	if (!sum) {
		control_failed(call, -ENOMEM, NULL);
		return NULL;
	}
	sum->core = call->core;
	sum->vm_id = id;
	call->work = sum;
	return sum;
}

/* Takes over @sum. */
static void end_summary(struct control_call *call, struct summary *sum, int error)
{
	bool cut = sum->next_rfn != UINT64_MAX;

	call->work = NULL;
	if (error < 0)
		control_failed(call, error, NULL);
	else
		control_reply(call, json_pack("{s:I, s:b, s:o}", "vm", (json_int_t)sum->vm_id,
					      "cut", cut, "gates", gates_json(sum)));
	free(sum);
}

void method_explain_vm(struct control_call *call)
{
	struct lp_region_filter filter = {
		.states = 1U << KVM_LPAGE_STATE_TABLE | 1U << KVM_LPAGE_STATE_MIXED,
	};
	struct summary *sum = begin_summary(call);
	int r;

	if (!sum)
		return;
	filter.start_rfn = sum->next_rfn;
	sum->enough = sum->seen + SUMMED_PER_TURN;
	r = call->core->ops->regions(call->core, sum->vm_id, &filter, sum_region, sum,
				     &sum->next_rfn);
	if (r < 0 || sum->next_rfn == UINT64_MAX || sum->seen >= SUMMED_MAX)
		end_summary(call, sum, r);
	else
		control_again(call);
}

void method_explain_vm_cancel(struct control_call *call)
{
	free(call->work);
	method_unfresh(call);
}
