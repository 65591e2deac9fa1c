/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations in flight: sent to the link, outcome not known yet. */
#ifndef TDX_LPAGE_CORE_FLIGHTS_H
#define TDX_LPAGE_CORE_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tdx-lpage/base.h>

#include "daemon/core/context.h"

/* The kernel's worker is bounded; after this the report is lost. */
#define OUTCOME_DEADLINE_NS (5 * NS_PER_S)

enum flight_state {
	FLIGHT_WAITING, /* the link takes no more requests now */
	FLIGHT_SENT,	/* the kernel has not queued it yet */
	FLIGHT_QUEUED,	/* outcome to come */
	FLIGHT_RESOLVE, /* the outcome is read from the next dump of regions */
};

struct flight {
	TAILQ_ENTRY(flight) entry;
	enum flight_state state;
	uint64_t tag;
	uint32_t vm_id;
	uint32_t op;
	uint64_t sent_ns;
	uint64_t deadline_ns;
	uint64_t window_ns; /* of a probe, else 0 */
	uint64_t ttl_ns;    /* of a hold or probe, else 0 */
	size_t nr_regions;
	size_t nr_ranges;
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	/* The policy's only: regions whose outcome the report left open. */
	size_t nr_open;
	uint64_t open_rfns[POLICY_BATCH_MAX];
	bool manual;  /* requested by a client, not by the policy */
	bool awaited; /* counts in the VM's nr_awaited */
	lp_op_cb cb;
	void *ctx;
};

/* Goes on with the next statement for each region of the flight's ranges. */
#define for_each_region(flight, i, rfn)                                                            \
	for (size_t i = 0; i < (flight)->nr_ranges; i++)                                           \
		for (uint64_t rfn = (flight)->ranges[i].start_rfn;                                 \
		     rfn < (flight)->ranges[i].start_rfn + (flight)->ranges[i].nr_regions; rfn++)

/* Adds a flight, not sent yet, to m->flights. @manual: requested by a client. NULL: out of memory. */
struct flight *flight_new(struct lp_manager *m, struct vm_entry *vm, uint32_t op,
			  const struct lp_range *ranges, size_t nr_ranges, bool manual);

/* Sends it, or leaves it FLIGHT_WAITING. On a negative errno the caller drops it. */
int flight_send(struct lp_manager *m, struct flight *flight);

/* NULL when there is none. */
struct flight *flight_find(const struct lp_manager *m, uint64_t tag);

/* Removes and frees it. Nobody is notified. */
void flight_drop(struct lp_manager *m, struct flight *flight);

/* Blocks the VM's next batch until the report of this merge arrives. */
void flight_await(struct lp_manager *m, struct vm_entry *vm, struct flight *flight);

/* Ends that: the report has arrived, or never will. */
void flight_seen(struct lp_manager *m, struct flight *flight);

/* Ends all flights of a VM (0: of all VMs). Waiting clients get @error (negative errno) and @why. */
void flights_cancel(struct lp_manager *m, uint32_t vm_id, int error, const char *why);

#endif
