// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/adaptive.h"

#include <math.h>
#include <stdlib.h>

#include "daemon/policy/hazard.h"

#define BINS HAZARD_BINS

/* Fitted constants: unit, what it trades, a VALUE that shows it; see hazard.c. */

/*
 * region.trust, in steps of (M + D) / TRUST_STEPS: what the view of the last interval would have
 * saved over that of the mean, from TRUST_FIRST on, at most TRUST_MAX; from TRUST_LAST on the last
 * interval decides. Higher TRUST_FIRST or lower TRUST_LAST: patterns are followed sooner, but so is
 * chance. TRUST_FIRST 15: pattern 1.093 to 1.068, but plain-database 1.256 to 1.263; TRUST_LAST 2:
 * 1.068 and 1.265. More TRUST_STEPS: one interval changes it more. TRUST_STEPS 1: pattern 1.093 to
 * 1.217.
 */
#define TRUST_FIRST 5
#define TRUST_LAST  10
#define TRUST_MAX   15
#define TRUST_STEPS 6

/*
 * Uses of a decision of a context: the first REUSE_NEW are worked out each time, then every
 * REUSE_TIMES. Higher REUSE_TIMES: less CPU per decision; lower: decisions follow what was learnt
 * at once. REUSE_TIMES 256: plain-phases 1.044 to 1.068; 1: 1.0814 in the mean in place of 1.0826.
 * REUSE_NEW 1: plain-bursts 1.211 to 1.371.
 */
#define REUSE_NEW   64
#define REUSE_TIMES 16

/* Bit per bin: at its lower edge, merging is best. */
struct memo {
	uint32_t merge_at;
	uint32_t uses;
};

struct adaptive {
	struct hazards hazards;
	struct memo memos[2][HAZARD_FINE]; /* [quiet] */
};

/* ---- notes ---- */

void adaptive_note_busy(struct adaptive *adaptive, uint64_t busy_tick, uint64_t lag_tick)
{
	hazard_busy(&adaptive->hazards, busy_tick, lag_tick);
}

void adaptive_note_start(struct region *region)
{
	region->stage = 0;
}

void adaptive_note_merge(struct region *region, uint64_t age_tick, const struct policy_costs *costs)
{
	rental_add_merge(region, age_tick, costs);
}

void adaptive_note_refusal(struct region *region, const struct policy_costs *costs)
{
	rental_add_refusal(region, costs);
}

void adaptive_note_age(struct adaptive *adaptive, struct region *region, uint64_t age_tick)
{
	unsigned int bin = hazard_bin(age_tick);
	struct hazard_contexts contexts;

	if (bin <= region->stage)
		return;
	contexts = hazard_contexts(region);
	/* Outliving the last edge is a count of its own. */
	hazard_note(&adaptive->hazards, region, &contexts, bin == BINS ? BINS + 1 : bin, false);
	region->stage = bin & 31;
}

/* Looked at once per octave, from 16 s on every second one. */
uint64_t adaptive_next_look_tick(const struct region *region)
{
	unsigned int next = (region->stage + 2u) | 1u;

	if (region->stage >= BINS)
		return NO_TICK;
	if (next < 9)
		next = 9;
	return hazard_edge_tick[next < BINS ? next : BINS];
}

/* ---- decisions ---- */

/*
 * Backward induction: at each edge, is merging now cheaper than going through the bin and deciding
 * at the next edge? After the last edge a merge always pays.
 */
static uint32_t solve(const double hazard[static HAZARD_SLOTS], const struct policy_costs *costs)
{
	double lives = 1 - hazard[BINS];
	double best_ns = (double)costs->merge_ns + (double)costs->split_ns * (1 - lives);
	uint32_t merge_at = UINT32_C(1) << BINS;

	for (unsigned int bin = BINS; bin-- > 0;) {
		double walk_ns = hazard_span_tick(bin) * rental_walk_ns(1, costs);
		double go_on_ns =
			hazard[bin] * walk_ns / 2 + (1 - hazard[bin]) * (walk_ns + best_ns);
		double merge_ns;

		lives *= 1 - hazard[bin];
		merge_ns = (double)costs->merge_ns + (double)costs->split_ns * (1 - lives);
		if (merge_ns <= go_on_ns)
			merge_at |= UINT32_C(1) << bin;
		best_ns = merge_ns <= go_on_ns ? merge_ns : go_on_ns;
	}
	return merge_at;
}

