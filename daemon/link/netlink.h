/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link to the running kernel, through the generic netlink family kvm-lpage. */
#ifndef TDX_LPAGE_NETLINK_H
#define TDX_LPAGE_NETLINK_H

#include "daemon/link/link.h"

/*
 * Makes a link whose callbacks come from @base, which must outlive it. Nothing is opened before
 * ops->start, which fails with the negative errno of socket(2) and the like. NULL: out of memory.
 * @clock_offset_ns: by how much CLOCK_MONOTONIC is ahead of the kernel's, in a time namespace.
 */
struct lp_link *lp_netlink_new(struct event_base *base, int64_t clock_offset_ns);

#endif
