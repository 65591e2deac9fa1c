// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/regions.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#define CHUNK_SHIFT   9
#define CHUNK_REGIONS (1U << CHUNK_SHIFT)
#define RECORDS_MIN   8

/* The records of one GiB, in ascending order of rfn. */
struct region_chunk {
	uint64_t index; /* rfn >> CHUNK_SHIFT */
	uint32_t count;
	size_t capacity;
	struct lp_region_record *records;
};

static size_t records_bytes(size_t capacity)
{
	return capacity * sizeof(struct lp_region_record);
}

static void chunk_free(struct lp_regions *regions, struct region_chunk *chunk)
{
	blocks_put(regions->blocks, chunk->records, records_bytes(chunk->capacity));
	blocks_put(regions->blocks, chunk, sizeof(*chunk));
}

static int is_record_before(const void *element, const void *rfn)
{
	return ((const struct lp_region_record *)element)->region.rfn < *(const uint64_t *)rfn;
}

/* The first record at or after @rfn. */
static size_t chunk_find(const struct region_chunk *chunk, uint64_t rfn)
{
	const struct lp_region_record *last = chunk->count ? &chunk->records[chunk->count - 1] :
							     NULL;

	/* Dumps are in ascending order. */
	if (last && last->region.rfn < rfn)
		return chunk->count;
	return lower_bound(chunk->records, chunk->count, sizeof(*chunk->records), &rfn,
			   is_record_before);
}

bool lp_regions_shrink(struct lp_regions *regions, unsigned int *steps)
{
	for (; regions->nr_chunks; --*steps) {
		struct region_chunk *last = regions->chunks[regions->nr_chunks - 1];

		if (!*steps)
			return true;
		regions->count -= last->count;
		regions->nr_chunks--;
		chunk_free(regions, last);
	}
	free(regions->chunks);
	*regions = (struct lp_regions){.blocks = regions->blocks};
	return false;
}

void lp_regions_done(struct lp_regions *regions)
{
	unsigned int all = UINT_MAX;

	(void)lp_regions_shrink(regions, &all);
}

static int is_before(const void *element, const void *index)
{
	const struct region_chunk *chunk = *(struct region_chunk *const *)element;

	return chunk->index < *(const uint64_t *)index;
}

/* The first chunk at or after @index. */
static size_t find(const struct lp_regions *regions, uint64_t index)
{
	return lower_bound(regions->chunks, regions->nr_chunks, sizeof(*regions->chunks), &index,
			   is_before);
}

static int insert(struct lp_regions *regions, size_t at, uint64_t index)
{
	struct region_chunk *chunk, **place;

	if (array_reserve(&regions->chunks, &regions->capacity, regions->nr_chunks + 1,
			  sizeof(*regions->chunks)) < 0)
		return -ENOMEM;
	chunk = blocks_get_zeroed(regions->blocks, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk->index = index;
	place = array_open(regions->chunks, regions->nr_chunks++, at, sizeof(*regions->chunks));
	*place = chunk;
	return 0;
}

/* To CHUNK_REGIONS in the end, i.e. by blocks of few sizes. */
static int grow(struct lp_regions *regions, struct region_chunk *chunk)
{
	size_t capacity = chunk->capacity ? 2 * chunk->capacity : RECORDS_MIN;
	struct lp_region_record *records = blocks_get(regions->blocks, records_bytes(capacity));

	if (!records)
		return -ENOMEM;
	if (chunk->count)
		memcpy(records, chunk->records, records_bytes(chunk->count));
	blocks_put(regions->blocks, chunk->records, records_bytes(chunk->capacity));
	chunk->records = records;
	chunk->capacity = capacity;
	return 0;
}

static struct lp_region_record *add_record(struct lp_regions *regions, struct region_chunk *chunk,
					   size_t at)
{
	if (chunk->count == chunk->capacity && grow(regions, chunk) < 0)
		return NULL;
	regions->count++;
	return array_open(chunk->records, chunk->count++, at, sizeof(*chunk->records));
}

int lp_regions_put(struct lp_regions *regions, const struct lp_region *region, uint64_t now_ns,
		   uint32_t round)
{
	uint64_t index = region->rfn >> CHUNK_SHIFT;
	size_t at = find(regions, index);
	struct lp_region_record *record;
	struct region_chunk *chunk;
	int r;

	if (at == regions->nr_chunks || regions->chunks[at]->index != index) {
		r = insert(regions, at, index);
		if (r < 0)
			return r;
	}
	chunk = regions->chunks[at];
	at = chunk_find(chunk, region->rfn);
	record = at < chunk->count && chunk->records[at].region.rfn == region->rfn ?
			 &chunk->records[at] :
			 add_record(regions, chunk, at);
	if (!record)
		return -ENOMEM;
	*record = (struct lp_region_record){*region, now_ns ? now_ns : 1, round};
	return 0;
}

const struct lp_region_record *lp_regions_get(const struct lp_regions *regions, uint64_t rfn)
{
	size_t at = find(regions, rfn >> CHUNK_SHIFT);
	const struct region_chunk *chunk;

	if (at == regions->nr_chunks || regions->chunks[at]->index != rfn >> CHUNK_SHIFT)
		return NULL;
	chunk = regions->chunks[at];
	at = chunk_find(chunk, rfn);
	return at < chunk->count && chunk->records[at].region.rfn == rfn ? &chunk->records[at] :
									   NULL;
}

/* The first region of the chunk at @at. */
static uint64_t start_of(const struct lp_regions *regions, size_t at)
{
	return at < regions->nr_chunks ? regions->chunks[at]->index << CHUNK_SHIFT : LP_REGIONS_END;
}

int lp_regions_walk(const struct lp_regions *regions, uint64_t start_rfn,
		    int (*each)(void *ctx, const struct lp_region_record *record), void *ctx,
		    uint64_t *ret_next)
{
	size_t at = find(regions, start_rfn >> CHUNK_SHIFT);

	for (size_t end = at + LP_REGIONS_SLICE; at < end && at < regions->nr_chunks; at++) {
		const struct region_chunk *chunk = regions->chunks[at];

		for (size_t i = chunk_find(chunk, start_rfn); i < chunk->count; i++) {
			int r = each(ctx, &chunk->records[i]);

			*ret_next = chunk->records[i].region.rfn;
			if (r)
				return r;
		}
	}
	*ret_next = start_of(regions, at);
	return 0;
}

static void drop_from_chunk(struct lp_regions *regions, struct region_chunk *chunk, uint32_t round,
			    void (*gone)(void *ctx, uint64_t rfn), void *ctx)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < chunk->count; i++) {
		if (chunk->records[i].round == round) {
			chunk->records[kept++] = chunk->records[i];
			continue;
		}
		if (gone)
			gone(ctx, chunk->records[i].region.rfn);
	}
	regions->count -= chunk->count - kept;
	chunk->count = kept;
}

uint64_t lp_regions_drop_others(struct lp_regions *regions, uint64_t start_rfn, uint32_t round,
				void (*gone)(void *ctx, uint64_t rfn), void *ctx)
{
	size_t at = find(regions, start_rfn >> CHUNK_SHIFT);

	for (unsigned int nr = 0; nr < LP_REGIONS_SLICE && at < regions->nr_chunks; nr++) {
		struct region_chunk *chunk = regions->chunks[at];

		drop_from_chunk(regions, chunk, round, gone, ctx);
		if (chunk->count) {
			at++;
			continue;
		}
		array_close(regions->chunks, regions->nr_chunks--, at, sizeof(*regions->chunks));
		chunk_free(regions, chunk);
	}
	return start_of(regions, at);
}
