/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What merges and splits cost, learnt from what the kernel reports. */
#ifndef TDX_LPAGE_POLICY_COSTS_H
#define TDX_LPAGE_POLICY_COSTS_H

#include <stdint.h>

#include "daemon/policy/policy.h"

#define COSTS_SAMPLES 15

/* The last few values of one cost; their median is the estimate. */
struct cost_samples {
	uint64_t ns[COSTS_SAMPLES];
	unsigned int nr;
	unsigned int next;
	uint64_t median_ns;
};

struct costs {
	struct cost_samples merge;
	struct cost_samples marginal;
	struct cost_samples split;
};

void costs_note_batch(struct costs *costs, const struct policy_batch_cost *cost);
void costs_note_split(struct costs *costs, uint64_t ns);

/*
 * The costs in force: the configured ones, or with learn-costs, for merges and splits, the medians,
 * clamped to a quarter to four times the configured ones.
 */
struct policy_costs costs_in_force(const struct costs *costs,
				   const struct config_settings *settings);

#endif
