/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches of the policy, sent to the link. */
#ifndef TDX_LPAGE_CORE_ACTIONS_H
#define TDX_LPAGE_CORE_ACTIONS_H

#include "daemon/core/context.h"

/* Times out flights, then sends some of the batches that are due and within the limits. */
void actions_run(struct lp_manager *m);

/* When to call it next, NS_NEVER: on the next event. */
uint64_t actions_deadline_ns(const struct lp_manager *m);

/* The kernel has queued the operation, or refused the request (negative errno). */
void actions_sent(struct lp_manager *m, uint64_t tag, int error, const char *text);

#endif
