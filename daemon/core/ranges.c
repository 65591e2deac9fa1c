// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/ranges.h"

#include <errno.h>
#include <stdlib.h>

#define PPM UINT64_C(1000000)

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Adds @rfn to the range if it is in it or follows it. */
static bool extend(struct lp_range *range, uint64_t rfn)
{
	uint64_t end_rfn = range->start_rfn + range->nr_regions;

	if (rfn + 1 == end_rfn)
		return true;
	if (rfn != end_rfn || range->nr_regions == KVM_LPAGE_RANGE_REGIONS_MAX)
		return false;
	range->nr_regions++;
	return true;
}

int lp_ranges_build(uint64_t *rfns, size_t nr, struct lp_range *ret)
{
	int count = 0;

	qsort(rfns, nr, sizeof(*rfns), compare);
	for (size_t i = 0; i < nr; i++) {
		if (count && extend(&ret[count - 1], rfns[i]))
			continue;
		if (count == KVM_LPAGE_RANGES_MAX)
			return -E2BIG;
		ret[count++] = (struct lp_range){rfns[i], 1};
	}
	return count;
}

enum lp_verdict lp_result_verdict(const struct lp_result *result, uint64_t rfn)
{
	if (!result->refused && result->done)
		return LP_VERDICT_DONE;
	if (result->refused && rfn == result->reason_rfn)
		return LP_VERDICT_REFUSED;
	/* All were refused: assume the same reason for each. */
	if (result->refused && !result->done)
		return LP_VERDICT_REFUSED;
	if (result->refused == 1 && result->done + 1 == result->nr_regions)
		return LP_VERDICT_DONE;
	return LP_VERDICT_UNKNOWN;
}

uint64_t lp_coverage_ppm(uint64_t large, uint64_t table)
{
	/* At most 2^43 regions: no overflow. */
	return large + table ? large * PPM / (large + table) : UINT64_MAX;
}
