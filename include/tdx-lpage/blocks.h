/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for what grows with the guests, in blocks of a few sizes. It goes back to the host in small steps, however much
 * there is; malloc_trim() does all at once. Blocks of one size lie in arenas, each of which malloc() maps on its own. An
 * arena that becomes empty is unmapped at once, but for one of each size while any block is in use; blocks_give_back()
 * gives back whole pages of the holes in the others.
 */
#ifndef TDX_LPAGE_BLOCKS_H
#define TDX_LPAGE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* With the word that malloc() needs, 64 pages; larger than what it takes from its heap. */
#define BLOCKS_ARENA_BYTES ((size_t)256 * 1024 - 16)

#define BLOCKS_LARGEST ((size_t)64 * 1024)

/* The sizes of blocks that a pool may have. */
#define BLOCKS_SIZES_MAX 24

struct blocks_arena;
LIST_HEAD(blocks_list, blocks_arena);

struct blocks_size {
	size_t size;
	struct blocks_arena **arenas; /* ascending by address */
	size_t nr_arenas;
	size_t capacity;
	struct blocks_list room;    /* those with a free block */
	struct blocks_arena *spare; /* one that is empty; NULL: there is none */
};

/* Starts from all zero, and stays where it is. */
struct blocks {
	struct blocks_size sizes[BLOCKS_SIZES_MAX];
	size_t nr_sizes;
	struct blocks_list
		holes;	   /* arenas in which blocks were taken back since blocks_give_back() */
	size_t used_bytes; /* in blocks */
	size_t held_bytes; /* in arenas, most of whose free pages were never touched, or given back */
};

/* A block, not initialized; @size is a multiple of 8, and at most BLOCKS_LARGEST. NULL without memory. */
void *blocks_get(struct blocks *blocks, size_t size);

/* The same, all zero. */
void *blocks_get_zeroed(struct blocks *blocks, size_t size);

/* Takes back a block that it gave for @size; NULL is none. */
void blocks_put(struct blocks *blocks, void *block, size_t size);

/* Gives holes back to the host: one arena for each of *@steps. Returns whether there are more. */
bool blocks_give_back(struct blocks *blocks, unsigned int *steps);

/* What malloc() gave that is in no block. */
size_t blocks_slack_bytes(const struct blocks *blocks);

/* Frees all arenas, whatever is in them. */
void blocks_done(struct blocks *blocks);

#endif
