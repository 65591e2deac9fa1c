// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: merges and their outcomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/core_host.h"

static void quiet_regions_are_merged(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	struct lp_vm_snapshot vm;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 4 * NS_PER_S);
	assert_null(core_host_op(host));
	core_host_pass(host, 2 * NS_PER_S);
	op = core_host_op(host);
	assert_non_null(op);
	/* Neighbours are one range. */
	assert_int_equal(op->op, KVM_LPAGE_OP_MERGE);
	assert_int_equal(op->nr_ranges, 1);
	assert_int_equal(op->ranges[0].start_rfn, RFN_FIRST);
	assert_int_equal(op->ranges[0].nr_regions, NR_RFNS);
	assert_int_equal(core_host_web(host).queued_regions, NR_RFNS);
	fake_link_finish(&host->fake, op, 0);
	core_host_run(host);
	vm = core_host_web(host);
	assert_int_equal(vm.queued_regions, 0);
	assert_int_equal(vm.tally.merged_regions, NR_RFNS);
	assert_int_equal(vm.tally.batches, 1);
	assert_int_equal(vm.tally.stall_max_ns, 3000);
	assert_int_equal(vm.last_merge_age_ns, 0);
	/* They are not merged again. */
	core_host_pass(host, 60 * NS_PER_S);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	assert_true(core_host_logged(host, "(web-1): 3 merged; 62.5 % of 8 regions large; spent "));
	assert_int_equal(core_host_web(host).ledger.merges, NR_RFNS);
	assert_true(core_host_logged(host, " ms (estimated)"));
}

static void a_refused_merge_is_retried_later(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, core_host_op(host), KVM_LPAGE_REASON_NOT_ACCEPTED);
	core_host_run(host);
	assert_int_equal(core_host_web(host).tally.refused[KVM_LPAGE_REASON_NOT_ACCEPTED], NR_RFNS);
	assert_int_equal(core_host_web(host).tally.merged_regions, 0);
	assert_null(core_host_op(host));
	/* Within minutes. */
	for (int i = 0; i < 600 && !core_host_op(host); i++)
		core_host_pass(host, NS_PER_S);
	assert_non_null(core_host_op(host));
}

/* The report names only the first refusal of a range: the regions' records have the rest. */
static void region_records_complete_a_partial_outcome(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	struct lp_result result = {.start_rfn = RFN_FIRST,
				   .nr_regions = NR_RFNS,
				   .done = 1,
				   .refused = 2,
				   .reason = KVM_LPAGE_REASON_BUSY,
				   .reason_rfn = RFN_FIRST};
	struct lp_done done = {
		.vm_id = VM_WEB, .op = KVM_LPAGE_OP_MERGE, .results = &result, .nr_results = 1};
	struct policy_explanation why;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = core_host_op(host);
	op->answered = true;
	done.tag = op->tag;
	fake_link_sent(&host->fake, op, 0, "");
	fake_link_done(&host->fake, &done);
	for (int i = 0; i < NR_RFNS; i++) {
		struct lp_region *region = &host->fake.regions[i];

		region->generation = 11;
		region->last_op = KVM_LPAGE_OP_MERGE;
		region->last_op_ns = host->fake.now_ns;
		region->last_reason = i == 1 ? KVM_LPAGE_REASON_NONE : KVM_LPAGE_REASON_BUSY;
		region->state = i == 1 ? KVM_LPAGE_STATE_LARGE : KVM_LPAGE_STATE_TABLE;
	}
	host->fake.vms[0].generation = 11;
	core_host_settle(host);
	assert_int_equal(core_host_web(host).queued_regions, 0);
	assert_int_equal(core_host_web(host).tally.lost_regions, 0);
	assert_int_equal(policy_explain(host->manager->policy, VM_WEB, RFN_LAST, host->fake.now_ns,
					&why),
			 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_BUSY);
	assert_int_equal(policy_explain(host->manager->policy, VM_WEB, RFN_MIDDLE,
					host->fake.now_ns, &why),
			 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_NONE);
}

/* The report of the outcome never arrives. */
static void region_records_replace_a_missing_report(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = core_host_op(host);
	fake_link_sent(&host->fake, op, 0, "");
	for (int i = 0; i < 2; i++) {
		host->fake.regions[i].state = KVM_LPAGE_STATE_LARGE;
		host->fake.regions[i].generation = 11;
	}
	host->fake.vms[0].generation = 11;
	core_host_pass(host, 6 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).queued_regions, 0);
	/* The record of the third region does not know either. */
	assert_int_equal(core_host_web(host).tally.lost_regions, 1);
}

static void a_refused_request_backs_off(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	struct lp_vm_snapshot vm;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = core_host_op(host);
	fake_link_sent(&host->fake, op, -EBUSY, "the queue of the VM is full");
	core_host_run(host);
	vm = core_host_web(host);
	assert_int_equal(vm.gate, LPAGE_REASON_BACKOFF);
	assert_int_equal(vm.last_error, -EBUSY);
	assert_string_equal(vm.last_error_text, "merging: the queue of the VM is full");
	assert_int_equal(vm.queued_regions, 0);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
}

static void a_vm_unknown_to_the_kernel_is_removed(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = core_host_op(host);
	op->answered = true;
	host->fake.nr_vms = 0;
	fake_link_sent(&host->fake, op, -ESRCH, "");
	core_host_settle(host);
	assert_int_equal(core_host_nr_vms(host), 0);
}

