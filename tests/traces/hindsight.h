/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What policies that know a trace beforehand pay for it: each region, or all regions of a kind in a VM, or all of
 * the trace have the fixed threshold that turned out best. They see what the daemon sees: a threshold counts
 * from when the pages came back, and a try before they are accepted is refused, charged, and made again at
 * twice that age.
 *
 * Who knows the kinds knows more than can be known: nothing tells what a region is before its first interval is over,
 * and nobody knows when a guest ends. Two bounds leave that out:
 *  - later: told the kind of a region after its first interval. First intervals of a VM have a threshold for each class
 *    that the policy can see beforehand: how many pages were converted, and for how long.
 *  - pool: the same with thresholds that are the best for all traces together, not for each VM of each trace. It
 *    knows what traces are like, but none of them.
 */
#ifndef TDX_LPAGE_TESTS_HINDSIGHT_H
#define TDX_LPAGE_TESTS_HINDSIGHT_H

#include <stddef.h>

#include "daemon/trace/model.h"

struct hindsight {
	double regions; /* ns */
	double kinds;
	double later;
	double fixed; /* thresholds as multiples of each VM's break-even time */
	/* Called for each interval as it ends; may be NULL. */
	void (*interval)(void *ctx, const struct model_vm *vm, uint64_t rfn,
			 const struct model_region *region, uint64_t end_ns);
	void *ctx;
	struct hindsight_pool *pool; /* NULL: none. Traces add to it */
};

struct hindsight_pool *hindsight_pool_new(void);
void hindsight_pool_free(struct hindsight_pool *pool);

/* What the best thresholds for all traces added would have cost. ns. */
double hindsight_pool_cost(const struct hindsight_pool *pool);

/* Reads a trace and the comments in which its generator says what each region is. Negative errno. */
int hindsight_run(struct hindsight *hindsight, const char *text, size_t len);

#endif
