/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When merges are done, given how long each has to wait until it is due, and how many a second the
 * budget allows. Pure. Times are in ns from now.
 */
#ifndef TDX_LPAGE_CONTROL_FORECAST_H
#define TDX_LPAGE_CONTROL_FORECAST_H

#include <stdint.h>

/* Four bins per octave, from 1 ms on: 2^(FORECAST_BINS / 4) ms is more than a year. */
#define FORECAST_BINS 144

struct forecast_arrivals {
	uint64_t due_now;
	uint64_t bins[FORECAST_BINS];
	uint64_t nr; /* all together */
};

void forecast_add(struct forecast_arrivals *arrivals, uint64_t wait_ns);

/*
 * When the first @nr are done, at most 19 % late because of the bins; UINT64_MAX: there are not so
 * many. 0 for @nr 0. @rate_per_s 0: no limit.
 */
uint64_t forecast_done_ns(const struct forecast_arrivals *arrivals, uint64_t nr, double rate_per_s);

#endif
