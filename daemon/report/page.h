/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of a report, out of what was gathered. */
#ifndef TDX_LPAGE_REPORT_PAGE_H
#define TDX_LPAGE_REPORT_PAGE_H

#include "daemon/report/gather.h"

/* One run over the trace. Names are those of policies. */
struct report_line {
	const char *policy;
	const char *observe;
	struct simulate_result result;
	const struct report_run *run;
	bool drawn; /* else only a line of the table */
};

struct report_page {
	const char *trace;
	const char *config;
	uint64_t config_digest;
	const struct report_facts *facts;
	const struct report_line *asked; /* the run that was asked for, with what was gathered */
	const struct report_line *lines; /* what it is compared with, itself included */
	size_t nr_lines;
	const struct report_region *worst;
	size_t nr_worst;
	const struct report_timeline *timelines; /* as worst */
	uint64_t touched_regions;
};

/* Class of the style sheet for the curve of a policy. */
const char *report_curve_class(const char *policy);

/* report_coverage.c: large / (large + table) in percent over the whole run; NAN: no such region. */
double report_mean_coverage(const struct report_run *run);
void report_draw_coverage(FILE *f, const struct report_page *page);

/* report_costs.c: the cost of each drawn run by part. */
void report_draw_costs(FILE *f, const struct report_page *page);

/* report_intervals.c: how long intervals last. */
void report_draw_intervals(FILE *f, const struct report_page *page);

/* report_worst.c: the regions that cost most beyond their optimum. */
void report_print_worst(FILE *f, const struct report_page *page);

/* report_tables.c: what is known of the trace, and the scores. */
void report_print_facts(FILE *f, const struct report_page *page);
void report_print_stats(FILE *f, const struct report_page *page);
void report_print_scores(FILE *f, const struct report_page *page);
void report_print_regrets(FILE *f, const struct report_page *page);

/* report_style.c */
extern const char report_style[];

/* Writes the whole page. Errors show at @f. */
void report_print(FILE *f, const struct report_page *page);

#endif
