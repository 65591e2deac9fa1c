/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a report draws of one run over a trace, gathered while it runs. Memory is bounded by the
 * number of touched regions; nothing grows with the length of the trace. */
#ifndef TDX_LPAGE_REPORT_GATHER_H
#define TDX_LPAGE_REPORT_GATHER_H

#include "daemon/replay/simulate.h"
#include "daemon/report/facts.h"

#define REPORT_POINTS  600 /* of a curve, at most */
#define REPORT_LENGTHS 128 /* classes of intervals by length, two per octave of ns */
#define REPORT_COLUMNS 240 /* of a region's time line */
#define REPORT_WORST   20  /* regions that are shown */
#define REPORT_STATES  4   /* KVM_LPAGE_STATE_* */

/* Why a run cost more than the optimum. Together they are the whole difference. */
struct report_regret {
	model_walk wasted; /* merged, although walking would have been cheaper */
	model_walk late;   /* walked until a merge that paid */
	model_walk missed; /* never merged, although it would have paid */
	uint64_t nr_wasted;
	uint64_t nr_late;
	uint64_t nr_missed;
	uint64_t refused; /* tries */
};

/* A region in the worst list. Walks in units of model_walk. */
struct report_region {
	uint32_t vm_id;
	uint64_t rfn;
	uint64_t intervals;
	uint64_t merges;
	uint64_t splits;
	model_walk cost; /* refused tries included */
	model_walk opt;
	struct report_regret regret;
};

/* When what happened to a region, in REPORT_COLUMNS equal parts of the trace. */
struct report_timeline {
	uint32_t vm_id;
	uint64_t rfn;
	uint64_t state_ns[REPORT_COLUMNS][REPORT_STATES];
	uint32_t conversions[REPORT_COLUMNS];
	uint32_t merges[REPORT_COLUMNS];
	uint32_t refused[REPORT_COLUMNS];
	uint32_t state; /* from here on */
	uint64_t from_ns;
};

/* Region-time in one step of a curve, in regions times ns. */
struct report_point {
	model_walk large;
	model_walk table;
	model_walk merged_by_optimum; /* of the time without a merge, what it would have as large */
};

struct report_run {
	const struct report_facts *facts;
	uint64_t step_ns;
	size_t nr_points;
	struct report_point points[REPORT_POINTS];
	int64_t whole_steps[REPORT_POINTS + 1]; /* differences: intervals the optimum merges */
	struct report_regret regret;
	uint64_t opt_merges;
	uint64_t opt_splits;
	/* Intervals by length, ended by a conversion or by the end of the VM. */
	uint64_t converted[REPORT_LENGTHS];
	uint64_t cut[REPORT_LENGTHS];
	/* Regions now, while it runs. */
	uint64_t (*vm_states)[REPORT_STATES]; /* as facts->vms */
	uint64_t states[REPORT_STATES];
	uint64_t now_ns;
	bool keep_regions;
	void *regions; /* tsearch() tree of struct report_region */
	uint64_t touched_regions;
	struct report_timeline *timelines;
	size_t nr_timelines;
	int error;
};

/* Negative errno. @facts has to stay. Free with report_run_free(). */
int report_run_new(const struct report_facts *facts, struct report_run **ret);

/* NULL-safe; returns NULL. */
struct report_run *report_run_free(struct report_run *run);

/* Makes the run that @options are for tell @run what happens. */
void report_run_attach(struct report_run *run, struct simulate_options *options);

/* After the run: 0, or why @run lacks something. */
int report_run_finish(struct report_run *run);

/* The regions that cost most beyond their optimum, worst first. Returns how many. */
size_t report_run_worst(const struct report_run *run, struct report_region ret[REPORT_WORST]);

/* Asks for the time lines of these regions, before the run. -ENOMEM. */
int report_run_want_timelines(struct report_run *run, const struct report_region *regions,
			      size_t nr);

/* Lower edge of a class of lengths in ns. */
double report_length_edge(size_t class);

#endif
