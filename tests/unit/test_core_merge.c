// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: merges, and what becomes of them. */
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

static void test_merges_when_quiet(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	struct lp_vm_snapshot vm;

	core_host_one_vm(host);
	core_host_pass(host, 4 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	core_host_pass(host, 2 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	assert_non_null(op);
	/* Neighbours are one range. */
	assert_int_equal(op->op, KVM_LPAGE_OP_MERGE);
	assert_int_equal(op->nr_ranges, 1);
	assert_int_equal(op->ranges[0].start_rfn, 4);
	assert_int_equal(op->ranges[0].nr_regions, 3);
	assert_int_equal(core_host_shown(host).queued_regions, 3);
	fake_link_finish(&host->fake, op, 0);
	core_host_run(host);
	vm = core_host_shown(host);
	assert_int_equal(vm.queued_regions, 0);
	assert_int_equal(vm.tally.merged_regions, 3);
	assert_int_equal(vm.tally.batches, 1);
	assert_int_equal(vm.tally.stall_max_ns, 3000);
	assert_int_equal(vm.last_merge_age_ns, 0);
	/* Nothing more is to be done about them. */
	core_host_pass(host, 60 * NS_PER_S);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	assert_true(core_host_logged(host, "VM 7 (web-1): 3 merged; 62.5 % of 8 regions large"));
}

static void test_refusal_backs_off(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP),
			 KVM_LPAGE_REASON_NOT_ACCEPTED);
	core_host_run(host);
	assert_int_equal(core_host_shown(host).tally.refused[KVM_LPAGE_REASON_NOT_ACCEPTED], 3);
	assert_int_equal(core_host_shown(host).tally.merged_regions, 0);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	/* It is tried again, later. */
	for (int i = 0; i < 600 && !fake_link_open(&host->fake, FAKE_OP); i++)
		core_host_pass(host, NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

/* Some of a range refused, the answer names the first only: the regions' records say the rest. */
static void test_partial_outcome(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	struct lp_result result = {.start_rfn = 4,
				   .nr_regions = 3,
				   .done = 1,
				   .refused = 2,
				   .reason = KVM_LPAGE_REASON_BUSY,
				   .reason_rfn = 4};
	struct lp_done done = {
		.vm_id = 7, .op = KVM_LPAGE_OP_MERGE, .results = &result, .nr_results = 1};
	struct policy_explanation why;

	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	done.tag = op->tag;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	host->fake.link.events->op_done(host->fake.link.ctx, &done);
	for (int i = 0; i < 3; i++) {
		struct lp_region *region = &host->fake.regions[i];

		region->generation = 11;
		region->last_op = KVM_LPAGE_OP_MERGE;
		region->last_op_ns = host->fake.now_ns;
		region->last_reason = i == 1 ? KVM_LPAGE_REASON_NONE : KVM_LPAGE_REASON_BUSY;
		region->state = i == 1 ? KVM_LPAGE_STATE_LARGE : KVM_LPAGE_STATE_TABLE;
	}
	host->fake.vms[0].generation = 11;
	core_host_settle(host);
	assert_int_equal(core_host_shown(host).queued_regions, 0);
	assert_int_equal(core_host_shown(host).tally.lost_regions, 0);
	assert_int_equal(policy_explain(host->manager->policy, 7, 6, host->fake.now_ns, &why), 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_BUSY);
	assert_int_equal(policy_explain(host->manager->policy, 7, 5, host->fake.now_ns, &why), 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_NONE);
}

/* The event with the outcome never comes. */
static void test_lost_outcome(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	for (int i = 0; i < 2; i++) {
		host->fake.regions[i].state = KVM_LPAGE_STATE_LARGE;
		host->fake.regions[i].generation = 11;
	}
	host->fake.vms[0].generation = 11;
	core_host_pass(host, 6 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(core_host_shown(host).queued_regions, 0);
	/* Of one of the three nothing is known. */
	assert_int_equal(core_host_shown(host).tally.lost_regions, 1);
}

static void test_request_refused(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	struct lp_vm_snapshot vm;

	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, -EBUSY,
					"the queue of the VM is full");
	core_host_run(host);
	vm = core_host_shown(host);
	assert_int_equal(vm.gate, LPAGE_REASON_BACKOFF);
	assert_int_equal(vm.last_error, -EBUSY);
	assert_string_equal(vm.last_error_text, "merging: the queue of the VM is full");
	assert_int_equal(vm.queued_regions, 0);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_NONE);
}

static void test_vm_unknown_to_kernel(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	uint32_t ids[4];

	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.nr_vms = 0;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, -ESRCH, "");
	core_host_settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 0);
}

static void test_vm_gone_in_flight(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	/* What comes after it is about nobody. */
	fake_link_finish(&host->fake, op, 0);
	core_host_run(host);
	assert_true(core_host_logged(host, "VM 7 (web-1): gone"));
}

