// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/results.h"

#include <stdio.h>

#include <tdx-lpage/protocol.h>

#include "daemon/core/due.h"
#include "daemon/core/flights.h"
#include "daemon/core/outcomes.h"
#include "daemon/core/ranges.h"
#include "daemon/core/shadow.h"
#include "daemon/core/vm.h"
#include "daemon/core/watchers.h"

static void tally_result(struct lp_manager *m, struct vm_entry *vm, uint32_t op,
			 const struct lp_result *result)
{
	enum lpage_reason reason = lpage_reason_from_kernel(result->reason);

	TALLY_ADD(m, vm, work_ns, result->ns);
	switch (op) {
	case KVM_LPAGE_OP_MERGE:
		TALLY_ADD(m, vm, tried_regions, result->done + result->refused);
		TALLY_ADD(m, vm, merged_regions, result->done);
		TALLY_ADD(m, vm, refused_regions, result->refused);
		TALLY_ADD(m, vm, refused[reason], result->refused);
		if (result->done)
			vm->last_merge_ns = manager_now(m);
		rate_add(&m->merges, manager_now(m), result->done);
		break;
	case KVM_LPAGE_OP_SPLIT:
		TALLY_ADD(m, vm, split_regions, result->done);
		break;
	case KVM_LPAGE_OP_HOLD:
		TALLY_ADD(m, vm, holds, result->done);
		break;
	case KVM_LPAGE_OP_RELEASE:
		TALLY_ADD(m, vm, releases, result->done);
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

		TALLY_ADD(m, vm, batches, 1);
		if (batch->stall_ns > vm->tally.stall_max_ns)
			vm->tally.stall_max_ns = batch->stall_ns;
		if (batch->stall_ns > m->tally.stall_max_ns)
			m->tally.stall_max_ns = batch->stall_ns;
		TALLY_ADD(m, vm, stalled_batches, batch->stall_ns > vm->settings->max_stall_ns);
		(void)policy_batch_done(m->policy, vm->vm.id, &cost, manager_now(m));
		shadow_batch_cost(m, vm->vm.id, &cost);
	}
}

static void leave_open(struct flight *flight, uint64_t rfn)
{
	if (flight->nr_open < POLICY_BATCH_MAX)
		flight->open_rfns[flight->nr_open++] = rfn;
}

/* Passes the result of a range to the policy, region by region. */
static void take_result(struct lp_manager *m, struct flight *flight, const struct lp_result *result)
{
	uint64_t ns = result->nr_regions ? result->ns / result->nr_regions : 0;

	for (uint32_t k = 0; k < result->nr_regions; k++) {
		uint64_t rfn = result->start_rfn + k;

		switch (lp_result_verdict(result, rfn)) {
		case LP_VERDICT_DONE:
			outcome_of_region(m, flight, rfn, LPAGE_REASON_NONE, ns);
			break;
		case LP_VERDICT_REFUSED:
			outcome_of_region(m, flight, rfn, lpage_reason_from_kernel(result->reason),
					  ns);
			break;
		case LP_VERDICT_UNKNOWN:
			leave_open(flight, rfn);
			break;
		}
	}
}

/* Is it the result of the @i-th range that was requested? The report is not trusted. */
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

static void notify_done(struct lp_manager *m, const struct vm_entry *vm, const struct lp_done *done)
{
	const char *name = done->op == KVM_LPAGE_OP_NONE ? "operation" : lpage_op_name(done->op);
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
		 (unsigned long long)(stall_ns / NS_PER_US),
		 done->tag ? "" : ", requested by another process");
	vm_log(m, LOG_DEBUG, LP_MESSAGE_BATCH, vm, "%s", text);
	watchers_notify(m, &event);
}

void results_done(struct lp_manager *m, const struct lp_done *done)
{
	struct flight *flight = done->tag ? flight_find(m, done->tag) : NULL;
	struct vm_entry *vm = vm_find(m, done->vm_id);

	if (!vm)
		return;
	notify_done(m, vm, done);
	if (!flight || flight->vm_id != done->vm_id)
		return;
	take_results(m, vm, flight, done);
	if (flight->op == KVM_LPAGE_OP_MERGE)
		take_batches(m, vm, done);
	flight_seen(m, flight);
	vm->sync.need_stats = true;
	due_touch(m, vm);
	manager_summary_soon(m);
	manager_status_soon(m);
	manager_wake(m);
	if (flight->cb)
		flight->cb(flight->ctx, done, 0, "");
	if (!flight->nr_open) {
		flight_drop(m, flight);
		return;
	}
	flight->state = FLIGHT_RESOLVE;
	flight->deadline_ns = manager_now(m) + OUTCOME_DEADLINE_NS;
	vm_want_dump(m, vm, DUMP_CHANGES);
}
