// SPDX-License-Identifier: GPL-2.0-or-later
/* The parser of netlink messages: what it takes, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/link/netlink_parse.h"
#include "tests/lib/nlbuild.h"

#define FAMILY 30

/* ---- messages ---- */

static void build_limits(struct nlbuild *b, uint16_t type)
{
	size_t nest = nlb_nest(b, type);

	nlb_u32(b, KVM_LPAGE_A_POLICY_MODE, KVM_LPAGE_MODE_MANAGED);
	nlb_u64(b, KVM_LPAGE_A_POLICY_MIN_QUIET_NS, 5000000000);
	nlb_u32(b, KVM_LPAGE_A_POLICY_MAX_STALL_NS, 2000000);
	nlb_u32(b, KVM_LPAGE_A_POLICY_BATCH, 32);
	nlb_end(b, nest);
}

static void build_vm(struct nlbuild *b)
{
	nlb_start(b, FAMILY, KVM_LPAGE_CMD_VM_GET, 1);
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

static void add_region(struct nlbuild *b, uint64_t rfn, uint32_t state)
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

static void build_regions(struct nlbuild *b)
{
	nlb_start(b, FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
	nlb_u32(b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 7);
	nlb_u64(b, KVM_LPAGE_A_REGION_DUMP_GENERATION, 10);
	nlb_u64(b, KVM_LPAGE_A_REGION_DUMP_RESYNC_GENERATION, 2);
	add_region(b, 5, KVM_LPAGE_STATE_TABLE);
	add_region(b, 6, KVM_LPAGE_STATE_MIXED);
}

static void build_done(struct nlbuild *b)
{
	size_t nest;

	nlb_start(b, FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
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
static void add_probed(struct nlbuild *b, uint32_t rfn, bool touched, uint64_t first_ns,
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

static void start_probe(struct nlbuild *b)
{
	nlb_start(b, FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(b, KVM_LPAGE_A_REQUEST_VM_ID, 7);
	nlb_u64(b, KVM_LPAGE_A_REQUEST_COOKIE, 5);
	nlb_u32(b, KVM_LPAGE_A_REQUEST_OP, KVM_LPAGE_OP_PROBE);
}

static void build_probe(struct nlbuild *b)
{
	size_t nest;

	start_probe(b);
	nest = nlb_nest(b, KVM_LPAGE_A_REQUEST_RESULT);
	nlb_u32(b, KVM_LPAGE_A_RESULT_START_RFN, 5);
	nlb_u32(b, KVM_LPAGE_A_RESULT_NR_REGIONS, 3);
	nlb_u32(b, KVM_LPAGE_A_RESULT_DONE, 2);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REFUSED, 1);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON, KVM_LPAGE_REASON_CANCELLED);
	nlb_u32(b, KVM_LPAGE_A_RESULT_REASON_RFN, 7);
	nlb_end(b, nest);
	add_probed(b, 5, true, 123456789012, 0);
	add_probed(b, 6, false, 0, 0);
	add_probed(b, 7, false, 0, KVM_LPAGE_REASON_CANCELLED);
}

static void build_change(struct nlbuild *b)
{
	nlb_start(b, FAMILY, KVM_LPAGE_CMD_POLICY_NTF, 0);
	nlb_u32(b, KVM_LPAGE_A_POLICY_CHANGE_VM_ID, 7);
	nlb_u32(b, KVM_LPAGE_A_POLICY_CHANGE_LAYER, KVM_LPAGE_LAYER_ADMIN);
	nlb_u32(b, KVM_LPAGE_A_POLICY_CHANGE_PID, 1234);
	build_limits(b, KVM_LPAGE_A_POLICY_CHANGE_POLICY);
}

/* ---- what is taken ---- */

static void test_vm(void **state)
{
	struct nlbuild b;
	struct lp_vm vm;

	(void)state;
	build_vm(&b);
	assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), 0);
	assert_int_equal(vm.id, 7);
	assert_string_equal(vm.name, "db-1@site:a+b");
	assert_int_equal(vm.pid, 4711);
	assert_int_equal(vm.uid, 0);
	assert_true(vm.has_uid);
	assert_int_equal(vm.pid_start_ns, 123456789012);
	assert_int_equal(vm.memory_pages, 2097152);
	assert_true(vm.running);
	assert_int_equal(vm.limits.set, LP_LIMIT(KVM_LPAGE_A_POLICY_MODE) |
						LP_LIMIT(KVM_LPAGE_A_POLICY_MIN_QUIET_NS) |
						LP_LIMIT(KVM_LPAGE_A_POLICY_MAX_STALL_NS) |
						LP_LIMIT(KVM_LPAGE_A_POLICY_BATCH));
	assert_int_equal(vm.limits.mode, KVM_LPAGE_MODE_MANAGED);
	assert_int_equal(vm.limits.min_quiet_ns, 5000000000);
	assert_int_equal(vm.limits.max_stall_ns, 2000000);
	assert_int_equal(vm.limits_vmm.set, 0);
	assert_int_equal(vm.generation, 1ULL << 40);
	assert_int_equal(vm.large, 1ULL << 33);
	assert_int_equal(vm.table, 3);
	assert_int_equal(vm.mixed, 0);
	assert_int_equal(vm.chunks, 8);
}

static void test_regions(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_region_chunk chunk;
	struct nlbuild b;

	(void)state;
	build_regions(&b);
	assert_int_equal(lp_nl_parse_regions(&b.hdr, &scratch, &chunk), 0);
	assert_int_equal(chunk.vm_id, 7);
	assert_int_equal(chunk.generation, 10);
	assert_int_equal(chunk.resync_generation, 2);
	assert_int_equal(chunk.nr_regions, 2);
	assert_int_equal(chunk.regions[1].rfn, 6);
	assert_int_equal(chunk.regions[1].state, KVM_LPAGE_STATE_MIXED);
	assert_false(chunk.regions[1].shared);
	assert_true(chunk.regions[1].inhibited);
	assert_true(chunk.regions[1].hold_admin_ns == UINT64_MAX);
	assert_int_equal(chunk.regions[1].to_shared_events, 12);
	assert_int_equal(chunk.regions[1].last_to_private_ns, 77);
	/* A shorter message after a longer one leaves nothing behind. */
	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
	nlb_u32(&b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 7);
	nlb_end(&b, nlb_nest(&b, KVM_LPAGE_A_REGION_DUMP_REGION));
	assert_int_equal(lp_nl_parse_regions(&b.hdr, &scratch, &chunk), 0);
	assert_int_equal(chunk.nr_regions, 1);
	assert_int_equal(chunk.regions[0].rfn, 0);
	assert_int_equal(chunk.regions[0].to_shared_events, 0);
	/* Without a state: all of it is shared. */
	assert_int_equal(chunk.regions[0].state, KVM_LPAGE_STATE_MIXED);
	assert_true(chunk.regions[0].shared);
	lp_nl_scratch_free(&scratch);
}

static void test_done(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;

	(void)state;
	build_done(&b);
	assert_int_equal(lp_nl_parse_done(&b.hdr, &scratch, &done), 0);
	assert_int_equal(done.vm_id, 7);
	assert_int_equal(done.cookie, 4);
	assert_int_equal(done.op, KVM_LPAGE_OP_MERGE);
	assert_int_equal(done.nr_results, 2);
	assert_int_equal(done.results[0].refused, 1);
	assert_int_equal(done.results[0].reason_rfn, 6);
	assert_true(done.results[0].has_layer);
	assert_int_equal(done.results[0].reason_layer, KVM_LPAGE_LAYER_VMM);
	assert_int_equal(done.results[1].start_rfn, 9);
	assert_int_equal(done.results[1].nr_regions, 1);
	assert_false(done.results[1].has_layer);
	assert_int_equal(done.nr_batches, 1);
	assert_int_equal(done.batches[0].stall_ns, 40000);
	lp_nl_scratch_free(&scratch);
}

static void test_probe(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;

	(void)state;
	build_probe(&b);
	assert_int_equal(lp_nl_parse_done(&b.hdr, &scratch, &done), 0);
	assert_int_equal(done.op, KVM_LPAGE_OP_PROBE);
	assert_int_equal(done.nr_probed, 3);
	assert_int_equal(done.probed[0].rfn, 5);
	assert_true(done.probed[0].touched);
	assert_true(done.probed[0].first_touch_ns == 123456789012);
	assert_int_equal(done.probed[0].reason, KVM_LPAGE_REASON_NONE);
	assert_int_equal(done.probed[1].rfn, 6);
	assert_false(done.probed[1].touched);
	assert_int_equal(done.probed[1].first_touch_ns, 0);
	assert_int_equal(done.probed[2].reason, KVM_LPAGE_REASON_CANCELLED);
	/* A merge after a probe has none of it. */
	build_done(&b);
	assert_int_equal(lp_nl_parse_done(&b.hdr, &scratch, &done), 0);
	assert_int_equal(done.nr_probed, 0);
	lp_nl_scratch_free(&scratch);
}

static int probed_of(bool touched, uint64_t first_ns, uint32_t reason, uint32_t nr)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;
	int r;

	start_probe(&b);
	for (uint32_t i = 0; i < nr; i++)
		add_probed(&b, i, touched, first_ns, reason);
	r = lp_nl_parse_done(&b.hdr, &scratch, &done);
	lp_nl_scratch_free(&scratch);
	return r;
}

static void test_probe_makes_sense(void **state)
{
	(void)state;
	assert_int_equal(probed_of(true, 0, 0, KVM_LPAGE_PROBES_MAX), 0);
	assert_int_equal(probed_of(true, 0, 0, KVM_LPAGE_PROBES_MAX + 1), -EBADMSG);
	/* A reason and a verdict exclude each other, as do a time and no touch. */
	assert_int_equal(probed_of(true, 0, KVM_LPAGE_REASON_BUSY, 1), -EBADMSG);
	assert_int_equal(probed_of(false, 1, 0, 1), -EBADMSG);
	/* A newer kernel's reason. */
	assert_int_equal(probed_of(false, 0, KVM_LPAGE_REASON_MAX + 1, 1), 0);
}

static void test_small_messages(void **state)
{
	struct lp_policy_change change;
	struct lp_nl_changed changed;
	struct lp_nl_reply reply;
	struct nlbuild b;
	uint32_t vm_id;

	(void)state;
	build_change(&b);
	assert_int_equal(lp_nl_parse_policy_change(&b.hdr, &change), 0);
	assert_int_equal(change.pid, 1234);
	assert_int_equal(change.layer, KVM_LPAGE_LAYER_ADMIN);
	assert_int_equal(change.limits.batch_regions, 32);

	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_CHANGED_NTF, 0);
	nlb_u32(&b, KVM_LPAGE_A_VM_ID, 3);
	nlb_u64(&b, KVM_LPAGE_A_VM_GENERATION, 17);
	assert_int_equal(lp_nl_parse_changed(&b.hdr, &changed), 0);
	assert_int_equal(changed.vm_id, 3);
	assert_int_equal(changed.generation, 17);
	assert_int_equal(lp_nl_parse_vm_gone(&b.hdr, &vm_id), 0);
	assert_int_equal(vm_id, 3);

	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_MERGE, 0);
	nlb_u64(&b, KVM_LPAGE_A_REQUEST_COOKIE, 88);
	assert_int_equal(lp_nl_parse_reply(&b.hdr, &reply), 0);
	assert_int_equal(reply.cookie, 88);
}

