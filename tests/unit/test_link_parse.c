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

#include <tdx-lpage/base.h>

#include "daemon/link/netlink_parse.h"
#include "tests/lib/nlmessages.h"

/* ---- what is taken ---- */

static void a_vm_is_parsed(void **state)
{
	struct nlbuild b;
	struct lp_vm vm;

	(void)state;
	nlb_msg_vm(&b);
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

static void regions_are_parsed(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_region_chunk chunk;
	struct nlbuild b;

	(void)state;
	nlb_msg_regions(&b);
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
	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
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

/* What a kernel of a later time has mapped at another level is none of our regions. */
static void regions_of_other_levels_are_left_out(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_region_chunk chunk;
	struct nlbuild b;

	(void)state;
	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
	nlb_u32(&b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 7);
	for (uint32_t level = KVM_LPAGE_LEVEL_2M - 1; level <= KVM_LPAGE_LEVEL_2M + 1; level++) {
		size_t nest = nlb_nest(&b, KVM_LPAGE_A_REGION_DUMP_REGION);

		nlb_u32(&b, KVM_LPAGE_A_REGION_RFN, level * 512);
		nlb_u32(&b, KVM_LPAGE_A_REGION_LEVEL, level);
		nlb_end(&b, nest);
	}
	assert_int_equal(lp_nl_parse_regions(&b.hdr, &scratch, &chunk), 0);
	assert_int_equal(chunk.nr_regions, 1);
	assert_int_equal(chunk.regions[0].rfn, KVM_LPAGE_LEVEL_2M * 512);
	assert_int_equal(chunk.regions[0].level, KVM_LPAGE_LEVEL_2M);
	lp_nl_scratch_free(&scratch);
}

static void an_operation_report_is_parsed(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;

	(void)state;
	nlb_msg_done(&b);
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

static void a_probe_report_is_parsed(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;

	(void)state;
	nlb_msg_probe(&b);
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
	nlb_msg_done(&b);
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

	nlb_msg_start_probe(&b);
	for (uint32_t i = 0; i < nr; i++)
		nlb_msg_probed(&b, i, touched, first_ns, reason);
	r = lp_nl_parse_done(&b.hdr, &scratch, &done);
	lp_nl_scratch_free(&scratch);
	return r;
}

static void an_inconsistent_probe_report_is_refused(void **state)
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

static void small_messages_are_parsed(void **state)
{
	struct lp_policy_change change;
	struct lp_nl_changed changed;
	struct lp_nl_reply reply;
	struct nlbuild b;
	uint32_t vm_id;

	(void)state;
	nlb_msg_change(&b);
	assert_int_equal(lp_nl_parse_policy_change(&b.hdr, &change), 0);
	assert_int_equal(change.pid, 1234);
	assert_int_equal(change.layer, KVM_LPAGE_LAYER_ADMIN);
	assert_int_equal(change.limits.batch_regions, 32);
	assert_false(change.expired);
	nlb_flag(&b, KVM_LPAGE_A_POLICY_CHANGE_EXPIRED);
	assert_int_equal(lp_nl_parse_policy_change(&b.hdr, &change), 0);
	assert_true(change.expired);

	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_CHANGED_NTF, 0);
	nlb_u32(&b, KVM_LPAGE_A_VM_ID, 3);
	nlb_u64(&b, KVM_LPAGE_A_VM_GENERATION, 17);
	assert_int_equal(lp_nl_parse_changed(&b.hdr, &changed), 0);
	assert_int_equal(changed.vm_id, 3);
	assert_int_equal(changed.generation, 17);
	assert_int_equal(lp_nl_parse_vm_gone(&b.hdr, &vm_id), 0);
	assert_int_equal(vm_id, 3);

	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_MERGE, 0);
	nlb_u64(&b, KVM_LPAGE_A_REQUEST_COOKIE, 88);
	assert_int_equal(lp_nl_parse_reply(&b.hdr, &reply), 0);
	assert_int_equal(reply.cookie, 88);
}

static void the_family_is_parsed(void **state)
{
	struct lp_nl_family family;
	struct nlbuild b;

	(void)state;
	nlb_family(&b, CTRL_CMD_NEWFAMILY, 1, NLB_FAMILY, "kvm-lpage", "events", 9);
	assert_int_equal(lp_nl_parse_family(&b.hdr, "events", &family), 0);
	assert_int_equal(family.id, NLB_FAMILY);
	assert_string_equal(family.name, "kvm-lpage");
	assert_int_equal(family.group, 9);
	assert_int_equal(lp_nl_parse_family(&b.hdr, "notify", &family), 0);
	assert_int_equal(family.group, 0);
}

static void the_end_of_a_dump_is_parsed(void **state)
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
static void an_end_without_capability_bits_is_parsed(void **state)
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

static void a_missing_attribute_is_named(void **state)
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

	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_VM_GET, 1);
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

