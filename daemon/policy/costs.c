// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/costs.h"

#include <string.h>

/* Before this many samples the configured value stands. */
#define SAMPLES_MIN 5

static uint64_t median(const struct cost_samples *samples)
{
	uint64_t sorted[COSTS_SAMPLES];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < samples->nr; i++) {
		unsigned int at = nr++;

		for (; at > 0 && sorted[at - 1] > samples->ns[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = samples->ns[i];
	}
	return sorted[nr / 2];
}

static void note(struct cost_samples *samples, uint64_t ns)
{
	samples->ns[samples->next] = ns;
	samples->next = (samples->next + 1) % COSTS_SAMPLES;
	if (samples->nr < COSTS_SAMPLES)
		samples->nr++;
	samples->median_ns = median(samples);
}

void costs_note_batch(struct costs *costs, const struct policy_batch_cost *cost)
{
	uint64_t marginal;

	/* Refusals are cheaper: a batch with some would mislead. */
	if (!cost->merged || cost->regions != cost->merged)
		return;
	marginal = cost->regions_ns / cost->regions;
	note(&costs->marginal, marginal);
	note(&costs->merge, marginal + (cost->fixed_ns + cost->stall_ns) / cost->regions);
}

void costs_note_split(struct costs *costs, uint64_t ns)
{
	note(&costs->split, ns);
}

static uint64_t clamped(const struct cost_samples *samples, uint64_t configured)
{
	if (samples->nr < SAMPLES_MIN)
		return configured;
	if (samples->median_ns < configured / 4)
		return configured / 4;
	return samples->median_ns > 4 * configured ? 4 * configured : samples->median_ns;
}

struct policy_costs costs_in_force(const struct costs *costs,
				   const struct config_settings *settings)
{
	struct policy_costs ret = {
		.merge_ns = settings->merge_cost_ns,
		.merge_marginal_ns = settings->merge_cost_ns,
		.split_ns = settings->split_cost_ns,
		.fail_ns = settings->fail_cost_ns,
		.walk_ns_per_s = settings->walk_cost_ns_per_s,
	};

	if (!settings->learn_costs)
		return ret;
	ret.merge_ns = clamped(&costs->merge, settings->merge_cost_ns);
	ret.merge_marginal_ns = clamped(&costs->marginal, ret.merge_ns);
	if (ret.merge_marginal_ns > ret.merge_ns)
		ret.merge_marginal_ns = ret.merge_ns;
	ret.split_ns = clamped(&costs->split, settings->split_cost_ns);
	return ret;
}
