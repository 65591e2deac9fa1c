// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: pauses that end by themselves, and holds of whole VMs by several owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/core_host.h"

static bool merges(struct core_host *host)
{
	struct fake_asked *asked = core_host_op(host);

	return asked && asked->op == KVM_LPAGE_OP_MERGE;
}

/* ---- pauses ---- */

static void a_pause_with_an_end_ends_by_itself(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_pause_for(host, VM_ALL, 30 * NS_PER_S), 0);
	assert_int_equal(core_host_pause_for(host, VM_WEB, 10 * NS_PER_S), 0);
	core_host_pass(host, 6 * NS_PER_S);
	assert_true(core_host_status(host).paused);
	assert_int_equal(core_host_status(host).pause_left_ns, 24 * NS_PER_S);
	assert_int_equal(core_host_web(host).pause_left_ns, 4 * NS_PER_S);
	core_host_pass(host, 4 * NS_PER_S);
	assert_false(core_host_web(host).paused);
	assert_true(core_host_logged(host, "VM 7 (web-1): resumed, the time of the pause is over"));
	core_host_pass(host, 20 * NS_PER_S - 1);
	assert_false(merges(host));
	core_host_pass(host, 1);
	assert_false(core_host_status(host).paused);
	assert_int_equal(core_host_status(host).pause_left_ns, UINT64_MAX);
	assert_true(core_host_logged(host, "all VMs resumed, the time of the pause is over"));
	assert_true(merges(host));
}

/* The time goes on while no daemon runs. */
static void a_pause_keeps_its_end_over_a_restart(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_pause_for(host, VM_ALL, 30 * NS_PER_S), 0);
	host->clock_ns += 20 * NS_PER_S;
	core_host_restart(host);
	assert_int_equal(core_host_status(host).pause_left_ns, 10 * NS_PER_S);
	/* It ends while there is none. */
	host->clock_ns += 10 * NS_PER_S;
	core_host_restart(host);
	assert_false(core_host_status(host).paused);
	core_host_restart(host);
	assert_false(core_host_status(host).paused);
}

static void the_last_pause_counts(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	for (uint32_t id = VM_ALL; id <= VM_WEB; id += VM_WEB) {
		assert_int_equal(core_host_pause_for(host, id, 30 * NS_PER_S), 0);
		assert_int_equal(core_host_pause_for(host, id, 5 * NS_PER_S), 0);
		assert_int_equal(core_host_set_paused(host, id, true), 0);
	}
	assert_int_equal(core_host_status(host).pause_left_ns, UINT64_MAX);
	assert_int_equal(core_host_web(host).pause_left_ns, UINT64_MAX);
	core_host_pass(host, (3600 * NS_PER_S));
	assert_true(core_host_status(host).paused);
	assert_true(core_host_web(host).paused);
	/* A resume ends a pause that has an end. */
	assert_int_equal(core_host_pause_for(host, VM_ALL, NS_PER_S), 0);
	assert_int_equal(core_host_set_paused(host, VM_ALL, false), 0);
	assert_false(core_host_status(host).paused);
}

/* The timer is set to the end, not to the next event of the kernel. */
static void the_end_wakes_the_daemon(void **state)
{
	struct core_host *host = *state;
	struct timeval left;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_pause_for(host, VM_ALL, 2 * NS_PER_S), 0);
	core_host_run(host);
	assert_true(event_pending(host->manager->timer, EV_TIMEOUT, &left));
	assert_int_equal(host->manager->next_end_ns, host->clock_ns + 2 * NS_PER_S);
	core_host_pass(host, 2 * NS_PER_S);
	assert_int_equal(host->manager->next_end_ns, NS_NEVER);
}

static void explain_says_when_a_pause_or_hold_ends(void **state)
{
	struct core_host *host = *state;
	struct lp_explain why;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", 9 * NS_PER_S), 0);
	assert_int_equal(core_host_hold(host, VM_WEB, "backup", 8 * NS_PER_S), 0);
	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, RFN_FIRST, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_VM_HELD);
	assert_int_equal(why.wait_ns, 9 * NS_PER_S);
	assert_string_equal(why.text, "held by libvirt and others");
	assert_int_equal(core_host_pause_for(host, VM_WEB, 7 * NS_PER_S), 0);
	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, RFN_FIRST, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_PAUSED);
	assert_int_equal(why.wait_ns, 7 * NS_PER_S);
	assert_int_equal(core_host_pause_for(host, VM_ALL, 6 * NS_PER_S), 0);
	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, RFN_FIRST, &why), 0);
	assert_int_equal(why.wait_ns, 6 * NS_PER_S);
}

