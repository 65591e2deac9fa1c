/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rebuild.c (VMs, order, life) and region.c (regions) share. */
#ifndef TDX_LPAGE_REBUILD_REBUILD_INTERNAL_H
#define TDX_LPAGE_REBUILD_REBUILD_INTERNAL_H

#include "daemon/rebuild/order.h"
#include "daemon/rebuild/rebuild.h"

#define NEVER UINT64_MAX

struct region {
	uint64_t rfn;			 /* the kernel's; first, for the search */
	uint64_t index;			 /* in the trace */
	struct rebuild_observation last; /* the last one */
	uint64_t observed_ns;
	uint64_t last_ns; /* of its last record */
	uint64_t usual_shared_ns;
	unsigned int nr_shared;
	bool small;	     /* the trace has it at 4 KiB */
	bool pending;	     /* back to private, and its A is not written */
	bool accepted;	     /* its A was written and nothing happened since */
	uint64_t refused_ns; /* last try that found it not accepted, NEVER: none since the P */
	struct order_entry *accept; /* its A that waits */
	struct order_entry *guess; /* that it came to be at 4 KiB, unless a conversion explains it */
};

struct vm {
	struct vm *next;
	uint32_t id;	   /* the kernel's */
	uint32_t trace_id; /* never reused */
	uint64_t begin_ns;
	bool gone;
	bool written;
	bool settled; /* what is seen first from now on began when the VM was there */
	uint64_t regions;
	uint64_t nr_indices;
	uint64_t walk_ns_per_s;
	uint64_t notify_interval_ns;
	char name[TRACE_NAME_MAX + 1];
	void *tree; /* of struct region, by rfn */
};

struct rebuild {
	struct rebuild_options options;
	struct rebuild_stats stats;
	struct order order;
	struct vm *vms; /* the newest first */
	uint32_t nr_vms;
	uint64_t lag_ns;
	uint64_t reached_ns;
	uint64_t gap_ns; /* looks may have been left out until then */
	bool synced;
};

static inline uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Puts a record among those that wait; what comes too late is moved. NULL: out of memory. */
struct order_entry *rebuild_put(struct rebuild *r, struct rebuild_out *out);

/*
 * Rebuilds what happened to a region since it was looked at last; @first: that was never. 0 or
 * -ENOMEM.
 */
int rebuild_region_observe(struct rebuild *r, const struct vm *vm, struct region *region,
			   const struct rebuild_observation *obs, bool first, uint64_t now_ns);

#endif
