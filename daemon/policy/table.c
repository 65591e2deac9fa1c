// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIR_CHUNKS  512
#define DIR_BYTES   (DIR_CHUNKS * sizeof(struct chunk *))
#define DENSE_AFTER 128
#define NEVER	    UINT32_MAX
#define RENEW_TICK  (STAMP_MAX_AGE_TICK / 2)

/* Deadlines are looked at so many at once: the compiler makes vectors of it. */
#define BLOCK 8

/* Multiples of a block. */
static const uint16_t capacities[] = {8, 16, 32, 64, DENSE_AFTER, CHUNK_REGIONS};

/* ---- chunks ---- */

static size_t slots_bytes(size_t capacity)
{
	return capacity * (sizeof(uint32_t) + sizeof(struct region));
}

static bool chunk_dense(const struct chunk *chunk)
{
	return chunk->capacity == CHUNK_REGIONS;
}

static bool chunk_has(const struct chunk *chunk, uint32_t index)
{
	return chunk->present[index / 64] >> (index % 64) & 1;
}

/* Number of regions before @index. */
static uint32_t chunk_rank(const struct chunk *chunk, uint32_t index)
{
	uint64_t below = chunk->present[index / 64] & ((UINT64_C(1) << (index % 64)) - 1);

	return chunk->rank[index / 64] + (uint32_t)__builtin_popcountll(below);
}

static uint32_t chunk_slot(const struct chunk *chunk, uint32_t index)
{
	return chunk_dense(chunk) ? index : chunk_rank(chunk, index);
}

/* The region number within the chunk of the region in @slot. */
static uint32_t chunk_index(const struct chunk *chunk, uint32_t slot)
{
	uint32_t word = CHUNK_REGIONS / 64 - 1;
	uint64_t bits;

	if (chunk_dense(chunk))
		return slot;
	while (chunk->rank[word] > slot)
		word--;
	bits = chunk->present[word];
	for (uint32_t n = slot - chunk->rank[word]; n > 0; n--)
		bits &= bits - 1;
	return word * 64 + (uint32_t)__builtin_ctzll(bits);
}

static void chunk_mark(struct chunk *chunk, uint32_t index, bool present)
{
	uint64_t bit = UINT64_C(1) << (index % 64);

	chunk->present[index / 64] = (chunk->present[index / 64] & ~bit) | (present ? bit : 0);
	for (uint32_t word = index / 64 + 1; word < CHUNK_REGIONS / 64; word++)
		chunk->rank[word] = (uint16_t)(chunk->rank[word] + (present ? 1 : -1));
	chunk->nr = (uint16_t)(chunk->nr + (present ? 1 : -1));
}

static void slots_free(struct table *table, struct chunk *chunk)
{
	blocks_put(table->blocks, chunk->due_ticks, slots_bytes(chunk->capacity));
}

/* Moves the slots to a larger block; to one slot per region when it is the largest. */
static int chunk_grow(struct table *table, struct chunk *chunk)
{
	uint32_t *due_tick;
	struct region *regions;
	size_t step = 0;
	size_t capacity;

	while (capacities[step] <= chunk->capacity)
		step++;
	capacity = capacities[step];
	due_tick = blocks_get_zeroed(table->blocks, slots_bytes(capacity));
	if (!due_tick)
		return -ENOMEM;
	regions = (struct region *)(due_tick + capacity);
	/* A slot without a region never looks due. */
	memset(due_tick, 0xff, capacity * sizeof(*due_tick));
	for (uint32_t slot = 0; slot < chunk->nr; slot++) {
		uint32_t to = capacity == CHUNK_REGIONS ? chunk_index(chunk, slot) : slot;

		due_tick[to] = chunk->due_ticks[slot];
		regions[to] = chunk->regions[slot];
	}
	table->bytes += slots_bytes(capacity) - slots_bytes(chunk->capacity);
	slots_free(table, chunk);
	chunk->due_ticks = due_tick;
	chunk->regions = regions;
	chunk->capacity = (uint16_t)capacity;
	return 0;
}

static void chunk_move(struct chunk *chunk, uint32_t to, uint32_t from, size_t nr)
{
	memmove(chunk->due_ticks + to, chunk->due_ticks + from, nr * sizeof(*chunk->due_ticks));
	memmove(chunk->regions + to, chunk->regions + from, nr * sizeof(*chunk->regions));
}

