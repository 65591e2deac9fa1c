/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a region remembers of its intervals: their number, the mean of the logarithms of their
 * lengths, the mean of the lengths themselves, cut off, and the length of the last one.
 */
#ifndef TDX_LPAGE_POLICY_PAST_H
#define TDX_LPAGE_POLICY_PAST_H

#include <stdint.h>

#include "daemon/policy/policy.h"
#include "daemon/policy/table.h"

/* Bins of each of them. */
#define PAST_COUNTS  4
#define PAST_MEANS   13
#define PAST_LINEARS 13
#define PAST_LASTS   26

/* Of region.past. */
#define PAST_MAX 15

/* An interval has ended after @age_tick. */
void past_add(struct region *region, uint64_t age_tick, const struct policy_costs *costs);

/* The typical length of the intervals in ticks; 0: there was none. */
uint64_t past_typical_tick(const struct region *region);

/* The same in bins. What a region has had too few intervals for is 0. */
struct past_bins {
	unsigned int count;  /* number of intervals */
	unsigned int mean;   /* of the logarithms, in octaves from 8 ticks on */
	unsigned int linear; /* mean length, cut off at four break-even times */
	unsigned int last;   /* last length, in half octaves from 8 ticks on */
};

struct past_bins past_bins(const struct region *region);

#endif
