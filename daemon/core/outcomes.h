/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outcomes, passed to the policy, to watchers and to the client that waits. */
#ifndef TDX_LPAGE_CORE_OUTCOMES_H
#define TDX_LPAGE_CORE_OUTCOMES_H

#include "daemon/core/flights.h"

/* Passes the outcome of one region to the policy, if a merge. @ns: its cost, 0: unknown. */
void outcome_of_region(struct lp_manager *m, const struct flight *flight, uint64_t rfn,
		       enum lpage_reason reason, uint64_t ns);

/* The operation failed as a whole (negative errno; @text: one line for people). Drops the flight. */
void outcome_failed(struct lp_manager *m, struct flight *flight, int error, const char *text);

#endif