/* ---- holds ---- */

static void a_vm_is_merged_when_no_owner_holds_it(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", 20 * NS_PER_S), 0);
	assert_int_equal(core_host_hold(host, VM_WEB, "backup", 10 * NS_PER_S), 0);
	core_host_pass(host, 9 * NS_PER_S);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_VM_HELD);
	assert_int_equal(core_host_web(host).nr_holds, 2);
	assert_string_equal(core_host_web(host).holds[0].owner, "libvirt");
	assert_int_equal(core_host_web(host).holds[0].left_ns, 11 * NS_PER_S);
	assert_int_equal(core_host_status(host).nr_holds, 2);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(core_host_web(host).nr_holds, 1);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_VM_HELD);
	assert_false(merges(host));
	/* Of another owner: nothing to release. */
	assert_int_equal(core_host_release(host, VM_WEB, "backup"), 0);
	assert_int_equal(core_host_release(host, VM_WEB, "libvirt"), 1);
	core_host_run(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	assert_true(merges(host));
	assert_true(core_host_logged(host, "hold of backup ended: its time is over"));
	assert_true(core_host_logged(host, "hold of libvirt ended: released"));
}

static void holding_again_replaces_the_time(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", 20 * NS_PER_S), 0);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", 5 * NS_PER_S), 0);
	assert_int_equal(core_host_web(host).nr_holds, 1);
	assert_int_equal(core_host_web(host).holds[0].left_ns, 5 * NS_PER_S);
	core_host_pass(host, 5 * NS_PER_S);
	assert_int_equal(core_host_web(host).nr_holds, 0);
}

/* A merge that somebody asks for is not let through, anything else is. */
static void a_held_vm_is_not_merged_on_request(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {RFN_FIRST, 1};

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", 20 * NS_PER_S), 0);
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_MERGE, &range, 0), -EBUSY);
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_SPLIT, &range, 0), 0);
	assert_int_equal(core_host_release(host, VM_WEB, NULL), 1);
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_MERGE, &range, 0), 0);
}

static void holds_survive_a_restart(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", 20 * NS_PER_S), 0);
	assert_int_equal(core_host_hold(host, VM_WEB, "backup", 5 * NS_PER_S), 0);
	host->clock_ns += 8 * NS_PER_S;
	core_host_restart(host);
	assert_int_equal(core_host_web(host).nr_holds, 1);
	assert_string_equal(core_host_web(host).holds[0].owner, "libvirt");
	assert_int_equal(core_host_web(host).holds[0].left_ns, 12 * NS_PER_S);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_VM_HELD);
}

static void a_hold_ends_with_its_vm(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", (3600 * NS_PER_S)), 0);
	/* A VM is not gone because the kernel cannot be reached. */
	fake_link_family(&host->fake, false);
	core_host_run(host);
	assert_int_equal(core_host_status(host).nr_holds, 1);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).nr_holds, 1);
	core_host_vm_gone(host);
	core_host_run(host);
	assert_int_equal(core_host_status(host).nr_holds, 0);
	assert_int_equal(host->manager->next_end_ns, NS_NEVER);
}

/* The next VM with the number is not held. */
static void a_hold_is_not_of_another_vm_with_the_number(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	host->fake.vms[0].pid = 4242;
	host->fake.vms[0].pid_start_ns = 5;
	core_host_restart(host);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", (3600 * NS_PER_S)), 0);
	core_host_restart(host);
	assert_int_equal(core_host_web(host).nr_holds, 1);
	host->fake.vms[0].pid_start_ns = 6;
	core_host_restart(host);
	assert_int_equal(core_host_web(host).nr_holds, 0);
	assert_int_equal(core_host_status(host).nr_holds, 0);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
}

/* kvm is loaded again, and another process creates the first VM: under the daemon's eyes, and without it. */
static void a_pause_is_not_of_another_vm_with_the_number(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	host->fake.vms[0].pid = 4242;
	host->fake.vms[0].pid_start_ns = 5;
	core_host_restart(host);
	assert_int_equal(core_host_set_paused(host, VM_WEB, true), 0);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", (3600 * NS_PER_S)), 0);
	fake_link_family(&host->fake, false);
	core_host_run(host);
	host->fake.vms[0].pid = 4243;
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_false(core_host_web(host).paused);
	assert_int_equal(core_host_web(host).nr_holds, 0);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	/* The one that is paused comes back: no other has been paused meanwhile. */
	host->fake.vms[0].pid = 4242;
	core_host_restart(host);
	assert_true(core_host_web(host).paused);
	host->fake.vms[0].pid_start_ns = 6;
	core_host_restart(host);
	assert_false(core_host_web(host).paused);
}

