// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink_build.h"
#include <tdx-lpage/base.h>

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "daemon/link/netlink_attrs.h"

/* The kernel refuses other holds and leases: a forgotten one must end, and a short one is a mistake. */
#define TTL_MIN_NS NS_PER_S
#define TTL_MAX_NS (3600 * NS_PER_S)

/* An unsigned number of the attribute type "uint": as short as it can be. */
static int put_uint(struct nl_msg *msg, int type, uint64_t value)
{
	return value > UINT32_MAX ? nla_put_u64(msg, type, value) :
				    nla_put_u32(msg, type, (uint32_t)value);
}

static struct nl_msg *new_request(uint16_t family, uint8_t version, int flags, uint8_t cmd)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg)
		return NULL;
	if (genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, cmd, version))
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static struct nl_msg *new_call(uint16_t family, uint8_t cmd)
{
	return new_request(family, KVM_LPAGE_FAMILY_VERSION, NLM_F_ACK, cmd);
}

/* Returns @msg, or NULL when something did not fit. */
static struct nl_msg *finish(struct nl_msg *msg, int error)
{
	if (!error)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

struct nl_msg *lp_nl_build_getfamily(const char *name)
{
	struct nl_msg *msg = new_request(GENL_ID_CTRL, 2, NLM_F_ACK, CTRL_CMD_GETFAMILY);

	return msg ? finish(msg, nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name)) : NULL;
}

struct nl_msg *lp_nl_build_vm_get(uint16_t family, uint32_t vm_id)
{
	struct nl_msg *msg;

	if (!vm_id)
		return new_request(family, KVM_LPAGE_FAMILY_VERSION, NLM_F_DUMP,
				   KVM_LPAGE_CMD_VM_GET);
	msg = new_call(family, KVM_LPAGE_CMD_VM_GET);
	return msg ? finish(msg, nla_put_u32(msg, KVM_LPAGE_A_VM_ID, vm_id)) : NULL;
}

struct nl_msg *lp_nl_build_region_get(uint16_t family, const struct lp_region_query *query)
{
	struct nl_msg *msg =
		new_request(family, KVM_LPAGE_FAMILY_VERSION, NLM_F_DUMP, KVM_LPAGE_CMD_REGION_GET);
	int r;

	if (!msg)
		return NULL;
	r = nla_put_u32(msg, KVM_LPAGE_A_REGION_DUMP_VM_ID, query->vm_id);
	if (query->start_rfn)
		r |= put_uint(msg, KVM_LPAGE_A_REGION_DUMP_START_RFN, query->start_rfn);
	if (query->nr_regions)
		r |= put_uint(msg, KVM_LPAGE_A_REGION_DUMP_NR_REGIONS, query->nr_regions);
	if (query->since)
		r |= nla_put_u64(msg, KVM_LPAGE_A_REGION_DUMP_SINCE, query->since);
	if (query->states)
		r |= nla_put_u32(msg, KVM_LPAGE_A_REGION_DUMP_STATES, query->states);
	if (query->present)
		r |= nla_put_flag(msg, KVM_LPAGE_A_REGION_DUMP_PRESENT);
	r |= nla_put_u32(msg, KVM_LPAGE_A_REGION_DUMP_LEVEL, KVM_LPAGE_LEVEL_2M);
	return finish(msg, r);
}

static int put_limits(struct nl_msg *msg, const struct lp_limits *limits)
{
	struct nlattr *nest = nla_nest_start(msg, KVM_LPAGE_A_POLICY_CHANGE_POLICY | NLA_F_NESTED);
	int r = 0;

	if (!nest)
		return -1;
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_MODE))
		r |= nla_put_u32(msg, KVM_LPAGE_A_POLICY_MODE, limits->mode);
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_MIN_QUIET_NS))
		r |= put_uint(msg, KVM_LPAGE_A_POLICY_MIN_QUIET_NS, limits->min_quiet_ns);
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_RATE))
		r |= nla_put_u32(msg, KVM_LPAGE_A_POLICY_RATE, limits->rate_per_s);
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_BURST))
		r |= nla_put_u32(msg, KVM_LPAGE_A_POLICY_BURST, limits->burst_regions);
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_BATCH))
		r |= nla_put_u32(msg, KVM_LPAGE_A_POLICY_BATCH, limits->batch_regions);
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_MAX_STALL_NS))
		r |= put_uint(msg, KVM_LPAGE_A_POLICY_MAX_STALL_NS, limits->max_stall_ns);
	if (limits->set & LP_LIMIT(KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS))
		r |= put_uint(msg, KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS,
			      limits->notify_interval_ns);
	nla_nest_end(msg, nest);
	return r;
}

