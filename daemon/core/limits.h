/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits of the admin layer, as the rule has them, written to the kernel. */
#ifndef TDX_LPAGE_CORE_LIMITS_H
#define TDX_LPAGE_CORE_LIMITS_H

#include "daemon/core/vm.h"

/* The rule or dry-run may have changed: marks the VM if its limits have to be written. */
void limits_want(struct lp_manager *m, struct vm_entry *vm);

/* The VM is new to the daemon: takes what is in force for what a daemon has written before. */
void limits_found(struct lp_manager *m, struct vm_entry *vm);

/* When limits_push() is to be called: 0 at once, NS_NEVER not before something changes. */
uint64_t limits_due_ns(const struct vm_entry *vm);

/* A full description of the VM says how much is left of the lease. */
void limits_lease_read(struct vm_entry *vm, uint64_t now_ns);

/* Writes the limits of a VM that is marked, and renews the lease. */
void limits_push(struct lp_manager *m, struct vm_entry *vm);

/* The kernel has taken them, or refused them (negative errno): then they are written again later. */
void limits_pushed(struct lp_manager *m, uint64_t tag, uint32_t vm_id, int error, const char *text);

/* The kernel reports a change, by the daemon or by another process. */
void limits_changed(struct lp_manager *m, const struct lp_policy_change *change);

/* The VM was described in full, as asked for at .sync.stats_asked_ns. */
void limits_check(struct lp_manager *m, struct vm_entry *vm);

#endif
