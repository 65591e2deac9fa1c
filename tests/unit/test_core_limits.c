// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: limits, rules, reloads, pause and dry-run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/limits.h"
#include "daemon/core/vm.h"
#include "tests/lib/core_host.h"

/* ---- limits and rules ---- */

static void limits_are_written_once(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *push;

	core_host_add_vm(host, VM_WEB, "slow-1");
	fake_link_family(&host->fake, true);
	core_host_run(host);
	fake_link_answer(&host->fake);
	core_host_run(host);
	push = fake_link_open(&host->fake, FAKE_SET_POLICY);
	assert_non_null(push);
	assert_int_equal(push->limits.mode, KVM_LPAGE_MODE_MANAGED);
	assert_int_equal(push->limits.min_quiet_ns, 2 * NS_PER_S);
	assert_int_equal(push->limits.rate_per_s, 1000);
	assert_int_equal(push->limits.burst_regions, 100);
	assert_int_equal(push->limits.batch_regions, 32);
	assert_int_equal(push->limits.max_stall_ns, 2 * NS_PER_MS);
	assert_int_equal(push->limits.notify_interval_ns, 100 * NS_PER_MS);
	core_host_settle(host);
	assert_string_equal(core_host_web(host).rule, "slow");
	/* Written once, and not again by the next daemon, which finds them in force. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	host->fake.vms[0].limits_admin = push->limits;
	core_host_stop(host);
	host->fake.nr_asked = 0;
	core_host_start(host);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
}

static void a_reload_applies_the_new_rules(void **state)
{
	struct core_host *host = *state;
	char *text = NULL;

	core_host_one_vm_fixture(host);
	assert_string_equal(core_host_web(host).rule, "");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	/* The same file again changes nothing. */
	assert_int_equal(core_host_reload(host, &text), 0);
	assert_null(text);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(host->reloads, 2);
	core_host_write_config(host, "version: 1\nrules: [{name: web, match: {vm-name: web-*}, "
				     "policy: threshold, quiet-time: 1s, batch: 8}]\n");
	assert_int_equal(core_host_reload(host, &text), 0);
	core_host_settle(host);
	assert_string_equal(core_host_web(host).rule, "web");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(core_host_op(host));
}

static void a_bad_file_leaves_the_configuration_in_force(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;
	char *text = NULL;

	core_host_one_vm_fixture(host);
	core_host_write_config(host, "version: 1\ndefaults:\n  quiet-time: 5parsecs\n");
	assert_int_equal(core_host_reload(host, &text), -EINVAL);
	assert_non_null(text);
	assert_non_null(strstr(text, "config.yaml:3:"));
	assert_non_null(strstr(text, "quiet-time"));
	free(text);
	assert_true(core_host_logged(host, "config.yaml:3:"));
	status = core_host_status(host);
	assert_non_null(strstr(status.config_error, "quiet-time"));
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(strstr(host->status, "last reload failed"));
	/* The old configuration remains in force. */
	core_host_pass(host, 4 * NS_PER_S);
	assert_non_null(core_host_op(host));
	core_host_write_config(host, core_host_config);
	assert_int_equal(core_host_reload(host, NULL), 0);
	status = core_host_status(host);
	assert_string_equal(status.config_error, "");
}

/* The configuration is applied as a whole or not at all. */
static void a_configuration_refused_by_a_hook_is_not_applied(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;
	char *text = NULL;

	core_host_one_vm_fixture(host);
	core_host_write_config(host, "version: 1\nglobal: {dry-run: true}\n");
	host->configure_error = -EADDRINUSE;
	assert_int_equal(core_host_reload(host, &text), -EADDRINUSE);
	assert_non_null(text);
	assert_non_null(strstr(text, "config.yaml: metrics: address in use\n"));
	free(text);
	status = core_host_status(host);
	assert_non_null(strstr(status.config_error, "address in use"));
	assert_false(status.dry_run);
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
	host->configure_error = 0;
	assert_int_equal(core_host_reload(host, NULL), 0);
	status = core_host_status(host);
	assert_true(status.dry_run);
	assert_string_equal(status.config_error, "");
}

