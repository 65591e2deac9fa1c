/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports of operations, from the link to tallies, costs and outcomes. */
#ifndef TDX_LPAGE_CORE_RESULTS_H
#define TDX_LPAGE_CORE_RESULTS_H

#include "daemon/core/context.h"

/*
 * Takes a report: of a flight, which it ends unless outcomes are left open, or of an operation that
 * another process requested, of which only watchers hear. Ignores results for ranges not asked for.
 */
void results_done(struct lp_manager *m, const struct lp_done *done);

#endif
