// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager and command lines of VMMs, which somebody else reads for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/core/vm.h"
#include "tests/lib/core_host.h"

#define PID	 4711
#define START_NS (1000 * NS_PER_S)

static void path_of(const struct core_host *host, const char *name, char ret[static 96])
{
	snprintf(ret, 96, "%s/%d%s%s", host->dir, PID, *name ? "/" : "", name);
}

static void put(const struct core_host *host, const char *name, const char *text)
{
	char path[96];
	FILE *f;

	path_of(host, name, path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A process whose command line never comes: a FIFO that nobody writes to. */
static int args_setup(void **state)
{
	struct core_host *host;
	char path[96], stat[128];

	(void)core_host_setup(state);
	host = *state;
	host->reads_args = true;
	path_of(host, "", path);
	assert_int_equal(mkdir(path, 0755), 0);
	path_of(host, "cmdline", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(stat, sizeof(stat), "%d (q) S 1 1 1 0 -1 4 1 0 0 0 5 6 0 0 20 0 9 0 %ld 1\n", PID,
		 1000 * sysconf(_SC_CLK_TCK));
	put(host, "stat", stat);
	put(host, "cgroup", "0::/machine.slice/machine-qemu\\x2d1\\x2dslow.scope\n");
	return 0;
}

/* In which namespaces the daemon is; NULL: nothing is known. */
static void put_self(const struct core_host *host, const char *pid_ns, const char *offsets)
{
	char self[64], ns[80], path[96];
	FILE *f;

	snprintf(self, sizeof(self), "%s/self", host->dir);
	snprintf(ns, sizeof(ns), "%s/ns", self);
	snprintf(path, sizeof(path), "%s/pid", ns);
	(void)unlink(path);
	if (pid_ns) {
		assert_true(mkdir(self, 0755) == 0 && mkdir(ns, 0755) == 0);
		assert_int_equal(symlink(pid_ns, path), 0);
	}
	snprintf(path, sizeof(path), "%s/timens_offsets", self);
	(void)unlink(path);
	if (offsets) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_true(fputs(offsets, f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	if (!pid_ns) {
		(void)rmdir(ns);
		(void)rmdir(self);
	}
}

static int args_teardown(void **state)
{
	static const char *const names[] = {"stat", "cgroup", "cmdline"};
	struct core_host *host = *state;
	char path[96];

	put_self(host, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		path_of(host, names[i], path);
		assert_int_equal(unlink(path), 0);
	}
	path_of(host, "", path);
	assert_int_equal(rmdir(path), 0);
	return core_host_teardown(state);
}

static void add_vm(struct core_host *host)
{
	struct lp_vm *vm;

	core_host_add_vm(host, VM_WEB, "");
	vm = &host->fake.vms[host->fake.nr_vms - 1];
	vm->pid = PID;
	vm->pid_start_ns = START_NS;
	vm->uid = 107;
	for (uint64_t rfn = RFN_FIRST; rfn <= RFN_LAST; rfn++)
		core_host_add_region(host, rfn);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
}

static void answer(struct core_host *host, int error, const char *name)
{
	struct lp_vmm_args args = {.command = "qemu-system-x86_64"};

	strcpy(args.name, name);
	lp_manager_vmm_args(host->manager, &host->asked, error, error ? NULL : &args);
	core_host_settle(host);
}

/* It hung, in the turn of the loop that read the command line itself. */
static void the_loop_does_not_wait_for_a_vmm(void **state)
{
	struct core_host *host = *state;

	add_vm(host);
	assert_int_equal(host->ready, 1);
	assert_int_equal(host->nr_asked, 1);
	assert_int_equal(host->asked.vm_id, VM_WEB);
	assert_int_equal(host->asked.pid, PID);
	assert_int_equal(host->asked.uid, 107);
	assert_int_equal(host->asked.start_ns, START_NS);
	assert_string_equal(core_host_web(host).identity.cgroup,
			    "/machine.slice/machine-qemu\\x2d1\\x2dslow.scope");
}

static void nothing_is_decided_before_the_answer(void **state)
{
	struct core_host *host = *state;

	add_vm(host);
	core_host_pass(host, 6 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_IDENTIFYING);
	assert_int_equal(core_host_reason(host, RFN_FIRST), LPAGE_REASON_IDENTIFYING);
	assert_null(core_host_op(host));
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_false(core_host_logged(host, "no rule, defaults"));
	/* Neither by a reload. */
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	answer(host, 0, "slow-1");
	assert_string_equal(core_host_web(host).identity.name, "slow-1");
	assert_string_equal(core_host_web(host).rule, "slow");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_true(core_host_logged(
		host, "VM 7 (slow-1): new, pid 4711, name from qemu, 16 MiB; rule \"slow\""));
	assert_false(core_host_logged(host, "no rule, defaults"));
}

static void without_an_answer_the_scope_names_it(void **state)
{
	struct core_host *host = *state;

	add_vm(host);
	answer(host, -ETIMEDOUT, "");
	assert_string_equal(core_host_web(host).identity.name, "slow");
	assert_int_equal(core_host_web(host).identity.name_source, LP_NAME_LIBVIRT);
	assert_false(core_host_web(host).identity.command_known);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	assert_true(core_host_logged(
		host, "the command line of its process 4711 could not be read in time"));
	/* Asked once more after a minute, which nothing waits for, and then no longer. */
	core_host_pass(host, 61 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(host->nr_asked, 2);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
	answer(host, 0, "slow-2");
	assert_string_equal(core_host_web(host).identity.name, "slow-2");
	assert_string_equal(core_host_web(host).rule, "slow");
	core_host_pass(host, 600 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(host->nr_asked, 2);
}

static void an_answer_is_for_the_vm_that_was_asked_for(void **state)
{
	struct core_host *host = *state;
	struct lp_vmm_query first;

	add_vm(host);
	first = host->asked;
	core_host_vm_gone(host);
	answer(host, 0, "gone");
	assert_int_equal(core_host_nr_vms(host), 0);
	/* Another VM has the id now. */
	host->fake.vms[0].pid_start_ns += NS_PER_S;
	core_host_lose_events(host);
	core_host_pass(host, 2 * NS_PER_S);
	core_host_settle(host);
	assert_int_equal(host->nr_asked, 2);
	host->asked = first;
	answer(host, 0, "gone");
	assert_string_equal(core_host_web(host).identity.name, "");
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_IDENTIFYING);
}

/* ---- namespaces ---- */

#define INITIAL_PID_NS "pid:[4026531836]"
#define OTHER_PID_NS   "pid:[4026532178]"

static void in_a_pid_namespace_nobody_is_taken_for_a_vmm(void **state)
{
	struct core_host *host = *state;
	struct lp_vmm_args args;
	struct lp_vmm_query query = {.pid = PID, .start_ns = START_NS};

	put_self(host, OTHER_PID_NS, NULL);
	core_host_restart(host);
	add_vm(host);
	assert_true(core_host_status(host).pid_namespace);
	assert_true(core_host_logged(host, "in a pid namespace"));
	/* The fake /proc has a process with that number and that start time. */
	assert_false(core_host_web(host).identity.cgroup_known);
	assert_int_equal(vmm_args_read(host->dir, &query, &args), -EXDEV);
	answer(host, -EXDEV, "");
	assert_false(core_host_web(host).identity.name_known);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_NONE);
}

/* The kernel reports pids of the initial namespace, among them the daemon's. */
static void in_a_pid_namespace_the_daemon_sets_limits(void **state)
{
	struct core_host *host = *state;
	struct lp_policy_change change = {
		.vm_id = VM_WEB, .layer = KVM_LPAGE_LAYER_ADMIN, .pid = 31337};

	put_self(host, OTHER_PID_NS, NULL);
	core_host_restart(host);
	add_vm(host);
	answer(host, -EXDEV, "");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	fake_link_policy_changed(&host->fake, &change);
	core_host_settle(host);
	assert_false(core_host_logged(host, "not by this daemon"));
	assert_false(host->manager->vms[0]->limits.foreign);
}

static void in_a_time_namespace_the_offset_counts(void **state)
{
	struct core_host *host = *state;
	char stat[128];

	/* Processes seem to have started 7.5 s earlier. */
	put_self(host, INITIAL_PID_NS,
		 "monotonic           5         0\nboottime           -8 500000000\n");
	snprintf(stat, sizeof(stat), "%d (q) S 1 1 1 0 -1 4 1 0 0 0 5 6 0 0 20 0 9 0 %ld 1\n", PID,
		 9925 * sysconf(_SC_CLK_TCK) / 10);
	put(host, "stat", stat);
	core_host_restart(host);
	add_vm(host);
	assert_true(core_host_status(host).time_namespace);
	assert_false(core_host_status(host).pid_namespace);
	assert_true(core_host_logged(host, "in a time namespace: its clocks are 5 s"));
	assert_true(core_host_web(host).identity.cgroup_known);
	/* The time that is shown is no longer the one that counts. */
	put_self(host, NULL, NULL);
	core_host_pass(host, 61 * NS_PER_S);
	core_host_settle(host);
	assert_false(core_host_web(host).identity.cgroup_known);
}

static void in_no_namespace_nothing_is_said(void **state)
{
	struct core_host *host = *state;

	put_self(host, INITIAL_PID_NS, "monotonic           0         0\nboottime   0   0\n");
	core_host_restart(host);
	add_vm(host);
	assert_false(core_host_status(host).pid_namespace || core_host_status(host).time_namespace);
	assert_false(core_host_logged(host, "namespace"));
	assert_true(core_host_web(host).identity.cgroup_known);
}

#define ARGS_TEST(f) cmocka_unit_test_setup_teardown(f, args_setup, args_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARGS_TEST(the_loop_does_not_wait_for_a_vmm),
		ARGS_TEST(nothing_is_decided_before_the_answer),
		ARGS_TEST(without_an_answer_the_scope_names_it),
		ARGS_TEST(an_answer_is_for_the_vm_that_was_asked_for),
		ARGS_TEST(in_a_pid_namespace_nobody_is_taken_for_a_vmm),
		ARGS_TEST(in_a_pid_namespace_the_daemon_sets_limits),
		ARGS_TEST(in_a_time_namespace_the_offset_counts),
		ARGS_TEST(in_no_namespace_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
