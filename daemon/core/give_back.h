/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that are gone leave holes between what belongs to other VMs and to clients. Some time after a VM has gone, whole
 * pages of these holes are given back to the host: first, in slices, those of blocks.h, where everything lies that grows
 * with the VMs; then the process is told to do so for its heap.
 */
#ifndef TDX_LPAGE_CORE_GIVE_BACK_H
#define TDX_LPAGE_CORE_GIVE_BACK_H

#include "daemon/core/context.h"

/* A VM has gone. */
void give_back_soon(struct lp_manager *m);

void give_back_run(struct lp_manager *m);

/* Until it is to be called, by manager_clock(); NS_NEVER: nothing has gone. */
uint64_t give_back_left_ns(const struct lp_manager *m);

#endif
