// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: limits, rules, reloads, and what people switch. */
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

/* ---- limits and rules ---- */

static void test_pushes_limits(void **state)
{
	struct core_host *host = *state;
	struct fake_asked *push;

	core_host_add_vm(host, 7, "slow-1");
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
	assert_string_equal(core_host_shown(host).rule, "slow");
	/* Once; and not at all by the next daemon, which finds them in force. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	host->fake.vms[0].limits_admin = push->limits;
	core_host_stop(host);
	host->fake.nr_asked = 0;
	core_host_start(host);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
}

static void test_reload(void **state)
{
	struct core_host *host = *state;
	char *text = NULL;

	core_host_one_vm(host);
	assert_string_equal(core_host_shown(host).rule, "");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	/* The same again changes nothing. */
	assert_int_equal(host->core->ops->reload(host->core, &text), 0);
	assert_null(text);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(host->reloads, 2);
	core_host_write_config(host, "version: 1\nrules: [{name: web, match: {vm-name: web-*}, "
				     "policy: threshold, quiet-time: 1s, batch: 8}]\n");
	assert_int_equal(host->core->ops->reload(host->core, &text), 0);
	core_host_settle(host);
	assert_string_equal(core_host_shown(host).rule, "web");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

static void test_bad_reload(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;
	char *text = NULL;

	core_host_one_vm(host);
	core_host_write_config(host, "version: 1\ndefaults:\n  quiet-time: 5parsecs\n");
	assert_int_equal(host->core->ops->reload(host->core, &text), -EINVAL);
	assert_non_null(text);
	assert_non_null(strstr(text, "config.yaml:3:"));
	assert_non_null(strstr(text, "quiet-time"));
	free(text);
	assert_true(core_host_logged(host, "config.yaml:3:"));
	host->core->ops->status(host->core, &status);
	assert_non_null(strstr(status.config_error, "quiet-time"));
	core_host_pass(host, 2 * NS_PER_S);
	assert_non_null(strstr(host->status, "last reload failed"));
	/* The old one is in force. */
	core_host_pass(host, 4 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
	core_host_write_config(host, core_host_config);
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	host->core->ops->status(host->core, &status);
	assert_string_equal(status.config_error, "");
}

/* What others cannot do with a configuration keeps it from coming into force as a whole. */
static void test_reload_that_others_refuse(void **state)
{
	struct core_host *host = *state;
	struct lp_status status;
	char *text = NULL;

	core_host_one_vm(host);
	core_host_write_config(host, "version: 1\nglobal: {dry-run: true}\n");
	host->configure_error = -EADDRINUSE;
	assert_int_equal(host->core->ops->reload(host->core, &text), -EADDRINUSE);
	assert_non_null(text);
	assert_non_null(strstr(text, "config.yaml: somewhere: no room\n"));
	free(text);
	host->core->ops->status(host->core, &status);
	assert_non_null(strstr(status.config_error, "no room"));
	assert_false(status.dry_run);
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
	host->configure_error = 0;
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	host->core->ops->status(host->core, &status);
	assert_true(status.dry_run);
	assert_string_equal(status.config_error, "");
}

static void test_foreign_change(void **state)
{
	struct core_host *host = *state;
	struct lp_policy_change change = {
		.vm_id = 7, .layer = KVM_LPAGE_LAYER_ADMIN, .pid = 1, .uid = 0};

	core_host_one_vm(host);
	change.limits = host->fake.vms[0].limits;
	change.limits.mode = KVM_LPAGE_MODE_OFF;
	host->fake.vms[0].limits = change.limits;
	host->fake.link.events->policy_changed(host->fake.link.ctx, &change);
	core_host_settle(host);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_MODE_OFF);
	assert_true(core_host_logged(host, "limits were changed by pid 1"));
	core_host_pass(host, 10 * NS_PER_S);
	core_host_settle(host);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	/* Nobody fights over it; whoever reloads wants the configuration in force. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
}

/* ---- switches ---- */

static void test_dry_run(void **state)
{
	struct core_host *host = *state;
	struct lp_range range = {4, 1};

	core_host_stop(host);
	host->dry_run = true;
	core_host_start(host);
	core_host_one_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	core_host_settle(host);
	/* Nothing is asked that changes anything. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 0);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_int_equal(core_host_shown(host).tally.dry_regions, 3);
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_DRY_RUN);
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_MERGE, &range, 1, 0,
						   NULL, NULL),
			 -EPERM);
	/* The command line wins. */
	assert_int_equal(host->core->ops->set_dry_run(host->core, false), 0);
	assert_true(core_host_shown(host).dry_run);
}

static void test_dry_run_off_pushes(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(host->core->ops->set_dry_run(host->core, true), 0);
	core_host_one_vm(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_int_equal(host->core->ops->set_dry_run(host->core, false), 0);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
}

static void test_pause_is_kept(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), 0);
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_PAUSED);
	assert_non_null(strstr(host->status, "paused"));
	core_host_restart(host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(host->core->ops->set_paused(host->core, 0, false), 0);
	core_host_run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

static void test_pause_of_one(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 8, true), -ESRCH);
	assert_int_equal(host->core->ops->set_paused(host->core, 7, true), 0);
	core_host_restart(host);
	assert_true(core_host_shown(host).paused);
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(host->core->ops->set_paused(host->core, 7, false), 0);
	core_host_run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

/* Ids are not used again: those of VMs that are gone must not fill the list of paused ones. */
static void test_pause_of_the_gone_is_forgotten(void **state)
{
	struct core_host *host = *state;
	unsigned int line;
	struct lp_state left;

	core_host_one_vm(host);
	core_host_add_vm(host, 8, "web-2");
	host->fake.link.events->vm(host->fake.link.ctx, &host->fake.vms[1], true);
	core_host_settle(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 7, true), 0);
	/* It is not gone because the kernel cannot be reached. */
	fake_link_family(&host->fake, false);
	core_host_run(host);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
	assert_true(core_host_shown(host).paused);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	assert_int_equal(host->core->ops->set_paused(host->core, 8, true), 0);
	assert_int_equal(lp_state_load(host->dir_fd, &left, &line), 0);
	assert_int_equal(left.nr_paused_vms, 1);
	assert_int_equal(left.paused_vms[0], 8);
	lp_state_done(&left);
}

static void test_pause_that_cannot_be_kept(void **state)
{
	struct core_host *host = *state;
	int fd = host->manager->options.runtime_dir_fd;

	core_host_one_vm(host);
	host->manager->options.runtime_dir_fd = -1;
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), -EBADF);
	host->manager->options.runtime_dir_fd = fd;
	assert_int_equal(core_host_shown(host).gate, LPAGE_REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(test_pushes_limits),
		CORE_HOST_TEST(test_reload),
		CORE_HOST_TEST(test_bad_reload),
		CORE_HOST_TEST(test_reload_that_others_refuse),
		CORE_HOST_TEST(test_foreign_change),
		CORE_HOST_TEST(test_dry_run),
		CORE_HOST_TEST(test_dry_run_off_pushes),
		CORE_HOST_TEST(test_pause_is_kept),
		CORE_HOST_TEST(test_pause_of_one),
		CORE_HOST_TEST(test_pause_of_the_gone_is_forgotten),
		CORE_HOST_TEST(test_pause_that_cannot_be_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
