/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that wait for fresh data: lp_core_ops.refresh and .refresh_cancel (snapshot.h). */
#ifndef TDX_LPAGE_CORE_REFRESH_H
#define TDX_LPAGE_CORE_REFRESH_H

#include "daemon/core/context.h"

/* -ENOTCONN without the family, -ESRCH for an unknown VM, -ENOMEM. */
int refresh_start(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx);
void refresh_cancel(struct lp_core *core, void *ctx);

/*
 * Answers the clients whose data has arrived, or could not be read. @error: 0, or a negative errno to
 * answer all of them with.
 */
void refresh_check(struct lp_manager *m, int error);

#endif
