// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/ranges.h"

/* So many operations of the policy under way at once, of all VMs; its own limits come first. */
#define FLIGHTS_MAX 64

/* Tells the policy of one region of a merge. */
static void outcome(struct lp_manager *m, const struct flight *flight, uint64_t rfn,
		    enum lpage_reason reason, uint64_t ns)
{
	if (flight->op == KVM_LPAGE_OP_MERGE)
		(void)policy_outcome(m->policy, flight->vm_id, rfn, reason, ns, manager_now(m));
}

/* The same of all its regions. */
static void outcome_of_all(struct lp_manager *m, const struct flight *flight,
			   enum lpage_reason reason)
{
	if (flight->manual)
		return;
	for (size_t i = 0; i < flight->nr_ranges; i++) {
		for (uint32_t k = 0; k < flight->ranges[i].nr_regions; k++)
			outcome(m, flight, flight->ranges[i].start_rfn + k, reason, 0);
	}
}

static void tell_failed(struct lp_manager *m, const struct flight *flight, int error,
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

	report_event(m, &event);
}

static void fail_flight(struct lp_manager *m, struct flight *flight, int error, const char *text)
{
	outcome_of_all(m, flight, lp_triage_reason(lp_triage(error)));
	tell_failed(m, flight, error, text);
	if (flight->cb)
		flight->cb(flight->ctx, NULL, error, text);
	flight_drop(m, flight);
}

/* ---- sending ---- */

static const char *doing(uint32_t op)
{
	return op == KVM_LPAGE_OP_MERGE ? "merging" : "holding";
}

static int send_flight(struct lp_manager *m, struct flight *flight, uint64_t ttl_ns)
{
	return m->link->ops->range_op(m->link, flight->vm_id, flight->op, flight->ranges,
				      flight->nr_ranges, ttl_ns, &flight->tag);
}

static void tell_dry_run(struct lp_manager *m, struct vm_entry *vm,
			 const struct policy_batch *batch, const struct lp_range *ranges, int nr)
{
	bool merge = batch->op == POLICY_OP_MERGE;
	char text[96];
	struct lp_watch_event event = {
		.kind = LP_WATCH_DRY_RUN,
		.now_ns = manager_now(m),
		.vm_id = vm->vm.id,
		.text = text,
		.op = merge ? KVM_LPAGE_OP_MERGE : KVM_LPAGE_OP_HOLD,
		.ranges = ranges,
		.nr_ranges = (size_t)nr,
	};

	if (merge)
		vm->tally.dry_regions += batch->nr;
	snprintf(text, sizeof(text), "dry-run: would %s %u regions", merge ? "merge" : "hold",
		 batch->nr);
	manager_log_vm(m, LOG_DEBUG, LP_MESSAGE_BATCH, vm, "%s", text);
	report_event(m, &event);
	report_activity(m);
}

static void send_batch(struct lp_manager *m, struct vm_entry *vm, const struct policy_batch *batch,
		       const struct lp_range *ranges, size_t nr)
{
	bool merge = batch->op == POLICY_OP_MERGE;
	uint32_t op = merge ? KVM_LPAGE_OP_MERGE : KVM_LPAGE_OP_HOLD;
	struct flight *flight = flight_new(m, vm, op, ranges, nr, false);
	int r;

	/* Without a flight nobody gives the outcome: the policy's own deadline does. */
	if (!flight)
		return;
	if (merge)
		flight_await(m, vm, flight);
	r = send_flight(m, flight, merge ? 0 : batch->hold_ns);
	if (r == 0)
		return;
	vms_failed(m, vm, doing(flight->op), r, NULL);
	fail_flight(m, flight, r, "cannot be asked of the kernel");
}

static void take_batch(struct lp_manager *m, const struct policy_batch *batch)
{
	struct vm_entry *vm = vms_find(m, batch->vm_id);
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	uint64_t rfns[POLICY_BATCH_MAX];
	int nr;

	_Static_assert(POLICY_BATCH_MAX <= KVM_LPAGE_RANGES_MAX, "a batch is one request");
	if (!vm)
		return;
	for (unsigned int i = 0; i < batch->nr; i++)
		rfns[i] = batch->actions[i].rfn;
	nr = lp_ranges_build(rfns, batch->nr, ranges);
	if (nr <= 0)
		return;
	if (batch->gate == LPAGE_REASON_DRY_RUN || vms_dry_run(m, vm))
		tell_dry_run(m, vm, batch, ranges, nr);
	else
		send_batch(m, vm, batch, ranges, (size_t)nr);
}

static bool room(const struct lp_manager *m)
{
	return m->family && m->nr_own_flights < FLIGHTS_MAX;
}

