// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/actions.h"

#include <stdio.h>
#include <string.h>

#include "daemon/core/flights.h"
#include "daemon/core/outcomes.h"
#include "daemon/core/ranges.h"
#include "daemon/core/resolve.h"
#include "daemon/core/vm.h"
#include "daemon/core/watchers.h"

/* Maximum policy operations in flight, all VMs; the policy's own limits come first. */
#define FLIGHTS_MAX 64

static const char *doing(uint32_t op)
{
	return op == KVM_LPAGE_OP_MERGE ? "merging" : "holding";
}

static void notify_dry_run(struct lp_manager *m, struct vm_entry *vm,
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
		TALLY_ADD(m, vm, dry_regions, batch->nr);
	snprintf(text, sizeof(text), "dry-run: would %s %u regions", merge ? "merge" : "hold",
		 batch->nr);
	vm_log(m, LOG_DEBUG, LP_MESSAGE_BATCH, vm, "%s", text);
	watchers_notify(m, &event);
	manager_summary_soon(m);
}

static void send(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vm_find(m, flight->vm_id);
	int r = flight_send(m, flight);

	if (r == 0)
		return;
	if (vm && !flight->manual)
		vm_failed(m, vm, doing(flight->op), r, NULL);
	outcome_failed(m, flight, r, "the request could not be sent to the kernel");
}

/* Those that the link had no room for, in their order. */
static void send_waiting(struct lp_manager *m)
{
	struct flight *flight = TAILQ_FIRST(&m->flights);

	while (flight && !manager_link_full(m)) {
		bool waits = flight->state == FLIGHT_WAITING;

		if (waits)
			send(m, flight);
		/* A callback may have freed the next one. */
		flight = waits ? TAILQ_FIRST(&m->flights) : TAILQ_NEXT(flight, entry);
	}
}

static void send_batch(struct lp_manager *m, struct vm_entry *vm, const struct policy_batch *batch,
		       const struct lp_range *ranges, size_t nr)
{
	bool merge = batch->op == POLICY_OP_MERGE;
	uint32_t op = merge ? KVM_LPAGE_OP_MERGE : KVM_LPAGE_OP_HOLD;
	struct flight *flight = flight_new(m, vm, op, ranges, nr, false);

	/* Out of memory: the policy's own deadline ends the batch. */
	if (!flight)
		return;
	if (merge)
		flight_await(m, vm, flight);
	flight->ttl_ns = merge ? 0 : batch->hold_ns;
	send(m, flight);
}

static void take_batch(struct lp_manager *m, const struct policy_batch *batch)
{
	struct vm_entry *vm = vm_find(m, batch->vm_id);
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
	if (batch->gate == LPAGE_REASON_DRY_RUN || vm_dry_run(m, vm))
		notify_dry_run(m, vm, batch, ranges, nr);
	else
		send_batch(m, vm, batch, ranges, (size_t)nr);
}

static bool has_capacity(const struct lp_manager *m)
{
	return manager_is_linked(m) && m->nr_own_flights < FLIGHTS_MAX && !manager_link_full(m);
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
			resolve_as_lost(m, flight);
		else
			resolve_timed_out(m, flight);
		/* A callback may have freed the next one. */
		next = TAILQ_FIRST(&m->flights);
	}
}

void actions_run(struct lp_manager *m)
{
	struct policy_batch batch;

	expire(m);
	send_waiting(m);
	m->busy = true;
	for (unsigned int i = 0; i < BATCHES_PER_TURN; i++) {
		m->busy = has_capacity(m) &&
			  policy_next_batch(m->policy, manager_now(m), &batch) > 0;
		if (!m->busy)
			break;
		take_batch(m, &batch);
	}
}

uint64_t actions_deadline_ns(const struct lp_manager *m)
{
	uint64_t due_ns = NS_NEVER;
	const struct flight *flight;

	TAILQ_FOREACH(flight, &m->flights, entry)
		due_ns = earliest(due_ns, flight->deadline_ns);
	if (has_capacity(m))
		due_ns = earliest(due_ns, policy_next_deadline(m->policy));
	else if (m->family && manager_link_full(m))
		due_ns = earliest(due_ns, m->link_full_ns + LINK_RETRY_NS);
	return due_ns;
}

void actions_sent(struct lp_manager *m, uint64_t tag, int error, const char *text)
{
	struct flight *flight = flight_find(m, tag);
	struct vm_entry *vm;

	if (!flight)
		return;
	vm = vm_find(m, flight->vm_id);
	if (!error) {
		flight->state = FLIGHT_QUEUED;
		flight->deadline_ns = manager_now(m) + flight->window_ns + OUTCOME_DEADLINE_NS;
		if (vm)
			vm_succeeded(m, vm, doing(flight->op));
		return;
	}
	if (vm && !flight->manual)
		vm_failed(m, vm, doing(flight->op), error, text);
	outcome_failed(m, flight, error, text && text[0] ? text : strerror(-error));
	manager_wake(m);
}
