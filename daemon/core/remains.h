/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of VMs that are gone, and of shadow policies that have ended: it grows with the guests, so it is freed in slices,
 * one per turn of the event loop. Nobody finds those VMs any more; another one may have their id.
 */
#ifndef TDX_LPAGE_CORE_REMAINS_H
#define TDX_LPAGE_CORE_REMAINS_H

#include "daemon/core/context.h"

/* Takes over a VM that is in no list or heap any more, and that the policies have been told of. */
void remains_add_vm(struct lp_manager *m, struct vm_entry *vm);

/* Takes over a policy. */
void remains_add_policy(struct lp_manager *m, struct policy *policy);

/* Frees a slice. */
void remains_run(struct lp_manager *m);

/* Memory of shadow policies that have ended: of the shadow there is, as it is shown. */
size_t remains_policy_bytes(const struct lp_manager *m);

/* Frees all of it. */
void remains_done(struct lp_manager *m);

#endif