static int chunk_add(struct table *table, struct chunk *chunk, uint32_t index)
{
	uint32_t slot;

	if (!chunk_dense(chunk) && chunk->nr == chunk->capacity) {
		int err = chunk_grow(table, chunk);

		if (err)
			return err;
	}
	slot = chunk_slot(chunk, index);
	if (!chunk_dense(chunk))
		chunk_move(chunk, slot + 1, slot, chunk->nr - slot);
	chunk->due_ticks[slot] = NEVER;
	chunk->regions[slot] = (struct region){0};
	chunk_mark(chunk, index, true);
	table->regions++;
	return 0;
}

static struct chunk *chunk_new(struct policy_vm *vm, struct table *table, uint32_t number,
			       uint64_t now_tick)
{
	struct chunk *chunk = blocks_get_zeroed(table->blocks, sizeof(*chunk));

	if (!chunk)
		return NULL;
	chunk->vm = vm;
	chunk->number = number;
	chunk->renew_tick = now_tick + RENEW_TICK;
	return chunk;
}

/* ---- table ---- */

static struct chunk *table_chunk(const struct table *table, uint32_t number)
{
	size_t dir = number / DIR_CHUNKS;

	if (dir >= table->nr_dirs || !table->dirs[dir])
		return NULL;
	return table->dirs[dir][number % DIR_CHUNKS];
}

static int table_reserve_dir(struct table *table, size_t dir)
{
	if (dir >= table->nr_dirs) {
		struct chunk ***dirs = realloc(table->dirs, (dir + 1) * sizeof(*dirs));

		if (!dirs)
			return -ENOMEM;
		memset(dirs + table->nr_dirs, 0, (dir + 1 - table->nr_dirs) * sizeof(*dirs));
		table->bytes += (dir + 1 - table->nr_dirs) * sizeof(*dirs);
		table->dirs = dirs;
		table->nr_dirs = dir + 1;
	}
	if (!table->dirs[dir]) {
		table->dirs[dir] = blocks_get_zeroed(table->blocks, DIR_BYTES);
		if (!table->dirs[dir])
			return -ENOMEM;
		table->bytes += DIR_BYTES;
	}
	return 0;
}

static int table_add_chunk(struct policy_vm *vm, struct table *table, struct heap *heap,
			   uint32_t number, uint64_t now_tick, struct chunk **ret)
{
	struct chunk *chunk;
	int err = table_reserve_dir(table, number / DIR_CHUNKS);

	if (!err)
		err = heap_reserve(heap, heap->nr + 1);
	if (err)
		return err;
	chunk = chunk_new(vm, table, number, now_tick);
	if (!chunk)
		return -ENOMEM;
	heap_insert(heap, &chunk->due, chunk->renew_tick);
	table->dirs[number / DIR_CHUNKS][number % DIR_CHUNKS] = chunk;
	table->nr_chunks++;
	table->bytes += sizeof(*chunk);
	*ret = chunk;
	return 0;
}

/*
 * Written member by member to where it stays: a copy in other widths than it was written in would
 * wait for every store before it, and those go to lines that are not in a cache.
 */
static void spot_at(struct chunk *chunk, uint32_t index, struct region_ref *ret)
{
	uint32_t slot = chunk_slot(chunk, index);

	ret->chunk = chunk;
	ret->slot = slot;
	ret->region = &chunk->regions[slot];
}

void table_find(const struct table *table, uint32_t rfn, struct region_ref *ret)
{
	struct chunk *chunk = table_chunk(table, rfn / CHUNK_REGIONS);

	if (chunk && chunk_has(chunk, rfn % CHUNK_REGIONS))
		spot_at(chunk, rfn % CHUNK_REGIONS, ret);
	else
		*ret = (struct region_ref){0};
}

void table_prefetch_chunk(const struct table *table, uint32_t rfn)
{
	const char *chunk = (const char *)table_chunk(table, rfn / CHUNK_REGIONS);

	for (size_t line = 0; chunk && line < sizeof(struct chunk); line += 64)
		__builtin_prefetch(chunk + line);
}

void table_prefetch(const struct table *table, uint32_t rfn)
{
	const struct chunk *chunk = table_chunk(table, rfn / CHUNK_REGIONS);
	uint32_t slot;

	/* The slot may be past the last one, or of another region: nothing is read. */
	if (!chunk || !chunk->nr)
		return;
	slot = chunk_slot(chunk, rfn % CHUNK_REGIONS);
	__builtin_prefetch(&chunk->regions[slot], 1);
	__builtin_prefetch(&chunk->due_ticks[slot], 1);
}

