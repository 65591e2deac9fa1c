/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The due regions of one VM that wait for a budget, those that save most per cost first.
 *
 * Bounded. Priorities are kept in steps of a quarter octave, first come first served within a step;
 * when the queue is full a better region takes the place of the worst. All is constant work. Regions
 * without a place are found again by a walk over the table: backlog.c.
 */
#ifndef TDX_LPAGE_POLICY_QUEUE_H
#define TDX_LPAGE_POLICY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tdx-lpage/blocks.h>

#define QUEUE_CAPACITY 4096
#define QUEUE_STEPS    64

struct queue_entry {
	uint32_t rfn;
	uint32_t stamp; /* the region's, to tell an entry that no longer holds */
};

struct queue_node;

/* Starts from all zero but for .blocks. */
struct queue {
	struct blocks *blocks;	  /* where its memory comes from */
	struct queue_node *nodes; /* allocated as it fills */
	uint32_t capacity;
	uint32_t nr;
	uint32_t free;	 /* list of unused nodes, 0: none; nodes[0] is not used */
	uint64_t filled; /* bit per step that has entries */
	uint32_t head[QUEUE_STEPS];
	uint32_t tail[QUEUE_STEPS];
};

/*
 * Enters a region. @saving is what it is expected to save per cost (1: just pays). Returns 1 when it
 * was entered, 0 when the queue is full of better ones, -ENOMEM. When another one had to leave for
 * it, that one is in @ret_left and the result is 2.
 */
int queue_push(struct queue *queue, struct queue_entry entry, double saving,
	       struct queue_entry *ret_left);

/* Takes out the best. False when empty. */
bool queue_pop(struct queue *queue, struct queue_entry *ret);

/* Bytes held. */
size_t queue_bytes(const struct queue *queue);

void queue_done(struct queue *queue);

#endif
