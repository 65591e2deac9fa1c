/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of an operation: to the policy, to watchers, to whoever waits. */
#ifndef TDX_LPAGE_CORE_OUTCOMES_H
#define TDX_LPAGE_CORE_OUTCOMES_H

#include "daemon/core/flights.h"

/* Reports one region of a merge to the policy. @ns: what it took, 0 when that is not known. */
void outcome_of_region(struct lp_manager *m, const struct flight *flight, uint64_t rfn,
		       enum lpage_reason reason, uint64_t ns);

/* The operation failed as a whole (negative errno). Drops the flight. */
void outcome_failed(struct lp_manager *m, struct flight *flight, int error, const char *text);

#endif
