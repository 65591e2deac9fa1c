// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/accept.h"

#include <math.h>

#include "daemon/policy/rental.h"

#define BINS ACCEPT_BINS

/* Fitted constants; what each trades is in docs/policy.md, Constants. */

/*
 * Before anything was seen: the part of regions that is accepted within a tick (Linux accepts in the
 * call that converts); of the others, the part that is accepted in each octave, and in each octave
 * before the one of the last time.
 */
#define PRIOR_PROMPT 0.97f
#define PRIOR_LATE   0.3f
#define PRIOR_EARLY  0.05f

/* Weight of the host's table, and of the values above in it, in regions. */
#define PRIOR_REGIONS 4.0f
/* Counts of a bin are halved beyond so many regions. */
#define CAP_REGIONS (64 * HAZARD_ONE)

/* The first so many lessons make a new plan each, then every eighth. */
#define PLAN_NEW   32
#define PLAN_TIMES 8

/* Bits of accept.stale. */
#define STALE(row)   (UINT32_C(1) << (row))
#define STALE_ALL    (STALE(ACCEPT_ROWS) - 1)
#define STALE_FIRSTS (STALE_ALL & ~(STALE(ACCEPT_LATES) - 1))

static uint64_t end_tick(const struct accept *accept, unsigned int bin)
{
	return bin ? hazard_ticks(accept->unit, UINT64_C(8) << bin) : 1;
}

/* The first bin that ends at @age_tick or later; BINS: none. */
static unsigned int bin_until(const struct accept *accept, uint64_t age_tick)
{
	unsigned int bin = 0;

	while (bin < BINS && end_tick(accept, bin) < age_tick)
		bin++;
	return bin;
}

/* The row that @region goes by. */
static unsigned int row_of(const struct region *region)
{
	return region->late || region->past ? region->late :
					      ACCEPT_LATES + past_bins(region).linear;
}

/* Is it by what a region was shared for? */
static bool is_first(unsigned int row)
{
	return row >= ACCEPT_LATES;
}

/* The first bin in which regions of a row are expected to be accepted. */
static unsigned int first_bin(unsigned int row)
{
	return row > 1 && !is_first(row) ? 2 * row - 3 : 0;
}

/* The row of a region that is accepted in @bin. */
static unsigned int row_at(unsigned int bin)
{
	unsigned int late = (bin + 1) / 2 + 1;

	return late < ACCEPT_LATES ? late : ACCEPT_LATES - 1;
}

/* ---- when to try ---- */

static void refine(const struct accept *accept, unsigned int row, float hazard[static HAZARD_SLOTS])
{
	if (accept->host)
		hazard_refine(&accept->host->counts[row], PRIOR_REGIONS, hazard);
	hazard_refine(&accept->counts[row], PRIOR_REGIONS, hazard);
}

/* Of regions not accepted before a bin, the part that is accepted in it. */
static void estimate(const struct accept *accept, unsigned int row,
		     float hazard[static HAZARD_SLOTS])
{
	for (unsigned int bin = 0; bin < HAZARD_SLOTS; bin++)
		hazard[bin] = bin < first_bin(row) ? PRIOR_EARLY : PRIOR_LATE;
	if (!first_bin(row))
		hazard[0] = PRIOR_PROMPT;
	if (is_first(row))
		refine(accept, 0, hazard);
	refine(accept, row, hazard);
}

/*
 * Backward induction, without the division by what is left. By bin: the part of regions not accepted before it, and of
 * those that were, the walk up to then, summed up.
 */
