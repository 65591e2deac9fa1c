// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/top_rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/display.h"

/* ---- rates ---- */

static void sample_done(struct top_sample *sample)
{
	json_decref(sample->vms);
	*sample = (struct top_sample){.vms = NULL};
}

void top_history_done(struct top_history *history)
{
	sample_done(&history->base);
	sample_done(&history->next);
}

/* NULL: it was not there. The daemon lists VMs by id. */
static const json_t *find_vm(const struct top_sample *sample, json_int_t id)
{
	size_t low = 0, high = json_array_size(sample->vms);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const json_t *vm = json_array_get(sample->vms, middle);

		if (get_int(vm, "id") == id)
			return vm;
		if (get_int(vm, "id") < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static double rate(const struct top_sample *base, const json_t *before, const json_t *vm,
		   const char *name, uint64_t now_ns)
{
	if (!before || now_ns <= base->ns)
		return NAN;
	return (double)(get_int(vm, name) - get_int(before, name)) * (double)NS_PER_S /
	       (double)(now_ns - base->ns);
}

static struct top_row row_of(const struct top_history *history, const json_t *vm, uint64_t now_ns)
{
	const struct top_sample *base = &history->base;
	const json_t *before = find_vm(base, get_int(vm, "id"));

	return (struct top_row){
		.vm = vm,
		.merges_per_s = rate(base, before, vm, "merges", now_ns),
		.refusals_per_s = rate(base, before, vm, "refusals", now_ns),
		.splits_per_s = rate(base, before, vm, "splits", now_ns),
	};
}

/* A window is over: what it began with is what rates are compared with. */
static void remember(struct top_history *history, const json_t *vms, uint64_t now_ns)
{
	struct top_sample now = {.vms = json_incref((json_t *)vms), .ns = now_ns};

	if (!history->base.vms) {
		history->base = now;
		return;
	}
	if (history->next.vms && now_ns - history->next.ns < TOP_WINDOW_NS) {
		json_decref(now.vms);
		return;
	}
	if (history->next.vms) {
		sample_done(&history->base);
		history->base = history->next;
	}
	history->next = now;
}

/* ---- order ---- */

static bool passes(const json_t *vm, const char *filter)
{
	char id[24];

	snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT, get_int(vm, "id"));
	return !*filter || !strcmp(id, filter) || strstr(get_text(vm, "name"), filter);
}

/* Least first. What is not known comes last. */
static double value(const struct top_row *row, char key)
{
	const json_t *percent = json_object_get(row->vm, "coverage_percent");

	switch (key) {
	case 'c':
		return json_is_number(percent) ? json_number_value(percent) : INFINITY;
	case 't':
		return -(double)get_int(json_object_get(row->vm, "regions"), "table");
	case 'm':
		return isnan(row->merges_per_s) ? INFINITY : -row->merges_per_s;
	case 'r':
		return isnan(row->refusals_per_s) ? INFINITY : -row->refusals_per_s;
	case 's':
		return isnan(row->splits_per_s) ? INFINITY : -row->splits_per_s;
	default:
		return 0;
	}
}

static int compare(const void *left, const void *right, void *ctx)
{
	const struct top_order *order = ctx;
	const struct top_row *a = left, *b = right;
	double x = value(a, order->key), y = value(b, order->key);
	json_int_t i = get_int(a->vm, "id"), j = get_int(b->vm, "id");
	int r = (x > y) - (x < y);

	if (r == 0 && order->key == 'n')
		r = strcmp(get_text(a->vm, "name"), get_text(b->vm, "name"));
	if (r == 0)
		r = (i > j) - (i < j);
	return order->reverse ? -r : r;
}

int top_rows_make(struct top_history *history, const json_t *vms, uint64_t now_ns,
		  const struct top_order *order, struct top_rows *ret)
{
	struct top_rows rows = {.rows = calloc(json_array_size(vms) + 1, sizeof(*rows.rows))};
	size_t i;
	json_t *vm;

	if (!rows.rows)
		return -ENOMEM;
	json_array_foreach((json_t *)vms, i, vm) {
		if (passes(vm, order->filter))
			rows.rows[rows.nr++] = row_of(history, vm, now_ns);
	}
	qsort_r(rows.rows, rows.nr, sizeof(*rows.rows), compare, (void *)order);
	remember(history, vms, now_ns);
	*ret = rows;
	return 0;
}

void top_rows_done(struct top_rows *rows)
{
	free(rows->rows);
	*rows = (struct top_rows){.rows = NULL};
}

size_t top_scroll(size_t first, long by, size_t nr, size_t height)
{
	size_t last = nr > height ? nr - height : 0;

	if (by < 0)
		first = first > (size_t)-by ? first - (size_t)-by : 0;
	else
		first += (size_t)by;
	return first < last ? first : last;
}
