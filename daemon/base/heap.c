// SPDX-License-Identifier: GPL-2.0-or-later
#include <tdx-lpage/heap.h>

#include <stdbool.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

static bool is_before(const struct heap_item *a, const struct heap_item *b)
{
	return a->key != b->key ? a->key < b->key : a->turn < b->turn;
}

static void put(struct heap *heap, size_t at, struct heap_item *item)
{
	heap->items[at] = item;
	item->at = at;
}

/* Moves an item up from a free place, as far as it goes. */
static void sift_up(struct heap *heap, size_t at, struct heap_item *item)
{
	while (at > 0 && is_before(item, heap->items[(at - 1) / 2])) {
		put(heap, at, heap->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(heap, at, item);
}

/* The same downwards. */
static void sift_down(struct heap *heap, size_t at, struct heap_item *item)
{
	size_t child;

	while ((child = 2 * at + 1) < heap->nr) {
		if (child + 1 < heap->nr && is_before(heap->items[child + 1], heap->items[child]))
			child++;
		if (is_before(item, heap->items[child]))
			break;
		put(heap, at, heap->items[child]);
		at = child;
	}
	put(heap, at, item);
}

/* An item comes to a place that is free, and goes to where its key belongs. */
static void settle(struct heap *heap, size_t at, struct heap_item *item)
{
	if (at > 0 && is_before(item, heap->items[(at - 1) / 2]))
		sift_up(heap, at, item);
	else
		sift_down(heap, at, item);
}

int heap_reserve(struct heap *heap, size_t wanted)
{
	return array_reserve(&heap->items, &heap->capacity, wanted, sizeof(struct heap_item *));
}

void heap_done(struct heap *heap)
{
	free(heap->items);
	*heap = (struct heap){0};
}

void heap_insert(struct heap *heap, struct heap_item *item, uint64_t key)
{
	item->key = key;
	item->turn = heap->turns++;
	sift_up(heap, heap->nr++, item);
}

void heap_set(struct heap *heap, struct heap_item *item, uint64_t key)
{
	item->key = key;
	item->turn = heap->turns++;
	settle(heap, item->at, item);
}

void heap_remove(struct heap *heap, struct heap_item *item)
{
	struct heap_item *last = heap->items[--heap->nr];

	if (last != item)
		settle(heap, item->at, last);
}
