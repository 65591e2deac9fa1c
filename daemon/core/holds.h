/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holds of whole VMs, by several owners. snapshot.h has the contract. */
#ifndef TDX_LPAGE_CORE_HOLDS_H
#define TDX_LPAGE_CORE_HOLDS_H

#include "daemon/core/snapshot.h"

struct lp_manager;

int holds_start(struct lp_core *core, uint32_t vm_id, const char *owner, uint64_t for_ns,
		lp_hold_cb ended, void *ctx);
void holds_cancel(struct lp_core *core, void *ctx);
int holds_release(struct lp_core *core, uint32_t vm_id, const char *owner);

/* Ends the holds whose time is over, and those of VMs that are gone. */
void holds_run(struct lp_manager *m);

#endif
