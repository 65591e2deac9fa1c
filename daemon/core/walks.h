/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on every VM, in slices: the event loop has other things to do in between. */
#ifndef TDX_LPAGE_CORE_WALKS_H
#define TDX_LPAGE_CORE_WALKS_H

#include "daemon/core/context.h"

/* VMs of each walk per turn of the event loop. */
#define WALK_SLICE 128

/*
 * Calls @each for every VM that is there now (for WALK_LOST also for those that are lost), in ascending order of ids, then @done (may be NULL). The
 * first slice is done before it returns, so that nobody waits on a host of few VMs. One that is under
 * way goes on, and comes to all VMs anew: @each has to be the same, and may remove its VM.
 */
void walk_begin(struct lp_manager *m, enum walk_id id, walk_each_fn each, walk_done_fn done);

/* Goes on with those that are not over. */
void walks_run(struct lp_manager *m);

bool walks_pending(const struct lp_manager *m);

#endif
