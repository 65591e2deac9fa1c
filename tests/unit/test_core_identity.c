// SPDX-License-Identifier: GPL-2.0-or-later
/* Who runs a VM, read from a /proc that the test made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>

#include "daemon/core/identity.h"

#define PID 4711

struct proc_fixture {
	char root[40];
	char dir[64];
};

static void put(const struct proc_fixture *proc, const char *name, const char *data, size_t len)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", proc->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put_text(const struct proc_fixture *proc, const char *name, const char *text)
{
	put(proc, name, text, strlen(text));
}

/* A process with a name that is hard to parse; @ticks: when it started. */
static void put_stat(const struct proc_fixture *proc, unsigned long ticks)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "4711 (qemu) 7 S x) S 1 1 1 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 9 0 %lu 123 456\n",
		 ticks);
	put_text(proc, "stat", text);
}

static int proc_fixture_setup(void **state)
{
	struct proc_fixture *proc = calloc(1, sizeof(*proc));

	strcpy(proc->root, "/tmp/test_identity.XXXXXX");
	assert_non_null(mkdtemp(proc->root));
	snprintf(proc->dir, sizeof(proc->dir), "%s/%d", proc->root, PID);
	assert_int_equal(mkdir(proc->dir, 0755), 0);
	put_stat(proc, 1000 * (unsigned long)sysconf(_SC_CLK_TCK) + 25);
	*state = proc;
	return 0;
}

static int proc_fixture_teardown(void **state)
{
	static const char *const names[] = {"stat", "cgroup", "cmdline"};
	struct proc_fixture *proc = *state;
	char path[96];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", proc->dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(proc->dir), 0);
	assert_int_equal(rmdir(proc->root), 0);
	free(proc);
	return 0;
}

static struct lp_identity identify(const struct proc_fixture *proc, const char *name)
{
	struct lp_vm vm = {
		.id = 1,
		.pid = PID,
		.uid = 107,
		.has_uid = true,
		.pid_start_ns = 1000254321000,
		.memory_pages = 262144,
	};
	const struct lp_vmm_query query = {vm.id, vm.pid, vm.uid, vm.pid_start_ns};
	struct lp_identity identity;
	struct lp_vmm_args args;
	bool have_args;

	strcpy(vm.name, name);
	have_args = vmm_args_read(proc->root, &query, &args) == 0;
	lp_identity_read(proc->root, &vm, have_args ? &args : NULL, &identity);
	return identity;
}

static const char libvirt_cgroup[] =
	"1:name=old:/x\n"
	"0::/machine.slice/machine-qemu\\x2d12\\x2dweb\\x2d1.scope/libvirt/emulator\n";

static const char qemu_args[] = "/usr/bin/qemu-system-x86_64\0-name\0guest=db,,1,debug-threads=on";

static void a_libvirt_scope_names_the_vm(void **state)
{
	struct lp_identity identity;

	put_text(*state, "cgroup", libvirt_cgroup);
	put(*state, "cmdline", qemu_args, sizeof(qemu_args));
	identity = identify(*state, "");
	/* systemd drops "_" and more from a scope; what QEMU was started with is whole. */
	assert_string_equal(identity.name, "db_1");
	assert_int_equal(identity.name_source, LP_NAME_QEMU);
	put(*state, "cmdline", qemu_args, strlen(qemu_args) + 1);
	identity = identify(*state, "");
	assert_string_equal(identity.name, "web-1");
	assert_int_equal(identity.name_source, LP_NAME_LIBVIRT);
	assert_true(identity.name_known && identity.cgroup_known && identity.command_known);
	assert_string_equal(identity.slice, "machine.slice");
	assert_string_equal(identity.command, "qemu-system-x86_64");
	assert_int_equal(identity.memory_bytes, 1 << 30);
	assert_string_equal(
		identity.cgroup,
		"/machine.slice/machine-qemu\\x2d12\\x2dweb\\x2d1.scope/libvirt/emulator");
}

