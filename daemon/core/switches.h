/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients switch: pause, dry-run, the configuration. snapshot.h has the contract. */
#ifndef TDX_LPAGE_CORE_SWITCHES_H
#define TDX_LPAGE_CORE_SWITCHES_H

#include "daemon/core/snapshot.h"

int switches_set_paused(struct lp_core *core, uint32_t vm_id, bool paused, uint64_t for_ns);
int switches_set_dry_run(struct lp_core *core, bool dry_run);
int switches_reload(struct lp_core *core, char **ret_text);

struct lp_manager;

/* Ends the pauses whose time is over. */
void switches_run(struct lp_manager *m);

#endif
