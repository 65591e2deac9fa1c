// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Merge, split, hold, release. The kernel takes KVM_LPAGE_RANGES_MAX ranges of at most
 * KVM_LPAGE_RANGE_REGIONS_MAX regions in a request: what is longer is cut up, one request after the
 * other, and answered once.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/control/methods.h"
#include "daemon/control/views.h"

struct job {
	uint32_t vm_id;
	uint32_t op;
	uint64_t ttl_ns;
	size_t range;	 /* index in the parameter of the range to be cut next */
	uint64_t offset; /* regions of it that were cut off already */
	uint64_t done_regions;
	uint64_t refused_regions;
	json_t *results;
	json_t *batches;
};

static void job_free(struct job *job)
{
	json_decref(job->results);
	json_decref(job->batches);
	free(job);
}

/* Cuts off the next request. Returns the number of ranges, 0 at the end. */
static size_t cut(const struct control_call *call, struct job *job,
		  struct lp_range ranges[static KVM_LPAGE_RANGES_MAX])
{
	const json_t *list = json_object_get(call->params, "ranges");
	size_t nr = 0;

	while (nr < KVM_LPAGE_RANGES_MAX && job->range < json_array_size(list)) {
		const json_t *range = json_array_get(list, job->range);
		uint64_t start = (uint64_t)json_integer_value(json_object_get(range, "start_rfn"));
		uint64_t left = (uint64_t)json_integer_value(json_object_get(range, "nr_regions")) -
				job->offset;
		uint64_t part = left < KVM_LPAGE_RANGE_REGIONS_MAX ? left :
								     KVM_LPAGE_RANGE_REGIONS_MAX;

		ranges[nr++] = (struct lp_range){start + job->offset, (uint32_t)part};
		job->offset += part;
		if (part == left) {
			job->range++;
			job->offset = 0;
		}
	}
	return nr;
}

static void finish(struct control_call *call)
{
	struct job *job = call->state;
	json_t *reply = json_pack("{s:I, s:s, s:I, s:I, s:O, s:O}", "vm", (json_int_t)job->vm_id,
				  "op", control_op_name(job->op), "done",
				  (json_int_t)job->done_regions, "refused",
				  (json_int_t)job->refused_regions, "results", job->results,
				  "batches", job->batches);

	job_free(job);
	control_reply(call, reply);
}

static void give_up(struct control_call *call, int error, const char *text)
{
	job_free(call->state);
	control_failed(call, error, text);
}

static void add_done(struct job *job, const struct lp_done *done)
{
	for (size_t i = 0; i < done->nr_results; i++) {
		job->done_regions += done->results[i].done;
		job->refused_regions += done->results[i].refused;
		json_array_append_new(job->results, control_result_json(&done->results[i]));
	}
	for (size_t i = 0; i < done->nr_batches; i++)
		json_array_append_new(job->batches,
				      fields_json(&control_batch_fields, &done->batches[i]));
}

static void next_request(struct control_call *call);

static void on_done(void *ctx, const struct lp_done *done, int error, const char *text)
{
	struct control_call *call = ctx;

	if (error) {
		give_up(call, error, text);
		return;
	}
	add_done(call->state, done);
	next_request(call);
}

static void next_request(struct control_call *call)
{
	struct job *job = call->state;
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	size_t nr = cut(call, job, ranges);
	int r;

	if (nr == 0) {
		finish(call);
		return;
	}
	r = call->core->ops->range_op(call->core, job->vm_id, job->op, ranges, nr, job->ttl_ns,
				      on_done, call);
	if (r == -EPERM)
		give_up(call, r, "dry-run is on: nothing is asked of the kernel");
	else if (r == -ENOTCONN)
		give_up(call, r, "the kernel cannot be reached; see `tdx-lpctl doctor`");
	else if (r < 0)
		give_up(call, r, NULL);
}

static void start(struct control_call *call, uint32_t op)
{
	struct job *job;
	uint32_t id;

	if (!control_param_vm(call, &id))
		return;
	job = calloc(1, sizeof(*job));
	if (!job) {
		control_failed(call, -ENOMEM, NULL);
		return;
	}
	job->vm_id = id;
	job->op = op;
	job->ttl_ns = (uint64_t)control_param_int(call, "ttl_us", 0) * 1000;
	job->results = json_array();
	job->batches = json_array();
	call->state = job;
	next_request(call);
}

void method_merge(struct control_call *call)
{
	start(call, KVM_LPAGE_OP_MERGE);
}

void method_split(struct control_call *call)
{
	start(call, KVM_LPAGE_OP_SPLIT);
}

void method_hold(struct control_call *call)
{
	start(call, KVM_LPAGE_OP_HOLD);
}

void method_release(struct control_call *call)
{
	start(call, KVM_LPAGE_OP_RELEASE);
}

void method_ranges_cancel(struct control_call *call)
{
	call->core->ops->range_op_cancel(call->core, call);
	job_free(call->state);
}
