// SPDX-License-Identifier: GPL-2.0-or-later
/* Bar chart of the cost of each policy by part. */
#include <math.h>
#include <string.h>

#include "daemon/report/page.h"
#include "daemon/report/svg.h"
#include "daemon/report/units.h"

#define WIDTH	   560
#define TOP	   44
#define ROW	   48
#define BAR	   19
#define LEFT	   94
#define RIGHT	   (WIDTH - 140)
#define PARTS	   4
#define CUT_FACTOR 8 /* a bar longer than this many times the optimum is cut */
#define BARS	   10

static const char *const part_names[PARTS] = {"page walks", "merges", "splits", "refused attempts"};
static const char *const part_short[PARTS] = {"walks", "merges", "splits", "refused"};
static const char *const part_class[PARTS] = {"c-walk", "c-merge", "c-split", "c-fail"};

struct bar {
	const char *name;
	uint64_t parts[PARTS];
	uint64_t sum;
	double ratio;
};

static size_t find_bars(const struct report_page *page, struct bar *ret)
{
	const struct report_run *run = page->asked->run;
	const struct simulate_result *asked = &page->asked->result;
	uint64_t merge_ns = run->opt_merges * page->facts->costs.merge_ns;
	uint64_t split_ns = run->opt_splits * page->facts->costs.split_ns;
	size_t nr = 0;

	for (size_t i = 0; i < page->nr_lines && nr + 1 < BARS; i++) {
		const struct simulate_result *result = &page->lines[i].result;

		if (!page->lines[i].drawn)
			continue;
		ret[nr++] = (struct bar){page->lines[i].policy,
					 {result->walk_ns, result->merge_ns, result->split_ns,
					  result->fail_ns},
					 result->cost_ns,
					 result->ratio};
	}
	ret[nr++] = (struct bar){"optimum",
				 {asked->opt_ns - merge_ns - split_ns, merge_ns, split_ns, 0},
				 asked->opt_ns,
				 NAN};
	return nr;
}

/*
 * The end of the axis: the longest bar, unless that would make the others indistinguishable; then
 * it ends after the longest of the others, and longer bars are cut.
 */
static double axis_end(const struct bar *bars, size_t nr)
{
	uint64_t least = bars[nr - 1].sum, end = least, most = least;

	for (size_t i = 0; i < nr; i++) {
		if (bars[i].sum > most)
			most = bars[i].sum;
		if (bars[i].sum <= CUT_FACTOR * least && bars[i].sum > end)
			end = bars[i].sum;
	}
	if (most > 2 * CUT_FACTOR * least && least)
		return 1.15 * (double)end;
	return most ? (double)most : 1;
}

static void draw_part(FILE *f, const struct bar *bar, int part, double x1, double x2, double y)
{
	char text[REPORT_TEXT_MAX];

	fprintf(f,
		"<rect class=\"part %s\" data-ns=\"%llu\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
		"height=\"%d\"><title>",
		part_class[part], (unsigned long long)bar->parts[part], x1, y, x2 - x1, BAR);
	report_printf(f, "%s, %s: %s", bar->name, part_names[part],
		      report_ns((double)bar->parts[part], 4, text));
	fputs("</title></rect>\n", f);
}

/* Two strokes across the end of a bar that is cut. */
static void draw_cut(FILE *f, double x, double y)
{
	fprintf(f,
		"<path class=\"gap\" d=\"M%.1f %.1fl6 %dh5l-6 -%dz\"/>\n"
		"<path class=\"cut\" d=\"M%.1f %.1fl6 %dm5 0l-6 -%d\"/>\n",
		x - 22, y - 2, BAR + 4, BAR + 4, x - 22, y - 2, BAR + 4, BAR + 4);
}

/* The values of the parts that are not 0. */
static void draw_numbers(FILE *f, const struct bar *bar, double y)
{
	char line[256] = "", text[REPORT_TEXT_MAX];

	for (int part = 0; part < PARTS; part++) {
		size_t used = strlen(line);

		if (bar->parts[part])
			snprintf(line + used, sizeof(line) - used, "%s%s %s", used ? " · " : "",
				 part_short[part], report_ns((double)bar->parts[part], 3, text));
	}
	svg_text(f, LEFT, y, "small", "%s", *line ? line : "none");
}

static void draw_bar(FILE *f, const struct bar *bar, const struct svg_scale *x, double y)
{
	bool cut = (double)bar->sum > x->to * (1 + 1e-9);
	char text[REPORT_TEXT_MAX];
	uint64_t before = 0;

	fputs("<g class=\"bar\" data-policy=\"", f);
	report_text(f, bar->name);
	fputs("\">\n", f);
	svg_text(f, LEFT - 8, y + 14, "label end", "%s", bar->name);
	for (int part = 0; part < PARTS; part++) {
		double from = fmin((double)before, x->to);
		double to = fmin((double)(before + bar->parts[part]), x->to);

		before += bar->parts[part];
		if (bar->parts[part])
			draw_part(f, bar, part, svg_at(x, from), svg_at(x, to), y);
	}
	if (cut)
		draw_cut(f, svg_at(x, x->to), y);
	report_ns((double)bar->sum, 4, text);
	if (isnan(bar->ratio))
		svg_text(f, RIGHT + 8, y + 14, "label", "%s", text);
	else
		svg_text(f, RIGHT + 8, y + 14, "label", "%s · %.*f×", text,
			 bar->ratio < 100 ? 2 : 0, bar->ratio);
	draw_numbers(f, bar, y + BAR + 14);
	fputs("</g>\n", f);
}

void report_draw_costs(FILE *f, const struct report_page *page)
{
	struct bar bars[BARS];
	size_t nr = find_bars(page, bars);
	const struct svg_plot plot = {f, LEFT, TOP, RIGHT, TOP + ROW * (double)nr};
	const struct svg_scale x = {0, axis_end(bars, nr), LEFT, RIGHT, false};
	struct svg_ticks ticks = svg_round_ticks(&x, 4);
	char text[REPORT_TEXT_MAX];
	double at = 0;

	svg_begin(
		f, "costs", WIDTH, plot.bottom + 46, "Cost by part",
		"One bar per policy and one for the offline optimum: page walks, merges, splits and "
		"refused attempts. On the right the total and its ratio to the optimum.");
	for (int part = 0; part < PARTS; part++)
		at = svg_legend(f, at, 14, part_class[part], part_names[part]);
	for (size_t i = 0; i < ticks.nr; i++)
		svg_x_tick(&plot, svg_at(&x, ticks.at[i]),
			   ticks.at[i] > 0 ? report_ns(ticks.at[i], 3, text) : "0");
	svg_axes(&plot, "cost", NULL);
	for (size_t i = 0; i < nr; i++)
		draw_bar(f, &bars[i], &x, TOP + 6 + ROW * (double)i);
	svg_end(f);
}
