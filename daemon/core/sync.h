/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the view of VMs and regions in sync with the kernel: dumps, changes, lost events. */
#ifndef TDX_LPAGE_CORE_SYNC_H
#define TDX_LPAGE_CORE_SYNC_H

#include "daemon/core/context.h"

/* Sends the requests that are due. */
void sync_run(struct lp_manager *m);

/* When to call it next, NS_NEVER: on the next event. */
uint64_t sync_deadline_ns(const struct lp_manager *m);

/* Events of the link. Those of a dump with an unknown tag are ignored. */
void sync_regions(struct lp_manager *m, uint64_t tag, const struct lp_region_chunk *chunk);
void sync_dump_end(struct lp_manager *m, const struct lp_dump_end *end);
void sync_changed(struct lp_manager *m, uint32_t vm_id);
void sync_loss(struct lp_manager *m, enum lp_loss kind);

/*
 * The daemon was kept from running: what it knows is old. No merges until what changed meanwhile has
 * been read.
 */
void sync_behind(struct lp_manager *m);

/* Has every VM of the first dump been read, or failed to be? Also true when nothing can be read. */
bool sync_settled(struct lp_manager *m);

#endif
