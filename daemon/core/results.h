/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link's report of an operation: tallies, costs, and outcomes. */
#ifndef TDX_LPAGE_CORE_RESULTS_H
#define TDX_LPAGE_CORE_RESULTS_H

#include "daemon/core/context.h"

void results_done(struct lp_manager *m, const struct lp_done *done);

#endif
