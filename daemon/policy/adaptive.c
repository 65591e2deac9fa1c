// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/adaptive.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TICK_NS ((double)(1u << TICK_SHIFT))
#define BINS	ADAPTIVE_BINS
#define ONE	256 /* counts are in 1/256 */
#define CAP	(100 * ONE)
#define MEANS	13
#define LINEARS 13

/* How strongly a context leans on the one that it refines, in intervals. */
#define PRIOR_INTERVALS 8.0
/* The same for the bins on both sides, and the weight of the second next of them. */
#define SMOOTH_INTERVALS 64.0
#define NEIGHBOURS	 2
#define NEXT_WEIGHT	 0.6
/* What is assumed before anything was seen: see prior_hazard(). */
#define PRIOR_FIRST 0.012
#define PRIOR_FLOOR 0.03
#define PRIOR_RISE  0.7
#define PRIOR_LEAST 0.004
#define PRIOR_TAIL  0.1

/* Gains of a region's averages once it has had some intervals. */
#define MEAN_GAIN   0.06
#define LINEAR_GAIN 0.03

/* region.mean: 32 per octave of a tick; region.linear: 128 per break-even time. */
#define MEAN_OCTAVE 32
#define MEAN_MAX    511
#define LINEAR_ONE  128
#define LINEAR_MAX  511
#define PAST_MAX    ADAPTIVE_PAST_MAX

/* region.trust: from TRUST_LAST on, the last interval decides. A step is a sixth of M + D. */
#define TRUST_FIRST 5
#define TRUST_LAST  10
#define TRUST_MAX   15
#define TRUST_STEPS 6

#define DEBT_PER_UNIT 16 /* steps of region.debt per merge + split + refusal */
#define DEBT_STEPS    127

/* A decision is worked out anew after this many uses; more often while a context is new. */
#define REUSE_NEW   64
#define REUSE_TIMES 16

/* Of a VM's intervals, every eighth also teaches the host once the VM has taught this many. */
#define HOST_LESSONS 4096

/*
 * Contexts: number of intervals and their mean; and refined from that either by their truncated
 * linear mean, or by the length of the last one.
 */
enum view { VIEW_LINEAR, VIEW_LAST, VIEWS };

#define COUNTS	  4
#define LASTS	  26
#define LIN_BASE  (COUNTS * MEANS)
#define LAST_BASE (LIN_BASE + COUNTS * MEANS * LINEARS)
#define CONTEXTS  (LAST_BASE + COUNTS * MEANS * LASTS)

/* Counts per bin; bin BINS is for what comes after all bins. A power of two, for vector units. */
#define SLOTS 32

struct context {
	uint16_t ends[SLOTS];
	uint16_t lives[SLOTS];
};

_Static_assert(SLOTS > BINS, "a slot for every bin, and what comes after them");

/* Bit per bin: at its lower edge, merging is best. */
struct memo {
	uint32_t merge_at;
	uint32_t uses;
};

struct adaptive {
	struct adaptive *host;
	float (*prior)[SLOTS]; /* by count and mean; the host's */
	uint64_t lessons;
	struct context contexts[CONTEXTS];
	struct memo memos[CONTEXTS];
};

/* Lower edge of bin 0 ... BINS in ticks: 0, then 8 * 2^((i - 1) / 2). */
static const uint32_t edges[BINS + 1] = {
	0,     8,     11,    16,    22,	   32,	  45,	 64,	 90,	 128,  181,
	256,   362,   512,   724,   1024,  1448,  2048,	 2896,	 4096,	 5792, 8192,
	11585, 16384, 23170, 32768, 46340, 65536, 92681, 131072, 185363,
};

/* Their widths. */
static const double spans[SLOTS] = {
	8,   3,	  5,   6,    10,   13,	 19,   26,   38,   53,	 75,	106,   150,   212,   300,
	424, 600, 848, 1200, 1696, 2400, 3393, 4799, 6786, 9598, 13572, 19196, 27145, 38391, 54291,
};

/* ---- what a region remembers ---- */

/* 32 * log2(ticks), to a sixteenth of an octave. */
static unsigned int log_of(uint64_t ticks)
{
	unsigned int octave;
	unsigned int part;
	unsigned int value;

	if (ticks < 1)
		return 0;
	octave = 63u - (unsigned int)__builtin_clzll(ticks);
	part = (unsigned int)((octave >= 4 ? ticks >> (octave - 4) : ticks << (4 - octave)) & 15);
	value = octave * MEAN_OCTAVE + part * (MEAN_OCTAVE / 16);
	return value < MEAN_MAX ? value : MEAN_MAX;
}