static void the_ioctl_name_wins(void **state)
{
	struct lp_identity identity;

	put_text(*state, "cgroup", libvirt_cgroup);
	put(*state, "cmdline", qemu_args, sizeof(qemu_args));
	identity = identify(*state, "mine");
	assert_string_equal(identity.name, "mine");
	assert_int_equal(identity.name_source, LP_NAME_IOCTL);
	assert_string_equal(identity.slice, "machine.slice");
}

static void qemu_arguments_name_the_vm(void **state)
{
	struct lp_identity identity;

	put_text(*state, "cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n");
	put(*state, "cmdline", qemu_args, sizeof(qemu_args));
	identity = identify(*state, "");
	/* Characters that a name must not have are replaced. */
	assert_string_equal(identity.name, "db_1");
	assert_int_equal(identity.name_source, LP_NAME_QEMU);
	assert_string_equal(identity.slice, "user-1000.slice");
}

static void uuids_come_from_the_command_line(void **state)
{
	static const char args[] = "qemu\0-uuid\0004DEA22B3-1d52-d8f3-2516-782e98ab3fa0\0-m\0001G";
	struct lp_identity identity;
	struct config_identity rules;

	put_text(*state, "cgroup", "0::/\n");
	put(*state, "cmdline", args, sizeof(args));
	identity = identify(*state, "");
	lp_identity_for_rules(&identity, &rules);
	assert_string_equal(rules.uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0");
	put(*state, "cmdline", "vmm\0-uuid\0x", 12);
	identity = identify(*state, "");
	lp_identity_for_rules(&identity, &rules);
	assert_string_equal(rules.uuid, "");
}

static void cgroups_of_both_versions_are_read(void **state)
{
	static const struct {
		const char *text, *cgroup;
	} rows[] = {
		{"12:cpu,cpuacct:/x\n1:name=systemd:/machine.slice/a.scope\n",
		 "/machine.slice/a.scope"},
		/* hybrid: v2 is mounted, and not in use */
		{"1:name=systemd:/machine.slice/a.scope\n0::/\n", "/machine.slice/a.scope"},
		{"1:name=systemd:/old\n0::/new\n", "/new"},
		{"1:name=systemd:/\n0::/\n", "/"},
		{"0::/a\n", "/a"},
	};
	struct lp_identity identity;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_text(*state, "cgroup", rows[i].text);
		identity = identify(*state, "");
		assert_true(identity.cgroup_known);
		assert_string_equal(identity.cgroup, rows[i].cgroup);
	}
	put_text(*state, "cgroup", "1:cpu:/a\n");
	assert_false(identify(*state, "").cgroup_known);
}

static void commands_are_found_behind_wrappers(void **state)
{
	static const struct {
		const char *args;
		size_t len;
		const char *command;
	} rows[] = {
#define ROW(text, command) {text, sizeof(text), command}
		ROW("/nix/store/x/bin/.qemu-system-x86_64-wrapped\0-m\0001G", "qemu-system-x86_64"),
		ROW("/lib64/ld-linux-x86-64.so.2\0/usr/bin/qemu-system-x86_64\0-m",
		    "qemu-system-x86_64"),
		ROW("valgrind\0--tool=none\0qemu-system-x86_64", "qemu-system-x86_64"),
		ROW("/usr/bin/cloud-hypervisor\0--disk\0/x/qemu-system-image", "cloud-hypervisor"),
		ROW(".hidden", ".hidden"),
#undef ROW
	};
	char command[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(
			vm_command_of_args(rows[i].args, rows[i].len, command, sizeof(command)), 0);
		assert_string_equal(command, rows[i].command);
	}
}

/* kata: sandbox- and 64 hex digits. */
static void long_names_stay_distinct(void **state)
{
	static const char kata[] =
		"q\0-name\0sandbox-"
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";
	char args[2][sizeof(kata) + 32], name[2][64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t len = sizeof(kata) - 1;

		memcpy(args[i], kata, len);
		len += (size_t)sprintf(args[i] + len, "%zx,debug-threads=on", i) + 1;
		assert_int_equal(vm_name_of_args(args[i], len, name[i], sizeof(name[i])), 0);
		assert_int_equal(strlen(name[i]), 63);
		assert_memory_equal(name[i], "sandbox-0123456789abcdef", 24);
	}
	assert_string_not_equal(name[0], name[1]);
	/* 63 characters fit as they are. */
	memset(args[0], 'x', 63);
	assert_int_equal(vm_name_copy(args[0], 63, name[0], sizeof(name[0])), 0);
	args[0][63] = '\0';
	assert_string_equal(name[0], args[0]);
}