static void plan(struct accept *accept, unsigned int row, const struct policy_costs *costs)
{
	double end_ns[BINS];
	double waits[BINS + 1] = {1};
	double accepted_ns[BINS + 1] = {0};
	double cost_ns[BINS + 1] = {0};
	float hazard[HAZARD_SLOTS];

	estimate(accept, row, hazard);
	for (unsigned int bin = 0; bin < BINS; bin++) {
		end_ns[bin] = rental_walk_ns(end_tick(accept, bin), costs);
		waits[bin + 1] = waits[bin] * (1 - (double)hazard[bin]);
		accepted_ns[bin + 1] = accepted_ns[bin] + (waits[bin] - waits[bin + 1]) *
								  (bin ? 0.75 * end_ns[bin] : 0);
	}
	for (unsigned int from = BINS; from-- > 0;) {
		cost_ns[from] = HUGE_VAL;
		for (unsigned int bin = from; bin < BINS; bin++) {
			double try_ns = (waits[from] - waits[bin + 1]) * end_ns[bin] -
					(accepted_ns[bin + 1] - accepted_ns[from]) +
					waits[bin + 1] * (double)costs->fail_ns + cost_ns[bin + 1];

			if (try_ns < cost_ns[from]) {
				cost_ns[from] = try_ns;
				accept->best[row][from] = (uint8_t)bin;
			}
		}
	}
}

void accept_plan(struct accept *accept)
{
	accept->stale = STALE_ALL;
}

uint64_t accept_try_tick(struct accept *accept, const struct region *region, uint64_t age_tick,
			 bool refused, const struct policy_costs *costs)
{
	unsigned int row = row_of(region);
	unsigned int from = refused ? first_bin(row) : 0;
	uint64_t try_tick;

	if (accept->stale & STALE(row)) {
		plan(accept, row, costs);
		accept->stale &= ~STALE(row);
	}
	try_tick = end_tick(accept, accept->best[row][from]);
	if (try_tick > age_tick)
		return try_tick;
	return refused ? 2 * age_tick : age_tick;
}

/* ---- lessons ---- */

/* Accepted somewhere from bin @from to bin @to, as likely in each as it is known to be, or after them. */
static struct hazard_counts make_lesson(const float hazard[static HAZARD_SLOTS], unsigned int from,
					unsigned int to, bool accepted)
{
	struct hazard_counts lesson = {0};
	float waits = 1;
	float left = 1;
	float all = 1;

	for (unsigned int bin = from; bin <= to; bin++)
		all *= 1 - hazard[bin];
	for (unsigned int bin = from; bin <= to; bin++) {
		float ends = accepted ? waits * hazard[bin] / (1 - all) : 0;

		waits *= 1 - hazard[bin];
		left = fmaxf(left - ends, 0);
		lesson.ends[bin] = (uint16_t)(HAZARD_ONE * ends);
		lesson.lives[bin] = (uint16_t)(HAZARD_ONE * left);
	}
	return lesson;
}

/* What is learnt of a row of regions without a past is learnt of all that are not known, too. */
static void learn(struct accept *accept, unsigned int row, const struct hazard_counts *lesson)
{
	hazard_count(&accept->counts[row], lesson, CAP_REGIONS);
	if (is_first(row))
		hazard_count(&accept->counts[0], lesson, CAP_REGIONS);
}

/* Row 0 is a part of what is known of those without a past. */
static void plan_anew(struct accept *accept, unsigned int row)
{
	bool known = row && !is_first(row);
	uint16_t lesson = accept->lessons[known ? row : 0]++;

	if (lesson < PLAN_NEW || lesson % PLAN_TIMES == 0)
		accept->stale |= known ? STALE(row) : STALE(0) | STALE_FIRSTS;
}

void accept_note(struct accept *accept, struct region *region, uint64_t age_tick, bool again,
		 bool accepted)
{
	unsigned int row = row_of(region);
	/* A try comes a little after the end of a bin. */
	unsigned int to = bin_until(accept, accepted ? age_tick - age_tick / 4 : age_tick + 1);
	unsigned int from = again ? first_bin(row) : 0;
	struct hazard_counts lesson;
	float hazard[HAZARD_SLOTS];

	/* Refused: all before @to have passed. Accepted: in @to or before. */
	if (to == BINS)
		to = BINS - 1;
	if (to < from)
		to = from;
	estimate(accept, row, hazard);
	lesson = make_lesson(hazard, from, accepted || !to ? to : to - 1, accepted);
	learn(accept, row, &lesson);
	if (accept->host)
		learn(accept->host, row, &lesson);
	if (!accepted || again || to < first_bin(row))
		region->late = row_at(to) & (ACCEPT_LATES - 1);
	else if (!region->late)
		region->late = 1;
	plan_anew(accept, row);
}