bool lp_policy_set_ok(uint32_t vm_id, const struct lp_limits *limits, uint64_t lease_ns)
{
	bool lease_ok = !lease_ns || (lease_ns >= TTL_MIN_NS && lease_ns <= TTL_MAX_NS);

	return vm_id && lease_ok && (limits->set || lease_ns);
}

struct nl_msg *lp_nl_build_policy_set(uint16_t family, uint32_t vm_id,
				      const struct lp_limits *limits, uint64_t lease_ns)
{
	struct nl_msg *msg = new_call(family, KVM_LPAGE_CMD_POLICY_SET);
	int r;

	if (!msg)
		return NULL;
	r = nla_put_u32(msg, KVM_LPAGE_A_POLICY_CHANGE_VM_ID, vm_id);
	if (limits->set)
		r |= put_limits(msg, limits);
	if (lease_ns)
		r |= put_uint(msg, KVM_LPAGE_A_POLICY_CHANGE_LEASE_NS, lease_ns);
	return finish(msg, r);
}

static int put_range(struct nl_msg *msg, const struct lp_range *range)
{
	struct nlattr *nest = nla_nest_start(msg, KVM_LPAGE_A_REQUEST_RANGE | NLA_F_NESTED);
	int r;

	if (!nest)
		return -1;
	r = put_uint(msg, KVM_LPAGE_A_RANGE_START_RFN, range->start_rfn);
	r |= nla_put_u32(msg, KVM_LPAGE_A_RANGE_NR_REGIONS, range->nr_regions);
	r |= nla_put_u32(msg, KVM_LPAGE_A_RANGE_LEVEL, KVM_LPAGE_LEVEL_2M);
	nla_nest_end(msg, nest);
	return r;
}

static int command_of(uint32_t op)
{
	switch (op) {
	case KVM_LPAGE_OP_MERGE:
		return KVM_LPAGE_CMD_MERGE;
	case KVM_LPAGE_OP_SPLIT:
		return KVM_LPAGE_CMD_SPLIT;
	case KVM_LPAGE_OP_HOLD:
		return KVM_LPAGE_CMD_HOLD;
	case KVM_LPAGE_OP_RELEASE:
		return KVM_LPAGE_CMD_RELEASE;
	case KVM_LPAGE_OP_PROBE:
		return KVM_LPAGE_CMD_PROBE;
	}
	return -EINVAL;
}

static bool time_ok(uint32_t op, uint64_t ttl_ns)
{
	switch (op) {
	case KVM_LPAGE_OP_HOLD:
		return ttl_ns >= TTL_MIN_NS && ttl_ns <= TTL_MAX_NS;
	case KVM_LPAGE_OP_PROBE:
		return ttl_ns >= KVM_LPAGE_PROBE_WINDOW_MIN_NS &&
		       ttl_ns <= KVM_LPAGE_PROBE_WINDOW_MAX_NS;
	}
	return ttl_ns == 0;
}

int lp_range_op_check(uint32_t vm_id, uint32_t op, const struct lp_range *ranges, size_t nr_ranges,
		      uint64_t ttl_ns)
{
	uint32_t nr_regions = 0;

	if (!vm_id || command_of(op) < 0 || !nr_ranges || nr_ranges > KVM_LPAGE_RANGES_MAX)
		return -EINVAL;
	if (!time_ok(op, ttl_ns))
		return -EINVAL;
	for (size_t i = 0; i < nr_ranges; i++) {
		if (!ranges[i].nr_regions || ranges[i].nr_regions > KVM_LPAGE_RANGE_REGIONS_MAX)
			return -EINVAL;
		if (ranges[i].start_rfn > LP_RFN_END - ranges[i].nr_regions)
			return -EINVAL;
		nr_regions += ranges[i].nr_regions;
	}
	return op == KVM_LPAGE_OP_PROBE && nr_regions > KVM_LPAGE_PROBES_MAX ? -EINVAL : 0;
}

struct nl_msg *lp_nl_build_range_op(uint16_t family, uint32_t vm_id, uint32_t op,
				    const struct lp_range *ranges, size_t nr_ranges,
				    uint64_t ttl_ns)
{
	struct nl_msg *msg = new_call(family, (uint8_t)command_of(op));
	int r;

	if (!msg)
		return NULL;
	r = nla_put_u32(msg, KVM_LPAGE_A_REQUEST_VM_ID, vm_id);
	for (size_t i = 0; i < nr_ranges && !r; i++)
		r = put_range(msg, &ranges[i]);
	if (ttl_ns)
		r |= put_uint(msg,
			      op == KVM_LPAGE_OP_PROBE ? KVM_LPAGE_A_REQUEST_WINDOW_NS :
							 KVM_LPAGE_A_REQUEST_TTL_NS,
			      ttl_ns);
	return finish(msg, r);
}
