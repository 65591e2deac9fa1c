/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that are gone leave holes in the heap, with what is left of other VMs and of clients in between. The
 * process is told some time after a VM has gone, to give whole pages of them back to the host.
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
