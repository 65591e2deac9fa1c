/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions as ranges, and outcomes of ranges as outcomes of regions. Pure. */
#ifndef TDX_LPAGE_CORE_RANGES_H
#define TDX_LPAGE_CORE_RANGES_H

#include "daemon/link/link.h"

/*
 * Sorts @rfns and joins neighbours to at most KVM_LPAGE_RANGES_MAX ranges.
 * A region that is there twice counts once. Returns the number of ranges, or -E2BIG.
 */
int lp_ranges_build(uint64_t *rfns, size_t nr, struct lp_range *ret);

/* What a result says of one of its regions. */
enum lp_verdict {
	LP_VERDICT_DONE,
	LP_VERDICT_REFUSED, /* for the result's reason */
	LP_VERDICT_UNKNOWN, /* several were refused, only the first of them is named */
};

/* @rfn must lie in the result's range. */
enum lp_verdict lp_result_verdict(const struct lp_result *result, uint64_t rfn);

/* large / (large + table) in millionths; UINT64_MAX when nothing is mapped. */
uint64_t lp_coverage_ppm(uint64_t large, uint64_t table);

#endif
