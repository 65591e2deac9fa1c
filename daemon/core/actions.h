/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the policy finds due, asked of the link. */
#ifndef TDX_LPAGE_CORE_ACTIONS_H
#define TDX_LPAGE_CORE_ACTIONS_H

#include "daemon/core/context.h"

/* Ends what has waited too long, then asks for all that is due and within the limits. */
void actions_run(struct lp_manager *m);
uint64_t actions_deadline_ns(const struct lp_manager *m);

/* The kernel has queued the operation, or refused to (negative errno). */
void actions_sent(struct lp_manager *m, uint64_t tag, int error, const char *text);

#endif
