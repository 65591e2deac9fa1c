// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/forecast.h"

#include <math.h>

#include <tdx-lpage/base.h>

#define BINS_PER_OCTAVE 4

/* The upper edge of a bin: what is in it is taken to be due then. */
static double edge_ns(unsigned int bin)
{
	return (double)NS_PER_MS * exp2((double)(bin + 1) / BINS_PER_OCTAVE);
}

void forecast_add(struct forecast_arrivals *arrivals, uint64_t wait_ns)
{
	double octaves = log2((double)wait_ns / (double)NS_PER_MS);
	double bin = fmin(fmax(floor(octaves * BINS_PER_OCTAVE), 0), FORECAST_BINS - 1);

	arrivals->nr++;
	if (wait_ns)
		arrivals->bins[(unsigned int)bin]++;
	else
		arrivals->due_now++;
}

static double spent_ns(uint64_t nr, double rate_per_s)
{
	return rate_per_s > 0 ? (double)nr * (double)NS_PER_S / rate_per_s : 0;
}

uint64_t forecast_done_ns(const struct forecast_arrivals *arrivals, uint64_t nr, double rate_per_s)
{
	uint64_t left = nr, first = arrivals->due_now < left ? arrivals->due_now : left;
	double now_ns = spent_ns(first, rate_per_s);

	if (nr > arrivals->nr)
		return UINT64_MAX;
	left -= first;
	for (unsigned int bin = 0; left && bin < FORECAST_BINS; bin++) {
		uint64_t some = arrivals->bins[bin] < left ? arrivals->bins[bin] : left;

		if (some)
			now_ns = fmax(now_ns, edge_ns(bin)) + spent_ns(some, rate_per_s);
		left -= some;
	}
	return (uint64_t)now_ns;
}
