/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decides when a region is merged: learns how long regions stay private (hazard.h), and finds by
 * backward induction the age at which a merge is the cheapest. See docs/policy.md.
 */
#ifndef TDX_LPAGE_POLICY_ADAPTIVE_H
#define TDX_LPAGE_POLICY_ADAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/policy/accept.h"
#include "daemon/policy/hazard.h"
#include "daemon/policy/past.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/rental.h"
#include "daemon/policy/table.h"

/* Bit per bin: at its lower edge, merging is best. */
struct memo {
	uint32_t merge_at;
	uint32_t uses;
};

struct adaptive {
	struct hazards hazards;
	struct accept accept;
	struct memo memos[2][HAZARD_FINE]; /* [quiet] */
	float whole[HAZARD_MEANS]; /* part of ends that are of whole regions, and split nothing */
	uint64_t birth_tick;	   /* of the VM */
	uint64_t life_tick;	   /* from then until its last conversion */
};

/* How long a time is depends on the costs: number of the unit to count in, below ADAPTIVE_UNITS. */
#define ADAPTIVE_UNITS 24
unsigned int adaptive_unit(const struct policy_costs *costs);

/* What a VM born at @birth_tick learns, and through @host what all VMs of a unit teach each other; NULL: this is the host's. */
struct adaptive *adaptive_new(struct adaptive *host, unsigned int unit, uint64_t birth_tick);

/* What the region remembers of its past was counted in another unit. */
void adaptive_forget(struct region *region);

/* Something in the VM was converted at @busy_tick and seen @lag_tick later. */
void adaptive_note_busy(struct adaptive *adaptive, uint64_t busy_tick, uint64_t lag_tick);

/* A new interval begins; before, @pages in all were shared, the last of them for @shared_tick. */
void adaptive_note_start(const struct adaptive *adaptive, struct region *region,
			 uint64_t shared_tick, uint64_t pages);

/* The interval of @region is @age_tick old and goes on. */
void adaptive_note_age(struct adaptive *adaptive, struct region *region, uint64_t age_tick);

/* The interval of @region ended after @age_tick; @merged: it held a merge; @whole: with all pages converted at once. */
void adaptive_note_end(struct adaptive *adaptive, struct region *region, uint64_t age_tick,
		       bool merged, bool whole, const struct policy_costs *costs);

/* The age in ticks at which the next note is due, NO_TICK: no more. */
uint64_t adaptive_next_look_tick(const struct adaptive *adaptive, const struct region *region);

/* The age, not before the last note, at which to merge. */
uint64_t adaptive_merge_age_tick(struct adaptive *adaptive, const struct region *region,
				 const struct policy_costs *costs);

/* The typical length of the region's intervals; 0: there was none. */
uint64_t adaptive_typical_tick(const struct adaptive *adaptive, const struct region *region);

/* What is expected from now on: expected_ns, no further than the last bin, samples and cost_ns. */
void adaptive_outlook(const struct adaptive *adaptive, const struct region *region,
		      const struct policy_costs *costs, struct policy_action *ret);

#endif
