// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/hazard.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define BINS  HAZARD_BINS
#define SLOTS HAZARD_SLOTS
#define ONE   256 /* counts are in 1/256 interval */

/*
 * Fitted constants. Each says its unit, what it trades, and a VALUE that shows it; the ratios are the scores of one kind of trace
 * with the value in the tree and with that one:
 *	make bench-constant NAME=PRIOR_FIRST VALUE=0.1
 */

/*
 * Intervals in a bin of a context, beyond which its counts are halved. Higher: steadier estimates;
 * lower: follows a guest that changes sooner. First intervals are of ever new regions, so that old
 * ones say less. CAP 10 * ONE: phases 1.020 to 1.037. CAP_FIRST 200 * ONE: web 1.095 to 1.099; 10 *
 * ONE: boot 1.076 to 1.066, but plain-web 1.039 to 1.044.
 */
#define CAP	  (100 * ONE)
#define CAP_FIRST (50 * ONE)

/*
 * Weight, in intervals, with which a context leans on the coarser one. Higher: fewer decisions from
 * chance; lower: what is special in a context shows sooner. PRIOR_INTERVALS 64.0: plain-bursts
 * 1.211 to 1.286, periodic 65 to 159 merges; 1.0: bursts 1.184 to 1.227. PRIOR_FIRST_INTERVALS 2.0:
 * plain-web 1.039 to 1.053; 200.0: whole 1.012 to 1.021.
 */
#define PRIOR_INTERVALS	      8.0
#define PRIOR_FIRST_INTERVALS 20.0

/*
 * The same for the bins on both sides (intervals), and the weight of the farther two relative to
 * the nearer two. Higher: smoother hazards, so that no merge waits for a jump by chance; lower:
 * sharper ones, for regions with a period. SMOOTH_INTERVALS 1000.0: plain-bursts 1.211 to 1.229;
 * 4.0: fleet 1.175 to 1.192, pattern 1.093 to 1.102. NEXT_WEIGHT 0.0: plain-boot 1.038 to 1.044,
 * but pattern 1.093 to 1.088.
 */
#define SMOOTH_INTERVALS 64.0
#define NEIGHBOURS	 2
#define NEXT_WEIGHT	 0.6

/*
 * What is assumed before anything was seen, as the part of the intervals reaching a bin that end in
 * it: see prior_hazard(). It decides the first minutes of a VM only, so most of it moves little.
 */

/* Of first intervals. Higher: one-off regions wait longer; lower: hot ones are merged before they are known.
 * 0.1: whole 1.012 to 1.105; 0.001: thrash 1.000 to 1.014. */
#define PRIOR_FIRST 0.012
/*
 * Of later ones that outlived their mean. Higher: merges of what has cooled down wait; lower: they
 * come at once. 0.2: plain-bursts 1.211 to 1.246, 1.0881 in the mean; 0.003: fleet 1.175 to 1.178.
 */
#define PRIOR_FLOOR 0.03
/*
 * Octaves of hazard per bin below the mean. Higher: younger regions count as safe, more merges that
 * are split; lower: fewer merges of either kind. 3.0: plain-bursts 1.211 to 1.228; 0.2: 7074 merges
 * in place of 7194.
 */
#define PRIOR_RISE 0.7
/*
 * The least of it there. Higher: fewer merges; lower: more of what has just begun counts as safe.
 * 0.1: 7133 merges in place of 7194; 0.0001: 7192.
 */
#define PRIOR_LEAST 0.004
/*
 * Of what outlived the last bin, three minutes. Higher: a merge is charged more of the split that
 * follows it. Few intervals get there: 0.9 and 0.01 change no score of these traces.
 */
#define PRIOR_TAIL 0.1

/*
 * Lessons (intervals that ended) after which only every eighth of a VM's intervals teaches the
 * host. Higher: new VMs start from more, at the cost of a second set of counts per interval; lower:
 * cheaper. 16: plain-bursts 1.211 to 1.254, plain-web 1.039 to 1.060.
 */