static void a_refusal_carries_its_text(void **state)
{
	static void (*const bad[])(struct nlbuild * b) = {
		short_pid,  long_u32,	   short_u64,	   odd_uint,   loud_flag, twice,
		blank_name, injected_name, forbidden_name, split_name, long_name, mode_three,
	};

	(void)state;
	assert_int_equal(vm_with(nothing), 0);
	assert_int_equal(vm_with(unknown), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vm_with(bad[i]), -EBADMSG);
}

static void a_vm_without_id_is_refused(void **state)
{
	struct nlbuild b;
	struct lp_vm vm;

	(void)state;
	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_VM_GET, 1);
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

	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_REGION_GET, 1);
	nlb_u32(&b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 7);
	nlb_msg_region(&b, rfn, region_state);
	r = lp_nl_parse_regions(&b.hdr, &scratch, &chunk);
	lp_nl_scratch_free(&scratch);
	return r;
}

static void region_values_out_of_range_are_refused(void **state)
{
	(void)state;
	assert_int_equal(region_of((1ULL << 43) - 1, KVM_LPAGE_STATE_MIXED), 0);
	assert_int_equal(region_of(1ULL << 43, KVM_LPAGE_STATE_MIXED), -EBADMSG);
	assert_int_equal(region_of(1, KVM_LPAGE_STATE_MIXED + 1), -EBADMSG);
}

static void a_result_that_does_not_add_up_is_refused(void **state)
{
	struct lp_nl_scratch scratch = {0};
	struct lp_done done;
	struct nlbuild b;
	size_t nest;

	(void)state;
	nlb_start(&b, NLB_FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(&b, KVM_LPAGE_A_REQUEST_VM_ID, 7);
	nest = nlb_nest(&b, KVM_LPAGE_A_REQUEST_RESULT);
	nlb_u32(&b, KVM_LPAGE_A_RESULT_NR_REGIONS, 2);
	nlb_u32(&b, KVM_LPAGE_A_RESULT_DONE, 2);
	nlb_u32(&b, KVM_LPAGE_A_RESULT_REFUSED, 1);
	nlb_end(&b, nest);
	assert_int_equal(lp_nl_parse_done(&b.hdr, &scratch, &done), -EBADMSG);
	lp_nl_scratch_free(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_is_parsed),
		cmocka_unit_test(regions_are_parsed),
		cmocka_unit_test(regions_of_other_levels_are_left_out),
		cmocka_unit_test(an_operation_report_is_parsed),
		cmocka_unit_test(a_probe_report_is_parsed),
		cmocka_unit_test(an_inconsistent_probe_report_is_refused),
		cmocka_unit_test(small_messages_are_parsed),
		cmocka_unit_test(the_family_is_parsed),
		cmocka_unit_test(the_end_of_a_dump_is_parsed),
		cmocka_unit_test(an_end_without_capability_bits_is_parsed),
		cmocka_unit_test(a_missing_attribute_is_named),
		cmocka_unit_test(a_refusal_carries_its_text),
		cmocka_unit_test(a_vm_without_id_is_refused),
		cmocka_unit_test(region_values_out_of_range_are_refused),
		cmocka_unit_test(a_result_that_does_not_add_up_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
