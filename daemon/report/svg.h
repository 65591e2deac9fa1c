/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pictures in a report: scales, axes with ticks at round numbers, and text. */
#ifndef TDX_LPAGE_REPORT_SVG_H
#define TDX_LPAGE_REPORT_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SVG_TICKS_MAX 24

/* Maps values to places in the picture. */
struct svg_scale {
	double from;
	double to;
	double at_from;
	double at_to;
	bool log;
};

struct svg_ticks {
	double at[SVG_TICKS_MAX];
	size_t nr;
};

/* The part of a picture in which values are drawn. */
struct svg_plot {
	FILE *f;
	double left;
	double top;
	double right;
	double bottom;
};

double svg_at(const struct svg_scale *scale, double value);

/* 1, 2 or 5 times a power of 10, so that at most @most steps fit in @range. */
double svg_step(double range, int most);

/* Multiples of svg_step() within the scale. */
struct svg_ticks svg_round_ticks(const struct svg_scale *scale, int most);

/* Round times: 1, 2, 5 of each power of 10 up to 20 s, then minutes, hours and days. */
struct svg_ticks svg_time_ticks(const struct svg_scale *scale, int most);

/* Powers of 10, as many as can be told apart at @least units of the picture. */
struct svg_ticks svg_decades(const struct svg_scale *scale, double least);

/*
 * Begins a picture of so many units, to be ended by svg_end(). @id is unique in the page; title and
 * description are for those who cannot see it.
 */
void svg_begin(FILE *f, const char *id, double width, double height, const char *title,
	       const char *description);
void svg_end(FILE *f);

/* Writes text at a place. @class is a list of classes of the style sheet. */
void svg_text(FILE *f, double x, double y, const char *class, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class);

/* A tick of the lower and of the left axis with its label, and the grid line. */
void svg_x_tick(const struct svg_plot *plot, double x, const char *label);
void svg_y_tick(const struct svg_plot *plot, double y, const char *label);

/* Names of the axes: below the lower one, and above the left one. */
void svg_axes(const struct svg_plot *plot, const char *x, const char *y);

/* An entry of a legend at @x; returns where the next one begins. */
double svg_legend(FILE *f, double x, double y, const char *class, const char *text);

#endif
