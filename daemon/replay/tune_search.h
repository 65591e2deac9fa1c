/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Searches for better settings among the values that the table of keys lists as tunable.
 * Deterministic; the caller determines the cost of a run.
 *
 * The starting points, every policy and every quiet-time of threshold, are run on a part of the
 * trace; the better half is run on a larger part, and so on (successive halving). From the best two,
 * one key after the other is set to its best value, durations also to values between the listed
 * ones, until there is no gain (coordinate search). Finally, keys that make no difference are
 * reverted.
 */
#ifndef TDX_LPAGE_REPLAY_TUNE_SEARCH_H
#define TDX_LPAGE_REPLAY_TUNE_SEARCH_H

#include <stdbool.h>

#include "daemon/config/value.h"

#define TUNE_POINTS_MAX 64 /* starting points */

struct tune_options {
	struct config_settings base;
	unsigned int max_runs;
	unsigned int nr_levels; /* parts of the traces, the last one all; at least 1 */
	/* Determines the cost of a run. Returns 0 or a negative errno. */
	int (*cost)(void *ctx, const struct config_settings *settings, unsigned int level,
		    double *ret);
	/* Continue after @runs? @gain: of the best settings so far, 0.1 for 10 %. NULL: yes. */
	bool (*go_on)(void *ctx, unsigned int runs, double gain);
	void *ctx;
};

struct tune_result {
	struct config_settings best;
	double base_cost;
	double best_cost;
	unsigned int runs;
	bool cut; /* max_runs or go_on() ended it */
};

/* 0, -ENOMEM, or what @cost returned. */
int tune_search(const struct tune_options *options, struct tune_result *ret);

/* The field of a key in @settings. */
void *tune_field(struct config_settings *settings, const struct config_key *key);

/* Is the value of @key the same in both? */
bool tune_same(const struct config_settings *a, const struct config_settings *b,
	       const struct config_key *key);

/* Copies the value of @key. */
void tune_copy(struct config_settings *to, const struct config_settings *from,
	       const struct config_key *key);

#endif