int table_get(struct policy_vm *vm, struct table *table, struct heap *heap, uint32_t rfn,
	      uint64_t now_tick, struct region_ref *ret)
{
	struct chunk *chunk = table_chunk(table, rfn / CHUNK_REGIONS);
	int err = 0;

	if (!chunk)
		err = table_add_chunk(vm, table, heap, rfn / CHUNK_REGIONS, now_tick, &chunk);
	if (!err && !chunk_has(chunk, rfn % CHUNK_REGIONS))
		err = chunk_add(table, chunk, rfn % CHUNK_REGIONS);
	if (err)
		return err;
	spot_at(chunk, rfn % CHUNK_REGIONS, ret);
	return 0;
}

void table_drop(struct table *table, struct region_ref *ref)
{
	struct chunk *chunk = ref->chunk;
	uint32_t index = chunk_index(chunk, ref->slot);

	chunk->due_ticks[ref->slot] = NEVER;
	if (!chunk_dense(chunk)) {
		chunk_move(chunk, ref->slot, ref->slot + 1, chunk->nr - ref->slot - 1u);
		chunk->due_ticks[chunk->nr - 1] = NEVER;
	}
	chunk_mark(chunk, index, false);
	table->regions--;
	*ref = (struct region_ref){0};
}

/* First region of @chunk at @index or later. */
static bool chunk_from(struct chunk *chunk, uint32_t index, struct region_ref *ret)
{
	for (; index < CHUNK_REGIONS; index++) {
		if (!chunk_has(chunk, index))
			continue;
		spot_at(chunk, index, ret);
		return true;
	}
	return false;
}

bool table_from(const struct table *table, uint32_t rfn, struct region_ref *ret)
{
	uint32_t index = rfn % CHUNK_REGIONS;

	for (size_t number = rfn / CHUNK_REGIONS; number < table->nr_dirs * DIR_CHUNKS; number++) {
		struct chunk *chunk = table_chunk(table, (uint32_t)number);

		if (chunk && chunk_from(chunk, index, ret))
			return true;
		index = 0;
	}
	return false;
}

static void chunk_free(struct table *table, struct heap *heap, struct chunk *chunk)
{
	heap_remove(heap, &chunk->due);
	table->nr_chunks--;
	table->regions -= chunk->nr;
	table->bytes -= sizeof(*chunk) + slots_bytes(chunk->capacity);
	slots_free(table, chunk);
	blocks_put(table->blocks, chunk, sizeof(*chunk));
}

/* Returns whether it has freed the directory, too. */
static bool dir_shrink(struct table *table, struct heap *heap, struct chunk **dir,
		       unsigned int *steps)
{
	for (size_t i = DIR_CHUNKS; i-- > 0;) {
		if (!dir[i])
			continue;
		if (!*steps)
			return false;
		chunk_free(table, heap, dir[i]);
		dir[i] = NULL;
		--*steps;
	}
	blocks_put(table->blocks, dir, DIR_BYTES);
	table->bytes -= DIR_BYTES;
	return true;
}

/* What a directory counts for: all of it is looked at. */
#define DIR_STEPS 4

bool table_shrink(struct table *table, struct heap *heap, unsigned int *steps)
{
	while (table->nr_dirs) {
		struct chunk **dir = table->dirs[table->nr_dirs - 1];

		if (dir && *steps < DIR_STEPS)
			return true;
		*steps -= dir ? DIR_STEPS : 0;
		if (dir && !dir_shrink(table, heap, dir, steps))
			return true;
		table->nr_dirs--;
	}
	free(table->dirs);
	*table = (struct table){.blocks = table->blocks};
	return false;
}

/* ---- deadlines ---- */

uint32_t region_rfn(const struct region_ref *ref)
{
	return ref->chunk->number * CHUNK_REGIONS + chunk_index(ref->chunk, ref->slot);
}

void region_arm(struct heap *heap, struct region_ref *ref, uint64_t due_tick, uint64_t now_tick)
{
	struct chunk *chunk = ref->chunk;

	if (due_tick < now_tick)
		due_tick = now_tick;
	if (due_tick - now_tick > STAMP_MAX_AGE_TICK)
		due_tick = now_tick + STAMP_MAX_AGE_TICK;
	if ((uint32_t)due_tick == NEVER)
		due_tick++;
	chunk->due_ticks[ref->slot] = (uint32_t)due_tick;
	if (due_tick < chunk->due.key)
		heap_set(heap, &chunk->due, due_tick);
}

