/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of top: VMs with their rates, filtered and sorted. Knows no terminal. */
#ifndef TDX_LPAGE_CTL_TOP_ROWS_H
#define TDX_LPAGE_CTL_TOP_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rates are taken over at least this long, and up to twice as long. */
#define TOP_WINDOW_NS (5 * NS_PER_S)

/* The VMs as they were at a time. */
struct top_sample {
	json_t *vms; /* NULL: none; sorted by id */
	uint64_t ns;
};

/* What rates are compared with: the sample of the window before, and that of the current one. */
struct top_history {
	struct top_sample base;
	struct top_sample next;
};

struct top_row {
	const json_t *vm; /* borrowed from the list that they were made of */
	double merges_per_s, refusals_per_s, splits_per_s; /* NAN: not known yet */
};

struct top_rows {
	struct top_row *rows;
	size_t nr;
};

/* The keys that sort. */
#define TOP_SORT_KEYS "inctmrs"

struct top_order {
	char key; /* one of TOP_SORT_KEYS */
	bool reverse;
	const char *filter; /* a part of the name, or the id; "": none */
};

/* Makes the rows of @vms at @now_ns, and takes note of them for the next ones. 0, -ENOMEM. */
int top_rows_make(struct top_history *history, const json_t *vms, uint64_t now_ns,
		  const struct top_order *order, struct top_rows *ret);

void top_rows_done(struct top_rows *rows);
void top_history_done(struct top_history *history);

/* The first row to show, so that @first is as far down as it can be with @height lines. */
size_t top_scroll(size_t first, long by, size_t nr, size_t height);

#endif
