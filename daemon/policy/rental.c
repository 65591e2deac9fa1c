// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/rental.h"

#include <math.h>

#define DEBT_PER_UNIT 8 /* steps of region.debt per merge + split + refusal */
#define DEBT_STEPS    63

static double debt_step_ns(const struct policy_costs *costs)
{
	return (double)(costs->merge_ns + costs->split_ns + costs->fail_ns) / DEBT_PER_UNIT;
}

/* Rounds against the region, so that what is stored is never below the truth. */
static void debt_change(struct region *region, double change_ns, const struct policy_costs *costs)
{
	double step_ns = debt_step_ns(costs);
	double debt = step_ns > 0 ? ceil((double)region->debt + change_ns / step_ns) : 0;

	region->debt = debt <= 0	 ? 0 :
		       debt < DEBT_STEPS ? (unsigned int)debt & DEBT_STEPS :
					   DEBT_STEPS;
}

void rental_add_merge(struct region *region, uint64_t age_tick, const struct policy_costs *costs)
{
	debt_change(region, rental_walk_ns(age_tick, costs) + rental_merge_split_ns(costs), costs);
}

void rental_add_refusal(struct region *region, const struct policy_costs *costs)
{
	debt_change(region, (double)costs->fail_ns, costs);
}

void rental_settle(struct region *region, uint64_t age_tick, bool merged,
		   const struct policy_costs *costs)
{
	double walk_ns = rental_walk_ns(age_tick, costs);
	double best_ns = fmin(walk_ns, rental_merge_split_ns(costs));

	debt_change(region, (merged ? 0 : walk_ns) - 2 * best_ns, costs);
}

uint64_t rental_within_bound(const struct region *region, uint64_t age_tick,
			     const struct policy_costs *costs)
{
	double cost_ns = rental_merge_split_ns(costs);
	double debt_ns = (double)region->debt * debt_step_ns(costs);
	double spare_ns = RENTAL_DEBT_MAX * DEBT_PER_UNIT * debt_step_ns(costs) - debt_ns;
	double even_tick = rental_break_even_tick(costs);
	/* Merged and split at once: costs that much more than twice the walk. Or the try is refused. */
	double worst_ns = fmax(cost_ns - rental_walk_ns(age_tick, costs), (double)costs->fail_ns);
	double latest_tick;

	if (isinf(even_tick))
		return NO_TICK;
	if ((double)age_tick < even_tick && worst_ns > spare_ns)
		age_tick = (uint64_t)ceil(even_tick);
	latest_tick = even_tick * (1 + fmax(spare_ns, 0) / cost_ns);
	return (double)age_tick > latest_tick ? (uint64_t)latest_tick : age_tick;
}
