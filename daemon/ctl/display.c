// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/display.h"

#define MS_US	INT64_C(1000)
#define S_US	(1000 * MS_US)
#define MIN_US	(60 * S_US)
#define HOUR_US (60 * MIN_US)
#define DAY_US	(24 * HOUR_US)

/* Two units at most; the smaller one only when it says something. */
static void two_units(int64_t us, int64_t big, const char *big_name, int64_t small,
		      const char *small_name, char *ret)
{
	int64_t rest = us % big / small;

	if (rest)
		snprintf(ret, FORMAT_MAX, "%" PRId64 "%s%" PRId64 "%s", us / big, big_name, rest,
			 small_name);
	else
		snprintf(ret, FORMAT_MAX, "%" PRId64 "%s", us / big, big_name);
}

const char *format_us(const json_t *value, char ret[static FORMAT_MAX])
{
	int64_t us = json_integer_value(value);

	if (!json_is_integer(value))
		strcpy(ret, "-");
	else if (us < MS_US)
		snprintf(ret, FORMAT_MAX, "%" PRId64 "us", us);
	else if (us < S_US)
		snprintf(ret, FORMAT_MAX, "%" PRId64 "ms", us / MS_US);
	else if (us < MIN_US)
		snprintf(ret, FORMAT_MAX, "%" PRId64 "s", us / S_US);
	else if (us < HOUR_US)
		two_units(us, MIN_US, "m", S_US, "s", ret);
	else if (us < DAY_US)
		two_units(us, HOUR_US, "h", MIN_US, "m", ret);
	else
		two_units(us, DAY_US, "d", HOUR_US, "h", ret);
	return ret;
}

const char *format_cost_us(int64_t us, char ret[static FORMAT_MAX])
{
	static const struct {
		int64_t us;
		const char *name;
	} units[] = {{DAY_US, "d"}, {HOUR_US, "h"}, {S_US, "s"}, {MS_US, "ms"}, {1, "us"}};
	int64_t size = us < 0 ? -us : us;
	size_t i = 0;
	double value;
	int digits;

	while (i < ARRAY_SIZE(units) - 1 && size < units[i].us)
		i++;
	value = (double)us / (double)units[i].us;
	digits = size >= 100 * units[i].us ? 0 : size >= 10 * units[i].us ? 1 : 2;
	snprintf(ret, FORMAT_MAX, "%.*f%s", units[i].us == 1 ? 0 : digits, value, units[i].name);
	return ret;
}

const char *format_bytes(uint64_t bytes, char ret[static FORMAT_MAX])
{
	static const char units[] = "BKMGTPE";
	int unit = 0;
	uint64_t whole = bytes, rest = 0;

	for (; whole >= 1024; unit++) {
		rest = whole % 1024;
		whole /= 1024;
	}
	if (unit == 0 || rest == 0)
		snprintf(ret, FORMAT_MAX, "%" PRIu64 "%c", whole, units[unit]);
	else
		snprintf(ret, FORMAT_MAX, "%" PRIu64 ".%" PRIu64 "%c", whole, rest * 10 / 1024,
			 units[unit]);
	return ret;
}

const char *format_percent(const json_t *percent, char ret[static FORMAT_MAX])
{
	double value = json_number_value(percent);

	if (!json_is_number(percent)) {
		strcpy(ret, "-");
		return ret;
	}
	/* 99.999 must not read as if nothing were left to do. */
	if (value < 100 && value > 99.99)
		value = 99.99;
	snprintf(ret, FORMAT_MAX, "%.2f%%", value);
	return ret;
}

