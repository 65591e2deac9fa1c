/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and text as they stand in a report. What is written is well-formed as HTML and as XML. */
#ifndef TDX_LPAGE_REPORT_UNITS_H
#define TDX_LPAGE_REPORT_UNITS_H

#include <stdint.h>
#include <stdio.h>

#define REPORT_TEXT_MAX 48

/*
 * Writes text that is no markup. Bytes that are no UTF-8, and characters that XML does not have,
 * become U+FFFD.
 */
void report_text(FILE *f, const char *text);

/* The same for a format. */
void report_printf(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "908.6 ms": so many significant digits, with the unit that fits (ns, µs, ms, s). */
const char *report_ns(double ns, int digits, char ret[static REPORT_TEXT_MAX]);

/* "14.6 min": a length of time in the trace, up to days. */
const char *report_length(double ns, char ret[static REPORT_TEXT_MAX]);

/* "1,060,441" */
const char *report_count(uint64_t value, char ret[static REPORT_TEXT_MAX]);

/* Units that a column of costs can have. */
#define REPORT_US UINT64_C(1000)
#define REPORT_MS UINT64_C(1000000)

static inline const char *report_unit_name(uint64_t unit_ns)
{
	return unit_ns == REPORT_MS ? "ms" : "µs";
}

/* "44,713.459": in thousandths of @unit_ns, rounded to nearest. */
const char *report_fixed(uint64_t ns, uint64_t unit_ns, char ret[static REPORT_TEXT_MAX]);

/* "8 GiB" */
const char *report_bytes(uint64_t bytes, char ret[static REPORT_TEXT_MAX]);

#endif
