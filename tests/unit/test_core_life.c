// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: how it starts, comes to rest, and what it does without a kernel. */
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

/* ---- life ---- */

static void test_absent(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;

	core_host_run(host);
	assert_int_equal(host->ready, 0);
	fake_link_family(&host->fake, false);
	core_host_run(host);
	assert_int_equal(host->ready, 1);
	assert_string_equal(host->status, "degraded: kernel has no kvm-lpage family");
	host->core->ops->status(host->core, &status);
	assert_true(status.degraded);
	assert_string_equal(status.degraded_why, "kernel has no kvm-lpage family");
	assert_int_equal(host->fake.nr_asked, 0);
	/* And then nothing at all. */
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
}

static void test_ready_after_first_dump(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, 7, "web-1");
	fake_link_family(&host->fake, true);
	core_host_run(host);
	assert_int_equal(host->ready, 0);
	assert_int_equal(fake_link_answer(&host->fake), 1);
	core_host_run(host);
	/* The VM is known, its regions are not. */
	assert_int_equal(host->ready, 0);
	core_host_settle(host);
	assert_int_equal(host->ready, 1);
	core_host_pass(host, 2 * NS_PER_S);
	assert_string_equal(host->status, "1 VM, 62 % of 8 regions large, 0 merges/s");
}

static void test_ready_when_a_vm_cannot_be_read(void **state)
{
	struct core_host *host = *state;
	struct lp_dump_end end = {.of_regions = true, .vm_id = 7, .error = -EIO, .text = ""};

	core_host_add_vm(host, 7, "web-1");
	fake_link_family(&host->fake, true);
	core_host_run(host);
	assert_int_equal(fake_link_answer(&host->fake), 1);
	core_host_run(host);
	end.tag = fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->tag;
	host->fake.link.events->dump_end(host->fake.link.ctx, &end);
	core_host_run(host);
	assert_int_equal(host->ready, 1);
}

/* Who may not ask is up and says so; systemd must not wait for what does not come. */
static void test_ready_when_the_kernel_refuses(void **state)
{
	struct core_host *host = *state;
	struct lp_dump_end end = {.error = -EPERM, .text = ""};
	struct fake_asked *asked;

	fake_link_family(&host->fake, true);
	core_host_run(host);
	asked = fake_link_open(&host->fake, FAKE_DUMP_VMS);
	asked->answered = true;
	end.tag = asked->tag;
	host->fake.link.events->dump_end(host->fake.link.ctx, &end);
	core_host_run(host);
	assert_int_equal(host->ready, 1);
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(strstr(host->status, "CAP_NET_ADMIN is missing"));
}

/* A reload must not tell the service manager that a start is over. */
static void test_reload_before_ready(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	assert_int_equal(host->reloads, 0);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(host->ready, 1);
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	assert_int_equal(host->reloads, 2);
}

static void test_family_goes_and_comes(void **state)
{
	struct core_host *host = *state;
	uint32_t ids[4];

	core_host_one_vm(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 1);
	fake_link_family(&host->fake, false);
	core_host_pass(host, 2 * NS_PER_S);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 0);
	assert_string_equal(host->status, "degraded: kernel has no kvm-lpage family");
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 1);
	assert_int_equal(host->ready, 1);
}

/* ---- when nothing happens ---- */

static void test_idle(void **state)
{
	struct core_host *host = *state;
	uint64_t before;

	core_host_add_vm(host, 7, "web-1");
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	/* The one late look at a new VM, and the status line. */
	core_host_pass(host, 61 * NS_PER_S);
	core_host_settle(host);
	core_host_pass(host, 3 * NS_PER_S);
	core_host_settle(host);
	core_host_pass(host, 20 * NS_PER_S);
	core_host_settle(host);
	before = host->fake.nr_asked;
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
	core_host_pass(host, 3600 * NS_PER_S);
	assert_int_equal(host->fake.nr_asked, before);
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(test_absent),
		CORE_HOST_TEST(test_ready_after_first_dump),
		CORE_HOST_TEST(test_ready_when_a_vm_cannot_be_read),
		CORE_HOST_TEST(test_ready_when_the_kernel_refuses),
		CORE_HOST_TEST(test_reload_before_ready),
		CORE_HOST_TEST(test_family_goes_and_comes),
		CORE_HOST_TEST(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