json_int_t get_int(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

bool get_bool(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

const char *get_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

struct table {
	const char *const *heads;
	size_t nr_columns;
	char **cells;
	size_t nr_cells;
	size_t capacity;
};

struct table *table_new(const char *const *heads)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		abort();
	table->heads = heads;
	while (heads[table->nr_columns])
		table->nr_columns++;
	return table;
}

void table_add(struct table *table, const char *format, ...)
{
	char *cell;
	va_list ap;

	if (table->nr_cells == table->capacity) {
		table->capacity = table->capacity * 2 + 64;
		table->cells = reallocarray(table->cells, table->capacity, sizeof(char *));
		if (!table->cells)
			abort();
	}
	va_start(ap, format);
	if (vasprintf(&cell, format, ap) < 0)
		abort();
	va_end(ap);
	table->cells[table->nr_cells++] = cell;
}

/* A narrower column cannot hold a text of several words. */
#define WRAP_MIN 15

/* A shorter piece of a name says nothing. */
#define CUT_MIN 8

/* Columns with this digit or a higher one are left out only if wrapping does not help. */
#define DROP_AFTER_WRAP 5

/* 0: the column stays. */
static int drop_order(const struct table *table, size_t column)
{
	char digit = table->heads[column][0];

	return digit >= '1' && digit <= '9' ? digit - '0' : 0;
}

static bool left_aligned(const struct table *table, size_t column)
{
	return table->heads[column][drop_order(table, column) != 0] == '<';
}

static const char *head_text(const struct table *table, size_t column)
{
	return table->heads[column] + (drop_order(table, column) != 0) +
	       left_aligned(table, column);
}

/* Characters, for UTF-8: continuation bytes do not count. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void measure(const struct table *table, int *widths)
{
	for (size_t c = 0; c < table->nr_columns; c++)
		widths[c] = width_of(head_text(table, c));
	for (size_t i = 0; i < table->nr_cells; i++) {
		size_t c = i % table->nr_columns;

		if (width_of(table->cells[i]) > widths[c])
			widths[c] = width_of(table->cells[i]);
	}
}

/* A column that is left out has the width 0. */
static int line_width(const struct table *table, const int *widths)
{
	int width = -2;

	for (size_t c = 0; c < table->nr_columns; c++)
		width += widths[c] ? widths[c] + 2 : 0;
	return width;
}

/* The last column that is there. */
static size_t last_column(const struct table *table, const int *widths)
{
	size_t c = table->nr_columns - 1;

	while (c && !widths[c])
		c--;
	return c;
}

/* How narrow a line can be, when the last column may be wrapped. */
static int wrapped_width(const struct table *table, const int *widths)
{
	size_t last = last_column(table, widths);
	int width = line_width(table, widths);

	if (!left_aligned(table, last) || widths[last] <= WRAP_MIN)
		return width;
	return width - widths[last] + WRAP_MIN;
}

/* Leaves columns out until a line fits, or only those are there that stay. */
static void leave_out(const struct table *table, int *widths, int width)
{
	for (int order = 1; order <= 9; order++) {
		for (size_t c = 0; c < table->nr_columns; c++) {
			int needs = order < DROP_AFTER_WRAP ? line_width(table, widths) :
							      wrapped_width(table, widths);

			if (needs <= width)
				return;
			if (drop_order(table, c) == order)
				widths[c] = 0;
		}
	}
}

/* Makes the widest column of names narrower, until a line fits or it has CUT_MIN characters. */
static void cut_names(const struct table *table, int *widths, int width)
{
	size_t last = last_column(table, widths), widest = last;
	int over = wrapped_width(table, widths) - width;

	for (size_t c = 0; c < last; c++) {
		if (left_aligned(table, c) && (widest == last || widths[c] > widths[widest]))
			widest = c;
	}
	if (over <= 0 || widest == last || widths[widest] <= CUT_MIN)
		return;
	widths[widest] -= over;
	if (widths[widest] < CUT_MIN)
		widths[widest] = CUT_MIN;
}

void print_wrapped(FILE *f, const char *text, int indent, int width)
{
	int at = 0;

	while (*text) {
		int bytes = (int)strcspn(text, " "), len = 0;

		for (int i = 0; i < bytes; i++)
			len += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (at && at + 1 + len > width) {
			fprintf(f, "\n%*s", indent, "");
			at = 0;
		}
		fprintf(f, "%s%.*s", at ? " " : "", bytes, text);
		at += len + (at ? 1 : 0);
		text += bytes;
		text += strspn(text, " ");
	}
}

/* @width characters, the last of which is "~". */
static void print_cut(FILE *f, const char *text, int width)
{
	int bytes = 0;

	for (int i = 0; i < width - 1; i++) {
		do
			bytes++;
		while (((unsigned char)text[bytes] & 0xc0) == 0x80);
	}
	fprintf(f, "%.*s~", bytes, text);
}

static void print_left(const struct table *table, FILE *f, size_t column, const char *text,
		       const int *widths, int space)
{
	int blanks = widths[column] - width_of(text);

	if (column == last_column(table, widths)) {
		if (space && width_of(text) > space)
			print_wrapped(f, text, line_width(table, widths) - widths[column], space);
		else
			fputs(text, f);
	} else if (blanks < 0) {
		print_cut(f, text, widths[column]);
	} else {
		fprintf(f, "%s%*s", text, blanks, "");
	}
}

/* No blanks at the end of a line. @space: of the last column, 0: no limit. */
static void print_cell(const struct table *table, FILE *f, size_t column, const char *text,
		       const int *widths, int space)
{
	if (!widths[column])
		return;
	if (column)
		fputs("  ", f);
	if (left_aligned(table, column))
		print_left(table, f, column, text, widths, space);
	else
		fprintf(f, "%*s%s", widths[column] - width_of(text), "", text);
}

static void say_left_out(const struct table *table, FILE *f, const int *widths, int width)
{
	char text[1024] = "";
	size_t len = 0;

	for (size_t c = 0; c < table->nr_columns; c++) {
		if (!widths[c] && len < sizeof(text))
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "%s%s",
				len ? ", " : "columns omitted: ", head_text(table, c));
	}
	if (!len)
		return;
	print_wrapped(f, text, 0, width);
	fputc('\n', f);
}

/* The width of the last column, if it is to be wrapped; else 0. */
static int space_of_last(const struct table *table, const int *widths, int width)
{
	size_t last = last_column(table, widths);
	int space = width - (line_width(table, widths) - widths[last]);

	return space < WRAP_MIN ? 0 : space;
}

void table_print(struct table *table, FILE *f, bool bold_heads, int width)
{
	int widths[TABLE_COLUMNS_MAX], space = 0;
	size_t last = table->nr_columns - 1;

	measure(table, widths);
	if (width > 0) {
		leave_out(table, widths, width);
		cut_names(table, widths, width);
		space = space_of_last(table, widths, width);
	}
	fputs(bold_heads ? "\033[1m" : "", f);
	for (size_t c = 0; c < table->nr_columns; c++)
		print_cell(table, f, c, head_text(table, c), widths, 0);
	fputs(bold_heads ? "\033[0m\n" : "\n", f);
	for (size_t i = 0; i < table->nr_cells; i++) {
		size_t c = i % table->nr_columns;

		print_cell(table, f, c, table->cells[i], widths, space);
		if (c == last)
			fputc('\n', f);
		free(table->cells[i]);
	}
	say_left_out(table, f, widths, width);
	free(table->cells);
	free(table);
}
