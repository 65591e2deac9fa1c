// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/adaptive.h"

#include <math.h>
#include <stdlib.h>

#define BINS HAZARD_BINS

/* Fitted constants; what each trades is in docs/policy.md, Constants. */

/*
 * region.trust, in steps of (M + D) / TRUST_STEPS: what the view of the last interval would have
 * saved over that of the mean, from TRUST_FIRST on, at most TRUST_MAX; from TRUST_LAST on the last
 * interval decides.
 */
#define TRUST_FIRST 5
#define TRUST_LAST  10
#define TRUST_MAX   15
#define TRUST_STEPS 6

/* Uses of a decision of a context: the first REUSE_NEW are worked out each time, then every REUSE_TIMES. */
#define REUSE_NEW   64
#define REUSE_TIMES 16

/* Ticks. A VM is expected to live for as long again as it has, and this (2.6 minutes) longer. */
#define LIFE_MORE_TICK 150000

/* Part of the way that an end moves the part of ends that are of whole regions. */
#define WHOLE_GAIN (1 / 16.0f)

/* Break-even times of default costs, 6.25 s, are counted in ticks: this is unit 0. */
#define UNIT_BREAK_EVEN_TICK 5960.0
/* Octaves below. */
#define UNIT_LEAST (-8)

unsigned int adaptive_unit(const struct policy_costs *costs)
{
	double octaves = rint(log2(rental_break_even_tick(costs) / UNIT_BREAK_EVEN_TICK));

	return (unsigned int)(fmin(fmax(octaves, UNIT_LEAST), UNIT_LEAST + ADAPTIVE_UNITS - 1) -
			      UNIT_LEAST);
}

uint64_t adaptive_typical_tick(const struct adaptive *adaptive, const struct region *region)
{
	return hazard_ticks(adaptive->hazards.unit, past_typical(region));
}

/* ---- notes ---- */

void adaptive_forget(struct region *region)
{
	region->past = 0;
	region->linear = 0;
	region->late = 0;
	region->stage = 0;
}

void adaptive_note_busy(struct adaptive *adaptive, uint64_t busy_tick, uint64_t lag_tick)
{
	hazard_busy(&adaptive->hazards, busy_tick, lag_tick);
	if (busy_tick > adaptive->birth_tick + adaptive->life_tick)
		adaptive->life_tick = busy_tick - adaptive->birth_tick;
}

void adaptive_note_start(const struct adaptive *adaptive, struct region *region,
			 uint64_t shared_tick, uint64_t pages)
{
	past_first(region, hazard_steps(adaptive->hazards.unit, shared_tick), pages);
	region->stage = 0;
}

void adaptive_note_age(struct adaptive *adaptive, struct region *region, uint64_t age_tick)
{
	unsigned int bin = hazard_bin(hazard_steps(adaptive->hazards.unit, age_tick));
	struct hazard_contexts contexts;

	if (bin <= region->stage)
		return;
	contexts = hazard_contexts(region);
	/* Outliving the last edge is a count of its own. */
	hazard_note(&adaptive->hazards, region, &contexts, bin == BINS ? BINS + 1 : bin, false);
	region->stage = bin & 31;
}

/* Looked at once per octave, from 16 s on every second one. */
uint64_t adaptive_next_look_tick(const struct adaptive *adaptive, const struct region *region)
{
	unsigned int next = (region->stage + 2u) | 1u;

	if (region->stage >= BINS)
		return NO_TICK;
	if (next < 9)
		next = 9;
	return hazard_ticks(adaptive->hazards.unit, hazard_edge[next < BINS ? next : BINS]);
}

/* ---- decisions ---- */

/*
 * Backward induction: at each edge, is merging now cheaper than going through the bin and deciding
 * at the next edge? After the last edge a merge pays. The end of the VM ends walks without a split: of
 * those that reach age a, (a / b)^2 reach b, so that the rest of a life is a long in the mean.
 */
static uint32_t solve(const float hazard[static HAZARD_SLOTS], double vm_age, int unit,
		      double split_ns, const struct policy_costs *costs)
{
	double step_ns = ldexp(rental_walk_ns(1, costs), unit);
	double ends = hazard[BINS];
	double best_ns = (double)costs->merge_ns + split_ns * ends;
	uint32_t merge_at = UINT32_C(1) << BINS;

	for (unsigned int bin = BINS; bin-- > 0;) {
		double walk_ns = hazard_span(bin) * step_ns;
		double stays = (vm_age + hazard_edge[bin]) / (vm_age + hazard_edge[bin + 1]);
		double lives;
		double go_on_ns;
		double merge_ns;

		stays *= stays;
		lives = stays * (1 - hazard[bin]);
		go_on_ns = walk_ns * (1 + lives) / 2 + lives * best_ns;
		ends = hazard[bin] * (1 + stays) / 2 + lives * ends;
		merge_ns = (double)costs->merge_ns + split_ns * ends;
		if (merge_ns <= go_on_ns)
			merge_at |= UINT32_C(1) << bin;
		best_ns = merge_ns <= go_on_ns ? merge_ns : go_on_ns;
	}
	return merge_at;
}

/* What the end of an interval is expected to split. */
static double expected_split_ns(const struct adaptive *adaptive,
				const struct hazard_contexts *contexts,
				const struct policy_costs *costs)
{
	return (double)costs->split_ns * (1 - (double)adaptive->whole[contexts->mean]);
}

