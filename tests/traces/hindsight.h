/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What policies that know a trace beforehand pay for it: each region, or all regions of a kind in a VM, or all of
 * the trace have the fixed threshold that turned out best. They see what the daemon sees: a threshold counts
 * from when the pages came back, and a try before they are accepted is refused, charged, and made again at
 * twice that age.
 */
#ifndef TDX_LPAGE_TESTS_HINDSIGHT_H
#define TDX_LPAGE_TESTS_HINDSIGHT_H

#include <stddef.h>

#include "daemon/trace/model.h"

struct hindsight {
	double regions; /* ns */
	double kinds;
	double fixed; /* thresholds as multiples of each VM's break-even time */
	/* Called for each interval as it ends; may be NULL. */
	void (*interval)(void *ctx, const struct model_vm *vm, uint64_t rfn,
			 const struct model_region *region, uint64_t end_ns);
	void *ctx;
};

/* Reads a trace and the comments in which its generator says what each region is. Negative errno. */
int hindsight_run(struct hindsight *hindsight, const char *text, size_t len);

#endif
