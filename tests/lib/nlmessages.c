// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/nlmessages.h"

#include <linux/kvm_lpage.h>

static void build_limits(struct nlbuild *b, uint16_t type)
{
	size_t nest = nlb_nest(b, type);

	nlb_u32(b, KVM_LPAGE_A_POLICY_MODE, KVM_LPAGE_MODE_MANAGED);
	nlb_u64(b, KVM_LPAGE_A_POLICY_MIN_QUIET_NS, 5000000000);
	nlb_u32(b, KVM_LPAGE_A_POLICY_MAX_STALL_NS, 2000000);
	nlb_u32(b, KVM_LPAGE_A_POLICY_BATCH, 32);
	nlb_end(b, nest);
}

void nlb_msg_vm(struct nlbuild *b)
{
	nlb_start(b, NLB_FAMILY, KVM_LPAGE_CMD_VM_GET, 1);
	nlb_u32(b, KVM_LPAGE_A_VM_ID, 7);
	nlb_string(b, KVM_LPAGE_A_VM_NAME, "db-1@site:a+b");
	nlb_u32(b, KVM_LPAGE_A_VM_PID, 4711);
	nlb_u64(b, KVM_LPAGE_A_VM_PID_START_NS, 123456789012);
	nlb_u64(b, KVM_LPAGE_A_VM_CGROUP_ID, 99);
	nlb_u32(b, KVM_LPAGE_A_VM_TYPE, 5);
	nlb_u32(b, KVM_LPAGE_A_VM_MEMORY_PAGES, 2097152);
	nlb_flag(b, KVM_LPAGE_A_VM_RUNNING);
	build_limits(b, KVM_LPAGE_A_VM_POLICY);
	nlb_u64(b, KVM_LPAGE_A_VM_GENERATION, 1ULL << 40);
	nlb_u64(b, KVM_LPAGE_A_VM_LARGE, 1ULL << 33);
	nlb_u32(b, KVM_LPAGE_A_VM_TABLE, 3);
	nlb_u32(b, KVM_LPAGE_A_VM_CHUNKS, 8);
}

void nlb_msg_region(struct nlbuild *b, uint64_t rfn, uint32_t state)
{
	size_t nest = nlb_nest(b, KVM_LPAGE_A_REGION_DUMP_REGION);

	nlb_u64(b, KVM_LPAGE_A_REGION_RFN, rfn);
	nlb_u32(b, KVM_LPAGE_A_REGION_STATE, state);
	nlb_flag(b, KVM_LPAGE_A_REGION_INHIBITED);
	nlb_u64(b, KVM_LPAGE_A_REGION_HOLD_ADMIN_NS, UINT64_MAX);
	nlb_u32(b, KVM_LPAGE_A_REGION_TO_SHARED_EVENTS, 12);
	nlb_u64(b, KVM_LPAGE_A_REGION_LAST_TO_PRIVATE_NS, 77);
	nlb_end(b, nest);
}

