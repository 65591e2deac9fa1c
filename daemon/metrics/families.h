/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The families of metrics as data, from table.h. */
#ifndef TDX_LPAGE_METRICS_FAMILIES_H
#define TDX_LPAGE_METRICS_FAMILIES_H

#include <stdio.h>

#include "daemon/metrics/table.h"

#define METRICS_PREFIX "tdx_lpage_"

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_INFO };

struct metrics_family {
	const char *name; /* without prefix and suffix */
	enum metrics_type type;
	const char *unit;   /* empty: none */
	const char *help;   /* a sentence */
	const char *labels; /* names with commas between; every one with "vm" may also have "name" */
};

#define METRICS_ID(name, ...) METRICS_ID_##name,
enum metrics_id {
	METRICS_HOST(METRICS_ID) METRICS_VM(METRICS_ID) METRICS_RULE(METRICS_ID)
		METRICS_LABELLED(METRICS_ID) METRICS_NR
};
#undef METRICS_ID

/* By enum metrics_id. */
extern const struct metrics_family metrics_families[METRICS_NR];

/* "gauge", "counter" or "info". */
const char *metrics_type_name(enum metrics_type type);

/* What follows the family's name in its samples: "_total", "_info" or nothing. */
const char *metrics_suffix(enum metrics_type type);

/* Writes docs/metrics.md. */
void metrics_print_page(FILE *f);

#endif
