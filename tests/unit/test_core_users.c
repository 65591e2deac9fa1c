// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: its clients, struct lp_core_ops. */
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

static void on_watch(void *ctx, const struct lp_watch_event *event)
{
	struct core_host *host = ctx;

	host->events[event->kind]++;
	/* A watcher may leave from within its callback. */
	if (event->kind == LP_WATCH_LOSS)
		host->core->ops->unwatch(host->core, on_watch, host);
}

static void refresh_waits_for_data_younger_than_the_call(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(core_host_refresh(host, VM_ALL), -ENOTCONN);
	core_host_one_vm_fixture(host);
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(core_host_refresh(host, VM_ABSENT), -ESRCH);
	assert_int_equal(core_host_refresh(host, VM_WEB), 0);
	assert_int_equal(host->answers, 0);
	host->fake.vms[0].large = 8;
	core_host_settle(host);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(core_host_web(host).vm.large, 8);
	/* A dump that began before the call is not fresh enough. */
	core_host_changed(host);
	host->fake.now_ns += 3 * NS_PER_S;
	core_host_run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(core_host_refresh(host, VM_WEB), 0);
	assert_true(fake_link_answer(&host->fake) > 0);
	core_host_run(host);
	assert_int_equal(host->answers, 1);
	/* Nor are new statistics beside older regions. */
	for (struct fake_asked *asked; (asked = fake_link_open(&host->fake, FAKE_DUMP_VM));) {
		fake_link_end_dump(&host->fake, asked, (struct lp_dump_end){0});
		core_host_run(host);
	}
	assert_int_equal(host->answers, 1);
	core_host_settle(host);
	assert_int_equal(host->answers, 2);
	/* The VM goes while somebody waits. */
	assert_int_equal(core_host_refresh(host, VM_WEB), 0);
	core_host_vm_gone(host);
	core_host_run(host);
	assert_int_equal(host->answers, 3);
	assert_int_equal(host->error, -ESRCH);
}

static void fail_region_dump(struct core_host *host)
{
	fake_link_end_dump(&host->fake, fake_link_open(&host->fake, FAKE_DUMP_REGIONS),
			   (struct lp_dump_end){.error = -EINVAL});
}

/* The caller wants to know now, not when the backoff after an earlier failure is over. */
/* However often clients ask: a VM is read for them once a second, and all of them get the answer. */
static void refreshes_are_limited(void **state)
{
	struct core_host *host = *state;
	size_t dumps;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 10 * NS_PER_S);
	core_host_settle(host);
	dumps = fake_link_count(&host->fake, FAKE_DUMP_REGIONS);
	assert_int_equal(core_host_refresh(host, VM_WEB), 0);
	core_host_settle(host);
	assert_int_equal(host->answers, 1);
	assert_int_equal(fake_link_count(&host->fake, FAKE_DUMP_REGIONS), dumps + 1);
	for (int i = 0; i < 5; i++) {
		core_host_pass(host, NS_PER_S / 10);
		assert_int_equal(core_host_refresh(host, VM_WEB), 0);
		core_host_settle(host);
	}
	assert_int_equal(host->answers, 1);
	assert_int_equal(fake_link_count(&host->fake, FAKE_DUMP_REGIONS), dumps + 1);
	core_host_pass(host, NS_PER_S / 2);
	core_host_settle(host);
	assert_int_equal(host->answers, 6);
	assert_int_equal(fake_link_count(&host->fake, FAKE_DUMP_REGIONS), dumps + 2);
}

static void refresh_ignores_the_backoff(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	core_host_changed(host);
	core_host_run(host);
	fail_region_dump(host);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_BACKOFF);
	core_host_pass(host, NS_PER_S);
	/* The daemon itself waits. */
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	assert_int_equal(core_host_refresh(host, VM_ALL), 0);
	core_host_settle(host);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
}

/* The failure is the answer, and the daemon itself keeps backing off. */
static void refresh_returns_the_failure_and_keeps_the_backoff(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	for (int i = 1; i <= 2; i++) {
		host->fake.now_ns += NS_PER_S;
		assert_int_equal(core_host_refresh(host, VM_WEB), 0);
		core_host_run(host);
		fail_region_dump(host);
		core_host_settle(host);
		assert_int_equal(host->answers, i);
		assert_int_equal(host->error, -EINVAL);
		assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	}
}

static void a_cancelled_refresh_is_not_answered(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(core_host_refresh(host, VM_ALL), 0);
	host->core->ops->refresh_cancel(host->core, host);
	core_host_settle(host);
	assert_int_equal(host->answers, 0);
}

