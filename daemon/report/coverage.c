// SPDX-License-Identifier: GPL-2.0-or-later
/* Curves of the coverage over time. */
#include <math.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/report/page.h"
#include "daemon/report/svg.h"
#include "daemon/report/units.h"

#define WIDTH	  560
#define HEIGHT	  330
#define LABEL_GAP 19 /* between the names of curves */
#define CURVES	  8

struct curve {
	const char *name;
	const char *class;
	const struct report_run *run;
	bool optimum;
	double mean;
	double last; /* place of its end */
	double label;
};

const char *report_curve_class(const char *policy)
{
	static const char *const classes[][2] = {{"adaptive", "adaptive"},
						 {"threshold", "threshold"},
						 {"eager", "eager"},
						 {"never", "never"},
						 {"optimum", "optimum"}};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (strcmp(policy, classes[i][0]) == 0)
			return classes[i][1];
	return "by-rules";
}

static double percent(model_walk large, model_walk table)
{
	return large + table ? 100 * (double)large / (double)(large + table) : NAN;
}

/* @optimum: of what would have merged at once exactly where it pays. @run then never merges. */
static double point(const struct report_run *run, size_t i, bool optimum)
{
	const struct report_point *p = &run->points[i];
	model_walk moved = optimum ? p->merged_by_optimum : 0;

	return percent(p->large + moved, p->table - moved);
}

static double mean(const struct report_run *run, bool optimum)
{
	model_walk large = 0, table = 0;

	for (size_t i = 0; i < run->nr_points; i++) {
		model_walk moved = optimum ? run->points[i].merged_by_optimum : 0;

		large += run->points[i].large + moved;
		table += run->points[i].table - moved;
	}
	return percent(large, table);
}

double report_mean_coverage(const struct report_run *run)
{
	return mean(run, false);
}

/* Later ones are drawn over earlier ones: the one that was asked for comes last. */
static size_t find_curves(const struct report_page *page, struct curve *ret)
{
	size_t nr = 0;

	for (size_t i = page->nr_lines; i-- > 0;) {
		const struct report_line *line = &page->lines[i];

		if (line->drawn && strcmp(line->policy, "never") == 0)
			ret[nr++] = (struct curve){
				.name = "optimum", .run = line->run, .optimum = true};
		if (line->drawn && nr < CURVES)
			ret[nr++] = (struct curve){.name = line->policy, .run = line->run};
	}
	for (size_t i = 0; i < nr; i++) {
		ret[i].class = report_curve_class(ret[i].name);
		ret[i].mean = mean(ret[i].run, ret[i].optimum);
	}
	return nr;
}

/* A round number below every curve. */
static double lowest(const struct curve *curves, size_t nr)
{
	double low = 100, step;

	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < curves[i].run->nr_points; k++)
			low = fmin(low, point(curves[i].run, k, curves[i].optimum));
	if (low > 99.9)
		return 99;
	step = svg_step(100 - low, 5);
	return fmax(0, floor(low / step) * step);
}

static double point_time(const struct report_run *run, size_t i)
{
	double middle = ((double)i + 0.5) * (double)run->step_ns;

	return fmin(middle, (double)run->facts->end_ns);
}

static void draw_curve(FILE *f, struct curve *curve, const struct svg_scale *x,
		       const struct svg_scale *y, bool asked)
{
	bool pen = false;

	fprintf(f, "<path class=\"curve %s%s\" d=\"", curve->class, asked ? " asked" : "");
	curve->last = y->at_to;
	for (size_t i = 0; i < curve->run->nr_points; i++) {
		double value = point(curve->run, i, curve->optimum);

		if (isnan(value)) {
			pen = false;
			continue;
		}
		curve->last = svg_at(y, value);
		fprintf(f, "%s%.1f %.1f", pen ? "L" : "M", svg_at(x, point_time(curve->run, i)),
			curve->last);
		pen = true;
	}
	fprintf(f, "\"><title>");
	report_printf(f, "%s, %.2f %% on average", curve->name, curve->mean);
	fputs("</title></path>\n", f);
}

/* Moves names apart, down and then up from the lower edge, in the order of the curves' ends. */
static void place_labels(struct curve **curves, size_t nr, double top, double bottom)
{
	double next = top + 4;

	for (size_t i = 1; i < nr; i++) {
		for (size_t k = i; k && curves[k]->last < curves[k - 1]->last; k--) {
			struct curve *swap = curves[k];

			curves[k] = curves[k - 1];
			curves[k - 1] = swap;
		}
	}
	for (size_t i = 0; i < nr; i++) {
		curves[i]->label = fmax(curves[i]->last, next);
		next = curves[i]->label + LABEL_GAP;
	}
	next = bottom;
	for (size_t i = nr; i-- > 0;) {
		curves[i]->label = fmin(curves[i]->label, next);
		next = curves[i]->label - LABEL_GAP;
	}
}

static void draw_labels(const struct svg_plot *plot, struct curve *curves, size_t nr)
{
	struct curve *sorted[CURVES];
	char class[64];

	for (size_t i = 0; i < nr; i++)
		sorted[i] = &curves[i];
	place_labels(sorted, nr, plot->top, plot->bottom);
	for (size_t i = 0; i < nr; i++) {
		const struct curve *curve = sorted[i];

		snprintf(class, sizeof(class), "curve %s", curve->class);
		fprintf(plot->f, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1f\"/>\n",
			class, plot->right + 3, curve->last, plot->right + 12, curve->label,
			plot->right + 24, curve->label);
		if (isnan(curve->mean))
			svg_text(plot->f, plot->right + 28, curve->label + 4, "label", "%s",
				 curve->name);
		else
			svg_text(plot->f, plot->right + 28, curve->label + 4, "label", "%s %.4g%%",
				 curve->name, curve->mean);
	}
}

static void draw_ticks(const struct svg_plot *plot, const struct svg_scale *x,
		       const struct svg_scale *y)
{
	struct svg_ticks ticks = svg_round_ticks(y, 6);
	char text[REPORT_TEXT_MAX];

	for (size_t i = 0; i < ticks.nr; i++) {
		snprintf(text, sizeof(text), "%.6g%%", ticks.at[i]);
		svg_y_tick(plot, svg_at(y, ticks.at[i]), text);
	}
	ticks = svg_time_ticks(x, 5);
	for (size_t i = 0; i < ticks.nr; i++)
		svg_x_tick(plot, svg_at(x, ticks.at[i]),
			   ticks.at[i] > 0 ? report_length(ticks.at[i], text) : "0");
	svg_axes(plot, "time in the trace", "coverage");
}

void report_draw_coverage(FILE *f, const struct report_page *page)
{
	const struct svg_plot plot = {f, 50, 34, WIDTH - 160, HEIGHT - 46};
	struct curve curves[CURVES + 1];
	size_t nr = find_curves(page, curves);
	const struct svg_scale x = {0, fmax(1, (double)page->facts->end_ns), plot.left, plot.right,
				    false};
	const struct svg_scale y = {lowest(curves, nr), 100, plot.bottom, plot.top, false};

	svg_begin(
		f, "coverage", WIDTH, HEIGHT, "Coverage over time",
		"One curve per policy: the share of private regions that are mapped at 2 MiB, from "
		"the start of the trace to its end. Each name is followed by the average.");
	draw_ticks(&plot, &x, &y);
	for (size_t i = 0; i < nr; i++)
		draw_curve(f, &curves[i], &x, &y,
			   curves[i].run == page->asked->run && !curves[i].optimum);
	draw_labels(&plot, curves, nr);
	svg_end(f);
}
