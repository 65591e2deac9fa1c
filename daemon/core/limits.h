/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits of the admin's layer, written to the kernel. */
#ifndef TDX_LPAGE_CORE_LIMITS_H
#define TDX_LPAGE_CORE_LIMITS_H

#include "daemon/core/vm.h"

/* The rule of the VM may have changed: are its limits in the kernel? */
void limits_want(struct lp_manager *m, struct vm_entry *vm);
void limits_push(struct lp_manager *m, struct vm_entry *vm);

/* The link's answer to that. */
void limits_pushed(struct lp_manager *m, uint64_t tag, uint32_t vm_id, int error, const char *text);

/* Somebody changed them. */
void limits_changed(struct lp_manager *m, const struct lp_policy_change *change);

#endif