static void test_family(void **state)
{
	struct lp_nl_family family;
	struct nlbuild b;

	(void)state;
	nlb_family(&b, CTRL_CMD_NEWFAMILY, 1, FAMILY, "kvm-lpage", "events", 9);
	assert_int_equal(lp_nl_parse_family(&b.hdr, "events", &family), 0);
	assert_int_equal(family.id, FAMILY);
	assert_string_equal(family.name, "kvm-lpage");
	assert_int_equal(family.group, 9);
	assert_int_equal(lp_nl_parse_family(&b.hdr, "notify", &family), 0);
	assert_int_equal(family.group, 0);
}

static void test_end(void **state)
{
	struct lp_nl_end end;
	struct nlbuild b;

	(void)state;
	nlb_error(&b, 1, -EBUSY, "the VM's queue is full");
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), 0);
	assert_int_equal(end.error, -EBUSY);
	assert_string_equal(end.text, "the VM's queue is full");

	nlb_error(&b, 1, -EINVAL, "line one\nline two");
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), 0);
	assert_string_equal(end.text, "line one?line two");

	nlb_error(&b, 1, 0, NULL);
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), 0);
	assert_int_equal(end.error, 0);
	assert_string_equal(end.text, "");

	nlb_done(&b, 1, -EINTR);
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), 0);
	assert_int_equal(end.error, -EINTR);
}