/* Rounds so that small steps are not lost on average; @dither are some changing bits. */
static unsigned int moved(unsigned int from, unsigned int to, double gain, uint32_t dither)
{
	double noise = (double)(dither * UINT32_C(2654435761) >> 16) / 65536.0;

	return (unsigned int)((double)from + gain * ((double)to - (double)from) + noise);
}

static double break_even_ticks(const struct policy_costs *costs)
{
	double cost = (double)(costs->merge_ns + costs->split_ns);

	if (!costs->walk_ns_per_s)
		return HUGE_VAL;
	return cost * 1e9 / (double)costs->walk_ns_per_s / TICK_NS;
}

/* Half octaves from 8 ticks on. */
static unsigned int last_bin(uint64_t ticks)
{
	unsigned int value = log_of(ticks) / (MEAN_OCTAVE / 2);

	return value < 6 ? 0 : value - 6 < LASTS ? value - 6 : LASTS - 1;
}

static void remember(struct region *region, uint64_t age, const struct policy_costs *costs)
{
	double in_break_evens = (double)age / break_even_ticks(costs) * LINEAR_ONE;
	unsigned int linear = in_break_evens < LINEAR_MAX ? (unsigned int)in_break_evens :
							    LINEAR_MAX;
	double share = 1.0 / (region->past + 1);

	region->mean = moved(region->mean, log_of(age), fmax(share, MEAN_GAIN), region->stamp) &
		       MEAN_MAX;
	region->linear =
		moved(region->linear, linear, fmax(share, LINEAR_GAIN), region->stamp >> 3) &
		LINEAR_MAX;
	region->last = last_bin(age) & 31;
	if (!region->past)
		region->trust = TRUST_FIRST;
	if (region->past < PAST_MAX)
		region->past++;
}

uint64_t adaptive_typical(const struct region *region)
{
	return region->past ? (uint64_t)exp2((double)region->mean / MEAN_OCTAVE) : 0;
}

/* ---- debt: what a region has cost beyond twice the optimum ---- */

static double debt_step(const struct policy_costs *costs)
{
	return (double)(costs->merge_ns + costs->split_ns + costs->fail_ns) / DEBT_PER_UNIT;
}