static void foreign_limits_stay_until_a_reload(void **state)
{
	struct core_host *host = *state;
	struct lp_policy_change change = {
		.vm_id = VM_WEB, .layer = KVM_LPAGE_LAYER_ADMIN, .pid = 1, .uid = 0};

	core_host_one_vm_fixture(host);
	change.limits = host->fake.vms[0].limits;
	change.limits.mode = KVM_LPAGE_MODE_OFF;
	host->fake.vms[0].limits = change.limits;
	fake_link_policy_changed(&host->fake, &change);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_MODE_OFF);
	assert_true(core_host_logged(host, "limits were changed by pid 1"));
	core_host_pass(host, 10 * NS_PER_S);
	core_host_settle(host);
	assert_null(core_host_op(host));
	/* The daemon does not set them back until somebody reloads. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
}

/* A change that came with the pid of whoever made it, as the initial namespace counts: of no use here. */
static void change_limits(struct core_host *host, const struct lp_limits *admin)
{
	struct lp_policy_change change = {.vm_id = VM_WEB,
					  .layer = KVM_LPAGE_LAYER_ADMIN,
					  .pid = (uint32_t)getpid() + 1,
					  .limits = host->fake.vms[0].limits};

	host->fake.vms[0].limits_admin = *admin;
	fake_link_policy_changed(&host->fake, &change);
}

/* The last limits that the daemon has set. */
static struct lp_limits set_by_daemon(const struct core_host *host)
{
	return host->manager->vms[0]->limits.pushed;
}

static void in_a_pid_namespace_values_tell_whose_limits_they_are(void **state)
{
	struct core_host *host = *state;
	struct lp_limits limits;

	host->manager->namespaces.pid = true;
	core_host_one_vm_fixture(host);
	limits = set_by_daemon(host);
	change_limits(host, &limits);
	core_host_settle(host);
	core_host_pass(host, 60 * NS_PER_S);
	assert_false(core_host_logged(host, "limits were changed by pid"));
	limits.batch_regions = 1;
	change_limits(host, &limits);
	core_host_settle(host);
	core_host_pass(host, 60 * NS_PER_S);
	core_host_settle(host);
	assert_true(core_host_logged(host, "limits were changed by pid"));
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
}

/* The event of the daemon's own change comes before the answer, and what is read meanwhile is older. */
static void in_a_pid_namespace_nothing_is_decided_while_limits_are_being_set(void **state)
{
	struct core_host *host = *state;
	struct lp_limits before;

	host->manager->namespaces.pid = true;
	core_host_add_vm(host, VM_WEB, "web-1");
	fake_link_family(&host->fake, true);
	core_host_run(host);
	fake_link_answer(&host->fake);
	core_host_run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_SET_POLICY));
	before = (struct lp_limits){0};
	change_limits(host, &before);
	host->manager->vms[0]->sync.stats_asked_ns = UINT64_MAX;
	limits_check(host->manager, host->manager->vms[0]);
	assert_false(core_host_logged(host, "limits were changed by pid"));
	host->manager->vms[0]->sync.stats_asked_ns = 0;
	host->fake.vms[0].limits_admin = set_by_daemon(host);
	core_host_settle(host);
	core_host_pass(host, 60 * NS_PER_S);
	core_host_settle(host);
	assert_false(host->manager->vms[0]->limits.doubt);
	assert_false(core_host_logged(host, "limits were changed by pid"));
}

/* ---- switches ---- */