/* Without NETLINK_CAP_ACK the refused request stands between the error and the words on it. */
static void test_end_not_capped(void **state)
{
	static const char request[32];
	struct lp_nl_end end;
	struct nlbuild b;
	struct nlmsgerr *err;

	(void)state;
	nlb_error(&b, 1, -EINVAL, NULL);
	b.hdr.nlmsg_flags = NLM_F_ACK_TLVS;
	err = (void *)(b.bytes + NLMSG_HDRLEN);
	err->msg.nlmsg_len = NLMSG_HDRLEN + sizeof(request);
	memcpy(b.bytes + b.hdr.nlmsg_len, request, sizeof(request));
	b.hdr.nlmsg_len += sizeof(request);
	nlb_string(&b, NLMSGERR_ATTR_MSG, "no");
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), 0);
	assert_string_equal(end.text, "no");
	/* It says that it is longer than it is. */
	err->msg.nlmsg_len = 60000;
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), -EBADMSG);
}

static void test_missing_attribute(void **state)
{
	struct lp_nl_end end;
	struct nlbuild b;

	(void)state;
	nlb_error(&b, 1, -EINVAL, NULL);
	b.hdr.nlmsg_flags |= NLM_F_ACK_TLVS;
	nlb_u32(&b, NLMSGERR_ATTR_MISS_TYPE, 3);
	assert_int_equal(lp_nl_parse_end(&b.hdr, &end), 0);
	assert_string_equal(end.text, "attribute 3 is missing");
}

