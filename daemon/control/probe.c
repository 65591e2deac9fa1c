// SPDX-License-Identifier: GPL-2.0-or-later
/* Probe: one request to the kernel, which is answered when its window is over. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/control/methods.h"
#include "daemon/control/views.h"

struct probe_job {
	uint32_t vm_id;
	int64_t window_us;
};

static json_t *reply_json(const struct control_call *call, const struct lp_done *done)
{
	const struct probe_job *job = call->state;
	json_int_t touched = 0, untouched = 0, unknown = 0;
	struct batches_view batches = {0};
	json_t *regions = json_array();
	struct lp_status status;

	call->core->ops->status(call->core, &status);
	for (size_t i = 0; i < done->nr_probed; i++) {
		const struct lp_probed *probed = &done->probed[i];

		if (probed->reason)
			unknown++;
		else if (probed->touched)
			touched++;
		else
			untouched++;
		json_array_append_new(regions, control_probed_json(probed, status.now_ns));
	}
	control_add_batches(&batches, done);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "vm", (json_int_t)job->vm_id,
			 "window_us", (json_int_t)job->window_us, "touched", touched, "untouched",
			 untouched, "unknown", unknown, "regions", regions, "batches",
			 fields_json(&control_batches_fields, &batches));
}

static void give_up(struct control_call *call, int error, const char *text)
{
	free(call->state);
	if (error == -EOPNOTSUPP)
		text = "the kernel's kvm-lpage does not support probes";
	else if (error == -EPERM && !text)
		text = "dry-run is on: no requests are sent to the kernel";
	else if (error == -ENOTCONN && !text)
		text = "the kernel cannot be reached; see `tdx-lpctl doctor`";
	control_failed(call, error, text);
}

static void on_done(void *ctx, const struct lp_done *done, int error, const char *text)
{
	struct control_call *call = ctx;
	json_t *reply;

	if (error) {
		give_up(call, error, text);
		return;
	}
	reply = reply_json(call, done);
	free(call->state);
	control_reply(call, reply);
}

/* Returns how many there are, 0 when there are too many regions. */
static size_t take_ranges(const struct control_call *call,
			  struct lp_range ranges[static KVM_LPAGE_RANGES_MAX])
{
	const json_t *list = json_object_get(call->params, "ranges");
	json_int_t total = 0;
	json_t *range;
	size_t i;

	_Static_assert(KVM_LPAGE_PROBES_MAX <= KVM_LPAGE_RANGES_MAX, "ranges are not empty");
	json_array_foreach(list, i, range) {
		json_int_t nr = json_integer_value(json_object_get(range, "nr_regions"));

		total += nr;
		if (total > KVM_LPAGE_PROBES_MAX)
			return 0;
		ranges[i] = (struct lp_range){
			.start_rfn =
				(uint64_t)json_integer_value(json_object_get(range, "start_rfn")),
			.nr_regions = (uint32_t)nr,
		};
	}
	return json_array_size(list);
}

void method_probe(struct control_call *call)
{
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	struct probe_job *job;
	uint32_t id;
	size_t nr;
	int r;

	nr = take_ranges(call, ranges);
	if (!nr) {
		control_bad_value(call, "ranges", json_object_get(call->params, "ranges"),
				  "at most 64 regions all together");
		return;
	}
	if (!control_param_vm(call, &id))
		return;
	job = malloc(sizeof(*job));
	if (!job) {
		control_failed(call, -ENOMEM, NULL);
		return;
	}
	*job = (struct probe_job){id, control_param_int(call, "window_us", 0)};
	call->state = job;
	r = call->core->ops->range_op(call->core, id, KVM_LPAGE_OP_PROBE, ranges, nr,
				      (uint64_t)job->window_us * 1000, on_done, call);
	if (r < 0)
		give_up(call, r, NULL);
}

void method_probe_cancel(struct control_call *call)
{
	call->core->ops->range_op_cancel(call->core, call);
	free(call->state);
}
