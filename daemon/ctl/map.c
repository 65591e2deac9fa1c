// SPDX-License-Identifier: GPL-2.0-or-later
/* Draws a map of a VM's memory. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/map.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/text.h>

struct cell {
	uint64_t table;
	bool shared;
	bool held;
};

struct map {
	uint64_t start_rfn;
	uint64_t nr_regions;
	uint64_t per_cell; /* regions */
	unsigned long width;
	unsigned long height;
	size_t nr_cells;
	struct cell *cells;
	const struct map_view *view; /* NULL: how many are at 4 KiB */
	uint32_t *counts;	     /* regions of each class, per cell */
};

/* Without --range: from 0 to the end of the last region that is listed. */
static void find_extent(struct map *map, const json_t *params, const json_t *regions)
{
	const json_t *last = json_array_get(regions, json_array_size(regions) - 1);

	map->start_rfn = (uint64_t)get_int(params, "start_rfn");
	map->nr_regions = (uint64_t)get_int(params, "nr_regions");
	if (!map->nr_regions)
		map->nr_regions = (uint64_t)get_int(last, "rfn") + 1;
}

/* A power of two, so that every line starts at a round address. */
static void find_scale(struct map *map)
{
	map->per_cell = 1;
	while (map->nr_regions > map->per_cell * map->width * map->height)
		map->per_cell *= 2;
	map->nr_cells = (map->nr_regions + map->per_cell - 1) / map->per_cell;
}

static void add_region(struct map *map, const json_t *region)
{
	uint64_t rfn = (uint64_t)get_int(region, "rfn");
	const char *state = get_text(region, "state");
	struct cell *cell;
	size_t at;
	int class;

	if (rfn < map->start_rfn || rfn - map->start_rfn >= map->nr_regions)
		return;
	at = (size_t)((rfn - map->start_rfn) / map->per_cell);
	class = map->view ? map->view->class_of(region) : -1;
	if (class >= 0)
		map->counts[at * map->view->nr_classes + (size_t) class]++;
	cell = &map->cells[at];
	cell->table += strcmp(state, "table") == 0;
	cell->shared |= strcmp(state, "mixed") == 0;
	cell->held |= get_bool(region, "held_by_admin") || get_bool(region, "held_by_vmm");
}

/* The class that a cell shows; NULL: none of its regions is of any. */
static const struct map_class *class_of_cell(const struct map *map, size_t at)
{
	const struct map_view *view = map->view;
	const uint32_t *counts = &map->counts[at * view->nr_classes];
	size_t best = 0;

	for (size_t i = 0; i < view->nr_classes; i++) {
		if (view->first && counts[i])
			return &view->classes[i];
		if (counts[i] > counts[best])
			best = i;
	}
	return counts[best] ? &view->classes[best] : NULL;
}

static uint64_t regions_of_class(const struct map *map, size_t class)
{
	uint64_t regions = 0;

	for (size_t i = 0; i < map->nr_cells; i++)
		regions += map->counts[i * map->view->nr_classes + class];
	return regions;
}

static char cell_char(const struct map *map, const struct cell *cell)
{
	static const char shades[] = ".:+#";

	if (cell->held)
		return 'h';
	if (cell->shared)
		return 's';
	if (!cell->table)
		return ' ';
	return shades[(cell->table * 4 - 1) / map->per_cell];
}

/* Marks that are there, and what they mean. */
static void print_legend(struct ctl *ctl, const struct map *map)
{
	const char *sep = ": ";
	char size[FORMAT_MAX];

	format_bytes(map->per_cell * REGION_BYTES, size);
	if (!map->view) {
		fprintf(ctl->out,
			"%s per character; at 4 KiB: . <=25%% : <=50%% + <=75%% # >75%%; s shared, h "
			"held\n",
			size);
		return;
	}
	fprintf(ctl->out, "%s per character; %s", size, map->view->what);
	if (map->view->first)
		fprintf(ctl->out, ", the %s of several", map->view->first);
	for (size_t i = 0; i < map->view->nr_classes; i++) {
		if (!regions_of_class(map, i))
			continue;
		fprintf(ctl->out, "%s%c %s", sep, map->view->classes[i].mark,
			map->view->classes[i].name);
		sep = ", ";
	}
	fputc('\n', ctl->out);
}

static char mark_of(const struct map *map, size_t at)
{
	const struct map_class *class;

	if (!map->view)
		return cell_char(map, &map->cells[at]);
	class = class_of_cell(map, at);
	return class ? class->mark : ' ';
}

#define BAR_MAX 40

static void print_histogram(struct ctl *ctl, const struct map *map)
{
	uint64_t most = 1;

	for (size_t i = 0; i < map->view->nr_classes; i++) {
		if (regions_of_class(map, i) > most)
			most = regions_of_class(map, i);
	}
	fprintf(ctl->out, "regions by %s\n", map->view->what);
	for (size_t i = 0; i < map->view->nr_classes; i++) {
		uint64_t regions = regions_of_class(map, i);
		int bar = (int)((regions * BAR_MAX + most - 1) / most);

		if (regions)
			fprintf(ctl->out, "%-14s %8" PRIu64 " %.*s\n", map->view->classes[i].name,
				regions, bar, "########################################");
	}
}