static void a_vm_without_a_name_is_known_to_have_none(void **state)
{
	static const char args[] = "vmm\0--kernel\0x";
	struct lp_identity identity;

	put_text(*state, "cgroup", "0::/\n");
	put(*state, "cmdline", args, sizeof(args));
	identity = identify(*state, "");
	/* Known to have none, which is not the same as unknown. */
	assert_true(identity.name_known);
	assert_string_equal(identity.name, "");
	assert_int_equal(identity.name_source, LP_NAME_NONE);
	assert_string_equal(identity.slice, "");
}

static void unreadable_facts_match_no_rule(void **state)
{
	struct lp_identity identity;
	struct config_identity rules;

	identity = identify(*state, "");
	assert_false(identity.name_known);
	assert_false(identity.cgroup_known);
	assert_false(identity.command_known);
	lp_identity_for_rules(&identity, &rules);
	assert_null(rules.vm_name);
	assert_null(rules.cgroup);
	assert_null(rules.vmm);
	assert_int_equal(rules.uid, 107);
}

static void a_reused_pid_is_detected(void **state)
{
	struct lp_identity identity;

	put_text(*state, "cgroup", libvirt_cgroup);
	put(*state, "cmdline", qemu_args, sizeof(qemu_args));
	put_stat(*state, 1000 * (unsigned long)sysconf(_SC_CLK_TCK) + 26);
	identity = identify(*state, "");
	assert_false(identity.cgroup_known || identity.command_known || identity.name_known);
	/* What the kernel reported stays. */
	identity = identify(*state, "mine");
	assert_string_equal(identity.name, "mine");
	assert_false(identity.command_known);
}

static void a_process_that_is_gone_stays_unknown(void **state)
{
	struct lp_vm vm = {.id = 1, .pid = 1, .pid_start_ns = 1};
	struct lp_identity identity;

	(void)state;
	lp_identity_read("/nonexistent", &vm, NULL, &identity);
	assert_false(identity.cgroup_known);
	vm.pid = 0; /* in another pid namespace */
	lp_identity_read("/proc", &vm, NULL, &identity);
	assert_false(identity.cgroup_known);
}

static void libvirt_scopes_are_parsed(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(vm_name_of_scope("/machine.slice/machine-qemu\\x2d3\\x2da.scope", name,
					  sizeof(name)),
			 0);
	assert_string_equal(name, "a");
	assert_int_equal(vm_name_of_scope("/machine-qemu\\x2d3\\x2d\\x6f\\x20o.scope", name,
					  sizeof(name)),
			 0);
	assert_string_equal(name, "o_o");
	/* Cloud Hypervisor, by libvirt */
	assert_int_equal(vm_name_of_scope("/machine.slice/machine-ch\\x2d7\\x2dvm.scope/x", name,
					  sizeof(name)),
			 0);
	assert_string_equal(name, "vm");
	/* A container may hold a VM, whose name is not the container's. */
	assert_int_equal(vm_name_of_scope("/machine-lxc\\x2d3\\x2da.scope", name, sizeof(name)),
			 -ENOENT);
	assert_int_equal(vm_name_of_scope("/machine-qemu\\x2da.scope", name, sizeof(name)),
			 -ENOENT);
	assert_int_equal(vm_name_of_scope("/machine-qemu\\x2d3\\x2d.scope", name, sizeof(name)),
			 -ENOENT);
	assert_int_equal(vm_name_of_scope("/machine-.scope", name, sizeof(name)), -ENOENT);
	assert_int_equal(vm_name_of_scope("", name, sizeof(name)), -ENOENT);
	/* Longer than the buffer. */
	assert_int_equal(vm_name_of_scope("/machine-qemu\\x2d3\\x2dabcdefgh.scope", name, 5), 0);
	assert_string_equal(name, "abcd");
}

