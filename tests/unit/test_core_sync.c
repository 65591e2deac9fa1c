// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: reading from the kernel again, and again. */
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

static void test_changed(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *dump;

	core_host_one_vm(host);
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	core_host_run(host);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 10);
	core_host_settle(host);
	/* Slots went: a dump of changes is not enough, and what is not listed is gone. */
	host->fake.vms[0].generation = 20;
	host->fake.resync_generation = 15;
	host->fake.nr_regions = 1;
	host->fake.link.events->changed(host->fake.link.ctx, 7, 20);
	core_host_run(host);
	core_host_settle(host);
	assert_int_equal(core_host_shown(host).tracked_regions, 1);
	host->fake.resync_generation = 0;
}

/* The data changed underneath: what was listed may have holes. */
static void test_interrupted_dump(void **state)
{
	struct lp_dump_end end = {
		.of_regions = true, .vm_id = 7, .text = "", .interrupted = true, .generation = 30};
	struct core_host *host = *state;
	struct fake_asked *dump;

	core_host_one_vm(host);
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	core_host_run(host);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	dump->answered = true;
	end.tag = dump->tag;
	host->fake.link.events->dump_end(host->fake.link.ctx, &end);
	core_host_run(host);
	/* After a pause, and from the beginning. */
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	core_host_pass(host, NS_PER_S);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 0);
}

static void test_unknown_vm_changed(void **state)
{
	struct core_host *host = *state;
	uint32_t ids[4];

	core_host_one_vm(host);
	core_host_add_vm(host, 9, "late");
	host->fake.link.events->changed(host->fake.link.ctx, 9, 1);
	core_host_settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 2);
	assert_int_equal(ids[1], 9);
}

static void test_loss(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;

	core_host_one_vm(host);
	for (int i = 0; i < 100; i++)
		host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	core_host_run(host);
	assert_true(core_host_shown(host).stale);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_STALE);
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	core_host_pass(host, 300 * NS_PER_MS);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	assert_int_equal(fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->since, 0);
	core_host_settle(host);
	assert_false(core_host_shown(host).stale);
	host->core->ops->status(host->core, &status);
	assert_int_equal(status.resyncs, 1);
	/* The next one waits. */
	host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	core_host_pass(host, 300 * NS_PER_MS);
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
}

static void test_not_running(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, 7, "web-1");
	host->fake.vms[0].running = false;
	core_host_add_region(host, 4);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_NOT_RUNNING);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	host->fake.vms[0].running = true;
	host->fake.link.events->changed(host->fake.link.ctx, 7, 11);
	core_host_settle(host);
	core_host_pass(host, 3 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_NONE);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(test_changed),
		CORE_HOST_TEST(test_interrupted_dump),
		CORE_HOST_TEST(test_unknown_vm_changed),
		CORE_HOST_TEST(test_loss),
		CORE_HOST_TEST(test_not_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
