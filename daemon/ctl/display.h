/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people out of JSON values, and tables that align. */
#ifndef TDX_LPAGE_CTL_DISPLAY_H
#define TDX_LPAGE_CTL_DISPLAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FORMAT_MAX	  32
#define TABLE_COLUMNS_MAX 16

/* "80ms", "2s", "5m", "1h1m"; "-" for null (never, or none). @us is in microseconds. */
const char *format_us(const json_t *us, char ret[static FORMAT_MAX]);

/* A cost, which may be negative, with three digits: "-9.27ms", "12.3s". */
const char *format_cost_us(int64_t us, char ret[static FORMAT_MAX]);

/* "8.0G"; exact powers without a fraction. */
const char *format_bytes(uint64_t bytes, char ret[static FORMAT_MAX]);

/* "97.96%"; "-" for null. */
const char *format_percent(const json_t *percent, char ret[static FORMAT_MAX]);

/* The ending of a noun that is counted: "1 region", "2 regions". */
static inline const char *plural(json_int_t nr)
{
	return nr == 1 ? "" : "s";
}

/* Writes @text, broken between words, in lines of @width characters, each but the first after @indent blanks. */
void print_wrapped(FILE *f, const char *text, int indent, int width);

/* Members of an object; 0, false and "" when they are not there. */
json_int_t get_int(const json_t *object, const char *name);
bool get_bool(const json_t *object, const char *name);
const char *get_text(const json_t *object, const char *name);

/* A table is collected, then written with columns as wide as they need to be. */
struct table;

/*
 * @heads: one word per column, ending with NULL; those that begin with '<' are left-aligned. A digit
 * in front says that the column may be left out on a narrow terminal, 1 first; 5 to 9 only if it does
 * not help to wrap the last column. What stays should fit 40 characters. Kept by reference.
 */
struct table *table_new(const char *const *heads);

/* Appends one cell, in the order of reading. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Writes and frees. @width: characters in a line, 0: as many as it takes. What does not fit leaves
 * columns out and says so, then wraps the last column when that is left-aligned, then cuts names, which
 * end in "~" then.
 */
void table_print(struct table *table, FILE *f, bool bold_heads, int width);

#endif
