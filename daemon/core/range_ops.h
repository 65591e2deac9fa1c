/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations that clients request: lp_core_ops.range_op and .range_op_cancel (snapshot.h). */
#ifndef TDX_LPAGE_CORE_RANGE_OPS_H
#define TDX_LPAGE_CORE_RANGE_OPS_H

#include "daemon/core/context.h"

/*
 * -ENOTCONN without the family, -ESRCH for an unknown VM, -EPERM under dry-run, -EINVAL for a bad
 * number of ranges, -ENOMEM, or the link's error.
 */
int range_ops_start(struct lp_core *core, uint32_t vm_id, uint32_t op,
		    const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns, lp_op_cb cb,
		    void *ctx);
void range_ops_cancel(struct lp_core *core, void *ctx);

#endif
