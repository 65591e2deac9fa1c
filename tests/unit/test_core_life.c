// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: start, idleness, and the family that is absent. */
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

/* ---- start and end ---- */

static void without_the_family_it_is_degraded_and_sleeps(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;

	core_host_run(host);
	assert_int_equal(host->ready, 0);
	fake_link_family(&host->fake, false);
	core_host_run(host);
	assert_int_equal(host->ready, 1);
	assert_string_equal(host->status, "degraded: kernel has no kvm-lpage family");
	status = core_host_status(host);
	assert_true(status.degraded);
	assert_string_equal(status.degraded_why, "kernel has no kvm-lpage family");
	assert_int_equal(host->fake.nr_asked, 0);
	/* No timer is left. */
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
}

static void it_is_ready_after_the_first_dump(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, VM_WEB, "web-1");
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

static void an_unreadable_vm_does_not_delay_readiness(void **state)
{
	struct core_host *host = *state;

	core_host_add_vm(host, VM_WEB, "web-1");
	fake_link_family(&host->fake, true);
	core_host_run(host);
	assert_int_equal(fake_link_answer(&host->fake), 1);
	core_host_run(host);
	fake_link_end_dump(&host->fake, fake_link_open(&host->fake, FAKE_DUMP_REGIONS),
			   (struct lp_dump_end){.error = -EIO});
	core_host_run(host);
	assert_int_equal(host->ready, 1);
}

/* Without CAP_NET_ADMIN the daemon is up, and says so: systemd must not wait for it. */
static void a_kernel_that_refuses_does_not_delay_readiness(void **state)
{
	struct core_host *host = *state;

	fake_link_family(&host->fake, true);
	core_host_run(host);
	fake_link_end_dump(&host->fake, fake_link_open(&host->fake, FAKE_DUMP_VMS),
			   (struct lp_dump_end){.error = -EPERM});
	core_host_run(host);
	assert_int_equal(host->ready, 1);
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(strstr(host->status, "CAP_NET_ADMIN is missing"));
}

/* READY=1 after a reload would end the start early. */
static void a_reload_during_startup_is_not_notified(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(core_host_reload(host, NULL), 0);
	assert_int_equal(host->reloads, 0);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(host->ready, 1);
	assert_int_equal(core_host_reload(host, NULL), 0);
	assert_int_equal(host->reloads, 2);
}

static void vms_leave_and_return_with_the_family(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_nr_vms(host), 1);
	fake_link_family(&host->fake, false);
	core_host_pass(host, 2 * NS_PER_S);
	assert_int_equal(core_host_nr_vms(host), 0);
	assert_string_equal(host->status, "degraded: kernel has no kvm-lpage family");
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(core_host_nr_vms(host), 1);
	assert_int_equal(host->ready, 1);
}

/* ---- idle ---- */

/* Leases run out, whatever the guests do: all of them are renewed every five minutes. */
static void an_idle_host_causes_no_wakeups_but_for_leases(void **state)
{
	struct core_host *host = *state;
	uint64_t before, wakeups;

	core_host_add_vm(host, VM_WEB, "web-1");
	core_host_add_vm(host, VM_WEB + 1, "web-2");
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	/* The second dump of a new VM, and the status line. */
	core_host_pass(host, 61 * NS_PER_S);
	core_host_settle(host);
	core_host_pass(host, 3 * NS_PER_S);
	core_host_settle(host);
	core_host_pass(host, 20 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 1);
	for (int i = 0; i < 12; i++) {
		before = fake_link_count(&host->fake, FAKE_SET_POLICY);
		wakeups = core_host_status(host).wakeups;
		core_host_pass(host, 300 * NS_PER_S);
		assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), before + 2);
		before = host->fake.nr_asked;
		core_host_settle(host);
		assert_int_equal(host->fake.nr_asked, before);
		assert_in_range(core_host_status(host).wakeups - wakeups, 1, 3);
		assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 1);
	}
}

/* Once for VMs that go together, some time after the first. */
static void memory_is_given_back_after_vms_have_gone(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	core_host_add_vm(host, VM_WEB_2, "web-2");
	fake_link_new_vm(&host->fake, &host->fake.vms[1]);
	core_host_settle(host);
	core_host_pass(host, 100 * NS_PER_S);
	assert_int_equal(host->nr_given_back, 0);
	core_host_vm_gone(host);
	core_host_pass(host, 29 * NS_PER_S);
	assert_int_equal(host->nr_given_back, 0);
	fake_link_vm_gone(&host->fake, VM_WEB_2);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(host->nr_given_back, 1);
	/* Nobody wakes up for it again. */
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
	core_host_pass(host, 1000 * NS_PER_S);
	assert_int_equal(host->nr_given_back, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(without_the_family_it_is_degraded_and_sleeps),
		CORE_HOST_TEST(it_is_ready_after_the_first_dump),
		CORE_HOST_TEST(an_unreadable_vm_does_not_delay_readiness),
		CORE_HOST_TEST(a_kernel_that_refuses_does_not_delay_readiness),
		CORE_HOST_TEST(a_reload_during_startup_is_not_notified),
		CORE_HOST_TEST(vms_leave_and_return_with_the_family),
		CORE_HOST_TEST(memory_is_given_back_after_vms_have_gone),
		CORE_HOST_TEST(an_idle_host_causes_no_wakeups_but_for_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
