/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How likely an interval is to end at what age, learnt from those that were seen.
 *
 * Lengths lie in bins, two per octave. What is likely to come depends on a region's past, and on
 * whether the rest of its VM is quiet. Each such context keeps, per bin, how many intervals ended
 * in it and how many outlived it, per VM and for all VMs together. See docs/policy.md.
 *
 * Ages are in steps of 2^unit ticks, so that the break-even time is about 6000 steps: what is long depends on the
 * costs. VMs of one unit teach each other.
 */
#ifndef TDX_LPAGE_POLICY_HAZARD_H
#define TDX_LPAGE_POLICY_HAZARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/policy/past.h"
#include "daemon/policy/table.h"

#define HAZARD_BINS 30
/* Counts per bin; bin HAZARD_BINS is for what comes after all. A power of two, for vector units. */
#define HAZARD_SLOTS 32
#define HAZARD_ONE   256 /* counts are in 1/256 interval */

_Static_assert(HAZARD_SLOTS > HAZARD_BINS, "a slot for every bin, and what comes after them");

/* What a region's number of intervals and their mean are refined by: two views of its past. */
enum hazard_view {
	HAZARD_VIEW_LINEAR, /* their mean, cut off */
	HAZARD_VIEW_LAST,   /* the last of them */
	HAZARD_VIEWS
};

#define HAZARD_MEANS (PAST_COUNTS * PAST_MEANS)
#define HAZARD_LAST  (HAZARD_MEANS * PAST_LINEARS)
#define HAZARD_FINE  (HAZARD_LAST + HAZARD_MEANS * PAST_LASTS)

/* The contexts of a region. */
struct hazard_contexts {
	unsigned int mean;		 /* below HAZARD_MEANS */
	unsigned int fine[HAZARD_VIEWS]; /* below HAZARD_FINE */
};

struct hazard_counts {
	uint16_t ends[HAZARD_SLOTS];
	uint16_t lives[HAZARD_SLOTS];
};

/* Of a VM, or of the host, which has no host. */
struct hazards {
	struct hazards *host;
	int unit;		 /* log2 of ticks per step */
	uint32_t busy_tick;	 /* of the VM's last conversion, low bits */
	uint64_t lag_tick_64ths; /* how late conversions are seen, in 1/64 ticks */
	float prior[HAZARD_MEANS][HAZARD_SLOTS];
	struct hazard_counts means[HAZARD_MEANS];
	struct hazard_counts quiet[HAZARD_MEANS];
	struct hazard_counts fine[HAZARD_FINE];
};

/* Starts from all zero. */
void hazards_init(struct hazards *hazards, struct hazards *host, int unit);

/* An age of ticks in steps, and the first tick at which it is that old. */
static inline uint64_t hazard_steps(int unit, uint64_t age_tick)
{
	return unit > 0 ? age_tick >> unit : age_tick << -unit;
}

static inline uint64_t hazard_ticks(int unit, uint64_t age)
{
	return unit > 0 ? age << unit : (age + (UINT64_C(1) << -unit) - 1) >> -unit;
}

/* Lower edges of bins: 0, then 8 * 2^((i - 1) / 2). */
extern const uint32_t hazard_edge[HAZARD_BINS + 1];

/* The width of a bin below HAZARD_BINS. */
static inline double hazard_span(unsigned int bin)
{
	return hazard_edge[bin + 1] - hazard_edge[bin];
}

/* The bin that @age lies in; HAZARD_BINS: after all. */
static inline unsigned int hazard_bin(uint64_t age)
{
	unsigned int octave;
	unsigned int bin;

	if (age < hazard_edge[1])
		return 0;
	octave = 63u - (unsigned int)__builtin_clzll(age);
	bin = 2 * octave - 5;
	if (bin >= HAZARD_BINS)
		return age >= hazard_edge[HAZARD_BINS] || bin > HAZARD_BINS ? HAZARD_BINS :
									      HAZARD_BINS - 1;
	return age >= hazard_edge[bin + 1] ? bin + 1 : bin;
}

struct hazard_contexts hazard_contexts(const struct region *region);

/* Adds a lesson; counts that have grown beyond @cap are halved. */
void hazard_count(struct hazard_counts *counts, const struct hazard_counts *lesson, uint16_t cap);

/*
 * Replaces what a coarser context says by what this one has seen, as far as it has seen more than @prior
 * intervals.
 */
void hazard_refine(const struct hazard_counts *counts, float prior,
		   float hazard[static HAZARD_SLOTS]);

/* Something in the VM was converted at @busy_tick and seen @lag_tick later. */
void hazard_busy(struct hazards *hazards, uint64_t busy_tick, uint64_t lag_tick);

/* Has nothing in the VM been converted for the later half of the time that @region has been noted? */
bool hazard_is_quiet(const struct hazards *hazards, const struct region *region);

/* The interval of @region outlived the bins from region.stage to before @to, and ended in @to. */
void hazard_note(struct hazards *hazards, const struct region *region,
		 const struct hazard_contexts *contexts, unsigned int to, bool ended);

/* Of the intervals that reach a bin, the part that ends in it. */
void hazard_estimate(const struct hazards *hazards, const struct hazard_contexts *contexts,
		     enum hazard_view view, bool quiet, float ret[static HAZARD_SLOTS]);

#endif
