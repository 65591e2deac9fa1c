// SPDX-License-Identifier: GPL-2.0-or-later
/* Histogram of how long regions stay private between two conversions. */
#include <inttypes.h>
#include <math.h>

#include "daemon/report/page.h"
#include "daemon/report/svg.h"
#include "daemon/report/units.h"

#define WIDTH	      560
#define HEIGHT	      330
#define SHORTEST      20  /* class of 1 µs: what is shorter is shown there */
#define LEAST_CLASSES 14  /* on the axis, two powers of 10 */
#define BASE	      0.7 /* foot of the bars, so that a single interval can be seen */

/* A class with all that is shorter than the first one shown. */
static uint64_t count_in(const uint64_t *counts, size_t class)
{
	uint64_t nr = counts[class];

	for (size_t i = 0; class == SHORTEST && i < SHORTEST; i++)
		nr += counts[i];
	return nr;
}

/* The classes that hold something, and those of the break-even times. */
static void find_range(const struct report_page *page, double least_ns, double most_ns,
		       size_t *ret_first, size_t *ret_last)
{
	const struct report_run *run = page->asked->run;
	size_t first = REPORT_LENGTHS, last = SHORTEST;

	for (size_t i = SHORTEST; i < REPORT_LENGTHS; i++) {
		bool used = count_in(run->converted, i) || count_in(run->cut, i);
		bool marked = report_length_edge(i + 1) > least_ns &&
			      report_length_edge(i) < most_ns;

		if ((used || marked) && first == REPORT_LENGTHS)
			first = i;
		if (used || marked)
			last = i;
	}
	first = first < last ? first : last;
	while (last - first < LEAST_CLASSES) {
		first -= first > SHORTEST;
		last += last + 1 < REPORT_LENGTHS;
	}
	*ret_first = first;
	*ret_last = last;
}

static void draw_bar(const struct svg_plot *plot, const struct svg_scale *y, double x1, double x2,
		     uint64_t nr, const char *class, const char *what)
{
	double top;

	if (!nr)
		return;
	top = svg_at(y, (double)nr);
	fprintf(plot->f,
		"<rect class=\"%s\" data-count=\"%" PRIu64 "\" x=\"%.1f\" y=\"%.1f\" "
		"width=\"%.1f\" height=\"%.1f\"><title>",
		class, nr, x1, top, x2 - x1, plot->bottom - top);
	report_printf(plot->f, "%" PRIu64 " %s", nr, what);
	fputs("</title></rect>\n", plot->f);
}

static void draw_bars(const struct svg_plot *plot, const struct report_run *run,
		      const struct svg_scale *x, const struct svg_scale *y, size_t first,
		      size_t last)
{
	char from[REPORT_TEXT_MAX], to[REPORT_TEXT_MAX], what[2 * REPORT_TEXT_MAX + 64];

	for (size_t i = first; i <= last; i++) {
		double left = svg_at(x, report_length_edge(i)) + 0.6;
		double right = svg_at(x, report_length_edge(i + 1)) - 0.6;
		double middle = (left + right) / 2;

		report_ns(i == SHORTEST ? 0 : report_length_edge(i), 3, from);
		report_ns(report_length_edge(i + 1), 3, to);
		snprintf(what, sizeof(what), "of %s to %s, ended by a conversion", from, to);
		draw_bar(plot, y, left, middle, count_in(run->converted, i), "b-converted", what);
		snprintf(what, sizeof(what), "of %s to %s, until the VM or the trace ended", from,
			 to);
		draw_bar(plot, y, middle, right, count_in(run->cut, i), "b-cut", what);
	}
}

static void draw_break_even(const struct svg_plot *plot, const struct svg_scale *x, double least_ns,
			    double most_ns)
{
	double left = svg_at(x, least_ns), right = svg_at(x, most_ns), middle = (left + right) / 2;
	char from[REPORT_TEXT_MAX], to[REPORT_TEXT_MAX];
	const char *anchor = middle < plot->left + 90  ? "label" :
			     middle > plot->right - 90 ? "label end" :
							 "label middle";

	report_length(least_ns, from);
	report_length(most_ns, to);
	if (right - left >= 1)
		fprintf(plot->f,
			"<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			"height=\"%.1f\"/>\n",
			left, plot->top, right - left, plot->bottom - plot->top);
	else
		svg_line(plot->f, middle, plot->top, middle, plot->bottom, "mark");
	if (right - left >= 1)
		svg_text(plot->f, middle, plot->top - 7, anchor, "break-even %s – %s", from, to);
	else
		svg_text(plot->f, middle, plot->top - 7, anchor, "break-even %s", from);
}

static uint64_t most_in(const struct report_run *run)
{
	uint64_t most = 10; /* two ticks at least */

	for (size_t i = SHORTEST; i < REPORT_LENGTHS; i++) {
		most = count_in(run->converted, i) > most ? count_in(run->converted, i) : most;
		most = count_in(run->cut, i) > most ? count_in(run->cut, i) : most;
	}
	return most;
}

static void draw_ticks(const struct svg_plot *plot, const struct svg_scale *x,
		       const struct svg_scale *y)
{
	struct svg_ticks ticks = svg_decades(y, 26);
	char text[REPORT_TEXT_MAX];

	for (size_t i = 0; i < ticks.nr; i++)
		svg_y_tick(plot, svg_at(y, ticks.at[i]),
			   report_count((uint64_t)llround(ticks.at[i]), text));
	ticks = svg_decades(x, 66);
	for (size_t i = 0; i < ticks.nr; i++)
		svg_x_tick(plot, svg_at(x, ticks.at[i]), report_ns(ticks.at[i], 3, text));
}

void report_draw_intervals(FILE *f, const struct report_page *page)
{
	const struct svg_plot plot = {f, 76, 66, WIDTH - 12, HEIGHT - 46};
	const struct report_run *run = page->asked->run;
	double least_ns = 0, most_ns = 0, at;
	bool marked = report_break_even(page->facts, &least_ns, &most_ns);
	struct svg_scale x = {0, 0, plot.left, plot.right, true};
	const struct svg_scale y = {BASE, 1.2 * (double)most_in(run), plot.bottom, plot.top, true};
	size_t first, last;

	find_range(page, least_ns, most_ns, &first, &last);
	x.from = report_length_edge(first);
	x.to = report_length_edge(last + 1);
	svg_begin(
		f, "intervals", WIDTH, HEIGHT, "Interval lengths",
		"A histogram of the lengths of intervals between the moment a region is private and "
		"accepted again and its next conversion; both axes are logarithmic. Intervals longer than the "
		"break-even time are worth a merge.");
	at = svg_legend(f, 0, 14, "b-converted", "ended by a conversion");
	svg_legend(f, at, 14, "b-cut", "ended with the VM or the trace");
	draw_ticks(&plot, &x, &y);
	draw_bars(&plot, run, &x, &y, first, last);
	/* With extreme costs it is outside of the chart. */
	if (marked && least_ns >= x.from && most_ns <= x.to)
		draw_break_even(&plot, &x, least_ns, most_ns);
	svg_axes(&plot, "length of the interval", "intervals");
	svg_end(f);
}
