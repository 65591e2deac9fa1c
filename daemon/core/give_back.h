/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that are gone leave holes between what is left of other VMs and of clients. Some time after a VM has gone, whole
 * pages of them are given back to the host: those of blocks.h, where all lies that grows with the VMs, in slices; then the
 * process is told, for those of its heap.
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