/* The regions' own records are to say what became of it. */
static void leave_to_records(struct lp_manager *m, struct flight *flight)
{
	flight_seen(m, flight);
	flight->state = FLIGHT_RESOLVE;
	flight->deadline_ns = manager_now(m) + OUTCOME_DEADLINE_NS;
	flight->nr_open = 0;
	for (size_t i = 0; i < flight->nr_ranges; i++) {
		for (uint32_t k = 0; k < flight->ranges[i].nr_regions; k++)
			flight->open_rfns[flight->nr_open++] = flight->ranges[i].start_rfn + k;
	}
}

static void give_up(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vms_find(m, flight->vm_id);

	if (flight->manual || !vm) {
		fail_flight(m, flight, -ETIMEDOUT,
			    "no outcome was heard of, it may have happened all the same");
		return;
	}
	leave_to_records(m, flight);
	if (vm->need_dump == DUMP_NONE)
		vm->need_dump = DUMP_CHANGES;
}

static void lose(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vms_find(m, flight->vm_id);

	if (vm)
		vm->tally.lost_regions += flight->nr_open;
	for (size_t i = 0; i < flight->nr_open; i++)
		outcome(m, flight, flight->open_rfns[i], LPAGE_REASON_INTERRUPTED, 0);
	flight_drop(m, flight);
}

static void expire(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);
	struct flight *flight, *next;

	for (flight = TAILQ_FIRST(&m->flights); flight; flight = next) {
		next = TAILQ_NEXT(flight, entry);
		if (flight->deadline_ns > now_ns)
			continue;
		if (flight->state == FLIGHT_RESOLVE)
			lose(m, flight);
		else
			give_up(m, flight);
		/* A callback may have cancelled the next one. */
		next = TAILQ_FIRST(&m->flights);
	}
}

void actions_run(struct lp_manager *m)
{
	struct policy_batch batch;

	expire(m);
	while (room(m) && policy_next_batch(m->policy, manager_now(m), &batch) > 0)
		take_batch(m, &batch);
}

uint64_t actions_deadline_ns(const struct lp_manager *m)
{
	uint64_t due_ns = NS_NEVER;
	const struct flight *flight;

	TAILQ_FOREACH(flight, &m->flights, entry)
		due_ns = earliest(due_ns, flight->deadline_ns);
	if (room(m))
		due_ns = earliest(due_ns, policy_next_deadline(m->policy, manager_now(m)));
	return due_ns;
}

/* ---- what became of it ---- */

void actions_sent(struct lp_manager *m, uint64_t tag, int error, const char *text)
{
	struct flight *flight = flight_find(m, tag);
	struct vm_entry *vm;

	if (!flight)
		return;
	vm = vms_find(m, flight->vm_id);
	if (!error) {
		flight->state = FLIGHT_QUEUED;
		flight->deadline_ns = manager_now(m) + flight->window_ns + OUTCOME_DEADLINE_NS;
		if (vm)
			vms_succeeded(m, vm, doing(flight->op));
		return;
	}
	if (vm && !flight->manual)
		vms_failed(m, vm, doing(flight->op), error, text);
	fail_flight(m, flight, error, text && text[0] ? text : strerror(-error));
	manager_wake(m);
}

static void tally_result(struct lp_manager *m, struct vm_entry *vm, uint32_t op,
			 const struct lp_result *result)
{
	unsigned int reason = result->reason < LP_NR_REASONS ? result->reason : 0;

	vm->tally.work_ns += result->ns;
	switch (op) {
	case KVM_LPAGE_OP_MERGE:
		vm->tally.tried_regions += result->done + result->refused;
		vm->tally.merged_regions += result->done;
		vm->tally.refused_regions += result->refused;
		vm->tally.refused[reason] += result->refused;
		if (result->done)
			vm->last_merge_ns = manager_now(m);
		report_merges(m, result->done);
		break;
	case KVM_LPAGE_OP_SPLIT:
		vm->tally.split_regions += result->done;
		break;
	case KVM_LPAGE_OP_HOLD:
		vm->tally.holds += result->done;
		break;
	case KVM_LPAGE_OP_RELEASE:
		vm->tally.releases += result->done;
		break;
	}
}

static void take_batches(struct lp_manager *m, struct vm_entry *vm, const struct lp_done *done)
{
	for (size_t i = 0; i < done->nr_batches; i++) {
		const struct lp_batch *batch = &done->batches[i];
		struct policy_batch_cost cost = {
			.regions = batch->regions,
			.merged = batch->merged,
			.fixed_ns = batch->fixed_ns,
			.regions_ns = batch->regions_ns,
			.stall_ns = batch->stall_ns,
		};

		vm->tally.batches++;
		if (batch->stall_ns > vm->tally.stall_max_ns)
			vm->tally.stall_max_ns = batch->stall_ns;
		(void)policy_batch_done(m->policy, vm->vm.id, &cost, manager_now(m));
	}
}