void nlb_msg_regions(struct nlbuild *b)
{
	nlb_start(b, NLB_FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
	nlb_u32(b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 7);
	nlb_u64(b, KVM_LPAGE_A_REGION_DUMP_GENERATION, 10);
	nlb_u64(b, KVM_LPAGE_A_REGION_DUMP_RESYNC_GENERATION, 2);
	nlb_msg_region(b, 5, KVM_LPAGE_STATE_TABLE);
	nlb_msg_region(b, 6, KVM_LPAGE_STATE_MIXED);
}

void nlb_msg_done(struct nlbuild *b)
{
	size_t nest;

	nlb_start(b, NLB_FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(b, KVM_LPAGE_A_REQUEST_VM_ID, 7);
	nlb_u64(b, KVM_LPAGE_A_REQUEST_COOKIE, 4);
	nlb_u32(b, KVM_LPAGE_A_REQUEST_OP, KVM_LPAGE_OP_MERGE);
	nest = nlb_nest(b, KVM_LPAGE_A_REQUEST_RESULT);
	nlb_u32(b, KVM_LPAGE_A_RESULT_START_RFN, 5);
	nlb_u32(b, KVM_LPAGE_A_RESULT_NR_REGIONS, 3);
	nlb_u32(b, KVM_LPAGE_A_RESULT_DONE, 2);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REFUSED, 1);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON, KVM_LPAGE_REASON_HELD);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON_RFN, 6);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON_LAYER, KVM_LPAGE_LAYER_VMM);
	nlb_u32(b, KVM_LPAGE_A_RESULT_NS, 90000);
	nlb_end(b, nest);
	nest = nlb_nest(b, KVM_LPAGE_A_REQUEST_RESULT);
	nlb_u32(b, KVM_LPAGE_A_RESULT_START_RFN, 9);
	nlb_u32(b, KVM_LPAGE_A_RESULT_DONE, 1);
	nlb_end(b, nest);
	nest = nlb_nest(b, KVM_LPAGE_A_REQUEST_BATCH);
	nlb_u32(b, KVM_LPAGE_A_BATCH_REGIONS, 3);
	nlb_u32(b, KVM_LPAGE_A_BATCH_MERGED, 3);
	nlb_u32(b, KVM_LPAGE_A_BATCH_STALL_NS, 40000);
	nlb_end(b, nest);
}

/* Adds a region of a probe. */
void nlb_msg_probed(struct nlbuild *b, uint32_t rfn, bool touched, uint64_t first_ns,
		    uint32_t reason)
{
	size_t nest = nlb_nest(b, KVM_LPAGE_A_REQUEST_PROBED);

	nlb_u32(b, KVM_LPAGE_A_PROBED_RFN, rfn);
	if (touched)
		nlb_flag(b, KVM_LPAGE_A_PROBED_TOUCHED);
	if (first_ns)
		nlb_u64(b, KVM_LPAGE_A_PROBED_FIRST_TOUCH_NS, first_ns);
	if (reason)
		nlb_u32(b, KVM_LPAGE_A_PROBED_REASON, reason);
	nlb_end(b, nest);
}

void nlb_msg_start_probe(struct nlbuild *b)
{
	nlb_start(b, NLB_FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(b, KVM_LPAGE_A_REQUEST_VM_ID, 7);
	nlb_u64(b, KVM_LPAGE_A_REQUEST_COOKIE, 5);
	nlb_u32(b, KVM_LPAGE_A_REQUEST_OP, KVM_LPAGE_OP_PROBE);
}

void nlb_msg_probe(struct nlbuild *b)
{
	size_t nest;

	nlb_msg_start_probe(b);
	nest = nlb_nest(b, KVM_LPAGE_A_REQUEST_RESULT);
	nlb_u32(b, KVM_LPAGE_A_RESULT_START_RFN, 5);
	nlb_u32(b, KVM_LPAGE_A_RESULT_NR_REGIONS, 3);
	nlb_u32(b, KVM_LPAGE_A_RESULT_DONE, 2);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REFUSED, 1);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON, KVM_LPAGE_REASON_CANCELLED);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON_RFN, 7);
	nlb_end(b, nest);
	nlb_msg_probed(b, 5, true, 123456789012, 0);
	nlb_msg_probed(b, 6, false, 0, 0);
	nlb_msg_probed(b, 7, false, 0, KVM_LPAGE_REASON_CANCELLED);
}

void nlb_msg_change(struct nlbuild *b)
{
	nlb_start(b, NLB_FAMILY, KVM_LPAGE_CMD_POLICY_NTF, 0);
	nlb_u32(b, KVM_LPAGE_A_POLICY_CHANGE_VM_ID, 7);
	nlb_u32(b, KVM_LPAGE_A_POLICY_CHANGE_LAYER, KVM_LPAGE_LAYER_ADMIN);
	nlb_u32(b, KVM_LPAGE_A_POLICY_CHANGE_PID, 1234);
	build_limits(b, KVM_LPAGE_A_POLICY_CHANGE_POLICY);
}