/* ---- what is refused ---- */

static int vm_with(void (*add)(struct nlbuild *b))
{
	struct nlbuild b;
	struct lp_vm vm;

	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_VM_GET, 1);
	nlb_u32(&b, KVM_LPAGE_A_VM_ID, 7);
	add(&b);
	return lp_nl_parse_vm(&b.hdr, &vm);
}

static void nothing(struct nlbuild *b)
{
	(void)b;
}

static void unknown(struct nlbuild *b)
{
	nlb_u32(b, 1000, 1);
	nlb_u32(b, KVM_LPAGE_A_VM_MAX + 1, 1);
}

static void short_pid(struct nlbuild *b)
{
	nlb_u16(b, KVM_LPAGE_A_VM_PID, 1);
}

static void long_u32(struct nlbuild *b)
{
	nlb_u64(b, KVM_LPAGE_A_VM_PID, 1);
}

static void short_u64(struct nlbuild *b)
{
	nlb_u32(b, KVM_LPAGE_A_VM_CGROUP_ID, 1);
}

static void odd_uint(struct nlbuild *b)
{
	nlb_raw(b, KVM_LPAGE_A_VM_LARGE, "abcdef", 6);
}

static void loud_flag(struct nlbuild *b)
{
	nlb_u32(b, KVM_LPAGE_A_VM_RUNNING, 1);
}