/* The age at which a view merges, from bin @from on. */
static uint64_t view_age_tick(struct adaptive *adaptive, const struct hazard_contexts *contexts,
			      enum hazard_view view, bool quiet, unsigned int from,
			      const struct policy_costs *costs)
{
	struct memo *memo = &adaptive->memos[quiet][contexts->fine[view]];

	if (memo->uses < REUSE_NEW || memo->uses % REUSE_TIMES == 0) {
		float hazard[HAZARD_SLOTS];

		hazard_estimate(&adaptive->hazards, contexts, view, quiet, hazard);
		memo->merge_at = solve(hazard,
				       (double)hazard_steps(adaptive->hazards.unit,
							    adaptive->life_tick + LIFE_MORE_TICK),
				       adaptive->hazards.unit,
				       expected_split_ns(adaptive, contexts, costs), costs);
	}
	memo->uses++;
	return hazard_ticks(adaptive->hazards.unit,
			    hazard_edge[__builtin_ctz(memo->merge_at >> from << from)]);
}

static enum hazard_view trusted(const struct region *region)
{
	return region->past > 1 && region->trust >= TRUST_LAST ? HAZARD_VIEW_LAST :
								 HAZARD_VIEW_LINEAR;
}

uint64_t adaptive_merge_age_tick(struct adaptive *adaptive, const struct region *region,
				 const struct policy_costs *costs)
{
	struct hazard_contexts contexts = hazard_contexts(region);
	bool quiet = hazard_is_quiet(&adaptive->hazards, region);

	return view_age_tick(adaptive, &contexts, trusted(region), quiet, region->stage, costs);
}

/* What a merge at age @merge_tick would have cost, as the interval ended at @age_tick. ns. */
static double cost_of_ns(uint64_t merge_tick, uint64_t age_tick, const struct policy_costs *costs)
{
	return merge_tick < age_tick ?
		       rental_walk_ns(merge_tick, costs) + rental_merge_split_ns(costs) :
		       rental_walk_ns(age_tick, costs);
}

/* Which view would have done better? */
static void learn_trust(struct adaptive *adaptive, struct region *region,
			const struct hazard_contexts *contexts, uint64_t age_tick,
			const struct policy_costs *costs)
{
	double step_ns = rental_merge_split_ns(costs) / TRUST_STEPS;
	uint64_t linear_tick;
	uint64_t last_tick;
	double gain_ns;
	double trust;

	/* What ends that soon is the same to both. */
	if (region->past < 2 || hazard_steps(adaptive->hazards.unit, age_tick) < hazard_edge[1] ||
	    !(step_ns > 0))
		return;
	linear_tick = view_age_tick(adaptive, contexts, HAZARD_VIEW_LINEAR, false, 0, costs);
	last_tick = view_age_tick(adaptive, contexts, HAZARD_VIEW_LAST, false, 0, costs);
	gain_ns = cost_of_ns(linear_tick, age_tick, costs) - cost_of_ns(last_tick, age_tick, costs);
	trust = (double)region->trust + round(gain_ns / step_ns);
	region->trust = (unsigned int)fmin(fmax(trust, 0), TRUST_MAX) & TRUST_MAX;
}

void adaptive_note_end(struct adaptive *adaptive, struct region *region, uint64_t age_tick,
		       bool merged, bool whole, const struct policy_costs *costs)
{
	struct hazard_contexts contexts = hazard_contexts(region);
	float *part = &adaptive->whole[contexts.mean];
	uint64_t age = hazard_steps(adaptive->hazards.unit, age_tick);
	unsigned int bin = hazard_bin(age);

	if (bin < region->stage)
		bin = region->stage;
	learn_trust(adaptive, region, &contexts, age_tick, costs);
	hazard_note(&adaptive->hazards, region, &contexts, bin, true);
	if (whole || *part > 0)
		*part += WHOLE_GAIN * ((float)whole - *part);
	rental_settle(region, age_tick, merged, costs);
	if (!region->past)
		region->trust = TRUST_FIRST;
	past_add(region, age, (double)age_tick / rental_break_even_tick(costs));
}

void adaptive_outlook(const struct adaptive *adaptive, const struct region *region,
		      const struct policy_costs *costs, struct policy_action *ret)
{
	struct hazard_contexts contexts = hazard_contexts(region);
	bool quiet = hazard_is_quiet(&adaptive->hazards, region);
	enum hazard_view view = trusted(region);
	const struct hazard_counts *counts = &adaptive->hazards.fine[contexts.fine[view]];
	float hazard[HAZARD_SLOTS];
	double expected = 0;
	double lives = 1;

	hazard_estimate(&adaptive->hazards, &contexts, view, quiet, hazard);
	for (unsigned int bin = region->stage; bin < BINS; bin++) {
		expected += lives * hazard_span(bin) * (1 - hazard[bin] / 2);
		lives *= 1 - hazard[bin];
	}
	/* Who outlives all bins is expected to live that long again. */
	expected += lives * hazard_edge[BINS];
	ret->expected_ns = (uint64_t)(ldexp(expected, adaptive->hazards.unit) * TICK_NS);
	ret->samples =
		(uint32_t)(counts->ends[region->stage] + counts->lives[region->stage]) / HAZARD_ONE;
	ret->cost_ns = costs->merge_ns + (uint64_t)((1 - lives * (1 - hazard[BINS])) *
						    expected_split_ns(adaptive, &contexts, costs));
}

struct adaptive *adaptive_new(struct adaptive *host, unsigned int unit, uint64_t birth_tick)
{
	struct adaptive *adaptive = calloc(1, sizeof(*adaptive));

	if (!adaptive)
		return NULL;
	adaptive->birth_tick = birth_tick;
	adaptive->accept.host = host ? &host->accept : NULL;
	adaptive->accept.unit = (int)unit + UNIT_LEAST;
	hazards_init(&adaptive->hazards, host ? &host->hazards : NULL, adaptive->accept.unit);
	return adaptive;
}
