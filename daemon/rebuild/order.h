/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records on their way to the trace, by time; those of one time in the order in which they came. */
#ifndef TDX_LPAGE_REBUILD_ORDER_H
#define TDX_LPAGE_REBUILD_ORDER_H

#include "daemon/rebuild/rebuild.h"

struct order_entry {
	uint64_t seq;
	bool dead;    /* comes out of order_pop() all the same, to be left out */
	void *region; /* of an A, or of a guess */
	bool guess;   /* the region is at 4 KiB, for all that is known until this is due */
	struct rebuild_out out;
};

struct order {
	struct order_entry **heap;
	size_t nr;
	size_t capacity;
	uint64_t seq;
};

/* Returns the entry, which belongs to @order until it is popped; NULL: out of memory. */
struct order_entry *order_push(struct order *order, const struct rebuild_out *out);

/* The first one, if it is due at @until_ns; the caller frees it. Else NULL. */
struct order_entry *order_pop(struct order *order, uint64_t until_ns);

void order_done(struct order *order);

#endif
