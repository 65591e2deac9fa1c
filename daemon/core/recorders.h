/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that record what the link reports: `tdx-lpctl record`. */
#ifndef TDX_LPAGE_CORE_RECORDERS_H
#define TDX_LPAGE_CORE_RECORDERS_H

#include <stdint.h>

#include "daemon/core/snapshot.h"

struct lp_manager;

/* Call every recorder; what they point to is valid during the call only. */
void recorders_notify_vm(struct lp_manager *m, uint32_t vm_id, enum lp_record_kind kind);
void recorders_notify_regions(struct lp_manager *m, const struct lp_region_chunk *chunk);
void recorders_notify_loss(struct lp_manager *m);

/* lp_core_ops.record and .unrecord; -ENOMEM. In a callback a recorder may remove itself, no other. */
int recorders_add(struct lp_core *core, lp_record_cb cb, void *ctx);
void recorders_remove(struct lp_core *core, lp_record_cb cb, void *ctx);

void recorders_drop_all(struct lp_manager *m);

#endif
