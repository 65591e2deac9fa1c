// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: those who look at it and ask something of it. */
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

static void on_refreshed(void *ctx, int error)
{
	struct core_host *host = ctx;

	host->answers++;
	host->error = error;
}

static void on_op(void *ctx, const struct lp_done *done, int error, const char *text)
{
	struct core_host *host = ctx;

	(void)text;
	host->answers++;
	host->error = error;
	for (size_t i = 0; done && i < done->nr_results; i++)
		host->done_regions += done->results[i].done;
}

static void on_watch(void *ctx, const struct lp_watch_event *event)
{
	struct core_host *host = ctx;

	host->events[event->kind]++;
	/* Leaving from within is allowed. */
	if (event->kind == LP_WATCH_LOSS)
		host->core->ops->unwatch(host->core, on_watch, host);
}

static void test_refresh(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(host->core->ops->refresh(host->core, 0, on_refreshed, host), -ENOTCONN);
	core_host_one_vm(host);
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(host->core->ops->refresh(host->core, 8, on_refreshed, host), -ESRCH);
	assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
	assert_int_equal(host->answers, 0);
	host->fake.vms[0].large = 8;
	core_host_settle(host);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(core_host_shown(host).vm.large, 8);
	/* What was under way before is not fresh enough. */
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	host->fake.now_ns += 3 * NS_PER_S;
	core_host_run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
	assert_true(fake_link_answer(&host->fake) > 0);
	core_host_run(host);
	assert_int_equal(host->answers, 1);
	/* Figures of now beside regions of before are not it either. */
	for (struct fake_asked *asked; (asked = fake_link_open(&host->fake, FAKE_DUMP_VM));) {
		struct lp_dump_end end = {.tag = asked->tag, .vm_id = 7, .text = ""};

		asked->answered = true;
		host->fake.link.events->dump_end(host->fake.link.ctx, &end);
		core_host_run(host);
	}
	assert_int_equal(host->answers, 1);
	core_host_settle(host);
	assert_int_equal(host->answers, 2);
	/* It goes while somebody waits. */
	assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	core_host_run(host);
	assert_int_equal(host->answers, 3);
	assert_int_equal(host->error, -ESRCH);
}

/* Whoever asks wants to know now, not when the pause after an earlier failure is over. */
static void test_refresh_of_a_failing_vm(void **state)
{
	struct core_host *host = *state;
	struct lp_dump_end end = {.of_regions = true, .vm_id = 7, .error = -EINVAL, .text = ""};

	core_host_one_vm(host);
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	core_host_run(host);
	end.tag = fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->tag;
	fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->answered = true;
	host->fake.link.events->dump_end(host->fake.link.ctx, &end);
	core_host_settle(host);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_BACKOFF);
	core_host_pass(host, NS_PER_S);
	/* By itself nothing is asked. */
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	assert_int_equal(host->core->ops->refresh(host->core, 0, on_refreshed, host), 0);
	core_host_settle(host);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_NONE);
}

/* The failure itself is the answer, and the pause after it is kept. */
static void test_refresh_fails_again(void **state)
{
	struct core_host *host = *state;
	struct lp_dump_end end = {.of_regions = true, .vm_id = 7, .error = -EINVAL, .text = ""};

	core_host_one_vm(host);
	for (int i = 1; i <= 2; i++) {
		host->fake.now_ns += NS_PER_S;
		assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
		core_host_run(host);
		end.tag = fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->tag;
		fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->answered = true;
		host->fake.link.events->dump_end(host->fake.link.ctx, &end);
		core_host_settle(host);
		assert_int_equal(host->answers, i);
		assert_int_equal(host->error, -EINVAL);
		assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	}
}

static void test_refresh_cancel(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm(host);
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(host->core->ops->refresh(host->core, 0, on_refreshed, host), 0);
	host->core->ops->refresh_cancel(host->core, host);
	core_host_settle(host);
	assert_int_equal(host->answers, 0);
}

static void test_manual(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {0, 512};

	core_host_one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), 0);
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_SPLIT, &range, 1, 0,
						   on_op, host),
			 0);
	assert_int_equal(fake_link_open(&host->fake, FAKE_OP)->op, KVM_LPAGE_OP_SPLIT);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP), 0);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(host->done_regions, 512);
	assert_int_equal(core_host_shown(host).tally.split_regions, 512);
	/* The counts of refusals are those of merges. */
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_SPLIT, &range, 1, 0,
						   NULL, NULL),
			 0);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP),
			 KVM_LPAGE_REASON_BAD_RANGE);
	assert_int_equal(core_host_shown(host).tally.refused[KVM_LPAGE_REASON_BAD_RANGE], 0);
	assert_int_equal(core_host_shown(host).tally.split_regions, 512);
	/* Nothing is heard. */
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_RELEASE, &range, 1,
						   0, on_op, host),
			 0);
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(host->answers, 2);
	assert_int_equal(host->error, -ETIMEDOUT);
	/* Whoever left is not called. */
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_RELEASE, &range, 1,
						   0, on_op, host),
			 0);
	host->core->ops->range_op_cancel(host->core, host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(host->answers, 2);
	assert_int_equal(host->core->ops->range_op(host->core, 8, KVM_LPAGE_OP_SPLIT, &range, 1, 0,
						   on_op, host),
			 -ESRCH);
}

