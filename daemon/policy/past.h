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

/* An interval has ended at @age, in steps (hazard.h) and in break-even times. */
void past_add(struct region *region, uint64_t age, double break_evens);

/* Before its first one the region was shared for @shared, in steps, and @pages of it. */
void past_first(struct region *region, uint64_t shared, uint64_t pages);

/* What of that tells first intervals apart: below PAST_FIRSTS. */
#define PAST_FIRSTS 12
unsigned int past_first_class(uint64_t shared, uint64_t pages);

/* The typical length of the intervals in steps; 0: there was none. */
uint64_t past_typical(const struct region *region);

/* The same in bins. What a region has had too few intervals for is 0. */
struct past_bins {
	unsigned int count; /* number of intervals */
	unsigned int mean;  /* of the logarithms, in octaves from 8 steps on */
	/* Mean length, cut off at four break-even times; before there was one: past_first_class(). */
	unsigned int linear;
	unsigned int last; /* last length, in half octaves from 8 steps on */
};

struct past_bins past_bins(const struct region *region);

#endif
