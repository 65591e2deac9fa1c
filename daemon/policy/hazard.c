// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/hazard.h"

#include <math.h>

#define BINS  HAZARD_BINS
#define SLOTS HAZARD_SLOTS
#define ONE   HAZARD_ONE

/* Fitted constants; what each trades is in docs/policy.md, Constants. */

/* Intervals in a bin of a context, beyond which its counts are halved. First intervals are of ever new regions. */
#define CAP	  (100 * ONE)
#define CAP_FIRST (50 * ONE)

/* Weight, in intervals, with which a context leans on the coarser one. */
#define PRIOR_INTERVALS	      8.0f
#define PRIOR_FIRST_INTERVALS 20.0f

/* The same for the bins on both sides, and the weight of the farther two relative to the nearer two. */
#define SMOOTH_INTERVALS 64.0f
#define NEIGHBOURS	 2
#define NEXT_WEIGHT	 0.6f

/*
 * Before anything was seen, of the intervals that reach a bin, the part that ends in it: of first ones; of later
 * ones near their mean, and long after it. In octaves, its rise per bin up to the mean, and its fade per octave of
 * the mean beyond.
 */
#define PRIOR_FIRST 0.012
#define PRIOR_PEAK  0.3
#define PRIOR_FLOOR 0.03
#define PRIOR_RISE  0.7
#define PRIOR_FADE  0.8

/* The VM is quiet when nothing was converted in the last (QUIET_PART - 1) / QUIET_PART of a region's age. */
#define QUIET_PART 2

/* Ticks: a conversion that is seen later than that came after a stall. Observations over which a lag fades to 1/e. */
#define LAG_MAX_TICK 1000
#define LAG_FADE     64

const uint32_t hazard_edge[BINS + 1] = {
	0,     8,     11,    16,    22,	   32,	  45,	 64,	 90,	 128,  181,
	256,   362,   512,   724,   1024,  1448,  2048,	 2896,	 4096,	 5792, 8192,
	11585, 16384, 23170, 32768, 46340, 65536, 92681, 131072, 185363,
};

/* ---- contexts ---- */

struct hazard_contexts hazard_contexts(const struct region *region)
{
	struct past_bins past = past_bins(region);
	unsigned int mean = past.count * PAST_MEANS + past.mean;

	return (struct hazard_contexts){
		.mean = mean,
		.fine = {[HAZARD_VIEW_LINEAR] = mean * PAST_LINEARS + past.linear,
			 [HAZARD_VIEW_LAST] = HAZARD_LAST + mean * PAST_LASTS + past.last},
	};
}

static bool is_first(const struct hazard_contexts *contexts)
{
	return contexts->mean < PAST_MEANS;
}

void hazard_busy(struct hazards *hazards, uint64_t busy_tick, uint64_t lag_tick)
{
	uint64_t lag_tick_64ths;

	if ((int32_t)((uint32_t)busy_tick - hazards->busy_tick) > 0)
		hazards->busy_tick = (uint32_t)busy_tick;
	lag_tick_64ths = (lag_tick < LAG_MAX_TICK ? lag_tick : LAG_MAX_TICK) * LAG_FADE;
	hazards->lag_tick_64ths -= hazards->lag_tick_64ths / LAG_FADE;
	if (hazards->lag_tick_64ths < lag_tick_64ths)
		hazards->lag_tick_64ths = lag_tick_64ths;
}

/*
 * The first bin from which on the VM has been quiet. Before it, it may have been: what was
 * converted within the lag is not known yet.
 */
static unsigned int quiet_from(const struct hazards *hazards, const struct region *region)
{
	int64_t since_tick = (int32_t)(hazards->busy_tick - region->stamp) +
			     (int64_t)(hazards->lag_tick_64ths / LAG_FADE);

	return since_tick > 0 ? hazard_bin(hazard_steps(hazards->unit,
							QUIET_PART * (uint64_t)since_tick - 1)) +
					1 :
				0;
}

bool hazard_is_quiet(const struct hazards *hazards, const struct region *region)
{
	return region->stage && quiet_from(hazards, region) <= region->stage;
}

/* ---- lessons ---- */

/* All bins at once, no branches. */
void hazard_count(struct hazard_counts *counts, const struct hazard_counts *lesson, uint16_t cap)
{
	for (unsigned int bin = 0; bin < SLOTS; bin++) {
		uint16_t ends = (uint16_t)(counts->ends[bin] + lesson->ends[bin]);
		uint16_t lives = (uint16_t)(counts->lives[bin] + lesson->lives[bin]);
		uint16_t half = (uint16_t)(ends + lives) > cap;

		counts->ends[bin] = half ? ends / 2 : ends;
		counts->lives[bin] = half ? lives / 2 : lives;
	}
}

/* An interval outlived the bins from @from to before @to, and, if @ended, ended in bin @to. */
static inline struct hazard_counts make_lesson(unsigned int from, unsigned int to, bool ended)
{
	unsigned int end = ended && to >= from ? to : SLOTS;
	struct hazard_counts lesson;

	for (uint16_t bin = 0; bin < SLOTS; bin++) {
		lesson.lives[bin] = bin >= from && bin < to ? ONE : 0;
		lesson.ends[bin] = bin == end ? ONE : 0;
	}
	return lesson;
}