static void twice(struct nlbuild *b)
{
	nlb_u32(b, KVM_LPAGE_A_VM_PID, 1);
	nlb_u32(b, KVM_LPAGE_A_VM_PID, 1);
}

static void blank_name(struct nlbuild *b)
{
	nlb_string(b, KVM_LPAGE_A_VM_NAME, "a b");
}

static void injected_name(struct nlbuild *b)
{
	nlb_string(b, KVM_LPAGE_A_VM_NAME, "a\nMESSAGE=x");
}

static void forbidden_name(struct nlbuild *b)
{
	nlb_string(b, KVM_LPAGE_A_VM_NAME, "a/b");
}

static void split_name(struct nlbuild *b)
{
	nlb_raw(b, KVM_LPAGE_A_VM_NAME, "a\0b", 4);
}

static void long_name(struct nlbuild *b)
{
	char name[66];

	memset(name, 'x', sizeof(name));
	nlb_raw(b, KVM_LPAGE_A_VM_NAME, name, 64);
}

static void mode_three(struct nlbuild *b)
{
	size_t nest = nlb_nest(b, KVM_LPAGE_A_VM_POLICY);

	nlb_u32(b, KVM_LPAGE_A_POLICY_MODE, KVM_LPAGE_MODE_FAULT + 1);
	nlb_end(b, nest);
}

static void test_refused(void **state)
{
	static void (*const bad[])(struct nlbuild * b) = {
		short_pid,  long_u32,	   short_u64,	   odd_uint,   loud_flag, twice,
		blank_name, injected_name, forbidden_name, split_name, long_name, mode_three,
	};

	(void)state;
	assert_int_equal(vm_with(nothing), 0);
	assert_int_equal(vm_with(unknown), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vm_with(bad[i]), -EBADMSG);
}

static void test_no_id(void **state)
{
	struct nlbuild b;
	struct lp_vm vm;

	(void)state;
	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_VM_GET, 1);
	assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), -EBADMSG);
	nlb_u32(&b, KVM_LPAGE_A_VM_ID, 0);
	assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), -EBADMSG);
}

static int region_of(uint64_t rfn, uint32_t region_state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_region_chunk chunk;
	struct nlbuild b;
	int r;

	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
	nlb_u32(&b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 7);
	add_region(&b, rfn, region_state);
	r = lp_nl_parse_regions(&b.hdr, &scratch, &chunk);
	lp_nl_scratch_free(&scratch);
	return r;
}

static void test_region_limits(void **state)
{
	(void)state;
	assert_int_equal(region_of((1ULL << 43) - 1, KVM_LPAGE_STATE_MIXED), 0);
	assert_int_equal(region_of(1ULL << 43, KVM_LPAGE_STATE_MIXED), -EBADMSG);
	assert_int_equal(region_of(1, KVM_LPAGE_STATE_MIXED + 1), -EBADMSG);
}

