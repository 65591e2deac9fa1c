// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rebuild/order.h"

#include <stdlib.h>

#include <tdx-lpage/base.h>

static bool before(const struct order_entry *a, const struct order_entry *b)
{
	if (a->out.record.t_ns != b->out.record.t_ns)
		return a->out.record.t_ns < b->out.record.t_ns;
	return a->seq < b->seq;
}

static int grow(struct order *order)
{
	return array_reserve(&order->heap, &order->capacity, order->nr + 1,
			     sizeof(struct order_entry *));
}

struct order_entry *order_push(struct order *order, const struct rebuild_out *out)
{
	struct order_entry *entry = malloc(sizeof(*entry));
	size_t i = order->nr;

	if (!entry || grow(order) < 0) {
		free(entry);
		return NULL;
	}
	*entry = (struct order_entry){.seq = order->seq++, .out = *out};
	order->nr++;
	for (; i > 0 && before(entry, order->heap[(i - 1) / 2]); i = (i - 1) / 2)
		order->heap[i] = order->heap[(i - 1) / 2];
	order->heap[i] = entry;
	return entry;
}

struct order_entry *order_pop(struct order *order, uint64_t until_ns)
{
	struct order_entry *first = order->nr ? order->heap[0] : NULL, *last;
	size_t i = 0, child;

	if (!first || first->out.record.t_ns > until_ns)
		return NULL;
	last = order->heap[--order->nr];
	while ((child = 2 * i + 1) < order->nr) {
		if (child + 1 < order->nr && before(order->heap[child + 1], order->heap[child]))
			child++;
		if (!before(order->heap[child], last))
			break;
		order->heap[i] = order->heap[child];
		i = child;
	}
	if (order->nr)
		order->heap[i] = last;
	return first;
}

void order_done(struct order *order)
{
	for (size_t i = 0; i < order->nr; i++)
		free(order->heap[i]);
	free(order->heap);
	*order = (struct order){0};
}