static void leave_open(struct flight *flight, uint64_t rfn)
{
	if (flight->nr_open < POLICY_BATCH_MAX)
		flight->open_rfns[flight->nr_open++] = rfn;
}

/* Gives the policy what a result says of its regions. */
static void take_result(struct lp_manager *m, struct flight *flight, const struct lp_result *result)
{
	uint64_t ns = result->nr_regions ? result->ns / result->nr_regions : 0;

	for (uint32_t k = 0; k < result->nr_regions; k++) {
		uint64_t rfn = result->start_rfn + k;

		switch (lp_result_verdict(result, rfn)) {
		case LP_VERDICT_DONE:
			outcome(m, flight, rfn, LPAGE_REASON_NONE, ns);
			break;
		case LP_VERDICT_REFUSED:
			outcome(m, flight, rfn, (enum lpage_reason)result->reason, ns);
			break;
		case LP_VERDICT_UNKNOWN:
			leave_open(flight, rfn);
			break;
		}
	}
}

/* Does a result answer one of our ranges? The kernel's answer is not trusted. */
static bool is_asked(const struct flight *flight, const struct lp_result *result, size_t i)
{
	return i < flight->nr_ranges && result->start_rfn == flight->ranges[i].start_rfn &&
	       result->nr_regions <= flight->ranges[i].nr_regions;
}

static void take_results(struct lp_manager *m, struct vm_entry *vm, struct flight *flight,
			 const struct lp_done *done)
{
	for (size_t i = 0; i < done->nr_results; i++) {
		if (!is_asked(flight, &done->results[i], i))
			continue;
		tally_result(m, vm, flight->op, &done->results[i]);
		if (!flight->manual)
			take_result(m, flight, &done->results[i]);
	}
}

static void tell_done(struct lp_manager *m, const struct vm_entry *vm, const struct lp_done *done)
{
	static const char *const names[] = {
		[KVM_LPAGE_OP_NONE] = "operation",  [KVM_LPAGE_OP_MERGE] = "merge",
		[KVM_LPAGE_OP_SPLIT] = "split",	    [KVM_LPAGE_OP_HOLD] = "hold",
		[KVM_LPAGE_OP_RELEASE] = "release", [KVM_LPAGE_OP_PROBE] = "probe",
	};
	const char *name = done->op < ARRAY_SIZE(names) ? names[done->op] : names[0];
	uint64_t did = 0, refused = 0, stall_ns = 0;
	unsigned int reason = 0;
	char text[128];
	struct lp_watch_event event = {
		.kind = LP_WATCH_OP_DONE,
		.now_ns = manager_now(m),
		.vm_id = done->vm_id,
		.text = text,
		.done = done,
		.op = done->op,
	};

	for (size_t i = 0; i < done->nr_results; i++) {
		did += done->results[i].done;
		refused += done->results[i].refused;
		if (!reason)
			reason = done->results[i].reason;
	}
	for (size_t i = 0; i < done->nr_batches; i++) {
		if (done->batches[i].stall_ns > stall_ns)
			stall_ns = done->batches[i].stall_ns;
	}
	snprintf(text, sizeof(text), "%s: %llu done, %llu refused%s%s%s, stall %llu us%s", name,
		 (unsigned long long)did, (unsigned long long)refused, refused ? " (" : "",
		 refused ? lpage_reason_name(reason) : "", refused ? ")" : "",
		 (unsigned long long)(stall_ns / 1000), done->tag ? "" : ", asked by another");
	manager_log_vm(m, LOG_DEBUG, LP_MESSAGE_BATCH, vm, "%s", text);
	report_event(m, &event);
}

void actions_done(struct lp_manager *m, const struct lp_done *done)
{
	struct flight *flight = done->tag ? flight_find(m, done->tag) : NULL;
	struct vm_entry *vm = vms_find(m, done->vm_id);

	if (!vm)
		return;
	tell_done(m, vm, done);
	if (!flight || flight->vm_id != done->vm_id)
		return;
	take_results(m, vm, flight, done);
	if (flight->op == KVM_LPAGE_OP_MERGE)
		take_batches(m, vm, done);
	flight_seen(m, flight);
	vm->need_figures = true;
	report_activity(m);
	report_status_soon(m);
	manager_wake(m);
	if (flight->cb)
		flight->cb(flight->ctx, done, 0, "");
	if (!flight->nr_open) {
		flight_drop(m, flight);
		return;
	}
	flight->state = FLIGHT_RESOLVE;
	flight->deadline_ns = manager_now(m) + OUTCOME_DEADLINE_NS;
	if (vm->need_dump == DUMP_NONE)
		vm->need_dump = DUMP_CHANGES;
}