#define HOST_LESSONS 4096

/*
 * The VM is quiet when nothing was converted in the last (QUIET_PART - 1) / QUIET_PART of a
 * region's age. Higher: a pause of the whole guest is seen later; lower: shorter gaps pass for one.
 * 8: phases 1.020 to 1.029; 1, any gap: pattern 1.093 to 1.288.
 */
#define QUIET_PART 2

/*
 * Ticks (1.05 ms). What is seen later than that says nothing of how late the next conversion will
 * be seen. Higher: a VM counts as busy for longer after a stall of the daemon; lower: what the dump
 * has not shown yet passes for quiet. With OBSERVE=100ms, VALUE=1: plain-web 1.048 to 1.064.
 */
#define LAG_MAX_TICK 1000
/*
 * Observations over which a long lag fades to 1/e. Higher: a single late dump is remembered longer;
 * lower: a VM passes for quiet too soon. With OBSERVE=100ms, VALUE=4: pattern 1.106 to 1.115.
 */
#define LAG_FADE 64

const uint32_t hazard_edge_tick[BINS + 1] = {
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

	return since_tick > 0 ? hazard_bin(QUIET_PART * (uint64_t)since_tick - 1) + 1 : 0;
}

bool hazard_is_quiet(const struct hazards *hazards, const struct region *region)
{
	return region->stage && quiet_from(hazards, region) <= region->stage;
}

/* ---- lessons ---- */

/* Adds a lesson; counts that have grown large are halved. All bins at once, no branches. */
static void count(struct hazard_counts *counts, const struct hazard_counts *lesson,
		  unsigned int cap)
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
	unsigned int cap = is_first(contexts) ? CAP_FIRST : CAP;

	count(&hazards->means[contexts->mean], lesson, cap);
	for (enum hazard_view view = 0; view < HAZARD_VIEWS; view++)
		count(&hazards->fine[contexts->fine[view]], lesson, cap);
}

void hazard_note(struct hazards *hazards, const struct region *region,
		 const struct hazard_contexts *contexts, unsigned int to, bool ended)
{
	struct hazard_counts lesson = make_lesson(region->stage, to, ended);
	unsigned int from = quiet_from(hazards, region);
	bool for_host = hazards->host && (hazards->lessons < HOST_LESSONS || !(region->stamp & 7));

	teach(hazards, contexts, &lesson);
	if (for_host)
		teach(hazards->host, contexts, &lesson);
	hazards->lessons += ended;
	if (from > to)
		return;
	lesson = make_lesson(from > region->stage ? from : region->stage, to, ended);
	count(&hazards->quiet[contexts->mean], &lesson, CAP);
	if (for_host)
		count(&hazards->host->quiet[contexts->mean], &lesson, CAP);
}

/* ---- estimates ---- */

/* A context's counts as numbers, with room on both sides so that every bin has neighbours. */
struct counted {
	double ends[SLOTS + 2 * NEIGHBOURS];
	double all[SLOTS + 2 * NEIGHBOURS];
};

/* Bin 0 reaches from nothing to 8 ticks, and what follows the last one is no bin: no neighbours. */
static void count_neighbours(const struct hazard_counts *counts, struct counted *ret)
{
	*ret = (struct counted){0};
	for (unsigned int bin = 1; bin < BINS; bin++) {
		ret->ends[bin + NEIGHBOURS] = counts->ends[bin];
		ret->all[bin + NEIGHBOURS] = counts->ends[bin] + counts->lives[bin];
	}
}

static double around(const double *numbers, unsigned int bin)
{
	const double *at = numbers + bin + NEIGHBOURS;

	return at[-1] + at[1] + NEXT_WEIGHT * (at[-2] + at[2]);
}

/*
 * Replaces what the coarser context says by what this one has seen, as far as it has seen enough. A
 * bin that has seen little of its own follows the ones beside it: a hazard that jumps from bin to
 * bin by chance would make merges wait for nothing.
 */
