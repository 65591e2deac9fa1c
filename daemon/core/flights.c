// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/flights.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/core/vm.h"

void flight_await(struct lp_manager *m, struct vm_entry *vm, struct flight *flight)
{
	flight->awaited = true;
	vm->nr_awaited++;
	vm_set_gate(m, vm);
}

void flight_seen(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vm_find(m, flight->vm_id);

	if (!flight->awaited)
		return;
	flight->awaited = false;
	if (!vm)
		return;
	vm->nr_awaited--;
	vm_set_gate(m, vm);
}

void flight_drop(struct lp_manager *m, struct flight *flight)
{
	struct vm_entry *vm = vm_find(m, flight->vm_id);

	flight_seen(m, flight);
	TAILQ_REMOVE(&m->flights, flight, entry);
	m->nr_own_flights -= !flight->manual;
	if (vm)
		vm->queued_regions -= flight->nr_regions;
	free(flight);
}

struct flight *flight_new(struct lp_manager *m, struct vm_entry *vm, uint32_t op,
			  const struct lp_range *ranges, size_t nr_ranges, bool manual)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return NULL;
	flight->vm_id = vm->vm.id;
	flight->op = op;
	flight->manual = manual;
	memcpy(flight->ranges, ranges, nr_ranges * sizeof(*ranges));
	flight->nr_ranges = nr_ranges;
	for (size_t i = 0; i < nr_ranges; i++)
		flight->nr_regions += ranges[i].nr_regions;
	TAILQ_INSERT_TAIL(&m->flights, flight, entry);
	m->nr_own_flights += !manual;
	vm->queued_regions += flight->nr_regions;
	return flight;
}

struct flight *flight_find(const struct lp_manager *m, uint64_t tag)
{
	struct flight *flight;

	TAILQ_FOREACH(flight, &m->flights, entry) {
		if (flight->tag == tag)
			return flight;
	}
	return NULL;
}

int flight_send(struct lp_manager *m, struct flight *flight)
{
	int r = m->link->ops->range_op(m->link, flight->vm_id, flight->op, flight->ranges,
				       flight->nr_ranges, flight->ttl_ns, &flight->tag);

	if (manager_deferred(m, r)) {
		flight->state = FLIGHT_WAITING;
		flight->deadline_ns = NS_NEVER;
		return 0;
	}
	flight->state = FLIGHT_SENT;
	flight->sent_ns = manager_now(m);
	flight->deadline_ns = flight->sent_ns + OUTCOME_DEADLINE_NS;
	return r;
}

void flights_cancel(struct lp_manager *m, uint32_t vm_id, int error, const char *why)
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