/* ---- one batch at a time ---- */

/* Regions 4, 5 and 6 of VM 7 are due, and each is a batch of its own. */
static void three_batches(struct core_host *host)
{
	core_host_write_config(host, "version: 1\ndefaults: {policy: threshold, quiet-time: 5s, "
				     "batch: 1, max-stall: 2ms}\n");
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
}

static enum lpage_reason reason_of(struct core_host *host, uint64_t rfn)
{
	struct lp_explain why;

	assert_int_equal(host->core->ops->explain(host->core, 7, rfn, &why), 0);
	return why.reason;
}

/* What stalls too long is known before the next batch is asked for. */
static void test_guard_sees_every_report(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	uint64_t rfn;

	host->fake.stall_ns = 5 * NS_PER_MS;
	three_batches(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	op = fake_link_open(&host->fake, FAKE_OP);
	rfn = op->ranges[0].start_rfn;
	assert_int_equal(reason_of(host, rfn), LPAGE_REASON_IN_FLIGHT);
	assert_int_equal(reason_of(host, rfn == 5 ? 6 : 5), LPAGE_REASON_QUEUED);
	fake_link_finish(&host->fake, op, 0);
	core_host_run(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	assert_int_equal(reason_of(host, rfn == 5 ? 6 : 5), LPAGE_REASON_LATENCY_GUARD);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 2);
}

/* A report is all that is waited for: no time passes. */
static void test_next_batch_at_once(void **state)
{
	struct core_host *host = *state;

	three_batches(host);
	for (size_t sent = 1; sent <= 3; sent++) {
		assert_int_equal(fake_link_count(&host->fake, FAKE_OP), sent);
		fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP), 0);
		core_host_run(host);
	}
	assert_int_equal(core_host_shown(host).tally.merged_regions, 3);
}

static void test_vms_do_not_wait_for_each_other(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, 8, "web-2");
	three_batches(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 2);
	for (size_t i = 0; i < 2; i++) {
		struct fake_asked *op = fake_link_open(&host->fake, FAKE_OP);

		assert_int_equal(op->vm_id, i ? 8 : 7);
		op->answered = true;
	}
}

/* Neither a request that is refused nor a report that never comes stops the VM for good. */
static void test_goes_on_without_report(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;

	three_batches(host);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, -EBUSY, "");
	core_host_run(host);
	core_host_pass(host, NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	assert_non_null(op);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	core_host_run(host);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

/* The report was lost with other events: what is read anew says that the batch is over. */
static void test_goes_on_after_a_loss(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *op;
	size_t i;

	three_batches(host);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	i = op->ranges[0].start_rfn - 4;
	host->fake.now_ns += NS_PER_MS;
	host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	core_host_settle(host);
	core_host_pass(host, 300 * NS_PER_MS);
	core_host_settle(host);
	/* Not yet: its region does not know of it. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	host->fake.regions[i].last_op = KVM_LPAGE_OP_MERGE;
	host->fake.regions[i].last_op_ns = host->fake.now_ns;
	host->fake.regions[i].state = KVM_LPAGE_STATE_LARGE;
	host->fake.regions[i].generation = ++host->fake.vms[0].generation;
	host->fake.link.events->changed(host->fake.link.ctx, 7, host->fake.vms[0].generation);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 2);
	assert_int_equal(core_host_shown(host).tally.lost_regions, 0);
}

/* What people ask for, and however long it takes, keeps no VM from being served. */
static void test_manual_flights_do_not_crowd(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {20, 1};

	core_host_one_vm(host);
	for (int i = 0; i < 100; i++)
		assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_PROBE,
							   &range, 1, 60 * NS_PER_S, NULL, NULL),
				 0);
	for (struct fake_asked *op; (op = fake_link_open(&host->fake, FAKE_OP));) {
		op->answered = true;
		host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	}
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(fake_link_open(&host->fake, FAKE_OP)->op, KVM_LPAGE_OP_MERGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(test_merges_when_quiet),
		CORE_HOST_TEST(test_refusal_backs_off),
		CORE_HOST_TEST(test_partial_outcome),
		CORE_HOST_TEST(test_lost_outcome),
		CORE_HOST_TEST(test_request_refused),
		CORE_HOST_TEST(test_vm_unknown_to_kernel),
		CORE_HOST_TEST(test_vm_gone_in_flight),
		CORE_HOST_TEST(test_guard_sees_every_report),
		CORE_HOST_TEST(test_next_batch_at_once),
		CORE_HOST_TEST(test_vms_do_not_wait_for_each_other),
		CORE_HOST_TEST(test_goes_on_without_report),
		CORE_HOST_TEST(test_goes_on_after_a_loss),
		CORE_HOST_TEST(test_manual_flights_do_not_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