static bool was_tried(const struct lp_region_record *record, uint64_t sent_ns)
{
	return record && record->region.last_op == KVM_LPAGE_OP_MERGE &&
	       record->region.last_op_ns >= sent_ns;
}

/* Was its report among events that were lost? A dump that began at @began_ns has every region tried. */
static bool report_is_lost(const struct lp_manager *m, const struct vm_entry *vm,
			   const struct flight *flight, uint64_t began_ns)
{
	if (flight->state != FLIGHT_QUEUED || !flight->awaited || m->loss_ns < flight->sent_ns ||
	    began_ns <= m->loss_ns)
		return false;
	for (size_t i = 0; i < flight->nr_ranges; i++) {
		for (uint32_t k = 0; k < flight->ranges[i].nr_regions; k++) {
			uint64_t rfn = flight->ranges[i].start_rfn + k;

			if (!was_tried(lp_regions_get(&vm->regions, rfn), flight->sent_ns))
				return false;
		}
	}
	return true;
}

/* What the region's own record says of a merge asked for at @sent_ns. Returns whether it says any. */
static bool read_outcome(const struct vm_entry *vm, uint64_t rfn, uint64_t sent_ns,
			 enum lpage_reason *ret)
{
	const struct lp_region_record *record = lp_regions_get(&vm->regions, rfn);

	if (!record)
		return false;
	*ret = LPAGE_REASON_NONE;
	if (was_tried(record, sent_ns)) {
		*ret = (enum lpage_reason)record->region.last_reason;
		return true;
	}
	return record->region.state == KVM_LPAGE_STATE_LARGE;
}

static void resolve_flight(struct lp_manager *m, struct vm_entry *vm, struct flight *flight)
{
	enum lpage_reason reason;
	size_t left = 0;

	for (size_t i = 0; i < flight->nr_open; i++) {
		uint64_t rfn = flight->open_rfns[i];

		if (read_outcome(vm, rfn, flight->sent_ns, &reason))
			outcome(m, flight, rfn, reason, 0);
		else
			flight->open_rfns[left++] = rfn;
	}
	flight->nr_open = left;
	lose(m, flight);
}

void actions_resolve(struct lp_manager *m, struct vm_entry *vm, uint64_t began_ns)
{
	struct flight *flight, *next;

	for (flight = TAILQ_FIRST(&m->flights); flight; flight = next) {
		next = TAILQ_NEXT(flight, entry);
		if (flight->vm_id != vm->vm.id)
			continue;
		if (report_is_lost(m, vm, flight, began_ns)) {
			leave_to_records(m, flight);
			resolve_flight(m, vm, flight);
			continue;
		}
		/* The dump has to be younger than the end of the operation. */
		if (flight->state == FLIGHT_RESOLVE &&
		    began_ns + OUTCOME_DEADLINE_NS >= flight->deadline_ns)
			resolve_flight(m, vm, flight);
	}
}

void actions_cancel(struct lp_manager *m, uint32_t vm_id, int error, const char *why)
{
	struct flight *flight, *next;

	for (flight = TAILQ_FIRST(&m->flights); flight; flight = next) {
		next = TAILQ_NEXT(flight, entry);
		if (vm_id && flight->vm_id != vm_id)
			continue;
		if (flight->cb)
			flight->cb(flight->ctx, NULL, error, why);
		flight_drop(m, flight);
		next = TAILQ_FIRST(&m->flights);
	}
}

int actions_range_op(struct lp_core *core, uint32_t vm_id, uint32_t op,
		     const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns, lp_op_cb cb,
		     void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct vm_entry *vm = vms_find(m, vm_id);
	struct flight *flight;
	int r;

	if (!m->family)
		return -ENOTCONN;
	if (!vm)
		return -ESRCH;
	if (vms_dry_run(m, vm))
		return -EPERM;
	if (!nr_ranges || nr_ranges > KVM_LPAGE_RANGES_MAX)
		return -EINVAL;
	flight = flight_new(m, vm, op, ranges, nr_ranges, true);
	if (!flight)
		return -ENOMEM;
	flight->window_ns = op == KVM_LPAGE_OP_PROBE ? ttl_ns : 0;
	flight->cb = cb;
	flight->ctx = ctx;
	r = send_flight(m, flight, ttl_ns);
	if (r < 0)
		flight_drop(m, flight);
	manager_wake(m);
	return r;
}

void actions_range_op_cancel(struct lp_core *core, void *ctx)
{
	struct flight *flight;

	TAILQ_FOREACH(flight, &manager_of(core)->flights, entry) {
		if (flight->manual && flight->ctx == ctx)
			flight->cb = NULL;
	}
}