/* The age at which a view merges, from bin @from on. */
static uint64_t view_age_tick(struct adaptive *adaptive, const struct hazard_contexts *contexts,
			      enum hazard_view view, bool quiet, unsigned int from,
			      const struct policy_costs *costs)
{
	struct memo *memo = &adaptive->memos[quiet][contexts->fine[view]];

	if (memo->uses < REUSE_NEW || memo->uses % REUSE_TIMES == 0) {
		double hazard[HAZARD_SLOTS];

		hazard_estimate(&adaptive->hazards, contexts, view, quiet, hazard);
		memo->merge_at = solve(hazard, costs);
	}
	memo->uses++;
	return hazard_edge_tick[__builtin_ctz(memo->merge_at >> from << from)];
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
	uint64_t age_tick =
		view_age_tick(adaptive, &contexts, trusted(region), quiet, region->stage, costs);

	return rental_within_bound(region, age_tick, costs);
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
	if (region->past < 2 || age_tick < hazard_edge_tick[1] || !(step_ns > 0))
		return;
	linear_tick = view_age_tick(adaptive, contexts, HAZARD_VIEW_LINEAR, false, 0, costs);
	last_tick = view_age_tick(adaptive, contexts, HAZARD_VIEW_LAST, false, 0, costs);
	gain_ns = cost_of_ns(linear_tick, age_tick, costs) - cost_of_ns(last_tick, age_tick, costs);
	trust = (double)region->trust + round(gain_ns / step_ns);
	region->trust = (unsigned int)fmin(fmax(trust, 0), TRUST_MAX) & TRUST_MAX;
}

void adaptive_note_end(struct adaptive *adaptive, struct region *region, uint64_t age_tick,
		       bool merged, const struct policy_costs *costs)
{
	struct hazard_contexts contexts = hazard_contexts(region);
	unsigned int bin = hazard_bin(age_tick);

	if (bin < region->stage)
		bin = region->stage;
	learn_trust(adaptive, region, &contexts, age_tick, costs);
	hazard_note(&adaptive->hazards, region, &contexts, bin, true);
	rental_settle(region, age_tick, merged, costs);
	if (!region->past)
		region->trust = TRUST_FIRST;
	past_add(region, age_tick, costs);
}

struct adaptive_outlook adaptive_outlook(const struct adaptive *adaptive,
					 const struct region *region)
{
	struct adaptive_outlook outlook = {0, 0, 0};
	struct hazard_contexts contexts = hazard_contexts(region);
	bool quiet = hazard_is_quiet(&adaptive->hazards, region);
	enum hazard_view view = trusted(region);
	double hazard[HAZARD_SLOTS];
	double lives = 1;

	hazard_estimate(&adaptive->hazards, &contexts, view, quiet, hazard);
	for (unsigned int bin = region->stage; bin < BINS; bin++) {
		outlook.expected_tick += lives * hazard_span_tick(bin) * (1 - hazard[bin] / 2);
		lives *= 1 - hazard[bin];
	}
	/* Who outlives all bins is expected to live that long again. */
	outlook.expected_tick += lives * hazard_edge_tick[BINS];
	outlook.ends = 1 - lives * (1 - hazard[BINS]);
	outlook.samples = hazard_samples(&adaptive->hazards, &contexts, view, region->stage);
	return outlook;
}

struct adaptive *adaptive_new(struct adaptive *host)
{
	struct adaptive *adaptive = calloc(1, sizeof(*adaptive));

	if (!adaptive)
		return NULL;
	if (hazards_init(&adaptive->hazards, host ? &host->hazards : NULL))
		return adaptive_free(adaptive);
	return adaptive;
}

struct adaptive *adaptive_free(struct adaptive *adaptive)
{
	if (adaptive)
		hazards_done(&adaptive->hazards);
	free(adaptive);
	return NULL;
}

size_t adaptive_bytes(const struct adaptive *adaptive)
{
	return sizeof(*adaptive) + hazards_extra_bytes(&adaptive->hazards);
}
