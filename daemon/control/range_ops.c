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

/* A place in the parameter: a range, and how many of its regions are behind. */
struct place {
	size_t range;
	uint64_t offset;
};

struct job {
	uint32_t vm_id;
	uint32_t op;
	uint64_t ttl_ns;
	struct place asked;    /* what comes before it was asked of the kernel */
	struct place answered; /* and answered */
	/* One for each range of the parameter, however often it was cut: the answer stays small. */
	struct lp_result results[CONTROL_RANGES_MAX];
	struct batches_view batches;
};

static const json_t *range_at(const struct control_call *call, size_t i)
{
	return json_array_get(json_object_get(call->params, "ranges"), i);
}

static uint64_t member(const json_t *range, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(range, name));
}

static void move_on(const struct control_call *call, struct place *place, uint64_t nr_regions)
{
	place->offset += nr_regions;
	if (place->offset >= member(range_at(call, place->range), "nr_regions"))
		*place = (struct place){.range = place->range + 1};
}

/* Cuts off the next request. Returns the number of ranges, 0 at the end. */
static size_t cut(const struct control_call *call, struct job *job,
		  struct lp_range ranges[static KVM_LPAGE_RANGES_MAX])
{
	const json_t *range;
	size_t nr = 0;

	while (nr < KVM_LPAGE_RANGES_MAX && (range = range_at(call, job->asked.range))) {
		uint64_t left = member(range, "nr_regions") - job->asked.offset;
		uint32_t part = left < KVM_LPAGE_RANGE_REGIONS_MAX ? (uint32_t)left :
								     KVM_LPAGE_RANGE_REGIONS_MAX;

		ranges[nr++] = (struct lp_range){
			.start_rfn = member(range, "start_rfn") + job->asked.offset,
			.nr_regions = part,
		};
		move_on(call, &job->asked, part);
	}
	return nr;
}

static void finish(struct control_call *call)
{
	struct job *job = call->state;
	json_t *results = json_array();
	uint64_t done = 0, refused = 0;
	json_t *reply;

	for (size_t i = 0; range_at(call, i); i++) {
		done += job->results[i].done;
		refused += job->results[i].refused;
		json_array_append_new(results, control_result_json(&job->results[i]));
	}
	reply = json_pack("{s:I, s:s, s:I, s:I, s:o, s:o}", "vm", (json_int_t)job->vm_id, "op",
			  lpage_op_name(job->op), "done", (json_int_t)done, "refused",
			  (json_int_t)refused, "results", results, "batches",
			  fields_json(&control_batches_fields, &job->batches));

	free(job);
	control_reply(call, reply);
}

static void give_up(struct control_call *call, int error, const char *text)
{
	free(call->state);
	control_failed(call, error, text);
}

static void add_result(struct lp_result *total, const struct lp_result *part)
{
	if (total->nr_regions == 0)
		total->start_rfn = part->start_rfn;
	if (total->refused == 0 && part->refused) {
		total->reason = part->reason;
		total->reason_rfn = part->reason_rfn;
		total->has_layer = part->has_layer;
		total->reason_layer = part->reason_layer;
	}
	total->nr_regions += part->nr_regions;
	total->done += part->done;
	total->refused += part->refused;
	total->ns += part->ns;
}

static void add_done(const struct control_call *call, const struct lp_done *done)
{
	struct job *job = call->state;

	for (size_t i = 0; i < done->nr_results; i++) {
		/* More than was asked for makes no sense, and has no place. */
		if (job->answered.range == json_array_size(json_object_get(call->params, "ranges")))
			break;
		add_result(&job->results[job->answered.range], &done->results[i]);
		move_on(call, &job->answered, done->results[i].nr_regions);
	}
	/* Should an answer be short, the next one still begins in its place. */
	job->answered = job->asked;
	control_add_batches(&job->batches, done);
}

static void next_request(struct control_call *call);

static void on_done(void *ctx, const struct lp_done *done, int error, const char *text)
{
	struct control_call *call = ctx;

	if (error) {
		give_up(call, error, text);
		return;
	}
	add_done(call, done);
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
		give_up(call, r, "dry-run is on: no requests are sent to the kernel");
	else if (r == -EBUSY)
		give_up(call, r, "the VM is held; `tdx-lpctl status` says by whom");
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
	free(call->state);
}
