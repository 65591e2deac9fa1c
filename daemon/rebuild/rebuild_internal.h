/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State shared by rebuild.c (VMs, order, life cycle) and region.c (regions). */
#ifndef TDX_LPAGE_REBUILD_REBUILD_INTERNAL_H
#define TDX_LPAGE_REBUILD_REBUILD_INTERNAL_H

#include "daemon/rebuild/order.h"
#include "daemon/rebuild/rebuild.h"

#define NEVER UINT64_MAX

struct region {
	uint64_t rfn;			 /* the kernel's; first, for the search */
	uint64_t index;			 /* in the trace */
	struct rebuild_observation last; /* the last observation */
	uint64_t observed_ns;
	uint64_t last_ns; /* of its last record */
	uint64_t usual_shared_ns;
	unsigned int nr_shared;
	bool small;	     /* the trace has it at 4 KiB */
	bool pending;	     /* private again, its A not yet written */
	bool accepted;	     /* its A was written, and no conversion since */
	uint64_t refused_ns; /* last try that found it not accepted, NEVER: none since the P */
	struct order_entry *accept; /* its pending A */
	struct order_entry *guess;  /* a pending split, cancelled if a conversion explains it */
};

struct vm {
	struct vm *next;
	uint32_t id;	   /* the kernel's */
	uint32_t trace_id; /* never reused */
	uint64_t begin_ns;
	bool gone;
	bool written;
	bool settled; /* regions first seen from now on did not exist at the start */
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
	uint64_t gap_ns; /* observations may have been lost until then */
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

/* Queues a record; a late one is moved to the time reached. NULL: out of memory. */
struct order_entry *rebuild_put(struct rebuild *r, struct rebuild_out *out);

/*
 * Reconstructs what happened to a region since its last observation; @first: there was none. 0 or
 * -ENOMEM.
 */
int rebuild_region_observe(struct rebuild *r, const struct vm *vm, struct region *region,
			   const struct rebuild_observation *obs, bool first, uint64_t now_ns);

#endif
