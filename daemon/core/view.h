/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients see: the lp_core_ops that change nothing. snapshot.h has the contract. */
#ifndef TDX_LPAGE_CORE_VIEW_H
#define TDX_LPAGE_CORE_VIEW_H

#include "daemon/core/snapshot.h"

void view_status(const struct lp_core *core, struct lp_status *ret);
size_t view_vm_ids(const struct lp_core *core, uint32_t first, uint32_t *ids, size_t capacity);
int view_vm(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret);
int view_regions(const struct lp_core *core, uint32_t vm_id, const struct lp_region_filter *filter,
		 lp_region_cb cb, void *ctx, uint64_t *ret_next);
int view_explain(const struct lp_core *core, uint32_t vm_id, uint64_t rfn, struct lp_explain *ret);
const struct config *view_config(const struct lp_core *core);

#endif