static void test_result_adds_up(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;
	size_t nest;

	(void)state;
	nlb_start(&b, FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(&b, KVM_LPAGE_A_REQUEST_VM_ID, 7);
	nest = nlb_nest(&b, KVM_LPAGE_A_REQUEST_RESULT);
	nlb_u32(&b, KVM_LPAGE_A_RESULT_NR_REGIONS, 2);
	nlb_u32(&b, KVM_LPAGE_A_RESULT_DONE, 2);
	nlb_u32(&b, KVM_LPAGE_A_RESULT_REFUSED, 1);
	nlb_end(&b, nest);
	assert_int_equal(lp_nl_parse_done(&b.hdr, &scratch, &done), -EBADMSG);
	lp_nl_scratch_free(&scratch);
}

/* ---- every message, cut and bent ---- */

/* Parses as every kind of message; the sanitizers see what is read and written. */
static void parse_as_all(const struct nlmsghdr *hdr, int results[9])
{
	struct lp_nl_scratch scratch = {0};
	struct lp_region_chunk chunk;
	struct lp_policy_change change;
	struct lp_nl_changed changed;
	struct lp_nl_family family;
	struct lp_nl_reply reply;
	struct lp_nl_end end;
	struct lp_done done;
	struct lp_vm vm;
	uint32_t vm_id;

	results[0] = lp_nl_parse_vm(hdr, &vm);
	results[1] = lp_nl_parse_regions(hdr, &scratch, &chunk);
	results[2] = lp_nl_parse_done(hdr, &scratch, &done);
	results[3] = lp_nl_parse_policy_change(hdr, &change);
	results[4] = lp_nl_parse_changed(hdr, &changed);
	results[5] = lp_nl_parse_vm_gone(hdr, &vm_id);
	results[6] = lp_nl_parse_reply(hdr, &reply);
	results[7] = lp_nl_parse_family(hdr, "events", &family);
	results[8] = lp_nl_parse_end(hdr, &end);
	(void)lp_nl_command(hdr);
	lp_nl_scratch_free(&scratch);
	for (int i = 0; i < 9; i++)
		assert_true(results[i] == 0 || results[i] == -EBADMSG);
}

static void build_any(struct nlbuild *b, int which)
{
	switch (which) {
	case 0:
		build_vm(b);
		break;
	case 1:
		build_regions(b);
		break;
	case 2:
		build_done(b);
		break;
	case 3:
		build_change(b);
		break;
	case 4:
		nlb_family(b, CTRL_CMD_NEWFAMILY, 1, FAMILY, "kvm-lpage", "events", 9);
		break;
	case 5:
		nlb_error(b, 1, -EINVAL, "some words");
		break;
	case 6:
		build_probe(b);
		break;
	}
}

#define NR_ANY 7

static void test_cut_at_every_byte(void **state)
{
	static const int kind[NR_ANY] = {0, 1, 2, 3, 7, 8, 2};
	int results[9];
	struct nlbuild b;

	(void)state;
	for (int which = 0; which < NR_ANY; which++) {
		build_any(&b, which);
		for (uint32_t len = NLMSG_HDRLEN; len <= b.hdr.nlmsg_len; len++) {
			/* Memory of just that length: a byte too far is seen. */
			struct nlmsghdr *cut = malloc(len);

			memcpy(cut, b.bytes, len);
			cut->nlmsg_len = len;
			parse_as_all(cut, results);
			/* Whole, or without some of its last padding: fine. Else in the middle of
			 * an attribute. */
			if (len == b.hdr.nlmsg_len)
				assert_int_equal(results[kind[which]], 0);
			free(cut);
		}
	}
}

/* An attribute that says it is longer than what holds it. */
static void test_cut_in_the_last_attribute(void **state)
{
	struct nlbuild b;
	struct lp_vm vm;

	(void)state;
	build_vm(&b);
	for (uint32_t less = 1; less <= 7; less++) {
		build_vm(&b);
		b.hdr.nlmsg_len -= less;
		assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), -EBADMSG);
	}
	/* The eighth byte less: the attribute is gone as a whole. */
	build_vm(&b);
	b.hdr.nlmsg_len -= 8;
	assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), 0);
}

static void test_bent_at_every_byte(void **state)
{
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	int results[9];
	struct nlbuild b;

	(void)state;
	for (int which = 0; which < NR_ANY; which++) {
		build_any(&b, which);
		for (uint32_t at = NLMSG_HDRLEN; at < b.hdr.nlmsg_len; at++) {
			struct nlmsghdr *bent = malloc(b.hdr.nlmsg_len);

			for (size_t i = 0; i < sizeof(values); i++) {
				memcpy(bent, b.bytes, b.hdr.nlmsg_len);
				((unsigned char *)bent)[at] = values[i];
				parse_as_all(bent, results);
			}
			free(bent);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_probe_makes_sense),
		cmocka_unit_test(test_small_messages),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_end_not_capped),
		cmocka_unit_test(test_missing_attribute),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_id),
		cmocka_unit_test(test_region_limits),
		cmocka_unit_test(test_result_adds_up),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_cut_in_the_last_attribute),
		cmocka_unit_test(test_bent_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