static double walk_of(uint64_t age, const struct policy_costs *costs)
{
	return (double)age * TICK_NS * (double)costs->walk_ns_per_s / 1e9;
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

void adaptive_note_merge(struct region *region, uint64_t age, const struct policy_costs *costs)
{
	debt_change(region, walk_of(age, costs) + (double)(costs->merge_ns + costs->split_ns),
		    costs);
}

void adaptive_note_refusal(struct region *region, const struct policy_costs *costs)
{
	debt_change(region, (double)costs->fail_ns, costs);
}

static void debt_settle(struct region *region, uint64_t age, bool merged,
			const struct policy_costs *costs)
{
	double walk = walk_of(age, costs);
	double best = fmin(walk, (double)(costs->merge_ns + costs->split_ns));

	debt_change(region, (merged ? 0 : walk) - 2 * best, costs);
}

/* Moves a merge at @age to where the bound holds whatever comes next. */
static uint64_t within_bound(const struct region *region, uint64_t age,
			     const struct policy_costs *costs)
{
	double cost = (double)(costs->merge_ns + costs->split_ns);
	double debt = (double)region->debt * debt_step(costs);
	double spare = ADAPTIVE_DEBT_MAX * DEBT_PER_UNIT * debt_step(costs) - debt;
	double even = break_even_ticks(costs);
	double latest;

	if (isinf(even))
		return NO_TICK;
	/* Merged early and split at once: costs that much more than twice the walk. */
	if ((double)age < even && cost - walk_of(age, costs) > spare)
		age = (uint64_t)ceil(even);
	latest = even * (1 + fmax(spare, 0) / cost);
	return (double)age > latest ? (uint64_t)latest : age;
}

/* ---- contexts ---- */

static unsigned int linear_bin(unsigned int linear)
{
	/* In 1/128 of the break-even time; finest around it. */
	static const uint16_t limits[LINEARS - 1] = {13,  32,  58,  83,	 102, 115,
						     128, 141, 160, 192, 256, 384};
	unsigned int bin = 0;

	for (unsigned int i = 0; i < LINEARS - 1; i++)
		bin += linear >= limits[i];
	return bin;
}

/* Octaves from 8 ticks on. */
static unsigned int mean_bin(unsigned int mean)
{
	unsigned int octave = mean / MEAN_OCTAVE;

	return octave < 3 ? 0 : octave - 3 < MEANS ? octave - 3 : MEANS - 1;
}

/* The contexts of a region. */
struct contexts {
	unsigned int mean;
	unsigned int fine[VIEWS];
};

static void find_contexts(const struct region *region, struct contexts *ret)
{
	unsigned int count = region->past < COUNTS - 1 ? region->past : COUNTS - 1;
	unsigned int mean = count * MEANS + (count ? mean_bin(region->mean) : 0);
	unsigned int linear = count > 1 ? linear_bin(region->linear) : 0;

	ret->mean = mean;
	ret->fine[VIEW_LINEAR] = LIN_BASE + mean * LINEARS + linear;
	ret->fine[VIEW_LAST] = LAST_BASE + mean * LASTS + (count > 1 ? region->last : 0);
}

/* Adds a lesson; counts that have grown large are halved. All bins at once, no branches. */
static void count(struct context *context, const struct context *lesson)
{
	for (unsigned int bin = 0; bin < SLOTS; bin++) {
		uint16_t ends = (uint16_t)(context->ends[bin] + lesson->ends[bin]);
		uint16_t lives = (uint16_t)(context->lives[bin] + lesson->lives[bin]);
		uint16_t half = (uint16_t)(ends + lives) > CAP;

		context->ends[bin] = half ? ends / 2 : ends;
		context->lives[bin] = half ? lives / 2 : lives;
	}
}

static void teach(struct adaptive *adaptive, const struct contexts *contexts,
		  const struct context *lesson)
{
	count(&adaptive->contexts[contexts->mean], lesson);
	for (enum view view = 0; view < VIEWS; view++)
		count(&adaptive->contexts[contexts->fine[view]], lesson);
}

/* An interval outlived the bins from @from to before @to, and, if @ended, ended in bin @to. */
static struct context make_lesson(unsigned int from, unsigned int to, bool ended)
{
	unsigned int end = ended ? to : SLOTS;
	struct context lesson;

	for (uint16_t bin = 0; bin < SLOTS; bin++) {
		lesson.lives[bin] = bin >= from && bin < to ? ONE : 0;
		lesson.ends[bin] = bin == end ? ONE : 0;
	}
	return lesson;
}

static void note(struct adaptive *adaptive, const struct region *region,
		 const struct contexts *contexts, unsigned int to, bool ended)
{
	struct context lesson = make_lesson(region->stage, to, ended);

	teach(adaptive, contexts, &lesson);
	if (adaptive->host && (adaptive->lessons < HOST_LESSONS || !(region->stamp & 7)))
		teach(adaptive->host, contexts, &lesson);
	adaptive->lessons += ended;
}

/* The bin that @age lies in; BINS: after all. */
static unsigned int bin_of(uint64_t age)
{
	unsigned int octave;
	unsigned int bin;

	if (age < edges[1])
		return 0;
	octave = 63u - (unsigned int)__builtin_clzll(age);
	bin = 2 * octave - 5;
	if (bin >= BINS)
		return age >= edges[BINS] || bin > BINS ? BINS : BINS - 1;
	return age >= edges[bin + 1] ? bin + 1 : bin;
}

void adaptive_note_start(struct region *region)
{
	region->stage = 0;
}

void adaptive_note_age(struct adaptive *adaptive, struct region *region, uint64_t age)
{
	unsigned int bin = bin_of(age);
	struct contexts contexts;

	if (bin <= region->stage)
		return;
	find_contexts(region, &contexts);
	/* Outliving the last edge is a count of its own. */
	note(adaptive, region, &contexts, bin == BINS ? BINS + 1 : bin, false);
	region->stage = bin & 31;
}

/* Looked at once per octave, from 16 s on every second one. */
uint64_t adaptive_next_note(const struct region *region)
{
	unsigned int next = (region->stage + 2u) | 1u;

	if (region->stage >= BINS)
		return NO_TICK;
	if (next < 9)
		next = 9;
	return edges[next < BINS ? next : BINS];
}

/* ---- decisions ---- */

/* A context's counts as numbers, with room on both sides so that every bin has neighbours. */
struct counted {
	double ends[SLOTS + 2 * NEIGHBOURS];
	double all[SLOTS + 2 * NEIGHBOURS];
};

/* Bin 0 reaches from nothing to 8 ticks, and what follows the last one is no bin: no neighbours. */
static void count_neighbours(const struct context *context, struct counted *ret)
{
	*ret = (struct counted){0};
	for (unsigned int bin = 1; bin < BINS; bin++) {
		ret->ends[bin + NEIGHBOURS] = context->ends[bin];
		ret->all[bin + NEIGHBOURS] = context->ends[bin] + context->lives[bin];
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
static void refine(const struct context *context, double hazard[static SLOTS])
{
	struct counted beside;

	count_neighbours(context, &beside);
	for (unsigned int bin = 0; bin < BINS; bin++)
		hazard[bin] = (around(beside.ends, bin) + SMOOTH_INTERVALS * ONE * hazard[bin]) /
			      (around(beside.all, bin) + SMOOTH_INTERVALS * ONE);
	for (unsigned int bin = 0; bin < SLOTS; bin++) {
		double ends = context->ends[bin];
		double all = ends + context->lives[bin];

		hazard[bin] = (ends + PRIOR_INTERVALS * ONE * hazard[bin]) /
			      (all + PRIOR_INTERVALS * ONE);
	}
}

/*
 * Of the intervals that reach a bin, the part that ends in it, for regions with @count intervals of
 * mean length @mean, in octaves from 8 ticks on. Few first intervals end. Later ones are about as
 * long as those before; the longer they are, the slower that fades.
 */
static double prior_hazard(unsigned int count, unsigned int mean, unsigned int bin)
{
	static const double peaks[COUNTS] = {0, 0.25, 0.28, 0.35};
	static const double fades[COUNTS] = {0, 0.6, 0.8, 1.2};
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

/* Of the intervals that reach a bin, the part that ends in it. */
static void hazards(const struct adaptive *adaptive, const struct contexts *contexts,
		    enum view view, double ret[static SLOTS])
{
	const struct adaptive *host = adaptive->host ? adaptive->host : adaptive;
	unsigned int mean = contexts->mean;
	unsigned int fine = contexts->fine[view];
	const float *prior = host->prior[mean];

	for (unsigned int bin = 0; bin < SLOTS; bin++)
		ret[bin] = prior[bin];
	refine(&host->contexts[mean], ret);
	refine(&adaptive->contexts[mean], ret);
	refine(&host->contexts[fine], ret);
	refine(&adaptive->contexts[fine], ret);
}

/* Cost of walking through each bin. */
static void bin_walks(const struct policy_costs *costs, double ret[static SLOTS])
{
	for (unsigned int bin = 0; bin < SLOTS; bin++)
		ret[bin] = spans[bin] * TICK_NS * (double)costs->walk_ns_per_s / 1e9;
}

/*
 * Backward induction: at each edge, is merging now cheaper than going through the bin and deciding
 * at the next edge? After the last edge a merge always pays.
 */
static uint32_t solve(const struct adaptive *adaptive, const struct contexts *contexts,
		      enum view view, const struct policy_costs *costs)
{
	double hazard[SLOTS];
	double walks[SLOTS];
	double lives;
	double best;
	uint32_t merge_at = UINT32_C(1) << BINS;

	hazards(adaptive, contexts, view, hazard);
	bin_walks(costs, walks);
	lives = 1 - hazard[BINS];
	best = (double)costs->merge_ns + (double)costs->split_ns * (1 - lives);
	for (unsigned int bin = BINS; bin-- > 0;) {
		double go_on =
			hazard[bin] * walks[bin] / 2 + (1 - hazard[bin]) * (walks[bin] + best);
		double merge;

		lives *= 1 - hazard[bin];
		merge = (double)costs->merge_ns + (double)costs->split_ns * (1 - lives);
		if (merge <= go_on)
			merge_at |= UINT32_C(1) << bin;
		best = merge <= go_on ? merge : go_on;
	}
	return merge_at;
}

/* The age at which a view merges, from bin @from on. */
static uint64_t view_age(struct adaptive *adaptive, const struct contexts *contexts, enum view view,
			 unsigned int from, const struct policy_costs *costs)
{
	struct memo *memo = &adaptive->memos[contexts->fine[view]];

	if (memo->uses < REUSE_NEW || memo->uses % REUSE_TIMES == 0)
		memo->merge_at = solve(adaptive, contexts, view, costs);
	memo->uses++;
	return edges[__builtin_ctz(memo->merge_at >> from << from)];
}

static enum view trusted(const struct region *region)
{
	return region->past > 1 && region->trust >= TRUST_LAST ? VIEW_LAST : VIEW_LINEAR;
}

uint64_t adaptive_merge_age(struct adaptive *adaptive, const struct region *region,
			    const struct policy_costs *costs)
{
	struct contexts contexts;
	uint64_t age;

	find_contexts(region, &contexts);
	age = view_age(adaptive, &contexts, trusted(region), region->stage, costs);
	return within_bound(region, age, costs);
}

/* What a merge at age @merge would have cost, as the interval ended at @age. */
static double cost_of(uint64_t merge, uint64_t age, const struct policy_costs *costs)
{
	double split = (double)(costs->merge_ns + costs->split_ns);

	return merge < age ? walk_of(merge, costs) + split : walk_of(age, costs);
}

/* Which view would have done better? */
static void learn_trust(struct adaptive *adaptive, struct region *region,
			const struct contexts *contexts, uint64_t age,
			const struct policy_costs *costs)
{
	double step = (double)(costs->merge_ns + costs->split_ns) / TRUST_STEPS;
	uint64_t linear;
	uint64_t last;
	double gain;
	double trust;

	/* What ends that soon is the same to both. */
	if (region->past < 2 || age < edges[1] || !(step > 0))
		return;
	linear = view_age(adaptive, contexts, VIEW_LINEAR, 0, costs);
	last = view_age(adaptive, contexts, VIEW_LAST, 0, costs);
	gain = cost_of(linear, age, costs) - cost_of(last, age, costs);
	trust = (double)region->trust + round(gain / step);
	region->trust = (unsigned int)fmin(fmax(trust, 0), TRUST_MAX) & TRUST_MAX;
}

void adaptive_note_end(struct adaptive *adaptive, struct region *region, uint64_t age, bool merged,
		       const struct policy_costs *costs)
{
	unsigned int bin = bin_of(age);
	struct contexts contexts;

	if (bin < region->stage)
		bin = region->stage;
	find_contexts(region, &contexts);
	learn_trust(adaptive, region, &contexts, age, costs);
	note(adaptive, region, &contexts, bin, true);
	debt_settle(region, age, merged, costs);
	remember(region, age, costs);
}

struct adaptive_outlook adaptive_outlook(const struct adaptive *adaptive,
					 const struct region *region)
{
	struct adaptive_outlook outlook = {0, 0, 0};
	const struct context *context;
	enum view view = trusted(region);
	struct contexts contexts;
	double hazard[SLOTS];
	double lives = 1;

	find_contexts(region, &contexts);
	context = &adaptive->contexts[contexts.fine[view]];
	hazards(adaptive, &contexts, view, hazard);
	for (unsigned int bin = region->stage; bin < BINS; bin++) {
		outlook.expected_ticks += lives * spans[bin] * (1 - hazard[bin] / 2);
		lives *= 1 - hazard[bin];
	}
	/* Who outlives all bins is expected to live that long again. */
	outlook.expected_ticks += lives * edges[BINS];
	outlook.ends = 1 - lives * (1 - hazard[BINS]);
	outlook.samples = (context->ends[region->stage] + context->lives[region->stage]) / ONE;
	return outlook;
}

/* The host's prior, worked out once. */
static int make_prior(struct adaptive *host)
{
	host->prior = calloc(LIN_BASE, sizeof(*host->prior));
	if (!host->prior)
		return -ENOMEM;
	for (unsigned int i = 0; i < LIN_BASE; i++)
		for (unsigned int bin = 0; bin <= BINS; bin++)
			host->prior[i][bin] = (float)prior_hazard(i / MEANS, i % MEANS, bin);
	return 0;
}

struct adaptive *adaptive_new(struct adaptive *host)
{
	struct adaptive *adaptive = calloc(1, sizeof(*adaptive));

	if (!adaptive)
		return NULL;
	adaptive->host = host;
	if (!host && make_prior(adaptive))
		return adaptive_free(adaptive);
	return adaptive;
}

struct adaptive *adaptive_free(struct adaptive *adaptive)
{
	if (adaptive)
		free(adaptive->prior);
	free(adaptive);
	return NULL;
}

size_t adaptive_bytes(const struct adaptive *adaptive)
{
	size_t prior = adaptive->prior ? LIN_BASE * sizeof(*adaptive->prior) : 0;

	return sizeof(*adaptive) + prior;
}