static void a_report_after_the_end_of_its_vm_is_ignored(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = core_host_op(host);
	core_host_vm_gone(host);
	fake_link_finish(&host->fake, op, 0);
	core_host_run(host);
	assert_true(core_host_logged(host, "(web-1): gone"));
}

/* ---- one batch at a time ---- */

/* The three regions of VM_WEB are due, and each is a batch of its own. */
static void three_batches_fixture(struct core_host *host)
{
	core_host_write_config(host, "version: 1\ndefaults: {policy: threshold, quiet-time: 5s, "
				     "batch: 1, max-stall: 2ms}\n");
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
}

/* A stall that is too long is known before the next batch is requested. */
static void the_latency_guard_sees_every_report(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	uint64_t rfn, other_rfn;

	host->fake.stall_ns = 5 * NS_PER_MS;
	three_batches_fixture(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	op = core_host_op(host);
	rfn = op->ranges[0].start_rfn;
	other_rfn = rfn == RFN_FIRST ? RFN_LAST : RFN_FIRST;
	assert_int_equal(core_host_reason(host, rfn), LPAGE_REASON_IN_FLIGHT);
	assert_int_equal(core_host_reason(host, other_rfn), LPAGE_REASON_QUEUED);
	fake_link_finish(&host->fake, op, 0);
	core_host_run(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	assert_int_equal(core_host_reason(host, other_rfn), LPAGE_REASON_LATENCY_GUARD);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 2);
}

/* No time passes between a report and the next batch. */
static void the_next_batch_follows_the_report_at_once(void **state)
{
	struct core_host *host = *state;

	three_batches_fixture(host);
	for (size_t sent = 1; sent <= NR_RFNS; sent++) {
		assert_int_equal(fake_link_count(&host->fake, FAKE_OP), sent);
		fake_link_finish(&host->fake, core_host_op(host), 0);
		core_host_run(host);
	}
	assert_int_equal(core_host_web(host).tally.merged_regions, NR_RFNS);
}

static void vms_do_not_wait_for_each_other(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, VM_WEB_2, "web-2");
	three_batches_fixture(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 2);
	for (size_t i = 0; i < 2; i++) {
		struct fake_asked *op = core_host_op(host);

		/* In the order in which they were listed. */
		assert_int_equal(op->vm_id, i ? VM_WEB : VM_WEB_2);
		op->answered = true;
	}
}

/* Neither a refused request nor a missing report blocks the VM for good. */
static void merging_continues_without_a_report(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	three_batches_fixture(host);
	op = core_host_op(host);
	fake_link_sent(&host->fake, op, -EBUSY, "");
	core_host_run(host);
	core_host_pass(host, NS_PER_S);
	op = core_host_op(host);
	assert_non_null(op);
	fake_link_sent(&host->fake, op, 0, "");
	core_host_run(host);
	assert_null(core_host_op(host));
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
}

/* The report was lost with other events: the resync shows that the batch is over. */
static void merging_continues_after_a_loss(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	size_t i;

	three_batches_fixture(host);
	op = core_host_op(host);
	fake_link_sent(&host->fake, op, 0, "");
	i = op->ranges[0].start_rfn - RFN_FIRST;
	host->fake.now_ns += NS_PER_MS;
	core_host_lose_events(host);
	core_host_settle(host);
	core_host_pass(host, 300 * NS_PER_MS);
	core_host_settle(host);
	/* Not yet: the record of its region does not have the merge. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	host->fake.regions[i].last_op = KVM_LPAGE_OP_MERGE;
	host->fake.regions[i].last_op_ns = host->fake.now_ns;
	host->fake.regions[i].state = KVM_LPAGE_STATE_LARGE;
	host->fake.regions[i].generation = ++host->fake.vms[0].generation;
	core_host_changed(host);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 2);
	assert_int_equal(core_host_web(host).tally.lost_regions, 0);
}

/* Manual operations do not count towards the limit of policy operations. */
static void manual_operations_do_not_crowd_out_the_policy(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {20, 1};

	core_host_one_vm_fixture(host);
	for (int i = 0; i < 100; i++)
		assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_PROBE, &range,
						    60 * NS_PER_S),
				 0);
	for (struct fake_asked *op; (op = core_host_op(host));) {
		fake_link_sent(&host->fake, op, 0, "");
	}
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
	assert_int_equal(core_host_op(host)->op, KVM_LPAGE_OP_MERGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(quiet_regions_are_merged),
		CORE_HOST_TEST(a_refused_merge_is_retried_later),
		CORE_HOST_TEST(region_records_complete_a_partial_outcome),
		CORE_HOST_TEST(region_records_replace_a_missing_report),
		CORE_HOST_TEST(a_refused_request_backs_off),
		CORE_HOST_TEST(a_vm_unknown_to_the_kernel_is_removed),
		CORE_HOST_TEST(a_report_after_the_end_of_its_vm_is_ignored),
		CORE_HOST_TEST(the_latency_guard_sees_every_report),
		CORE_HOST_TEST(the_next_batch_follows_the_report_at_once),
		CORE_HOST_TEST(vms_do_not_wait_for_each_other),
		CORE_HOST_TEST(merging_continues_without_a_report),
		CORE_HOST_TEST(merging_continues_after_a_loss),
		CORE_HOST_TEST(manual_operations_do_not_crowd_out_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
