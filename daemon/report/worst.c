// SPDX-License-Identifier: GPL-2.0-or-later
/* The regions with the highest cost above their optimum, and their history. */
#include <inttypes.h>
#include <linux/kvm_lpage.h>
#include <math.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/report/page.h"
#include "daemon/report/svg.h"
#include "daemon/report/units.h"

/* Rows of a time line, in units of its picture; a column is one unit wide. */
#define CONVERSIONS_TOP 0
#define MERGES_TOP	25
#define REFUSED_TOP	31
#define MARK		5
#define STRIP_TOP	7
#define STRIP		16
#define HEIGHT		48

#define LONG_NAME 16

/* The runs of columns in which something is marked. */
static void draw_marks(FILE *f, const uint32_t *marks, int top, const char *class)
{
	size_t from = 0;
	bool any = false;

	for (size_t i = 0; i <= REPORT_COLUMNS; i++) {
		if (i < REPORT_COLUMNS && marks[i])
			continue;
		if (i > from) {
			fprintf(f, any ? "M%zu %dh%zuv%dh-%zuz" : "<path d=\"M%zu %dh%zuv%dh-%zuz",
				from, top, i - from, MARK, i - from);
			any = true;
		}
		from = i + 1;
	}
	if (any)
		fprintf(f, "\" class=\"%s\"/>\n", class);
}

/* From where to where a state fills a column, upwards from the foot of the strip. */
struct filling {
	int low;
	int high;
};

static struct filling filling_of(const uint64_t *state_ns, const unsigned int *order, size_t nr)
{
	double before = 0, sum = 0;
	struct filling ret;

	for (size_t i = 0; i < REPORT_STATES; i++)
		sum += (double)state_ns[i];
	if (sum <= 0)
		return (struct filling){0, 0};
	for (size_t i = 0; i < nr; i++)
		before += (double)state_ns[order[i]];
	ret.low = (int)lround(STRIP * before / sum);
	ret.high = (int)lround(STRIP * (before + (double)state_ns[order[nr]]) / sum);
	return ret;
}

static void draw_state(FILE *f, const struct report_timeline *timeline, const unsigned int *order,
		       size_t nr, const char *class)
{
	size_t from = 0;

	fprintf(f, "<path class=\"%s\" d=\"M0 %d", class, STRIP_TOP);
	for (size_t i = 0; i < REPORT_COLUMNS; i++) {
		struct filling now = filling_of(timeline->state_ns[i], order, nr), next = {-1, -1};

		if (i + 1 < REPORT_COLUMNS)
			next = filling_of(timeline->state_ns[i + 1], order, nr);
		if (next.low == now.low && next.high == now.high)
			continue;
		if (now.high > now.low)
			fprintf(f, "M%zu %dh%zuV%dh-%zuz", from, STRIP_TOP + STRIP - now.low,
				i + 1 - from, STRIP_TOP + STRIP - now.high, i + 1 - from);
		from = i + 1;
	}
	fputs("\"/>\n", f);
}

static void draw_timeline(FILE *f, const struct report_page *page, size_t i, const char *vm)
{
	static const unsigned int order[] = {KVM_LPAGE_STATE_LARGE, KVM_LPAGE_STATE_TABLE,
					     KVM_LPAGE_STATE_MIXED};
	static const char *const classes[] = {"s-large", "s-table", "s-mixed"};
	const struct report_timeline *timeline = &page->timelines[i];
	char id[32], title[TRACE_NAME_MAX + 64], text[REPORT_TEXT_MAX];

	snprintf(id, sizeof(id), "time-%zu", i + 1);
	snprintf(title, sizeof(title), "Time line of %s, region %" PRIu64, vm, timeline->rfn);
	svg_begin(f, id, REPORT_COLUMNS, HEIGHT, title,
		  "From the start of the trace to its end. Above the strip: conversions. In the "
		  "strip: how long the region was mapped at 2 MiB, at 4 KiB, or had shared "
		  "pages. Below the strip: merges, then refused merge attempts.");
	for (size_t n = 0; n < 3; n++)
		draw_state(f, timeline, order, n, classes[n]);
	svg_line(f, 0, STRIP_TOP + STRIP, REPORT_COLUMNS, STRIP_TOP + STRIP, "grid");
	draw_marks(f, timeline->conversions, CONVERSIONS_TOP, "m-conversion");
	draw_marks(f, timeline->merges, MERGES_TOP, "m-merge");
	draw_marks(f, timeline->refused, REFUSED_TOP, "m-refused");
	svg_text(f, 0, HEIGHT - 2, "tick", "0");
	svg_text(f, REPORT_COLUMNS / 2., HEIGHT - 2, "axis middle", "time");
	svg_text(f, REPORT_COLUMNS, HEIGHT - 2, "tick end", "%s",
		 report_length((double)page->facts->end_ns, text));
	svg_end(f);
}

/* ---- causes ---- */

struct cause {
	double ns;
	uint64_t nr;
	const char *one;
	const char *many;
};

static void print_cause(FILE *f, const struct cause *cause)
{
	char nr[REPORT_TEXT_MAX], ns[REPORT_TEXT_MAX];

	fprintf(f, "<li>%s %s: %s</li>", report_count(cause->nr, nr),
		cause->nr == 1 ? cause->one : cause->many, report_ns(cause->ns, 3, ns));
}

