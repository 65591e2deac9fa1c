/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of `tdx-lpctl simulate` share. */
#ifndef TDX_LPAGE_CTL_SIMULATE_H
#define TDX_LPAGE_CTL_SIMULATE_H

#include "daemon/ctl/ctl.h"
#include "daemon/report/gather.h"

#define SIMULATE_RUNS_MAX 9 /* the one that was asked for, and every policy both ways */

struct diff_run;

struct simulation {
	struct ctl *ctl;
	struct config *config;
	const char *trace;
	const char *report; /* file; NULL: none */
	bool override_policy;
	enum config_policy policy;
	uint64_t observe_ns;
	FILE *decisions;
	bool *cut_told; /* was it said that the trace is cut off? */
};

/* One run: what to run, and what came of it. */
struct outcome {
	bool configured; /* whatever policies the configuration names, else @policy for all VMs */
	enum config_policy policy;
	uint64_t observe_ns;
	FILE *decisions;	/* or NULL */
	struct report_run *run; /* NULL, or gathers what a report shows */
	struct diff_run *diff;	/* NULL, or gathers what --against compares */
	struct simulate_result result;
};

/* What people read; "by rules" for one that mixes policies. */
const char *simulate_policy_name(const struct outcome *outcome);

/* "exact" or "100ms" */
const char *simulate_observe_name(uint64_t observe_ns);

/* Loads a configuration into @sim; NULL: the defaults. Complains by itself; returns an exit code. */
int simulate_load_config(struct simulation *sim, const char *path);

/* The run that was asked for. */
struct outcome simulate_asked(const struct simulation *sim);

json_t *simulate_result_json(const struct outcome *outcome);

/* Runs and fills the result. Complains by itself; returns an exit code. */
int simulate_outcome(const struct simulation *sim, struct outcome *outcome);

/* simulate_against.c */

/* Runs the configuration and the one at @path, and shows what differs. Returns an exit code. */
int simulate_against(const struct simulation *sim, const char *path);

/* simulate_report.c */

/* Could the report be written? Complains by itself; returns an exit code. */
int simulate_report_check(const struct simulation *sim);

/* Reads what the trace says of itself. Complains by itself; returns an exit code. */
int simulate_report_facts(const struct simulation *sim, struct report_facts *ret);

/*
 * Writes the report. The first outcome is the one that was asked for, with its regions; those that
 * saw the same observations are drawn. Complains by itself; returns an exit code.
 */
int simulate_report(const struct simulation *sim, const struct report_facts *facts,
		    const struct outcome *outcomes, size_t nr);

#endif
