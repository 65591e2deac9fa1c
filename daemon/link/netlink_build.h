/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the kernel as netlink messages. Pure. Each function returns a message that the caller
 * frees with nlmsg_free(), or NULL when out of memory. Sequence number and port are the sender's
 * business.
 */
#ifndef TDX_LPAGE_NETLINK_BUILD_H
#define TDX_LPAGE_NETLINK_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/link/link.h"

struct nl_msg;

/* Asks nlctrl for a family by name. */
struct nl_msg *lp_nl_build_getfamily(const char *name);

/* @family is the family's id; @vm_id 0 asks for all VMs in a dump. */
struct nl_msg *lp_nl_build_vm_get(uint16_t family, uint32_t vm_id);
struct nl_msg *lp_nl_build_region_get(uint16_t family, const struct lp_region_query *query);
/* No policy is sent if @limits sets nothing, and no lease if that is 0. */
struct nl_msg *lp_nl_build_policy_set(uint16_t family, uint32_t vm_id,
				      const struct lp_limits *limits, uint64_t lease_ns);
/* @op: KVM_LPAGE_OP_MERGE ... PROBE. */
struct nl_msg *lp_nl_build_range_op(uint16_t family, uint32_t vm_id, uint32_t op,
				    const struct lp_range *ranges, size_t nr_ranges,
				    uint64_t ttl_ns);

/* Is an operation within what the ABI allows? 0 or -EINVAL. */
int lp_range_op_check(uint32_t vm_id, uint32_t op, const struct lp_range *ranges, size_t nr_ranges,
		      uint64_t ttl_ns);
/* The same of a change of the admin's layer. */
bool lp_policy_set_ok(uint32_t vm_id, const struct lp_limits *limits, uint64_t lease_ns);

#endif
