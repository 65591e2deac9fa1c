// SPDX-License-Identifier: GPL-2.0-or-later
/* Draws a map of a VM's memory. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"

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

	if (rfn < map->start_rfn || rfn - map->start_rfn >= map->nr_regions)
		return;
	cell = &map->cells[(rfn - map->start_rfn) / map->per_cell];
	cell->table += strcmp(state, "table") == 0;
	cell->shared |= strcmp(state, "mixed") == 0;
	cell->held |= get_bool(region, "held_by_admin") || get_bool(region, "held_by_vmm");
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

static void print_map(struct ctl *ctl, const struct map *map)
{
	uint64_t end = (map->start_rfn + map->nr_regions) * REGION_BYTES;
	int digits = snprintf(NULL, 0, "%#" PRIx64, end);
	char size[FORMAT_MAX];

	fprintf(ctl->out,
		"%s per character; at 4 KiB: . <=25%% : <=50%% + <=75%% # >75%%; s shared, h held\n",
		format_bytes(map->per_cell * REGION_BYTES, size));
	for (size_t i = 0; i < map->nr_cells; i++) {
		if (i % map->width == 0)
			fprintf(ctl->out, "%#*" PRIx64 " |", digits,
				(map->start_rfn + i * map->per_cell) * REGION_BYTES);
		fputc(cell_char(map, &map->cells[i]), ctl->out);
		if (i % map->width == map->width - 1 || i + 1 == map->nr_cells)
			fputs("|\n", ctl->out);
	}
}

static json_t *cells_json(const struct map *map)
{
	json_t *list = json_array();

	for (size_t i = 0; i < map->nr_cells; i++)
		json_array_append_new(list,
				      json_pack("{s:I, s:b, s:b}", "table",
						(json_int_t)map->cells[i].table, "shared",
						map->cells[i].shared, "held", map->cells[i].held));
	return list;
}

static int show(struct ctl *ctl, struct map *map, json_int_t vm, const json_t *params,
		const json_t *regions)
{
	size_t i;
	json_t *region;

	find_extent(map, params, regions);
	find_scale(map);
	map->cells = calloc(map->nr_cells, sizeof(*map->cells));
	if (!map->cells)
		return ctl_failure(ctl, "%s", strerror(ENOMEM));
	json_array_foreach(regions, i, region)
		add_region(map, region);
	if (!ctl->json) {
		print_map(ctl, map);
		return CTL_OK;
	}
	return ctl_print_json(ctl, json_pack("{s:I, s:I, s:I, s:I, s:o}", "vm", vm, "start_gpa",
					     (json_int_t)(map->start_rfn * REGION_BYTES), "regions",
					     (json_int_t)map->nr_regions, "regions_per_cell",
					     (json_int_t)map->per_cell, "cells", cells_json(map)));
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
	json_decref(extent);
	return r;
}
