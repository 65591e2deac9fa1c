/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading VMs and regions from the kernel, again and again. */
#ifndef TDX_LPAGE_CORE_SYNC_H
#define TDX_LPAGE_CORE_SYNC_H

#include "daemon/core/context.h"

/* Asks the link for what is due. */
void sync_run(struct lp_manager *m);
uint64_t sync_deadline_ns(const struct lp_manager *m);

/* What the link reports. */
void sync_regions(struct lp_manager *m, uint64_t tag, const struct lp_region_chunk *chunk);
void sync_dump_end(struct lp_manager *m, const struct lp_dump_end *end);
void sync_changed(struct lp_manager *m, uint32_t vm_id);
void sync_loss(struct lp_manager *m, enum lp_loss kind);

/* Has every VM of the first dump been read, or is it known that none can be? */
bool sync_settled(const struct lp_manager *m);

#endif