static void print_map(struct ctl *ctl, const struct map *map)
{
	uint64_t end = (map->start_rfn + map->nr_regions) * REGION_BYTES;
	int digits = snprintf(NULL, 0, "%#" PRIx64, end);

	print_legend(ctl, map);
	for (size_t i = 0; i < map->nr_cells; i++) {
		if (i % map->width == 0)
			fprintf(ctl->out, "%#*" PRIx64 " |", digits,
				(map->start_rfn + i * map->per_cell) * REGION_BYTES);
		fputc(mark_of(map, i), ctl->out);
		if (i % map->width == map->width - 1 || i + 1 == map->nr_cells)
			fputs("|\n", ctl->out);
	}
}

static json_t *cells_json(const struct map *map)
{
	json_t *list = json_array();
	char name[TEXT_NAME_MAX];

	for (size_t i = 0; i < map->nr_cells; i++) {
		const struct map_class *class = map->view ? class_of_cell(map, i) : NULL;

		json_array_append_new(
			list,
			json_pack("{s:I, s:b, s:b, s:s*}", "table", (json_int_t)map->cells[i].table,
				  "shared", map->cells[i].shared, "held", map->cells[i].held,
				  "class", class ? text_snake(class->name, name) : NULL));
	}
	return list;
}

/* NULL: there are no classes. */
static json_t *histogram_json(const struct map *map)
{
	json_t *list = map->view ? json_array() : NULL;
	char name[TEXT_NAME_MAX];

	for (size_t i = 0; list && i < map->view->nr_classes; i++) {
		json_int_t regions = (json_int_t)regions_of_class(map, i);

		if (regions)
			json_array_append_new(
				list, json_pack("{s:s, s:I}", "class",
						text_snake(map->view->classes[i].name, name),
						"regions", regions));
	}
	return list;
}

static int allocate(struct map *map)
{
	size_t nr_classes = map->view ? map->view->nr_classes : 1;

	map->cells = calloc(map->nr_cells, sizeof(*map->cells));
	map->counts = calloc(map->nr_cells * nr_classes, sizeof(*map->counts));
	return map->cells && map->counts ? 0 : -ENOMEM;
}

static int show(struct ctl *ctl, struct map *map, json_int_t vm, const json_t *params,
		const json_t *regions)
{
	size_t i;
	json_t *region;

	find_extent(map, params, regions);
	find_scale(map);
	if (allocate(map) < 0)
		return ctl_failure(ctl, "%s", strerror(ENOMEM));
	json_array_foreach(regions, i, region)
		add_region(map, region);
	if (!ctl->json) {
		if (ctl_option(ctl, "--histogram"))
			print_histogram(ctl, map);
		else
			print_map(ctl, map);
		return CTL_OK;
	}
	return ctl_print_json(ctl,
			      json_pack("{s:I, s:I, s:I, s:I, s:o, s:o*}", "vm", vm, "start_gpa",
					(json_int_t)(map->start_rfn * REGION_BYTES), "regions",
					(json_int_t)map->nr_regions, "regions_per_cell",
					(json_int_t)map->per_cell, "cells", cells_json(map),
					"histogram", histogram_json(map)));
}

/* Returns an exit code. */
static int choose_view(struct ctl *ctl, const struct map_view **ret)
{
	const char *by = ctl_option(ctl, "--by");

	if (!by && ctl_option(ctl, "--histogram"))
		by = "state";
	if (!by)
		return CTL_OK;
	*ret = map_view_find(by);
	return *ret ? CTL_OK : ctl_usage_error(ctl, "--by: %s is none of state, age, reason", by);
}

int verb_region_map(struct ctl *ctl)
{
	struct map map = {.width = 64, .height = 16};
	json_t *params = ctl_fresh(ctl), *extent, *regions;
	json_int_t vm;
	int r = ctl_range_param(ctl, params);

	if (r == CTL_OK)
		r = ctl_number(ctl, "--width", 8, 512, &map.width);
	if (r == CTL_OK)
		r = ctl_number(ctl, "--height", 1, 1024, &map.height);
	if (r == CTL_OK)
		r = choose_view(ctl, &map.view);
	if (r != CTL_OK) {
		json_decref(params);
		return r;
	}
	extent = json_deep_copy(params); /* listing changes the start */
	json_object_set_new(params, "vm", json_string(ctl->args[0]));
	r = ctl_list_regions(ctl, params, ULONG_MAX, &vm, &regions);
	if (r == CTL_OK && !ctl->json && json_array_size(regions) == 0) {
		fputs("no matching region; regions that have always been large are not listed\n",
		      ctl->out);
		json_decref(regions);
	} else if (r == CTL_OK) {
		r = show(ctl, &map, vm, extent, regions);
		json_decref(regions);
	}
	free(map.cells);
	free(map.counts);
	json_decref(extent);
	return r;
}
