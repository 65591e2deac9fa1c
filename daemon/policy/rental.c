// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/rental.h"

#include <math.h>

#define DEBT_PER_UNIT 16 /* steps of region.debt per merge + split + refusal */
#define DEBT_STEPS    127

static double debt_step(const struct policy_costs *costs)
{
	return (double)(costs->merge_ns + costs->split_ns + costs->fail_ns) / DEBT_PER_UNIT;
}

/* Rounds against the region, so that what is stored is never below the truth. */
static void debt_change(struct region *region, double change_ns, const struct policy_costs *costs)
{
	double step = debt_step(costs);
	double debt = step > 0 ? ceil((double)region->debt + change_ns / step) : 0;

	region->debt = debt <= 0	 ? 0 :
		       debt < DEBT_STEPS ? (unsigned int)debt & DEBT_STEPS :
					   DEBT_STEPS;
}

void rental_add_merge(struct region *region, uint64_t age, const struct policy_costs *costs)
{
	debt_change(region, rental_walk_ns(age, costs) + rental_merge_split_ns(costs), costs);
}

void rental_add_refusal(struct region *region, const struct policy_costs *costs)
{
	debt_change(region, (double)costs->fail_ns, costs);
}

void rental_settle(struct region *region, uint64_t age, bool merged,
		   const struct policy_costs *costs)
{
	double walk = rental_walk_ns(age, costs);
	double best = fmin(walk, rental_merge_split_ns(costs));

	debt_change(region, (merged ? 0 : walk) - 2 * best, costs);
}

uint64_t rental_within_bound(const struct region *region, uint64_t age,
			     const struct policy_costs *costs)
{
	double cost = rental_merge_split_ns(costs);
	double debt = (double)region->debt * debt_step(costs);
	double spare = RENTAL_DEBT_MAX * DEBT_PER_UNIT * debt_step(costs) - debt;
	double even = rental_break_even(costs);
	double latest;

	if (isinf(even))
		return NO_TICK;
	/* Merged early and split at once: costs that much more than twice the walk. */
	if ((double)age < even && cost - rental_walk_ns(age, costs) > spare)
		age = (uint64_t)ceil(even);
	latest = even * (1 + fmax(spare, 0) / cost);
	return (double)age > latest ? (uint64_t)latest : age;
}
