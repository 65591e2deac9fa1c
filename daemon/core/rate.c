// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/rate.h"

#include <tdx-lpage/base.h>

void rate_add(struct rate *rate, uint64_t now_ns, uint64_t count)
{
	uint64_t second = now_ns / NS_PER_S;
	unsigned int slot = second % RATE_SLOTS;

	if (rate->second[slot] != second)
		rate->count[slot] = 0;
	rate->second[slot] = second;
	rate->count[slot] += count;
}

uint64_t rate_sum(const struct rate *rate, uint64_t now_ns)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < RATE_SLOTS; i++) {
		if (rate->second[i] + RATE_SLOTS > now_ns / NS_PER_S)
			sum += rate->count[i];
	}
	return sum;
}

uint64_t rate_per_s(const struct rate *rate, uint64_t now_ns)
{
	return (rate_sum(rate, now_ns) + RATE_SLOTS - 1) / RATE_SLOTS;
}