/* Every cause of a fifth of the regret or more, largest first. */
static void print_causes(FILE *f, const struct report_region *region, uint64_t fail_ns)
{
	const struct report_regret *regret = &region->regret;
	struct cause causes[] = {
		{(double)regret->wasted / NS_PER_S, regret->nr_wasted, "merge undone too early",
		 "merges undone too early"},
		{(double)regret->late / NS_PER_S, regret->nr_late, "late merge", "late merges"},
		{(double)regret->missed / NS_PER_S, regret->nr_missed, "missed merge",
		 "missed merges"},
		{(double)regret->refused * (double)fail_ns, regret->refused, "refused attempt",
		 "refused attempts"},
	};
	size_t nr = ARRAY_SIZE(causes);
	double sum = 0;

	for (size_t i = 0; i < nr; i++)
		sum += causes[i].ns;
	fputs("<ul>", f);
	for (size_t left = nr; left; left--) {
		size_t most = 0;

		for (size_t i = 1; i < nr; i++)
			if (causes[i].ns > causes[most].ns)
				most = i;
		if (causes[most].ns < sum / 5 || causes[most].ns <= 0)
			break;
		print_cause(f, &causes[most]);
		causes[most].ns = 0;
	}
	fputs("</ul>", f);
}

/* ---- the table ---- */

static void print_count(FILE *f, const char *label, uint64_t value)
{
	char text[REPORT_TEXT_MAX];

	fprintf(f, "<td class=\"n\" data-label=\"%s\"><data value=\"%" PRIu64 "\">%s</data></td>\n",
		label, value, report_count(value, text));
}

static void print_cost(FILE *f, const char *label, model_walk cost, uint64_t unit_ns)
{
	uint64_t ns = (uint64_t)(cost / (model_walk)NS_PER_S);
	char text[REPORT_TEXT_MAX];

	fprintf(f,
		"<td class=\"n\" data-label=\"%s (%s)\"><data value=\"%" PRIu64
		"\">%s</data></td>\n",
		label, report_unit_name(unit_ns), ns, report_fixed(ns, unit_ns, text));
}

static void print_region(FILE *f, const struct report_page *page, size_t i, uint64_t unit_ns)
{
	const struct report_region *region = &page->worst[i];
	const struct report_vm *vm = report_facts_vm(page->facts, region->vm_id);
	const char *name = vm ? vm->name : "";

	/* A long name takes some lines instead of most of the table. */
	fprintf(f, "<tr>\n<th scope=\"row\" class=\"vm%s\">",
		strlen(name) > LONG_NAME ? " long" : "");
	report_text(f, name);
	fprintf(f, " <span class=\"dim\">(%" PRIu32 ")</span></th>\n", region->vm_id);
	fprintf(f,
		"<td class=\"place\" data-label=\"region\">0x%" PRIx64
		"<br/><span class=\"dim\">rfn %" PRIu64 "</span></td>\n<td class=\"line\">",
		rfn_to_gpa(region->rfn), region->rfn);
	draw_timeline(f, page, i, name);
	fputs("</td>\n", f);
	print_count(f, "intervals", region->intervals);
	print_count(f, "merges", region->merges);
	print_count(f, "splits", region->splits);
	print_count(f, "refused", region->regret.refused);
	print_cost(f, "cost", region->cost, unit_ns);
	print_cost(f, "optimum", region->opt, unit_ns);
	fputs("<td class=\"n\" data-label=\"ratio\">", f);
	if (region->opt)
		fprintf(f, "%.2f", (double)region->cost / (double)region->opt);
	else
		fputs("–", f);
	fputs("</td>\n<td class=\"why\" data-label=\"causes\">", f);
	print_causes(f, region, page->facts->costs.fail_ns);
	fputs("</td>\n</tr>\n", f);
}

static void print_legend(FILE *f)
{
	static const char *const entries[][2] = {
		{"s-large", "mapped at 2 MiB"},	 {"s-table", "at 4 KiB"},
		{"s-mixed", "some page shared"}, {"m-conversion", "conversion (above)"},
		{"m-merge", "merge (below)"},	 {"m-refused", "refused attempt (below)"},
	};

	fputs("<ul class=\"legend\">\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		fprintf(f, "<li><span class=\"key %s\"></span>%s</li>\n", entries[i][0],
			entries[i][1]);
	fputs("</ul>\n", f);
}

/* Costs of the table are in ms, or in µs if all are below 1 ms. */
static uint64_t unit_of(const struct report_page *page)
{
	for (size_t i = 0; i < page->nr_worst; i++)
		if (page->worst[i].cost >= (model_walk)(REPORT_MS * NS_PER_S))
			return REPORT_MS;
	return REPORT_US;
}

static void print_heads(FILE *f, uint64_t unit_ns)
{
	static const struct {
		const char *name;
		bool number;
		bool cost;
	} heads[] = {
		{"VM", false, false},	    {"Region", false, false}, {"Time line", false, false},
		{"Intervals", true, false}, {"Merges", true, false},  {"Splits", true, false},
		{"Refused", true, false},   {"Cost", true, true},     {"Optimum", true, true},
		{"Ratio", true, false},	    {"Causes", false, false},
	};

	fputs("<thead><tr>", f);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		fprintf(f, "<th scope=\"col\"%s>%s", heads[i].number ? " class=\"n\"" : "",
			heads[i].name);
		if (heads[i].cost)
			fprintf(f, " <span class=\"dim\">(%s)</span>", report_unit_name(unit_ns));
		fputs("</th>", f);
	}
	fputs("</tr></thead>\n", f);
}

void report_print_worst(FILE *f, const struct report_page *page)
{
	uint64_t unit_ns = unit_of(page);

	if (!page->nr_worst) {
		fputs("<p>No region cost more than its optimum.</p>\n", f);
		return;
	}
	print_legend(f);
	fputs("<table class=\"cards worst\">\n", f);
	print_heads(f, unit_ns);
	fputs("<tbody>\n", f);
	for (size_t i = 0; i < page->nr_worst; i++)
		print_region(f, page, i, unit_ns);
	fputs("</tbody>\n</table>\n", f);
}
