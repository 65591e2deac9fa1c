// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/report/svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/report/units.h"

#define TICK_LENGTH  4
#define LETTER_WIDTH 8.2 /* of the widest text that a legend is given */

double svg_at(const struct svg_scale *scale, double value)
{
	double part = scale->log ? log(value / scale->from) / log(scale->to / scale->from) :
				   (value - scale->from) / (scale->to - scale->from);

	return scale->at_from + part * (scale->at_to - scale->at_from);
}

double svg_step(double range, int most)
{
	static const double factors[] = {1, 2, 5, 10};
	double power = pow(10, floor(log10(range / most)));

	for (size_t i = 0; i < ARRAY_SIZE(factors); i++)
		if (range <= factors[i] * power * most * (1 + 1e-9))
			return factors[i] * power;
	return 10 * power;
}

static struct svg_ticks multiples(const struct svg_scale *scale, double step)
{
	struct svg_ticks ticks = {.nr = 0};

	for (double i = ceil(scale->from / step - 1e-9); ticks.nr < SVG_TICKS_MAX; i++) {
		if (i * step > scale->to + 1e-9 * step)
			break;
		ticks.at[ticks.nr++] = i * step;
	}
	return ticks;
}

struct svg_ticks svg_round_ticks(const struct svg_scale *scale, int most)
{
	return multiples(scale, svg_step(scale->to - scale->from, most));
}

struct svg_ticks svg_time_ticks(const struct svg_scale *scale, int most)
{
	static const double steps[] = {3e10,   6e10,   1.2e11, 3e11,	6e11,	 9e11,
				       1.8e12, 3.6e12, 7.2e12, 2.16e13, 4.32e13, 8.64e13};
	double range = scale->to - scale->from, step = svg_step(range, most);

	for (size_t i = 0; step > 2e10 && i < ARRAY_SIZE(steps); i++)
		if (range <= steps[i] * most)
			return multiples(scale, steps[i]);
	if (step > 2e10) /* days */
		step = 8.64e13 * svg_step(range / 8.64e13, most);
	return multiples(scale, step);
}

struct svg_ticks svg_decades(const struct svg_scale *scale, double least)
{
	double decade = fabs(svg_at(scale, 10 * scale->from) - scale->at_from);
	int every = decade < least ? (int)ceil(least / decade) : 1;
	struct svg_ticks ticks = {.nr = 0};

	for (double power = ceil(log10(scale->from) - 1e-9); ticks.nr < SVG_TICKS_MAX;
	     power += every) {
		if (pow(10, power) > scale->to * (1 + 1e-9))
			break;
		ticks.at[ticks.nr++] = pow(10, power);
	}
	return ticks;
}

void svg_begin(FILE *f, const char *id, double width, double height, const char *title,
	       const char *description)
{
	fprintf(f,
		"<svg id=\"%s\" viewBox=\"0 0 %g %g\" role=\"img\" "
		"aria-labelledby=\"%s-t %s-d\">\n<title id=\"%s-t\">",
		id, width, height, id, id, id);
	report_text(f, title);
	fprintf(f, "</title>\n<desc id=\"%s-d\">", id);
	report_text(f, description);
	fputs("</desc>\n", f);
}

void svg_end(FILE *f)
{
	fputs("</svg>\n", f);
}

void svg_text(FILE *f, double x, double y, const char *class, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		abort();
	va_end(ap);
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	report_text(f, text);
	fputs("</text>\n", f);
	free(text);
}

void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class)
{
	fprintf(f, "<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, class);
}

void svg_x_tick(const struct svg_plot *plot, double x, const char *label)
{
	svg_line(plot->f, x, plot->top, x, plot->bottom + TICK_LENGTH, "grid");
	svg_text(plot->f, x, plot->bottom + TICK_LENGTH + 14, "tick middle", "%s", label);
}

void svg_y_tick(const struct svg_plot *plot, double y, const char *label)
{
	svg_line(plot->f, plot->left - TICK_LENGTH, y, plot->right, y, "grid");
	svg_text(plot->f, plot->left - TICK_LENGTH - 4, y + 4, "tick end", "%s", label);
}

void svg_axes(const struct svg_plot *plot, const char *x, const char *y)
{
	svg_line(plot->f, plot->left, plot->bottom, plot->right, plot->bottom, "frame");
	svg_text(plot->f, (plot->left + plot->right) / 2, plot->bottom + 38, "axis middle", "%s",
		 x);
	if (y)
		svg_text(plot->f, 0, plot->top - 14, "axis", "%s", y);
}

double svg_legend(FILE *f, double x, double y, const char *class, const char *text)
{
	fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" class=\"%s\"/>\n", x,
		y - 10, class);
	svg_text(f, x + 17, y, "label", "%s", text);
	return x + 17 + LETTER_WIDTH * (double)strlen(text) + 12;
}
