/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The regions of one VM as the kernel reported them last. Regions that the kernel does not list,
 * because they were always large, take no memory.
 */
#ifndef TDX_LPAGE_CORE_REGIONS_H
#define TDX_LPAGE_CORE_REGIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tdx-lpage/blocks.h>

#include "daemon/link/link.h"

struct lp_region_record {
	struct lp_region region;
	uint64_t reported_ns; /* 0: never */
	uint32_t round;	      /* of the full dump that listed it last */
};

/* Starts from all zero but for .blocks. */
struct lp_regions {
	struct blocks *blocks;	      /* where its memory comes from */
	struct region_chunk **chunks; /* ascending */
	size_t nr_chunks;
	size_t capacity;
	uint64_t count;
};

void lp_regions_done(struct lp_regions *regions);

/*
 * Frees chunks of a GiB, the last ones first: takes one of *@steps for each. Returns whether there are more; else it is as
 * after lp_regions_done().
 */
bool lp_regions_shrink(struct lp_regions *regions, unsigned int *steps);

/* Adds or replaces a region, reported at @now_ns in the dump @round. 0 or -ENOMEM. */
int lp_regions_put(struct lp_regions *regions, const struct lp_region *region, uint64_t now_ns,
		   uint32_t round);

/* NULL when the kernel never listed it. Valid until the next put or drop. */
const struct lp_region_record *lp_regions_get(const struct lp_regions *regions, uint64_t rfn);

/* So much of a VM's memory, in GiB, is walked at once: as long as the event loop may be busy. */
#define LP_REGIONS_SLICE 16

#define LP_REGIONS_END UINT64_MAX

/*
 * Calls @each in ascending order from @start_rfn; a result other than 0 ends the walk and is returned.
 * Not more than a slice is walked: *@ret_next is the region to go on with (the one that ended the
 * walk), LP_REGIONS_END after the last.
 */
int lp_regions_walk(const struct lp_regions *regions, uint64_t start_rfn,
		    int (*each)(void *ctx, const struct lp_region_record *record), void *ctx,
		    uint64_t *ret_next);

/*
 * Drops the regions from @start_rfn on, a slice of them, that were not put with @round; @gone gets each
 * rfn, and may be NULL. Returns the region to go on with, LP_REGIONS_END after the last.
 */
uint64_t lp_regions_drop_others(struct lp_regions *regions, uint64_t start_rfn, uint32_t round,
				void (*gone)(void *ctx, uint64_t rfn), void *ctx);

#endif