static void manual_operations_are_answered_once(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {0, 512};

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_set_paused(host, VM_ALL, true), 0);
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_SPLIT, &range, 0), 0);
	assert_int_equal(core_host_op(host)->op, KVM_LPAGE_OP_SPLIT);
	fake_link_finish(&host->fake, core_host_op(host), 0);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(host->done_regions, 512);
	assert_int_equal(core_host_web(host).tally.split_regions, 512);
	/* Only refused merges are tallied. */
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_SPLIT, &range, 0), 0);
	fake_link_finish(&host->fake, core_host_op(host), KVM_LPAGE_REASON_BAD_RANGE);
	assert_int_equal(core_host_web(host).tally.refused[KVM_LPAGE_REASON_BAD_RANGE], 0);
	assert_int_equal(core_host_web(host).tally.split_regions, 512);
	/* No report arrives. */
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_RELEASE, &range, 0), 0);
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(host->answers, 3);
	assert_int_equal(host->error, -ETIMEDOUT);
	/* A caller that left is not called. */
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_RELEASE, &range, 0), 0);
	host->core->ops->range_op_cancel(host->core, host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(host->answers, 3);
	assert_int_equal(core_host_range_op(host, VM_ABSENT, KVM_LPAGE_OP_SPLIT, &range, 0),
			 -ESRCH);
}

static void the_deadline_of_a_probe_includes_its_window(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {0, 64};
	struct fake_asked *asked;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_set_paused(host, VM_ALL, true), 0);
	assert_int_equal(
		core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_PROBE, &range, 10 * NS_PER_S), 0);
	asked = core_host_op(host);
	assert_int_equal(asked->op, KVM_LPAGE_OP_PROBE);
	assert_true(asked->ttl_ns == 10 * NS_PER_S);
	fake_link_sent(&host->fake, asked, 0, NULL);
	core_host_pass(host, 14 * NS_PER_S);
	assert_int_equal(host->answers, 0);
	core_host_pass(host, 2 * NS_PER_S);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, -ETIMEDOUT);
	/* A cancelled probe is no refused merge. */
	asked->answered = true;
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_PROBE, &range, NS_PER_S), 0);
	fake_link_finish(&host->fake, core_host_op(host), KVM_LPAGE_REASON_CANCELLED);
	assert_int_equal(host->answers, 2);
	assert_int_equal(host->error, 0);
	assert_int_equal(core_host_web(host).tally.refused_regions, 0);
	assert_int_equal(core_host_web(host).tally.tried_regions, 0);
}

static void watchers_see_events_until_they_leave(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(host->core->ops->watch(host->core, on_watch, host), 0);
	core_host_one_vm_fixture(host);
	assert_int_equal(host->events[LP_WATCH_FAMILY], 1);
	assert_int_equal(host->events[LP_WATCH_VM], 1);
	core_host_pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, core_host_op(host), 0);
	assert_int_equal(host->events[LP_WATCH_OP_DONE], 1);
	core_host_lose_events(host);
	core_host_vm_gone(host);
	assert_int_equal(host->events[LP_WATCH_LOSS], 1);
	assert_int_equal(host->events[LP_WATCH_VM_GONE], 0);
}

static void expect_name(void *ctx, const struct lp_watch_event *event)
{
	unsigned int *seen = ctx;

	if (event->kind != LP_WATCH_VM && event->kind != LP_WATCH_VM_GONE)
		return;
	assert_string_equal(event->vm_name, "web-1");
	++*seen;
}

static void an_event_names_its_vm_to_the_end(void **state)
{
	struct core_host *host = *state;
	unsigned int seen = 0;

	assert_int_equal(host->core->ops->watch(host->core, expect_name, &seen), 0);
	core_host_one_vm_fixture(host);
	core_host_vm_gone(host);
	assert_int_equal(seen, 2);
	host->core->ops->unwatch(host->core, expect_name, &seen);
}

static void unwatching_frees_the_watcher_at_once(void **state)
{
	struct core_host *host = *state;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(host->core->ops->watch(host->core, on_watch, host), 0);
		host->core->ops->unwatch(host->core, on_watch, host);
	}
	assert_true(TAILQ_EMPTY(&host->manager->watchers));
}

static int count_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct core_host *host = ctx;

	host->answers++;
	host->done_regions += region->region.rfn;
	return 0;
}

static int refuse_region(void *ctx, const struct lp_region_snapshot *region)
{
	(void)region;
	((struct core_host *)ctx)->answers++;
	return -ECANCELED;
}

/* Asks for regions of @vm_id, with what is to be called for each. */
static int list_regions(struct core_host *host, uint32_t vm_id, struct lp_region_filter filter,
			lp_region_cb each, uint64_t *ret_next)
{
	return host->core->ops->regions(host->core, vm_id, &filter, each, host, ret_next);
}

