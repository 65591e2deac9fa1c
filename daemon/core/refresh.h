/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who wait for fresh data: lp_core_ops.refresh and .refresh_cancel. */
#ifndef TDX_LPAGE_CORE_REFRESH_H
#define TDX_LPAGE_CORE_REFRESH_H

#include "daemon/core/context.h"

int refresh_start(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx);
void refresh_cancel(struct lp_core *core, void *ctx);

/* Answers those for whom the data is there, or cannot be had; all of them when @error is set. */
void refresh_check(struct lp_manager *m, int error);

#endif
