/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a map of regions shows: each region is of one class, which has a name and a character. */
#ifndef TDX_LPAGE_CTL_MAP_H
#define TDX_LPAGE_CTL_MAP_H

#include <jansson.h>
#include <stddef.h>

struct map_class {
	const char *name;
	char mark;
};

struct map_view {
	const char *name; /* of --by */
	const char *what; /* the classes are; for people */
	const struct map_class *classes;
	size_t nr_classes;
	/* Index of the region's class; -1: none, it is left blank. */
	int (*class_of)(const json_t *region);
	/* A cell of several regions shows the first of their classes, which is called so; NULL: that of most. */
	const char *first;
};

/* NULL: there is no such view. */
const struct map_view *map_view_find(const char *name);

#endif