static void the_holds_of_a_vm_are_bounded(void **state)
{
	struct core_host *host = *state;
	char owner[16];

	core_host_one_vm_fixture(host);
	for (int i = 0; i < LP_VM_HOLDS_MAX; i++) {
		snprintf(owner, sizeof(owner), "o%d", i);
		assert_int_equal(core_host_hold(host, VM_WEB, owner, NS_PER_S), 0);
	}
	assert_int_equal(core_host_hold(host, VM_WEB, "late", NS_PER_S), -E2BIG);
	/* One that is there may be renewed. */
	assert_int_equal(core_host_hold(host, VM_WEB, "o3", NS_PER_S), 0);
	assert_int_equal(core_host_web(host).nr_holds, LP_VM_HOLDS_MAX);
	assert_int_equal(core_host_hold(host, VM_ABSENT, "late", NS_PER_S), -ESRCH);
	assert_int_equal(core_host_release(host, VM_ABSENT, "late"), -ESRCH);
	assert_int_equal(core_host_release(host, VM_WEB, NULL), LP_VM_HOLDS_MAX);
}

/* ---- holds that end with a connection ---- */

struct client {
	int ended;
	const char *why;
};

static void on_ended(void *ctx, const char *why)
{
	struct client *client = ctx;

	client->ended++;
	client->why = why;
}

static void attach(struct core_host *host, struct client *client, uint64_t for_ns)
{
	assert_int_equal(host->core->ops->hold_vm(host->core, VM_WEB, "libvirt", for_ns, on_ended,
						  client),
			 0);
}

/* Connections count, also of one owner, and are no matter of the file. */
static void a_hold_ends_with_its_connection(void **state)
{
	struct client a = {.why = NULL}, b = {.why = NULL};
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	attach(host, &a, 0);
	attach(host, &b, 0);
	assert_int_equal(core_host_web(host).nr_holds, 2);
	assert_true(core_host_web(host).holds[0].attached);
	assert_int_equal(core_host_web(host).holds[0].left_ns, UINT64_MAX);
	assert_int_equal(faccessat(host->dir_fd, "switches", F_OK, 0), -1);
	host->core->ops->hold_cancel(host->core, &a);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_VM_HELD);
	host->core->ops->hold_cancel(host->core, &b);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	assert_int_equal(a.ended + b.ended, 0);
}

static void a_client_is_told_why_its_hold_ended(void **state)
{
	struct client expired = {.why = NULL}, released = {.why = NULL}, gone = {.why = NULL};
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	attach(host, &expired, 3 * NS_PER_S);
	core_host_pass(host, 3 * NS_PER_S);
	assert_string_equal(expired.why, "expired");
	attach(host, &released, 0);
	assert_int_equal(core_host_release(host, VM_WEB, "libvirt"), 1);
	assert_string_equal(released.why, "released");
	attach(host, &gone, 0);
	core_host_vm_gone(host);
	core_host_run(host);
	assert_string_equal(gone.why, "gone");
	assert_int_equal(expired.ended + released.ended + gone.ended, 3);
	assert_int_equal(core_host_status(host).nr_holds, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(a_pause_with_an_end_ends_by_itself),
		CORE_HOST_TEST(a_pause_keeps_its_end_over_a_restart),
		CORE_HOST_TEST(the_last_pause_counts),
		CORE_HOST_TEST(the_end_wakes_the_daemon),
		CORE_HOST_TEST(explain_says_when_a_pause_or_hold_ends),
		CORE_HOST_TEST(a_vm_is_merged_when_no_owner_holds_it),
		CORE_HOST_TEST(holding_again_replaces_the_time),
		CORE_HOST_TEST(a_held_vm_is_not_merged_on_request),
		CORE_HOST_TEST(holds_survive_a_restart),
		CORE_HOST_TEST(a_hold_ends_with_its_vm),
		CORE_HOST_TEST(a_hold_is_not_of_another_vm_with_the_number),
		CORE_HOST_TEST(a_pause_is_not_of_another_vm_with_the_number),
		CORE_HOST_TEST(the_holds_of_a_vm_are_bounded),
		CORE_HOST_TEST(a_hold_ends_with_its_connection),
		CORE_HOST_TEST(a_client_is_told_why_its_hold_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
