/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When something is to be done for each VM, so that a turn of the event loop looks only at those for which
 * something is. Whoever changes what that depends on (struct vm_sync, vm_limits, vm_trouble, the gate) calls
 * due_touch().
 */
#ifndef TDX_LPAGE_CORE_DUE_H
#define TDX_LPAGE_CORE_DUE_H

#include "daemon/core/context.h"

/* A VM that is about to be entered into m->vms: -ENOMEM. Touched until it has been looked at. */
int due_add(struct lp_manager *m, struct vm_entry *vm);
void due_remove(struct lp_manager *m, struct vm_entry *vm);

/* It is looked at in the next turn, those touched first before others. */
void due_touch(struct lp_manager *m, struct vm_entry *vm);

/* When the first one is due, those that are parked aside; NS_NEVER: there is none. */
uint64_t due_first_ns(const struct lp_manager *m);

/* The next one to look at, one that is parked first, if the link has room; NULL: none is due. */
struct vm_entry *due_next(struct lp_manager *m, uint64_t now_ns);

/* It has been looked at: when it is to be the next time; or as soon as the link has room. */
void due_again(struct lp_manager *m, struct vm_entry *vm, uint64_t due_ns);
void due_park(struct lp_manager *m, struct vm_entry *vm);

#endif
