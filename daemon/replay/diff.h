/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two runs over one trace, decision by decision: which merges only one of them made, which both made
 * at different times, and what each difference costs.
 *
 * A merge is that of an interval (model.h): both runs see the same intervals. What a decision costs is
 * the cost of its interval in one run less that in the other; together with the refused tries, the
 * costs add up to the difference of the two scores.
 */
#ifndef TDX_LPAGE_REPLAY_DIFF_H
#define TDX_LPAGE_REPLAY_DIFF_H

#include "daemon/replay/simulate.h"

/* An interval that holds a merge. */
struct diff_merge {
	uint32_t vm_id;
	bool partial; /* and a split at its end */
	uint64_t rfn;
	uint64_t start_ns;
	uint64_t merge_ns;
	model_walk walk;   /* of the whole interval */
	model_walk walked; /* of it, before the merge */
};

/* The merges of one run. */
struct diff_run {
	struct diff_merge *merges;
	size_t nr;
	size_t capacity;
	int error;
};

/* Makes the run of @options fill @run, which must be zero and has to stay in place until it has ended. */
void diff_run_attach(struct diff_run *run, struct simulate_options *options);

void diff_run_done(struct diff_run *run);

enum diff_change {
	DIFF_ADDED,   /* a merge of the first run only */
	DIFF_DROPPED, /* of the second only */
	DIFF_MOVED,   /* of both, at different times */
	DIFF_SAME,
	DIFF_CHANGES
};

struct diff_decision {
	enum diff_change change;
	uint32_t vm_id;
	uint64_t rfn;
	uint64_t first_ns;  /* time of the merge in the first run, UINT64_MAX: none */
	uint64_t second_ns; /* likewise */
	int64_t cost_ns;    /* negative: the first run is the better one */
};

struct diff {
	struct {
		uint64_t merges;
		int64_t cost_ns;
	} sums[DIFF_CHANGES];
	uint64_t earlier; /* of those moved, in the first run */
	uint64_t later;
	struct diff_decision *decisions; /* that differ, what costs most or saves most first */
	size_t nr;
};

/*
 * Compares the merges of two runs over the same trace, whose costs are @costs. Sorts both. 0, -ENOMEM,
 * or the error of a run.
 */
int diff_compare(struct diff_run *first, struct diff_run *second, const struct trace_costs *costs,
		 struct diff *ret);

void diff_done(struct diff *diff);

#endif
