// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables of a report: facts of the trace, statistics, scores, sources of regret. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "daemon/report/page.h"
#include "daemon/report/units.h"
#include <tdx-lpage/base.h>

#define VMS_NAMED 4

/* ---- facts ---- */

static void fact(FILE *f, const char *name, const char *value)
{
	fprintf(f, "<div><dt>%s</dt><dd>", name);
	report_text(f, value);
	fputs("</dd></div>\n", f);
}

static void fact_vms(FILE *f, const struct report_facts *facts)
{
	char text[REPORT_TEXT_MAX];

	fprintf(f, "<div><dt>VMs</dt><dd><data value=\"%zu\">%s</data>", facts->nr_vms,
		report_count(facts->nr_vms, text));
	for (size_t i = 0; i < facts->nr_vms && i < VMS_NAMED; i++) {
		fputs(i ? ", " : ": ", f);
		report_text(f, facts->vms[i].name);
	}
	if (facts->nr_vms > VMS_NAMED)
		fprintf(f, " and %s more", report_count(facts->nr_vms - VMS_NAMED, text));
	fputs("</dd></div>\n", f);
}

static void fact_regions(FILE *f, const struct report_page *page)
{
	char regions[REPORT_TEXT_MAX], bytes[REPORT_TEXT_MAX], touched[REPORT_TEXT_MAX];

	report_count(page->facts->regions, regions);
	report_count(page->touched_regions, touched);
	report_bytes(page->facts->regions * REGION_BYTES, bytes);
	fprintf(f,
		"<div><dt>Regions</dt><dd><data value=\"%" PRIu64 "\">%s</data> (%s), %s "
		"of them touched</dd></div>\n",
		page->facts->regions, regions, bytes, touched);
}

static void fact_number(FILE *f, const char *name, uint64_t value)
{
	char text[REPORT_TEXT_MAX];

	fprintf(f, "<div><dt>%s</dt><dd><data value=\"%" PRIu64 "\">%s</data></dd></div>\n", name,
		value, report_count(value, text));
}

static void fact_costs(FILE *f, const struct trace_costs *costs)
{
	char merge[REPORT_TEXT_MAX], split[REPORT_TEXT_MAX], fail[REPORT_TEXT_MAX];
	char text[4 * REPORT_TEXT_MAX];

	snprintf(text, sizeof(text), "merge %s, split %s, refused attempt %s",
		 report_ns((double)costs->merge_ns, 3, merge),
		 report_ns((double)costs->split_ns, 3, split),
		 report_ns((double)costs->fail_ns, 3, fail));
	fact(f, "Costs", text);
}

static void fact_walks(FILE *f, const struct report_facts *facts)
{
	char text[4 * REPORT_TEXT_MAX], low[REPORT_TEXT_MAX], high[REPORT_TEXT_MAX];
	uint64_t least = UINT64_MAX, most = 0;
	double least_ns, most_ns;

	for (size_t i = 0; i < facts->nr_vms; i++) {
		uint64_t walk = facts->vms[i].walk_ns_per_s;

		least = walk < least ? walk : least;
		most = walk > most ? walk : most;
	}
	if (!facts->nr_vms)
		return;
	report_ns((double)least, 3, low);
	report_ns((double)most, 3, high);
	snprintf(text, sizeof(text), "%s%s%s per second and region at 4 KiB", low,
		 least < most ? " to " : "", least < most ? high : "");
	fact(f, "Page walks", text);
	if (!report_break_even(facts, &least_ns, &most_ns))
		return;
	report_length(least_ns, low);
	report_length(most_ns, high);
	snprintf(text, sizeof(text), "%s%s%s (merge and split vs. page walks)", low,
		 least_ns < most_ns ? " to " : "", least_ns < most_ns ? high : "");
	fact(f, "Break-even", text);
}

void report_print_facts(FILE *f, const struct report_page *page)
{
	char text[REPORT_TEXT_MAX];

	fputs("<dl class=\"facts\">\n", f);
	fact(f, "Trace", page->trace);
	fact_vms(f, page->facts);
	fact_regions(f, page);
	fact(f, "Duration", report_length((double)page->facts->end_ns, text));
	fact_number(f, "Records", page->facts->records);
	fact_number(f, "Intervals", page->asked->result.intervals);
	fact_costs(f, &page->facts->costs);
	fact_walks(f, page->facts);
	fact(f, "First splits", report_ns((double)page->asked->result.forced_split_ns, 4, text));
	fact(f, "Observation", page->asked->observe);
	fact(f, "Configuration", page->config);
	snprintf(text, sizeof(text), "%016" PRIx64, page->config_digest);
	fact(f, "Configuration digest", text);
	fact(f, "Generator", "tdx-lpctl " TDX_LPAGE_VERSION);
	fputs("</dl>\n", f);
}

/* ---- statistics ---- */

static void print_stat(FILE *f, const char *name, const char *value)
{
	fprintf(f, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, value);
}

void report_print_stats(FILE *f, const struct report_page *page)
{
	const struct simulate_result *result = &page->asked->result;
	double coverage = report_mean_coverage(page->asked->run);
	char text[REPORT_TEXT_MAX];

	fputs("<dl class=\"stats\">\n", f);
	fputs("<div><dt>Policy</dt><dd>", f);
	report_text(f, page->asked->policy);
	fputs("</dd></div>\n", f);
	snprintf(text, sizeof(text), isnan(result->ratio) ? "–" : "%.3f×", result->ratio);
	print_stat(f, "Cost / optimum", text);
	print_stat(f, "Cost", report_ns((double)result->cost_ns, 4, text));
	print_stat(f, "Optimum", report_ns((double)result->opt_ns, 4, text));
	snprintf(text, sizeof(text), isnan(coverage) ? "–" : "%.4g%%", coverage);
	print_stat(f, "Mean coverage", text);
	print_stat(f, "Merges", report_count(result->merges, text));
	fputs("</dl>\n", f);
}