/* The answer to a probe is awaited for as much longer as its window is. */
static void test_probe(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {0, 64};
	struct fake_asked *asked;

	core_host_one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), 0);
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_PROBE, &range, 1,
						   10 * NS_PER_S, on_op, host),
			 0);
	asked = fake_link_open(&host->fake, FAKE_OP);
	assert_int_equal(asked->op, KVM_LPAGE_OP_PROBE);
	assert_true(asked->ttl_ns == 10 * NS_PER_S);
	host->fake.link.events->op_sent(host->fake.link.ctx, asked->tag, 7, 0, NULL);
	core_host_pass(host, 14 * NS_PER_S);
	assert_int_equal(host->answers, 0);
	core_host_pass(host, 2 * NS_PER_S);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, -ETIMEDOUT);
	/* No merge, no refusal. */
	asked->answered = true;
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_PROBE, &range, 1,
						   NS_PER_S, on_op, host),
			 0);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP),
			 KVM_LPAGE_REASON_CANCELLED);
	assert_int_equal(host->answers, 2);
	assert_int_equal(host->error, 0);
	assert_int_equal(core_host_shown(host).tally.refused_regions, 0);
	assert_int_equal(core_host_shown(host).tally.tried_regions, 0);
}

static void test_watch(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(host->core->ops->watch(host->core, on_watch, host), 0);
	core_host_one_vm(host);
	assert_int_equal(host->events[LP_WATCH_FAMILY], 1);
	assert_int_equal(host->events[LP_WATCH_VM], 1);
	core_host_pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP), 0);
	assert_int_equal(host->events[LP_WATCH_OP_DONE], 1);
	host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	assert_int_equal(host->events[LP_WATCH_LOSS], 1);
	assert_int_equal(host->events[LP_WATCH_VM_GONE], 0);
}

/* Who comes and goes while nothing happens leaves nothing behind. */
static void test_unwatch_frees(void **state)
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

static void test_regions(void **state)
{
	struct lp_region_filter all = {0}, some = {.start_rfn = 5, .nr_regions = 1},
				paged = {.skip = 1, .limit = 1},
				large = {.states = 1U << KVM_LPAGE_STATE_LARGE};
	struct core_host *host = *state;

	core_host_one_vm(host);
	assert_int_equal(host->core->ops->regions(host->core, 7, &all, count_region, host), 0);
	assert_int_equal(host->answers, 3);
	assert_int_equal(host->done_regions, 15);
	assert_int_equal(host->core->ops->regions(host->core, 7, &some, count_region, host), 0);
	assert_int_equal(host->answers, 4);
	assert_int_equal(host->core->ops->regions(host->core, 7, &paged, count_region, host), 0);
	assert_int_equal(host->done_regions, 15 + 5 + 5);
	assert_int_equal(host->core->ops->regions(host->core, 7, &large, count_region, host), 0);
	assert_int_equal(host->answers, 5);
	assert_int_equal(host->core->ops->regions(host->core, 7, &all, refuse_region, host),
			 -ECANCELED);
	assert_int_equal(host->answers, 6);
	assert_int_equal(host->core->ops->regions(host->core, 8, &all, count_region, host), -ESRCH);
}

static void test_explain(void **state)
{
	struct lp_explain why;
	struct core_host *host = *state;

	core_host_one_vm(host);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(host->core->ops->explain(host->core, 7, 5, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_NOT_DUE);
	assert_non_null(strstr(why.text, "quiet for "));
	assert_non_null(strstr(why.text, ", merged after "));
	assert_true(why.wait_ns > 3 * NS_PER_S && why.wait_ns <= 5 * NS_PER_S);
	assert_int_equal(host->core->ops->explain(host->core, 8, 5, &why), -ESRCH);
	assert_int_equal(host->core->ops->explain(host->core, 7, UINT64_MAX, &why), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(test_refresh),
		CORE_HOST_TEST(test_refresh_of_a_failing_vm),
		CORE_HOST_TEST(test_refresh_fails_again),
		CORE_HOST_TEST(test_refresh_cancel),
		CORE_HOST_TEST(test_manual),
		CORE_HOST_TEST(test_probe),
		CORE_HOST_TEST(test_watch),
		CORE_HOST_TEST(test_unwatch_frees),
		CORE_HOST_TEST(test_regions),
		CORE_HOST_TEST(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
