/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What intervals cost, and the bound on it: whatever was learnt, what a region has cost stays below
 * twice the optimum plus RENTAL_DEBT_MAX. The proof is in docs/policy.md.
 *
 * Ages are in ticks.
 */
#ifndef TDX_LPAGE_POLICY_RENTAL_H
#define TDX_LPAGE_POLICY_RENTAL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/policy/policy.h"
#include "daemon/policy/table.h"

#define TICK_NS ((double)(1u << TICK_SHIFT))

/* K of the bound, in units of merge + split + refusal cost. */
#define RENTAL_DEBT_MAX 3

/* Page walks of a region at 4 KiB over @age_tick. */
static inline double rental_walk_ns(uint64_t age_tick, const struct policy_costs *costs)
{
	return (double)age_tick * TICK_NS * (double)costs->walk_ns_per_s / 1e9;
}

/* A merge that is split again. */
static inline double rental_merge_split_ns(const struct policy_costs *costs)
{
	return (double)(costs->merge_ns + costs->split_ns);
}

/* The age at which walking has cost as much; HUGE_VAL when walks cost nothing. */
static inline double rental_break_even_tick(const struct policy_costs *costs)
{
	if (!costs->walk_ns_per_s)
		return HUGE_VAL;
	return rental_merge_split_ns(costs) * 1e9 / (double)costs->walk_ns_per_s / TICK_NS;
}

/* The region was merged at @age_tick, a try was refused, its interval ended at @age_tick. */
void rental_add_merge(struct region *region, uint64_t age_tick, const struct policy_costs *costs);
void rental_add_refusal(struct region *region, const struct policy_costs *costs);
void rental_settle(struct region *region, uint64_t age_tick, bool merged,
		   const struct policy_costs *costs);

/* Moves a try at @age_tick to where the bound holds whatever comes next; NO_TICK: never. */
uint64_t rental_within_bound(const struct region *region, uint64_t age_tick,
			     const struct policy_costs *costs);

#endif
