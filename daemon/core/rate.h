/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events per second, over the last RATE_SLOTS seconds. Pure. */
#ifndef TDX_LPAGE_CORE_RATE_H
#define TDX_LPAGE_CORE_RATE_H

#include <stdint.h>

#define RATE_SLOTS 10

struct rate {
	uint64_t second[RATE_SLOTS];
	uint64_t count[RATE_SLOTS];
};

void rate_add(struct rate *rate, uint64_t now_ns, uint64_t count);

/* Events within the last RATE_SLOTS seconds. */
uint64_t rate_sum(const struct rate *rate, uint64_t now_ns);

/* The same per second, rounded up: a few events are not none. */
uint64_t rate_per_s(const struct rate *rate, uint64_t now_ns);

#endif
