/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The regions of a VM that have ever left `large`, and when each is to be looked at.
 *
 * Regions lie in chunks of 512 (1 GiB of guest memory). A chunk packs the regions it has, sorted,
 * under a bitmap; beyond DENSE_AFTER of them it has a slot for all. The earliest deadline of a
 * chunk is its key in one heap; a deadline that was taken back stays in the heap until it passes.
 *
 * Times are in ticks of 2^TICK_SHIFT ns. Regions keep the low 32 bits, which reach 26 days either
 * way; every chunk is visited more often than that, and older stamps are moved up.
 */
#ifndef TDX_LPAGE_POLICY_TABLE_H
#define TDX_LPAGE_POLICY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tdx-lpage/blocks.h>
#include <tdx-lpage/heap.h>

#define TICK_SHIFT	   20
#define CHUNK_REGIONS	   512
#define NO_TICK		   UINT64_MAX
#define STAMP_MAX_AGE_TICK (UINT64_C(1) << 30)

struct policy_vm;

enum phase {
	PHASE_NONE,    /* not tracked */
	PHASE_SHARED,  /* some page is shared */
	PHASE_WAIT,    /* private and small: waits until it is due */
	PHASE_QUEUED,  /* due: waits for a batch */
	PHASE_FLIGHT,  /* handed out */
	PHASE_LARGE,   /* merged, or found large */
	PHASE_SETTLED, /* private, and not to be tried before its next conversion */
	PHASE_BACKOFF, /* was refused: waits for its next try */
	PHASE_END
};

/* 11 bytes. What is remembered of past intervals is explained in past.h. */
struct region {
	uint32_t stamp; /* low bits of the tick of the last conversion to private */
	uint64_t phase:3;
	uint64_t whole:1; /* converted as a whole: large again without a merge or an interval */
	uint64_t stage:5; /* bins of this interval's age that were taken note of */
	/* While the region is merged, both are its age then: regret.h. */
	uint64_t retries:3; /* refusals since the last merge, saturates */
	uint64_t reason:5;  /* of the last refusal, see region_reason() */
	uint64_t past:4;    /* intervals so far, saturates */
	uint64_t mean:8;    /* of the logarithm of their lengths */
	uint64_t linear:9;  /* of their truncated lengths */
	uint64_t last:5;    /* length of the last one */
	uint64_t trust:4;   /* in what the last one says, rather than the averages */
	uint64_t debt:6;    /* what the region has cost beyond twice the optimum */
	uint64_t late:3; /* class of accept.h that it was accepted in the last time; 0: not known */
} __attribute__((packed));

_Static_assert(sizeof(struct region) == 11, "a region and its deadline take 15 bytes");

#define REASON_OTHER 30 /* one that this version does not know */
#define REASON_DRY   31 /* settled because of dry-run */

struct chunk {
	struct policy_vm *vm;
	/* The key: the earliest deadline in ticks, or earlier; at most renew_tick. */
	struct heap_item due;
	uint64_t renew_tick; /* when old stamps have to be moved up */
	uint32_t number;
	uint16_t nr;
	uint16_t capacity;
	uint16_t rank[CHUNK_REGIONS / 64];
	uint64_t present[CHUNK_REGIONS / 64];
	uint32_t *due_ticks; /* one per slot, low bits; the regions follow in the same block */
	struct region *regions;
};

/* Starts from all zero but for .blocks. */
struct table {
	struct blocks *blocks; /* where its memory comes from */
	struct chunk ***dirs;  /* [number / 512][number % 512] */
	size_t nr_dirs;
	size_t regions;
	size_t bytes;
	size_t nr_chunks;
};

/* A region in place; valid until the next table_get() with @create on the same chunk. */
struct region_ref {
	struct chunk *chunk;
	uint32_t slot;
	struct region *region; /* NULL: not tracked */
};

/* Finds @rfn; ret->region is NULL when it is not tracked. */
void table_find(const struct table *table, uint32_t rfn, struct region_ref *ret);

/*
 * Fetch what is known of @rfn into the caches, as table_find() comes soon: first where it is to be
 * found, and, when that is there, the region.
 */
void table_prefetch_chunk(const struct table *table, uint32_t rfn);
void table_prefetch(const struct table *table, uint32_t rfn);

/* Finds or makes it; @heap is that of the chunks of every table. -ENOMEM. */
int table_get(struct policy_vm *vm, struct table *table, struct heap *heap, uint32_t rfn,
	      uint64_t now_tick, struct region_ref *ret);

/* Removes a region that table_find() found. */
void table_drop(struct table *table, struct region_ref *ref);

/* The first region at @rfn or after it; false: there is none. */
bool table_from(const struct table *table, uint32_t rfn, struct region_ref *ret);

/*
 * Frees chunks, the last ones first: takes one of *@steps for each, and some for each directory. Returns whether there are
 * more; else the table is as it began. One that has begun to shrink may only go on.
 */
bool table_shrink(struct table *table, struct heap *heap, unsigned int *steps);

uint32_t region_rfn(const struct region_ref *ref);

/* Sets, or takes back, when a region is to be looked at. */
void region_arm(struct heap *heap, struct region_ref *ref, uint64_t due_tick, uint64_t now_tick);
void region_disarm(struct region_ref *ref);

/* The deadline of a region, NO_TICK when it has none. */
uint64_t region_due_tick(const struct region_ref *ref, uint64_t now_tick);

/* Full tick of a stamp. */
static inline uint64_t stamp_tick(uint32_t stamp, uint64_t now_tick)
{
	return now_tick + (uint64_t)(int64_t)(int32_t)(stamp - (uint32_t)now_tick);
}

/* Earliest deadline of all, or earlier; NO_TICK: there is no region. */
static inline uint64_t chunks_due_tick(const struct heap *heap)
{
	return heap->nr ? heap_first(heap)->key : NO_TICK;
}

/* Called for each region whose deadline has passed, disarmed; may arm it again. */
typedef void (*expire_cb)(struct policy_vm *vm, struct region_ref *ref, uint64_t now_tick);

/* The VM of the first chunk of the heap. */
struct policy_vm *chunks_first_vm(const struct heap *heap);

/* The deadlines of the first chunk of the heap no longer count. */
void chunks_retire_first(struct heap *heap);

/* Visits the first chunk of the heap, whose deadline has passed. */
void chunks_expire_first(struct heap *heap, uint64_t now_tick, expire_cb cb);

#endif
