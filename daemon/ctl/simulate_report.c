// SPDX-License-Identifier: GPL-2.0-or-later
/* simulate --report: gathers what the page shows, and writes it. */
#include "daemon/ctl/simulate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/report/output.h"
#include "daemon/report/page.h"

static int file_failure(const struct simulation *sim, int err)
{
	return ctl_failure(sim->ctl, "--report %s: %s", sim->report,
			   err == -EEXIST ? "is not a regular file" : strerror(-err));
}

int simulate_report_check(const struct simulation *sim)
{
	struct stat trace, report;
	int err;

	if (!sim->report)
		return CTL_OK;
	err = report_output_check(sim->report);
	if (err)
		return file_failure(sim, err);
	if (stat(sim->trace, &trace) == 0 && stat(sim->report, &report) == 0 &&
	    trace.st_dev == report.st_dev && trace.st_ino == report.st_ino)
		return ctl_usage_error(sim->ctl, "--report %s: is the trace", sim->report);
	return CTL_OK;
}

int simulate_report_facts(const struct simulation *sim, struct report_facts *ret)
{
	struct trace_reader *reader = NULL;
	int err = trace_open(sim->trace, &reader);

	*ret = (struct report_facts){0};
	if (!err) {
		trace_salvage(reader);
		err = report_facts_read(reader, ret);
	}
	if (err && *trace_error(reader))
		fprintf(sim->ctl->err, "%s\n", trace_error(reader));
	else if (err)
		ctl_failure(sim->ctl, "%s: %s", sim->trace, strerror(-err));
	trace_close(reader);
	return err ? CTL_USAGE : CTL_OK;
}

/* Tells configurations apart: FNV-1a of what is in force, as `config show` writes it. */
static uint64_t digest_of(const struct config *config)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return 0;
	config_print(f, config);
	fclose(f);
	for (size_t i = 0; i < len; i++)
		digest = (digest ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	free(text);
	return digest;
}

/* Runs once more, now that it is known which regions to watch. */
static int watch_worst(const struct simulation *sim, const struct report_facts *facts,
		       const struct outcome *asked, const struct report_region *worst, size_t nr,
		       struct report_run **ret)
{
	struct outcome again = *asked;
	int err = report_run_new(facts, ret);

	if (!err)
		err = report_run_want_timelines(*ret, worst, nr);
	if (err)
		return ctl_failure(sim->ctl, "%s", strerror(-err));
	again.decisions = NULL;
	again.run = *ret;
	return simulate_outcome(sim, &again);
}

static int write_page(const struct simulation *sim, const struct report_page *page)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err = -ENOMEM;

	if (f) {
		report_print(f, page);
		if (!ferror(f) && fclose(f) == 0)
			err = report_output_write(sim->report, text, len);
	}
	free(text);
	return err ? file_failure(sim, err) : CTL_OK;
}

/* The scores: all runs, but the first one only when it is none of the others. */
static size_t list_lines(const struct outcome *outcomes, size_t nr, struct report_line *ret)
{
	size_t lines = 0;

	for (size_t i = outcomes[0].configured ? 0 : 1; i < nr; i++)
		ret[lines++] = (struct report_line){
			.policy = simulate_policy_name(&outcomes[i]),
			.observe = simulate_observe_name(outcomes[i].observe_ns),
			.result = outcomes[i].result,
			.run = outcomes[i].run,
			.drawn = outcomes[i].observe_ns == outcomes[0].observe_ns,
		};
	return lines;
}

int simulate_report(const struct simulation *sim, const struct report_facts *facts,
		    const struct outcome *outcomes, size_t nr)
{
	struct report_region worst[REPORT_WORST];
	struct report_line lines[SIMULATE_RUNS_MAX];
	struct report_run *watched = NULL;
	struct report_page page = {
		.trace = ctl_file_name(sim->trace),
		.config = sim->config->path,
		.config_digest = digest_of(sim->config),
		.facts = facts,
		.lines = lines,
		.nr_lines = list_lines(outcomes, nr, lines),
		.worst = worst,
		.nr_worst = report_run_worst(outcomes[0].run, worst),
		.touched_regions = outcomes[0].run->touched_regions,
	};
	int r = watch_worst(sim, facts, &outcomes[0], worst, page.nr_worst, &watched);

	for (size_t i = 0; i < page.nr_lines; i++)
		if (lines[i].run == outcomes[0].run)
			page.asked = &lines[i];
	if (r == CTL_OK) {
		page.timelines = watched->timelines;
		r = write_page(sim, &page);
	}
	report_run_free(watched);
	return r;
}
