// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: keeping in sync with the kernel. */
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

static void changes_are_read_and_removed_slots_forgotten(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *dump;

	core_host_one_vm_fixture(host);
	core_host_changed(host);
	core_host_run(host);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 10);
	core_host_settle(host);
	/* Memory slots were removed: only a full dump shows which regions are gone. */
	host->fake.vms[0].generation = 20;
	host->fake.resync_generation = 15;
	host->fake.nr_regions = 1;
	core_host_changed(host);
	core_host_run(host);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).tracked_regions, 1);
	host->fake.resync_generation = 0;
}

/* The data changed during the dump, which may have left out regions. */
static void an_interrupted_dump_is_repeated_in_full(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *dump;

	core_host_one_vm_fixture(host);
	core_host_changed(host);
	core_host_run(host);
	fake_link_end_dump(&host->fake, fake_link_open(&host->fake, FAKE_DUMP_REGIONS),
			   (struct lp_dump_end){.interrupted = true, .generation = 30});
	core_host_run(host);
	/* After the backoff, from generation 0. */
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	core_host_pass(host, NS_PER_S);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 0);
}

static void a_change_of_an_unknown_vm_lists_the_vms(void **state)
{
	struct core_host *host = *state;
	uint32_t ids[4];

	core_host_one_vm_fixture(host);
	core_host_add_vm(host, VM_LATE, "late");
	fake_link_changed(&host->fake, VM_LATE);
	core_host_settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, 0, ids, ARRAY_SIZE(ids)), 2);
	assert_int_equal(ids[1], VM_LATE);
}

static void a_burst_of_losses_causes_one_resync(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;

	core_host_one_vm_fixture(host);
	for (int i = 0; i < 100; i++)
		core_host_lose_events(host);
	core_host_run(host);
	assert_true(core_host_web(host).stale);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_STALE);
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	core_host_pass(host, 300 * NS_PER_MS);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	assert_int_equal(fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->since, 0);
	core_host_settle(host);
	assert_false(core_host_web(host).stale);
	status = core_host_status(host);
	assert_int_equal(status.resyncs, 1);
	/* The next resync is delayed. */
	core_host_lose_events(host);
	core_host_pass(host, 300 * NS_PER_MS);
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
}

static void a_vm_that_is_not_running_is_not_merged(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, VM_WEB, "web-1");
	host->fake.vms[0].running = false;
	core_host_add_region(host, RFN_FIRST);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NOT_RUNNING);
	assert_null(core_host_op(host));
	host->fake.vms[0].running = true;
	core_host_changed(host);
	core_host_settle(host);
	core_host_pass(host, 3 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	assert_non_null(core_host_op(host));
}

/* Stopped for a while, it must not merge what was converted meanwhile. */
static void after_a_stop_changes_are_read_before_merges(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *dump;

	core_host_one_vm_fixture(host);
	core_host_stall(host, 10 * NS_PER_S);
	assert_null(core_host_op(host));
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_STALE);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 10);
	/* The one in the middle was. */
	host->fake.regions[1].to_shared_pages++;
	host->fake.regions[1].to_private_pages++;
	host->fake.regions[1].last_to_shared_ns = host->fake.now_ns - NS_PER_MS;
	host->fake.regions[1].last_to_private_ns = host->fake.now_ns;
	host->fake.regions[1].generation = 11;
	host->fake.vms[0].generation = 11;
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	assert_non_null(core_host_op(host));
	assert_int_equal(core_host_op(host)->nr_ranges, 2);
	assert_int_equal(core_host_op(host)->ranges[0].start_rfn, RFN_FIRST);
	assert_int_equal(core_host_op(host)->ranges[1].start_rfn, RFN_LAST);
}

/* What the policy could not take is not known: no merges, and all regions are read again. */
static void a_dump_that_was_not_kept_is_repeated_in_full(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *dump;

	core_host_one_vm_fixture(host);
	assert_int_equal(policy_vm_remove(host->manager->policy, VM_WEB, host->fake.now_ns), 0);
	host->fake.vms[0].generation = 11;
	host->fake.regions[0].generation = 11;
	core_host_changed(host);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_STALE);
	assert_true(core_host_logged(host, "reading the regions failed"));
	/* There is room again. */
	assert_int_equal(policy_vm_add(host->manager->policy, VM_WEB,
				       &host->manager->config->defaults, host->fake.now_ns),
			 0);
	core_host_pass(host, NS_PER_S);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 0);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(changes_are_read_and_removed_slots_forgotten),
		CORE_HOST_TEST(an_interrupted_dump_is_repeated_in_full),
		CORE_HOST_TEST(a_change_of_an_unknown_vm_lists_the_vms),
		CORE_HOST_TEST(a_burst_of_losses_causes_one_resync),
		CORE_HOST_TEST(a_vm_that_is_not_running_is_not_merged),
		CORE_HOST_TEST(after_a_stop_changes_are_read_before_merges),
		CORE_HOST_TEST(a_dump_that_was_not_kept_is_repeated_in_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