static void the_lease_of_the_limits_is_renewed(void **state)
{
	struct core_host *host = *state;
	struct lp_vm *vm = host->fake.vms;
	struct fake_asked *push;

	core_host_one_vm_fixture(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(core_host_web(host).lease_left_ns, 600 * NS_PER_S);
	host->fake.nr_asked = 0;
	core_host_pass(host, 300 * NS_PER_S);
	assert_int_equal(core_host_web(host).lease_left_ns, 300 * NS_PER_S);
	push = fake_link_open(&host->fake, FAKE_SET_POLICY);
	assert_non_null(push);
	/* The limits come along, in case that they were lost without a word. */
	assert_int_equal(push->ttl_ns, 600 * NS_PER_S);
	assert_int_equal(push->limits.mode, KVM_LPAGE_MODE_MANAGED);
	vm->limits_admin = push->limits;
	vm->admin_lease_ns = push->ttl_ns;
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(core_host_web(host).lease_left_ns, 600 * NS_PER_S);
	/* The next daemon takes it over at once. */
	core_host_restart(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
}

static void limits_that_ended_with_their_lease_are_written_again(void **state)
{
	struct core_host *host = *state;
	struct lp_policy_change change = {
		.vm_id = VM_WEB, .layer = KVM_LPAGE_LAYER_ADMIN, .expired = true};

	core_host_one_vm_fixture(host);
	change.limits = host->fake.vms[0].limits;
	assert_int_not_equal(core_host_web(host).lease_left_ns, UINT64_MAX);
	fake_link_policy_changed(&host->fake, &change);
	assert_int_equal(core_host_web(host).lease_left_ns, UINT64_MAX);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
	assert_false(core_host_logged(host, "limits were changed by pid"));
}

/* They end with the daemon like its own, not before. */
static void only_the_lease_of_foreign_limits_is_renewed(void **state)
{
	struct core_host *host = *state;
	struct lp_policy_change change = {
		.vm_id = VM_WEB, .layer = KVM_LPAGE_LAYER_ADMIN, .pid = 1, .uid = 0};
	struct fake_asked *push;

	core_host_one_vm_fixture(host);
	change.limits = host->fake.vms[0].limits;
	fake_link_policy_changed(&host->fake, &change);
	core_host_settle(host);
	host->fake.nr_asked = 0;
	core_host_pass(host, 301 * NS_PER_S);
	push = fake_link_open(&host->fake, FAKE_SET_POLICY);
	assert_non_null(push);
	assert_int_equal(push->limits.set, 0);
	assert_int_equal(push->ttl_ns, 600 * NS_PER_S);
}

static void dry_run_changes_nothing_in_the_kernel(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {RFN_FIRST, 1};

	core_host_stop(host);
	host->dry_run = true;
	core_host_start(host);
	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	core_host_settle(host);
	/* No request that changes anything is sent. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 0);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_int_equal(core_host_web(host).tally.dry_regions, NR_RFNS);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_DRY_RUN);
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_MERGE, &range, 0), -EPERM);
	/* --dry-run cannot be turned off. */
	assert_int_equal(core_host_set_dry_run(host, false), 0);
	assert_true(core_host_web(host).dry_run);
}

static void limits_are_written_when_dry_run_ends(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(core_host_set_dry_run(host, true), 0);
	core_host_one_vm_fixture(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_int_equal(core_host_set_dry_run(host, false), 0);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
}

static void a_pause_of_the_host_survives_a_restart(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_set_paused(host, VM_ALL, true), 0);
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(core_host_op(host));
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_PAUSED);
	assert_non_null(strstr(host->status, "paused"));
	core_host_restart(host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(core_host_op(host));
	assert_int_equal(core_host_set_paused(host, VM_ALL, false), 0);
	core_host_run(host);
	assert_non_null(core_host_op(host));
}

static void a_pause_of_one_vm_survives_a_restart(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	assert_int_equal(core_host_set_paused(host, VM_ABSENT, true), -ESRCH);
	assert_int_equal(core_host_set_paused(host, VM_WEB, true), 0);
	core_host_restart(host);
	assert_true(core_host_web(host).paused);
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(core_host_op(host));
	assert_int_equal(core_host_set_paused(host, VM_WEB, false), 0);
	core_host_run(host);
	assert_non_null(core_host_op(host));
}

/* kvm was loaded again, and another process got the number, while the daemon ran or did not. */
static void a_pause_is_not_of_another_vm_with_the_number(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	host->fake.vms[0].pid = 10;
	host->fake.vms[0].pid_start_ns = NS_PER_S;
	core_host_restart(host);
	assert_int_equal(core_host_set_paused(host, VM_WEB, true), 0);
	host->fake.vms[0].pid_start_ns += NS_PER_S;
	fake_link_family(&host->fake, false);
	core_host_run(host);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_false(core_host_web(host).paused);
	assert_int_equal(core_host_set_paused(host, VM_WEB, true), 0);
	core_host_restart(host);
	assert_true(core_host_web(host).paused);
	host->fake.vms[0].pid++;
	core_host_restart(host);
	assert_false(core_host_web(host).paused);
}

/* VMs that are gone must not fill the list. */
static void a_pause_ends_with_its_vm(void **state)
{
	struct core_host *host = *state;
	unsigned int line;
	struct lp_state left;

	core_host_one_vm_fixture(host);
	core_host_add_vm(host, VM_WEB_2, "web-2");
	fake_link_new_vm(&host->fake, &host->fake.vms[1]);
	core_host_settle(host);
	assert_int_equal(core_host_set_paused(host, VM_WEB, true), 0);
	/* A VM is not gone because the kernel cannot be reached. */
	fake_link_family(&host->fake, false);
	core_host_run(host);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_true(core_host_web(host).paused);
	core_host_vm_gone(host);
	assert_int_equal(core_host_set_paused(host, VM_WEB_2, true), 0);
	assert_int_equal(lp_state_load(host->dir_fd, "", &left, &line), 0);
	assert_int_equal(left.nr_paused_vms, 1);
	assert_int_equal(left.paused_vms[0].vm.id, VM_WEB_2);
	lp_state_done(&left);
}

static void a_pause_that_cannot_be_saved_is_refused(void **state)
{
	struct core_host *host = *state;
	int fd = host->manager->options.runtime_dir_fd;

	core_host_one_vm_fixture(host);
	host->manager->options.runtime_dir_fd = -1;
	assert_int_equal(core_host_set_paused(host, VM_ALL, true), -EBADF);
	assert_int_equal(core_host_pause_for(host, VM_WEB, NS_PER_S), -EBADF);
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", NS_PER_S), -EBADF);
	host->manager->options.runtime_dir_fd = fd;
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	/* A longer time that cannot be saved leaves the shorter one. */
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", NS_PER_S), 0);
	assert_int_equal(core_host_pause_for(host, VM_WEB, 2 * NS_PER_S), 0);
	host->manager->options.runtime_dir_fd = -1;
	assert_int_equal(core_host_hold(host, VM_WEB, "libvirt", (3600 * NS_PER_S)), -EBADF);
	assert_int_equal(core_host_set_paused(host, VM_WEB, false), -EBADF);
	host->manager->options.runtime_dir_fd = fd;
	assert_int_equal(core_host_web(host).holds[0].left_ns, NS_PER_S);
	assert_int_equal(core_host_web(host).pause_left_ns, 2 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(limits_are_written_once),
		CORE_HOST_TEST(a_reload_applies_the_new_rules),
		CORE_HOST_TEST(a_bad_file_leaves_the_configuration_in_force),
		CORE_HOST_TEST(a_configuration_refused_by_a_hook_is_not_applied),
		CORE_HOST_TEST(foreign_limits_stay_until_a_reload),
		CORE_HOST_TEST(in_a_pid_namespace_values_tell_whose_limits_they_are),
		CORE_HOST_TEST(in_a_pid_namespace_nothing_is_decided_while_limits_are_being_set),
		CORE_HOST_TEST(the_lease_of_the_limits_is_renewed),
		CORE_HOST_TEST(limits_that_ended_with_their_lease_are_written_again),
		CORE_HOST_TEST(only_the_lease_of_foreign_limits_is_renewed),
		CORE_HOST_TEST(dry_run_changes_nothing_in_the_kernel),
		CORE_HOST_TEST(limits_are_written_when_dry_run_ends),
		CORE_HOST_TEST(a_pause_of_the_host_survives_a_restart),
		CORE_HOST_TEST(a_pause_of_one_vm_survives_a_restart),
		CORE_HOST_TEST(a_pause_is_not_of_another_vm_with_the_number),
		CORE_HOST_TEST(a_pause_ends_with_its_vm),
		CORE_HOST_TEST(a_pause_that_cannot_be_saved_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