static void teach(struct hazards *hazards, const struct hazard_contexts *contexts,
		  const struct hazard_counts *lesson)
{
	uint16_t cap = is_first(contexts) ? CAP_FIRST : CAP;

	hazard_count(&hazards->means[contexts->mean], lesson, cap);
	for (enum hazard_view view = 0; view < HAZARD_VIEWS; view++)
		hazard_count(&hazards->fine[contexts->fine[view]], lesson, cap);
}

void hazard_note(struct hazards *hazards, const struct region *region,
		 const struct hazard_contexts *contexts, unsigned int to, bool ended)
{
	struct hazard_counts lesson = make_lesson(region->stage, to, ended);
	unsigned int from = quiet_from(hazards, region);

	teach(hazards, contexts, &lesson);
	if (hazards->host)
		teach(hazards->host, contexts, &lesson);
	if (from > to)
		return;
	lesson = make_lesson(from > region->stage ? from : region->stage, to, ended);
	hazard_count(&hazards->quiet[contexts->mean], &lesson, CAP);
	if (hazards->host)
		hazard_count(&hazards->host->quiet[contexts->mean], &lesson, CAP);
}

/* ---- estimates ---- */

/* A context's counts as numbers, with room on both sides so that every bin has neighbours. */
struct counted {
	float ends[SLOTS + 2 * NEIGHBOURS];
	float all[SLOTS + 2 * NEIGHBOURS];
};

static void count_all(const struct hazard_counts *counts, struct counted *ret)
{
	*ret = (struct counted){0};
	for (unsigned int bin = 0; bin < SLOTS; bin++) {
		ret->ends[bin + NEIGHBOURS] = counts->ends[bin];
		ret->all[bin + NEIGHBOURS] = (float)counts->ends[bin] + (float)counts->lives[bin];
	}
}

/* Bin 0 reaches from nothing to 8 ticks, and what follows the last one is no bin: no neighbours. */
static struct counted neighbours_of(struct counted counted)
{
	counted.ends[NEIGHBOURS] = counted.all[NEIGHBOURS] = 0;
	counted.ends[BINS + NEIGHBOURS] = counted.all[BINS + NEIGHBOURS] = 0;
	return counted;
}

static inline float around(const float *at)
{
	return at[NEIGHBOURS - 1] + at[NEIGHBOURS + 1] +
	       NEXT_WEIGHT * (at[NEIGHBOURS - 2] + at[NEIGHBOURS + 2]);
}

/*
 * A bin that has seen little of its own follows the ones beside it: a hazard that jumps from bin to
 * bin by chance would make merges wait for nothing. All bins at once, no branches.
 */
void hazard_refine(const struct hazard_counts *counts, float prior, float hazard[static SLOTS])
{
	float last = hazard[BINS];
	struct counted counted;
	struct counted beside;

	count_all(counts, &counted);
	beside = neighbours_of(counted);
	for (unsigned int bin = 0; bin < SLOTS; bin++)
		hazard[bin] = (around(&beside.ends[bin]) + SMOOTH_INTERVALS * ONE * hazard[bin]) /
			      (around(&beside.all[bin]) + SMOOTH_INTERVALS * ONE);
	hazard[BINS] = last;
	for (unsigned int bin = 0; bin < SLOTS; bin++)
		hazard[bin] = (counted.ends[bin + NEIGHBOURS] + prior * ONE * hazard[bin]) /
			      (counted.all[bin + NEIGHBOURS] + prior * ONE);
}

/* For regions with @count intervals of mean length @mean, in octaves from 8 steps on. */
static double prior_hazard(unsigned int count, unsigned int mean, unsigned int bin)
{
	double beyond = (double)bin - (2.0 * mean + 2);

	if (!count)
		return PRIOR_FIRST;
	if (beyond < 0)
		return PRIOR_PEAK * exp2(PRIOR_RISE * beyond);
	return PRIOR_FLOOR + (PRIOR_PEAK - PRIOR_FLOOR) * exp2(-beyond / (2 + PRIOR_FADE * mean));
}

void hazard_estimate(const struct hazards *hazards, const struct hazard_contexts *contexts,
		     enum hazard_view view, bool quiet, float ret[static HAZARD_SLOTS])
{
	const struct hazards *host = hazards->host ? hazards->host : hazards;
	unsigned int mean = contexts->mean;
	unsigned int fine = contexts->fine[view];
	float prior = is_first(contexts) ? PRIOR_FIRST_INTERVALS : PRIOR_INTERVALS;

	for (unsigned int bin = 0; bin < SLOTS; bin++)
		ret[bin] = hazards->prior[mean][bin];
	hazard_refine(&host->means[mean], prior, ret);
	hazard_refine(&hazards->means[mean], prior, ret);
	hazard_refine(&host->fine[fine], prior, ret);
	hazard_refine(&hazards->fine[fine], prior, ret);
	if (!quiet)
		return;
	hazard_refine(&host->quiet[mean], prior, ret);
	hazard_refine(&hazards->quiet[mean], prior, ret);
}

void hazards_init(struct hazards *hazards, struct hazards *host, int unit)
{
	hazards->unit = unit;
	hazards->host = host;
	for (unsigned int i = 0; i < HAZARD_MEANS; i++)
		for (unsigned int bin = 0; bin <= BINS; bin++)
			hazards->prior[i][bin] =
				(float)prior_hazard(i / PAST_MEANS, i % PAST_MEANS, bin);
}
