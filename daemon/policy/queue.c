// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/queue.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define FIRST_CAPACITY 64

struct queue_node {
	struct queue_entry entry;
	uint32_t next;
};

_Static_assert(QUEUE_CAPACITY * sizeof(struct queue_node) <= BLOCKS_LARGEST,
	       "a full queue is a block");

/* Step of a saving: 2^-8 and less are in step 0, 2^8 and more in the last one. */
static unsigned int step_of(double saving)
{
	double quarter_octaves = saving > 0 ? 4 * log2(saving) + QUEUE_STEPS / 2.0 : 0;

	if (!(quarter_octaves > 0))
		return 0;
	return quarter_octaves < QUEUE_STEPS - 1 ? (unsigned int)quarter_octaves : QUEUE_STEPS - 1;
}

static int queue_grow(struct queue *queue)
{
	uint32_t capacity = queue->capacity ? 2 * queue->capacity : FIRST_CAPACITY;
	struct queue_node *nodes = blocks_get(queue->blocks, capacity * sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	if (queue->capacity)
		memcpy(nodes, queue->nodes, queue_bytes(queue));
	blocks_put(queue->blocks, queue->nodes, queue_bytes(queue));
	for (uint32_t i = capacity - 1; i >= (queue->capacity ? queue->capacity : 1); i--) {
		nodes[i].next = queue->free;
		queue->free = i;
	}
	queue->nodes = nodes;
	queue->capacity = capacity;
	return 0;
}

static struct queue_entry take_head(struct queue *queue, unsigned int step)
{
	uint32_t i = queue->head[step];
	struct queue_node *node = &queue->nodes[i];

	queue->head[step] = node->next;
	if (!node->next)
		queue->filled &= ~(UINT64_C(1) << step);
	node->next = queue->free;
	queue->free = i;
	queue->nr--;
	return node->entry;
}

static void put_tail(struct queue *queue, unsigned int step, struct queue_entry entry)
{
	uint32_t i = queue->free;
	uint64_t bit = UINT64_C(1) << step;

	queue->free = queue->nodes[i].next;
	queue->nodes[i] = (struct queue_node){entry, 0};
	if (queue->filled & bit)
		queue->nodes[queue->tail[step]].next = i;
	else
		queue->head[step] = i;
	queue->tail[step] = i;
	queue->filled |= bit;
	queue->nr++;
}

int queue_push(struct queue *queue, struct queue_entry entry, double saving,
	       struct queue_entry *ret_left)
{
	unsigned int step = step_of(saving);
	int result = 1;

	if (!queue->free && queue->capacity < QUEUE_CAPACITY && queue_grow(queue))
		return -ENOMEM;
	if (!queue->free) {
		unsigned int worst = (unsigned int)__builtin_ctzll(queue->filled);

		if (worst >= step)
			return 0;
		*ret_left = take_head(queue, worst);
		result = 2;
	}
	put_tail(queue, step, entry);
	return result;
}

bool queue_pop(struct queue *queue, struct queue_entry *ret)
{
	if (!queue->filled)
		return false;
	*ret = take_head(queue, 63u - (unsigned int)__builtin_clzll(queue->filled));
	return true;
}

size_t queue_bytes(const struct queue *queue)
{
	return queue->capacity * sizeof(*queue->nodes);
}

void queue_done(struct queue *queue)
{
	blocks_put(queue->blocks, queue->nodes, queue_bytes(queue));
	*queue = (struct queue){.blocks = queue->blocks};
}