void region_disarm(struct region_ref *ref)
{
	ref->chunk->due_ticks[ref->slot] = NEVER;
}

uint64_t region_due_tick(const struct region_ref *ref, uint64_t now_tick)
{
	uint32_t due_tick = ref->chunk->due_ticks[ref->slot];

	return due_tick == NEVER ? NO_TICK : stamp_tick(due_tick, now_tick);
}

/* Earliest deadline, none of which has passed @now_tick. */
static uint64_t chunk_next_due(const struct chunk *chunk, uint64_t now_tick)
{
	int32_t best_tick[BLOCK];
	int32_t wait_tick = INT32_MAX;

	for (unsigned int i = 0; i < BLOCK; i++)
		best_tick[i] = INT32_MAX;
	for (uint32_t slot = 0; slot < chunk->capacity; slot += BLOCK) {
		const uint32_t *due_tick = chunk->due_ticks + slot;

		for (unsigned int i = 0; i < BLOCK; i++) {
			int32_t left_tick = due_tick[i] == NEVER ?
						    INT32_MAX :
						    (int32_t)(due_tick[i] - (uint32_t)now_tick);

			best_tick[i] = left_tick < best_tick[i] ? left_tick : best_tick[i];
		}
	}
	for (unsigned int i = 0; i < BLOCK; i++)
		wait_tick = best_tick[i] < wait_tick ? best_tick[i] : wait_tick;
	return wait_tick == INT32_MAX || now_tick + (uint64_t)wait_tick > chunk->renew_tick ?
		       chunk->renew_tick :
		       now_tick + (uint64_t)wait_tick;
}

/* Stamps must not fall out of the reach of 32 bits. */
static void chunk_renew_stamps(struct chunk *chunk, uint64_t now_tick)
{
	uint32_t oldest_tick = (uint32_t)(now_tick - STAMP_MAX_AGE_TICK);
	uint32_t nr = chunk_dense(chunk) ? CHUNK_REGIONS : chunk->nr;

	for (uint32_t slot = 0; slot < nr; slot++) {
		struct region *region = &chunk->regions[slot];

		/* The gaps of a dense chunk come along. */
		if ((int32_t)(region->stamp - oldest_tick) < 0)
			region->stamp = oldest_tick;
	}
	chunk->renew_tick = now_tick + RENEW_TICK;
}

static bool is_due(uint32_t due_tick, uint32_t now_tick)
{
	return due_tick != NEVER && (int32_t)(due_tick - now_tick) <= 0;
}

static bool block_is_due(const uint32_t due_tick[static BLOCK], uint32_t now_tick)
{
	uint32_t any = 0;

	for (unsigned int i = 0; i < BLOCK; i++)
		any |= is_due(due_tick[i], now_tick);
	return any;
}

static void block_expire(struct chunk *chunk, uint32_t first, uint64_t now_tick, expire_cb cb)
{
	for (uint32_t slot = first; slot < first + BLOCK; slot++) {
		struct region_ref ref = {chunk, slot, &chunk->regions[slot]};

		if (!is_due(chunk->due_ticks[slot], (uint32_t)now_tick))
			continue;
		chunk->due_ticks[slot] = NEVER;
		cb(chunk->vm, &ref, now_tick);
	}
}

static struct chunk *first_chunk(const struct heap *heap)
{
	return HEAP_ENTRY(heap_first(heap), struct chunk, due);
}

struct policy_vm *chunks_first_vm(const struct heap *heap)
{
	return first_chunk(heap)->vm;
}

void chunks_retire_first(struct heap *heap)
{
	heap_set(heap, heap_first(heap), NO_TICK);
}

void chunks_expire_first(struct heap *heap, uint64_t now_tick, expire_cb cb)
{
	struct chunk *chunk = first_chunk(heap);

	if (now_tick >= chunk->renew_tick)
		chunk_renew_stamps(chunk, now_tick);
	/* Arming from the callback must not touch the heap once per region. */
	chunk->due.key = 0;
	for (uint32_t slot = 0; slot < chunk->capacity; slot += BLOCK)
		if (block_is_due(chunk->due_ticks + slot, (uint32_t)now_tick))
			block_expire(chunk, slot, now_tick, cb);
	heap_set(heap, &chunk->due, chunk_next_due(chunk, now_tick));
}
