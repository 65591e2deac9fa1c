// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/control/methods.h"
#include "daemon/control/views.h"

static const char *const kinds[] = {
	[LP_WATCH_FAMILY] = "family",	    [LP_WATCH_VM] = "vm",
	[LP_WATCH_VM_GONE] = "vm_gone",	    [LP_WATCH_OP_DONE] = "op_done",
	[LP_WATCH_OP_FAILED] = "op_failed", [LP_WATCH_DRY_RUN] = "dry_run",
	[LP_WATCH_POLICY] = "policy",	    [LP_WATCH_PAUSE] = "pause",
	[LP_WATCH_LOSS] = "loss",	    [LP_WATCH_RELOAD] = "reload",
	[LP_WATCH_HOLD] = "hold",
};
_Static_assert(ARRAY_SIZE(kinds) == LP_WATCH_MAX, "a kind has no name");

static json_t *results_json(const struct lp_done *done)
{
	json_t *list = json_array();

	for (size_t i = 0; done && i < done->nr_results; i++)
		json_array_append_new(list, control_result_json(&done->results[i]));
	return list;
}

static json_t *ranges_json(const struct lp_watch_event *event)
{
	json_t *list = json_array();

	for (size_t i = 0; i < event->nr_ranges; i++)
		json_array_append_new(list, fields_json(&control_range_fields, &event->ranges[i]));
	return list;
}

static json_t *event_json(const struct lp_watch_event *event)
{
	uint32_t op = event->done ? event->done->op : event->op;
	struct batches_view batches = {0};
	const struct event_view view = {
		.kind = kinds[event->kind],
		.now_ns = event->now_ns,
		.vm_id = event->vm_id ? event->vm_id : UINT64_MAX,
		.vm_name = event->vm_name,
		.text = event->text ? event->text : "",
		.op = op == KVM_LPAGE_OP_NONE ? NULL : lpage_op_name(op),
		.error = event->error,
		.ranges = ranges_json(event),
		.results = results_json(event->done),
		.batches = event->done ? &batches : NULL,
	};
	json_t *object;

	if (event->done)
		control_add_batches(&batches, event->done);
	object = fields_json(&control_event_fields, &view);
	json_decref(view.ranges);
	json_decref(view.results);
	return object;
}

/* call->state: the only VM that is wanted, NULL for all. */
static void on_event(void *ctx, const struct lp_watch_event *event)
{
	struct control_call *call = ctx;
	uint32_t only = (uint32_t)(uintptr_t)call->state;

	if (only && event->vm_id && event->vm_id != only)
		return;
	/* A client that reads too slowly is dropped by the server; nothing is left to do. */
	(void)control_reply_more(call, json_pack("{s:o}", "event", event_json(event)));
}

void method_watch(struct control_call *call)
{
	uint32_t id;
	int r;

	if (!control_param_vm(call, &id))
		return;
	call->state = (void *)(uintptr_t)id;
	r = call->core->ops->watch(call->core, on_event, call);
	if (r < 0)
		control_failed(call, r, NULL);
}

void method_unwatch(struct control_call *call)
{
	call->core->ops->unwatch(call->core, on_event, call);
}
