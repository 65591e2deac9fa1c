/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decides when a region is merged: learns how long regions stay private (hazard.h), finds by
 * backward induction the age at which a merge is the cheapest, and keeps within the bound
 * (rental.h). See docs/policy.md.
 */
#ifndef TDX_LPAGE_POLICY_ADAPTIVE_H
#define TDX_LPAGE_POLICY_ADAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/policy/past.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/rental.h"
#include "daemon/policy/table.h"

struct adaptive;

/* What a VM learns, and through @host what all VMs teach each other; NULL: this is the host's. */
struct adaptive *adaptive_new(struct adaptive *host);
struct adaptive *adaptive_free(struct adaptive *adaptive);
size_t adaptive_bytes(const struct adaptive *adaptive);

/* Something in the VM was converted at @busy_tick and seen @lag_tick later. */
void adaptive_note_busy(struct adaptive *adaptive, uint64_t busy_tick, uint64_t lag_tick);

/* A new interval begins. */
void adaptive_note_start(struct region *region);

/* The interval of @region is @age_tick old and goes on. */
void adaptive_note_age(struct adaptive *adaptive, struct region *region, uint64_t age_tick);

/* The interval of @region ended after @age_tick; @merged: it held a merge. */
void adaptive_note_end(struct adaptive *adaptive, struct region *region, uint64_t age_tick,
		       bool merged, const struct policy_costs *costs);

/* The region was merged, or a try was refused, at @age_tick. */
void adaptive_note_merge(struct region *region, uint64_t age_tick,
			 const struct policy_costs *costs);
void adaptive_note_refusal(struct region *region, const struct policy_costs *costs);

/* The age in ticks at which the next note is due, NO_TICK: no more. */
uint64_t adaptive_next_look_tick(const struct region *region);

/* The age, not before the last note, at which to merge; NO_TICK: not in sight. */
uint64_t adaptive_merge_age_tick(struct adaptive *adaptive, const struct region *region,
				 const struct policy_costs *costs);

/* What is expected from now on. */
struct adaptive_outlook {
	double expected_tick; /* until the next conversion, no further than the last bin */
	double ends;	      /* probability that there is one */
	double samples;	      /* intervals that the estimate rests on */
};

struct adaptive_outlook adaptive_outlook(const struct adaptive *adaptive,
					 const struct region *region);

#endif
