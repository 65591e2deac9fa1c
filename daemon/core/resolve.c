// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/resolve.h"

#include <errno.h>

#include "daemon/core/context.h"
#include "daemon/core/outcomes.h"

void resolve_as_lost(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vm_find(m, flight->vm_id);

	if (vm)
		TALLY_ADD(m, vm, lost_regions, flight->nr_open);
	for (size_t i = 0; i < flight->nr_open; i++)
		outcome_of_region(m, flight, flight->open_rfns[i], LPAGE_REASON_INTERRUPTED, 0);
	flight_drop(m, flight);
}

/* The outcome will be read from the records of the regions. */
static void leave_to_records(struct lp_manager *m, struct flight *flight)
{
	flight_seen(m, flight);
	flight->state = FLIGHT_RESOLVE;
	flight->deadline_ns = manager_now(m) + OUTCOME_DEADLINE_NS;
	flight->nr_open = 0;
	for_each_region(flight, i, rfn)
		flight->open_rfns[flight->nr_open++] = rfn;
}

void resolve_timed_out(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vm_find(m, flight->vm_id);

	if (flight->manual || !vm) {
		outcome_failed(m, flight, -ETIMEDOUT,
			       "no outcome was reported; the operation may have been carried out");
		return;
	}
	leave_to_records(m, flight);
	vm_want_dump(m, vm, DUMP_CHANGES);
}

static bool was_tried(const struct lp_region_record *record, uint64_t sent_ns)
{
	return record && record->region.last_op == KVM_LPAGE_OP_MERGE &&
	       record->region.last_op_ns >= sent_ns;
}

/*
 * Was its report among the lost events? Yes, if a dump that began after the loss, at @began_ns, shows
 * that every region was tried.
 */
static bool report_is_lost(const struct lp_manager *m, const struct vm_entry *vm,
			   const struct flight *flight, uint64_t began_ns)
{
	if (flight->state != FLIGHT_QUEUED || !flight->awaited ||
	    m->resync.loss_ns < flight->sent_ns || began_ns <= m->resync.loss_ns)
		return false;
	for_each_region(flight, i, rfn) {
		if (!was_tried(lp_regions_get(&vm->regions, rfn), flight->sent_ns))
			return false;
	}
	return true;
}

/* Reads the outcome of a merge sent at @sent_ns from the region's record. False: it has none. */
static bool read_outcome(const struct vm_entry *vm, uint64_t rfn, uint64_t sent_ns,
			 enum lpage_reason *ret)
{
	const struct lp_region_record *record = lp_regions_get(&vm->regions, rfn);

	if (!record)
		return false;
	*ret = LPAGE_REASON_NONE;
	if (was_tried(record, sent_ns)) {
		*ret = lpage_reason_from_kernel(record->region.last_reason);
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
			outcome_of_region(m, flight, rfn, reason, 0);
		else
			flight->open_rfns[left++] = rfn;
	}
	flight->nr_open = left;
	resolve_as_lost(m, flight);
}

void resolve_vm(struct lp_manager *m, struct vm_entry *vm, uint64_t began_ns)
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
		/* The dump must have begun after the operation ended. */
		if (flight->state == FLIGHT_RESOLVE &&
		    began_ns + OUTCOME_DEADLINE_NS >= flight->deadline_ns)
			resolve_flight(m, vm, flight);
	}
}
