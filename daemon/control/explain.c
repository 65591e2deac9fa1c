// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/gates.h"
#include "daemon/control/methods.h"
#include "daemon/control/views.h"
#include <tdx-lpage/base.h>

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

/* ---- a whole VM ---- */

void method_explain_vm(struct control_call *call)
{
	struct gates *gates = gates_count(call);

	if (!gates)
		return;
	control_reply(call, json_pack("{s:I, s:b, s:o}", "vm", (json_int_t)gates->vm_id, "cut",
				      gates_cut(gates), "gates", gates_json(gates)));
	free(gates);
}

void method_explain_vm_cancel(struct control_call *call)
{
	gates_cancel(call);
}