static int qemu_name(const char *args, size_t len, char *name)
{
	return vm_name_of_args(args, len, name, 64);
}

static void qemu_arguments_are_parsed(void **state)
{
	char name[64];

	(void)state;
#define ARGS(text) text, sizeof(text)
	assert_int_equal(qemu_name(ARGS("q\0-name\0plain"), name), 0);
	assert_string_equal(name, "plain");
	assert_int_equal(qemu_name(ARGS("q\0-name\0plain,process=x"), name), 0);
	assert_string_equal(name, "plain");
	assert_int_equal(qemu_name(ARGS("q\0-name\0process=x,guest=g"), name), 0);
	assert_string_equal(name, "g");
	assert_int_equal(qemu_name(ARGS("q\0-name\0debug-threads=on"), name), -ENOENT);
	assert_int_equal(qemu_name(ARGS("q\0-name"), name), -ENOENT);
	assert_int_equal(qemu_name(ARGS("q\0-nam\0x"), name), -ENOENT);
	/* Truncated in the value: half a name could match the wrong rule. */
	assert_int_equal(qemu_name("q\0-name\0plain", sizeof("q\0-name\0plain") - 1, name),
			 -ENOENT);
	assert_int_equal(qemu_name("", 0, name), -ENOENT);
#undef ARGS
}

static void start_ticks_are_parsed(void **state)
{
	unsigned long long ticks;

	(void)state;
	assert_int_equal(procfs_start_ticks("1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 "
					    "18 4242 x",
					    &ticks),
			 0);
	assert_int_equal(ticks, 4242);
	assert_int_equal(procfs_start_ticks("1 (a) S 1 2 3", &ticks), -EINVAL);
	assert_int_equal(procfs_start_ticks("", &ticks), -EINVAL);
	assert_int_equal(procfs_start_ticks("1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 "
					    "18 -1 x",
					    &ticks),
			 -EINVAL);
}

static void the_own_process_is_identified(void **state)
{
	struct lp_vm vm = {.id = 1, .pid = (uint32_t)getpid()};
	unsigned long long ticks;
	struct procfs_namespaces namespaces;
	struct lp_identity identity;
	struct lp_vmm_query query;
	struct lp_vmm_args args;
	char text[1024] = "";
	FILE *f = fopen("/proc/self/stat", "r");

	(void)state;
	procfs_namespaces("/proc", &namespaces);
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_int_equal(procfs_start_ticks(text, &ticks), 0);
	vm.pid_start_ns = ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)) + 5;
	query = (struct lp_vmm_query){vm.id, vm.pid, 0, vm.pid_start_ns};
	/* Packages are built in containers, too, where KVM's pids are not those of /proc. */
	assert_int_equal(vmm_args_read("/proc", &query, &args), namespaces.pid ? -EXDEV : 0);
	if (namespaces.pid)
		return;
	lp_identity_read("/proc", &vm, &args, &identity);
	assert_true(identity.command_known);
	assert_string_equal(identity.command, "test_core_identity");
}

#define PROC_TEST(f) cmocka_unit_test_setup_teardown(f, proc_fixture_setup, proc_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROC_TEST(a_libvirt_scope_names_the_vm),
		PROC_TEST(the_ioctl_name_wins),
		PROC_TEST(qemu_arguments_name_the_vm),
		PROC_TEST(uuids_come_from_the_command_line),
		PROC_TEST(cgroups_of_both_versions_are_read),
		cmocka_unit_test(commands_are_found_behind_wrappers),
		cmocka_unit_test(long_names_stay_distinct),
		PROC_TEST(a_vm_without_a_name_is_known_to_have_none),
		PROC_TEST(unreadable_facts_match_no_rule),
		PROC_TEST(a_reused_pid_is_detected),
		cmocka_unit_test(a_process_that_is_gone_stays_unknown),
		cmocka_unit_test(libvirt_scopes_are_parsed),
		cmocka_unit_test(qemu_arguments_are_parsed),
		cmocka_unit_test(start_ticks_are_parsed),
		cmocka_unit_test(the_own_process_is_identified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