static void refine(const struct hazard_counts *counts, double prior, double hazard[static SLOTS])
{
	struct counted beside;

	count_neighbours(counts, &beside);
	for (unsigned int bin = 0; bin < BINS; bin++)
		hazard[bin] = (around(beside.ends, bin) + SMOOTH_INTERVALS * ONE * hazard[bin]) /
			      (around(beside.all, bin) + SMOOTH_INTERVALS * ONE);
	for (unsigned int bin = 0; bin < SLOTS; bin++) {
		double ends = counts->ends[bin];
		double all = ends + counts->lives[bin];

		hazard[bin] = (ends + prior * ONE * hazard[bin]) / (all + prior * ONE);
	}
}

/*
 * Of the intervals that reach a bin, the part that ends in it, for regions with @count intervals of
 * mean length @mean, in octaves from 8 ticks on. Few first intervals end. Later ones are about as
 * long as those before; the longer they are, the slower that fades.
 */
static double prior_hazard(unsigned int count, unsigned int mean, unsigned int bin)
{
	static const double peaks[PAST_COUNTS] = {0, 0.25, 0.28, 0.35};
	static const double fades[PAST_COUNTS] = {0, 0.6, 0.8, 1.2};
	double beyond = (double)bin - (2.0 * mean + 2);

	if (bin == BINS)
		return PRIOR_TAIL;
	if (!count)
		return PRIOR_FIRST;
	if (beyond < 0)
		return fmax(peaks[count] * exp2(PRIOR_RISE * beyond), PRIOR_LEAST);
	return PRIOR_FLOOR +
	       (peaks[count] - PRIOR_FLOOR) * exp2(-beyond / (2 + fades[count] * mean));
}

void hazard_estimate(const struct hazards *hazards, const struct hazard_contexts *contexts,
		     enum hazard_view view, bool quiet, double ret[static HAZARD_SLOTS])
{
	const struct hazards *host = hazards->host ? hazards->host : hazards;
	unsigned int mean = contexts->mean;
	unsigned int fine = contexts->fine[view];
	double prior = is_first(contexts) ? PRIOR_FIRST_INTERVALS : PRIOR_INTERVALS;

	for (unsigned int bin = 0; bin < SLOTS; bin++)
		ret[bin] = host->prior[mean][bin];
	refine(&host->means[mean], prior, ret);
	refine(&hazards->means[mean], prior, ret);
	refine(&host->fine[fine], prior, ret);
	refine(&hazards->fine[fine], prior, ret);
	if (!quiet)
		return;
	refine(&host->quiet[mean], prior, ret);
	refine(&hazards->quiet[mean], prior, ret);
}

double hazard_samples(const struct hazards *hazards, const struct hazard_contexts *contexts,
		      enum hazard_view view, unsigned int bin)
{
	const struct hazard_counts *counts = &hazards->fine[contexts->fine[view]];

	return (counts->ends[bin] + counts->lives[bin]) / ONE;
}

/* ---- all of them ---- */

/* The host's prior, worked out once. */
static int make_prior(struct hazards *host)
{
	host->prior = calloc(HAZARD_MEANS, sizeof(*host->prior));
	if (!host->prior)
		return -ENOMEM;
	for (unsigned int i = 0; i < HAZARD_MEANS; i++)
		for (unsigned int bin = 0; bin <= BINS; bin++)
			host->prior[i][bin] =
				(float)prior_hazard(i / PAST_MEANS, i % PAST_MEANS, bin);
	return 0;
}

int hazards_init(struct hazards *hazards, struct hazards *host)
{
	hazards->host = host;
	return host ? 0 : make_prior(hazards);
}

void hazards_done(struct hazards *hazards)
{
	free(hazards->prior);
}

size_t hazards_extra_bytes(const struct hazards *hazards)
{
	return hazards->prior ? HAZARD_MEANS * sizeof(*hazards->prior) : 0;
}