static void regions_are_filtered_and_paged(void **state)
{
	struct lp_region_filter all = {0}, some = {.start_rfn = RFN_MIDDLE, .nr_regions = 1},
				paged = {.limit = 1},
				large = {.states = 1U << KVM_LPAGE_STATE_LARGE};
	struct core_host *host = *state;
	uint64_t next;

	core_host_one_vm_fixture(host);
	assert_int_equal(list_regions(host, VM_WEB, all, count_region, &next), 0);
	assert_int_equal(next, UINT64_MAX);
	assert_int_equal(host->answers, NR_RFNS);
	assert_int_equal(host->done_regions, RFN_FIRST + RFN_MIDDLE + RFN_LAST);
	assert_int_equal(list_regions(host, VM_WEB, some, count_region, &next), 0);
	assert_int_equal(next, UINT64_MAX);
	assert_int_equal(host->answers, 4);
	assert_int_equal(list_regions(host, VM_WEB, paged, count_region, &next), 0);
	assert_int_equal(next, RFN_MIDDLE);
	assert_int_equal(host->answers, 5);
	assert_int_equal(list_regions(host, VM_WEB, large, count_region, &next), 0);
	assert_int_equal(host->answers, 5);
	assert_int_equal(list_regions(host, VM_WEB, all, refuse_region, &next), -ECANCELED);
	assert_int_equal(host->answers, 6);
	assert_int_equal(list_regions(host, VM_ABSENT, all, count_region, &next), -ESRCH);
}

static void explain_gives_the_numbers(void **state)
{
	struct lp_explain why;
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, RFN_MIDDLE, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_NOT_DUE);
	assert_non_null(strstr(why.text, "quiet for "));
	assert_non_null(strstr(why.text, ", merged after "));
	assert_true(why.wait_ns > 3 * NS_PER_S && why.wait_ns <= 5 * NS_PER_S);
	assert_int_equal(host->core->ops->explain(host->core, VM_ABSENT, RFN_MIDDLE, &why), -ESRCH);
	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, UINT64_MAX, &why), -ERANGE);
}

static uint64_t try_ns(struct core_host *host, uint64_t rfn)
{
	struct lp_explain why;

	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, rfn, &why), 0);
	return why.try_ns;
}

static void explain_says_when_the_policy_tries(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_in_range(try_ns(host, RFN_FIRST), 4990 * NS_PER_MS, 5010 * NS_PER_MS);
	core_host_pass(host, 2 * NS_PER_S);
	assert_in_range(try_ns(host, RFN_FIRST), 2990 * NS_PER_MS, 3010 * NS_PER_MS);
	assert_int_equal(core_host_set_paused(host, VM_WEB, true), 0);
	assert_int_equal(try_ns(host, RFN_FIRST), UINT64_MAX);
	assert_int_equal(core_host_set_paused(host, VM_WEB, false), 0);
	/* What would be merged without dry-run. */
	assert_int_equal(core_host_set_dry_run(host, true), 0);
	assert_in_range(try_ns(host, RFN_FIRST), 2990 * NS_PER_MS, 3010 * NS_PER_MS);
	core_host_pass(host, 4 * NS_PER_S);
	assert_int_equal(try_ns(host, RFN_FIRST), 0);
	assert_int_equal(core_host_set_dry_run(host, false), 0);
	core_host_settle(host);
	core_host_pass(host, NS_PER_S);
	assert_non_null(core_host_op(host));
	fake_link_finish(&host->fake, core_host_op(host), 0);
	assert_int_equal(try_ns(host, RFN_FIRST), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(refresh_waits_for_data_younger_than_the_call),
		CORE_HOST_TEST(refreshes_are_limited),
		CORE_HOST_TEST(refresh_ignores_the_backoff),
		CORE_HOST_TEST(refresh_returns_the_failure_and_keeps_the_backoff),
		CORE_HOST_TEST(a_cancelled_refresh_is_not_answered),
		CORE_HOST_TEST(manual_operations_are_answered_once),
		CORE_HOST_TEST(the_deadline_of_a_probe_includes_its_window),
		CORE_HOST_TEST(watchers_see_events_until_they_leave),
		CORE_HOST_TEST(an_event_names_its_vm_to_the_end),
		CORE_HOST_TEST(unwatching_frees_the_watcher_at_once),
		CORE_HOST_TEST(regions_are_filtered_and_paged),
		CORE_HOST_TEST(explain_gives_the_numbers),
		CORE_HOST_TEST(explain_says_when_the_policy_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