/* ---- scores ---- */

/* The unit of all costs in the tables: ms, or µs if all are below 1 ms. */
static uint64_t unit_of(const struct report_page *page)
{
	for (size_t i = 0; i < page->nr_lines; i++)
		if (page->lines[i].result.cost_ns >= REPORT_MS)
			return REPORT_MS;
	return REPORT_US;
}

static void head(FILE *f, const char *name, const char *unit, bool number)
{
	fprintf(f, "<th scope=\"col\"%s>%s", number ? " class=\"n\"" : "", name);
	if (unit)
		fprintf(f, " <span class=\"dim\">(%s)</span>", unit);
	fputs("</th>", f);
}

static void cost(FILE *f, const char *label, const char *what, uint64_t ns, uint64_t unit)
{
	char text[REPORT_TEXT_MAX];

	fprintf(f,
		"<td class=\"n\" data-label=\"%s (%s)\"><data class=\"%s\" value=\"%" PRIu64
		"\">%s</data></td>\n",
		label, report_unit_name(unit), what, ns, report_fixed(ns, unit, text));
}

static void count(FILE *f, const char *label, const char *what, uint64_t value)
{
	char text[REPORT_TEXT_MAX];

	fprintf(f,
		"<td class=\"n\" data-label=\"%s\"><data class=\"%s\" value=\"%" PRIu64
		"\">%s</data></td>\n",
		label, what, value, report_count(value, text));
}

static void score_row(FILE *f, const struct report_line *line, bool asked, uint64_t unit)
{
	const struct simulate_result *result = &line->result;
	double coverage = report_mean_coverage(line->run);

	fprintf(f, "<tr%s>\n<th scope=\"row\">", asked ? " class=\"asked\"" : "");
	report_text(f, line->policy);
	fprintf(f, "</th>\n<td data-label=\"observed\">%s</td>\n", line->observe);
	if (isnan(result->ratio))
		fputs("<td class=\"n\" data-label=\"ratio\">–</td>\n", f);
	else
		fprintf(f,
			"<td class=\"n\" data-label=\"ratio\"><data class=\"ratio\" "
			"value=\"%.9g\">%.4f</data></td>\n",
			result->ratio, result->ratio);
	cost(f, "cost", "cost_ns", result->cost_ns, unit);
	cost(f, "optimum", "opt_ns", result->opt_ns, unit);
	cost(f, "page walks", "walk_ns", result->walk_ns, unit);
	count(f, "merges", "merges", result->merges);
	count(f, "splits", "splits", result->splits);
	count(f, "refused", "fails", result->fails);
	if (isnan(coverage))
		fputs("<td class=\"n\" data-label=\"coverage\">–</td>\n", f);
	else
		fprintf(f, "<td class=\"n\" data-label=\"coverage\">%.2f%%</td>\n", coverage);
	fputs("</tr>\n", f);
}

void report_print_scores(FILE *f, const struct report_page *page)
{
	uint64_t unit = unit_of(page);
	const char *name = report_unit_name(unit);

	fputs("<table class=\"cards scores\">\n<thead><tr>", f);
	head(f, "Policy", NULL, false);
	head(f, "Observed", NULL, false);
	head(f, "Ratio", NULL, true);
	head(f, "Cost", name, true);
	head(f, "Optimum", name, true);
	head(f, "Page walks", name, true);
	head(f, "Merges", NULL, true);
	head(f, "Splits", NULL, true);
	head(f, "Refused", NULL, true);
	head(f, "Mean coverage", NULL, true);
	fputs("</tr></thead>\n<tbody>\n", f);
	for (size_t i = 0; i < page->nr_lines; i++)
		score_row(f, &page->lines[i], &page->lines[i] == page->asked, unit);
	fputs("</tbody>\n</table>\n", f);
}

/* ---- regret ---- */

static uint64_t whole_ns(model_walk walk)
{
	return (uint64_t)(walk / NS_PER_S);
}

static void regret_row(FILE *f, const struct report_line *line, uint64_t unit)
{
	const struct report_regret *regret = &line->run->regret;
	uint64_t sum = line->result.cost_ns - line->result.opt_ns;
	uint64_t wasted = whole_ns(regret->wasted), missed = whole_ns(regret->missed);
	/* The remainder, so that the row adds up despite rounding. */
	uint64_t late = sum - wasted - missed - line->result.fail_ns;

	fputs("<tr>\n<th scope=\"row\">", f);
	report_text(f, line->policy);
	fputs("</th>\n", f);
	cost(f, "wasted", "wasted_ns", wasted, unit);
	cost(f, "late", "late_ns", late, unit);
	cost(f, "missed", "missed_ns", missed, unit);
	cost(f, "refused", "fail_ns", line->result.fail_ns, unit);
	cost(f, "total", "regret_ns", sum, unit);
	fputs("</tr>\n", f);
}

void report_print_regrets(FILE *f, const struct report_page *page)
{
	uint64_t unit = unit_of(page);
	const char *name = report_unit_name(unit);

	fputs("<table class=\"cards regrets\">\n<thead><tr>", f);
	head(f, "Policy", NULL, false);
	head(f, "Wasted merges", name, true);
	head(f, "Late merges", name, true);
	head(f, "Missed merges", name, true);
	head(f, "Refused", name, true);
	head(f, "Total", name, true);
	fputs("</tr></thead>\n<tbody>\n", f);
	for (size_t i = 0; i < page->nr_lines; i++)
		if (page->lines[i].drawn)
			regret_row(f, &page->lines[i], unit);
	fputs("</tbody>\n</table>\n", f);
}
