// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/past.h"

#include <math.h>

/* Part of the way that an interval moves an average, once a region has had PAST_MAX intervals; see docs/policy.md. */
#define MEAN_GAIN   0.03
#define LINEAR_GAIN 0.03

/* region.mean: 16 per octave of a step; region.linear: 128 per break-even time. */
#define MEAN_OCTAVE 16
#define MEAN_MAX    255
#define LINEAR_ONE  128
#define LINEAR_MAX  511

/* 16 * log2(steps). */
static unsigned int log_of(uint64_t age)
{
	unsigned int octave;
	unsigned int part;
	unsigned int value;

	if (age < 1)
		return 0;
	octave = 63u - (unsigned int)__builtin_clzll(age);
	part = (unsigned int)((octave >= 4 ? age >> (octave - 4) : age << (4 - octave)) & 15);
	value = octave * MEAN_OCTAVE + part * (MEAN_OCTAVE / 16);
	return value < MEAN_MAX ? value : MEAN_MAX;
}

/* Rounds so that small steps are not lost on average; @dither are some changing bits. */
static unsigned int moved(unsigned int from, unsigned int to, double gain, uint32_t dither)
{
	double noise = (double)(dither * UINT32_C(2654435761) >> 16) / 65536.0;

	return (unsigned int)((double)from + gain * ((double)to - (double)from) + noise);
}

/* Half octaves from 8 steps on; @log: of the length. */
static unsigned int last_bin(unsigned int log)
{
	unsigned int value = log / (MEAN_OCTAVE / 2);

	return value < 6 ? 0 : value - 6 < PAST_LASTS ? value - 6 : PAST_LASTS - 1;
}

void past_add(struct region *region, uint64_t age, double break_evens)
{
	unsigned int linear = break_evens * LINEAR_ONE < LINEAR_MAX ?
				      (unsigned int)(break_evens * LINEAR_ONE) :
				      LINEAR_MAX;
	unsigned int log = log_of(age);
	bool settled = region->past == PAST_MAX;
	double share = 1.0 / (region->past + 1);

	region->mean = moved(region->mean, log, settled ? MEAN_GAIN : share, region->stamp) &
		       MEAN_MAX;
	region->linear =
		moved(region->linear, linear, settled ? LINEAR_GAIN : share, region->stamp >> 3) &
		LINEAR_MAX;
	region->last = last_bin(log) & 31;
	if (!settled)
		region->past++;
}

unsigned int past_first_class(uint64_t shared, uint64_t pages)
{
	unsigned int how_long = (shared >= 16) + (shared >= 1024) + (shared >= 8192);
	unsigned int how_much = (pages > 32) + (pages > 255);

	return 4 * how_much + how_long;
}

/* What is known of a region without a past is kept in place of the mean. */
void past_first(struct region *region, uint64_t shared, uint64_t pages)
{
	if (!region->past)
		region->linear = past_first_class(shared, pages) & LINEAR_MAX;
}

uint64_t past_typical(const struct region *region)
{
	return region->past ? (uint64_t)exp2((double)region->mean / MEAN_OCTAVE) : 0;
}

/* Octaves from 8 steps on. */
static unsigned int mean_bin(unsigned int mean)
{
	unsigned int octave = mean / MEAN_OCTAVE;

	return octave < 3 ? 0 : octave - 3 < PAST_MEANS ? octave - 3 : PAST_MEANS - 1;
}

/* Finest around the break-even time. */
static unsigned int linear_bin(unsigned int linear)
{
	/* In 1/128 of it. */
	static const uint16_t limits[PAST_LINEARS - 1] = {13,  32,  58,	 83,  102, 115,
							  128, 141, 160, 192, 256, 384};
	unsigned int bin = 0;

	for (unsigned int i = 0; i < PAST_LINEARS - 1; i++)
		bin += linear >= limits[i];
	return bin;
}

struct past_bins past_bins(const struct region *region)
{
	struct past_bins bins = {
		.count = region->past < PAST_COUNTS - 1 ? region->past : PAST_COUNTS - 1,
	};

	if (bins.count == 0)
		bins.linear = region->linear;
	if (bins.count > 0)
		bins.mean = mean_bin(region->mean);
	if (bins.count > 1) {
		bins.linear = linear_bin(region->linear);
		bins.last = region->last;
	}
	return bins;
}
