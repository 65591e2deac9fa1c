/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watermarks: no merges are begun while the host is short of memory or CPU, by the kernel's pressure stall
 * information. Above a limit of the configuration the gate shuts, below half of all limits it opens.
 *
 * Read at most every two seconds, as often as the kernel averages: when a merge is due, or while the gate is
 * shut. An idle host, or one without limits, is never woken for it.
 */
#ifndef TDX_LPAGE_CORE_PRESSURE_H
#define TDX_LPAGE_CORE_PRESSURE_H

#include "daemon/core/context.h"

void pressure_init(struct lp_manager *m);

/* The limits may be others: they are looked at anew. */
void pressure_apply_config(struct lp_manager *m);

/* Looks, if it is time to, and opens or shuts the gate. */
void pressure_run(struct lp_manager *m);

/* Until the next look, by manager_clock(); NS_NEVER: none is due by itself. */
uint64_t pressure_left_ns(const struct lp_manager *m);

/* What it knows, and the free blocks of the host. */
void pressure_view(const struct lp_manager *m, struct lp_status *ret);

/* The gate is shut: why. */
void pressure_explain(const struct lp_manager *m, struct lp_explain *ret);

#endif
