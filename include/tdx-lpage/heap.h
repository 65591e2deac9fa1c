/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A heap: of the things that lie in it, the one with the least key is at hand, and of equal keys the one whose key was
 * set first. A heap keeps pointers to items, which are members of the things, and belong to the caller as they do; an
 * item knows its place, so that it can be moved or removed in logarithmic time. Keys are whatever the caller counts in.
 */
#ifndef TDX_LPAGE_HEAP_H
#define TDX_LPAGE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* The caller may read .key, and lower that of the first item in place, which stays the first. The rest is the heap's. */
struct heap_item {
	uint64_t key;
	uint64_t turn; /* orders equal keys */
	size_t at;     /* in heap.items */
};

/* Starts from all zero. */
struct heap {
	struct heap_item **items;
	size_t nr;
	size_t capacity;
	uint64_t turns;
};

/* The thing of @type that an item is the @member of. */
#define HEAP_ENTRY(item, type, member) ((type *)(void *)((char *)(item)-offsetof(type, member)))

/* Makes room for @wanted items in all; heap_insert() has to find it. 0, or -ENOMEM with nothing changed. */
int heap_reserve(struct heap *heap, size_t wanted);

/* Frees the room; what lies in the heap is the caller's. */
void heap_done(struct heap *heap);

/* Enters an item that is in no heap. */
void heap_insert(struct heap *heap, struct heap_item *item, uint64_t key);

/* Sets the key of an item of the heap. */
void heap_set(struct heap *heap, struct heap_item *item, uint64_t key);

/* Takes an item out of the heap. */
void heap_remove(struct heap *heap, struct heap_item *item);

/* The item with the least key; NULL: there is none. */
static inline struct heap_item *heap_first(const struct heap *heap)
{
	return heap->nr ? heap->items[0] : NULL;
}

#endif
