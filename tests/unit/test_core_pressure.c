// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager on a host that is short of memory or CPU, and what /proc says of that. */
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
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/procfs.h>

#include "daemon/core/pressure.h"
#include "tests/lib/core_host.h"
#include "tests/lib/files.h"

#define LOOK_NS (2 * NS_PER_S) /* it is looked that often */

static const char limits[] = "version: 1\n"
			     "global: {memory-pressure-limit: 10%, cpu-pressure-limit: 40%}\n"
			     "defaults: {policy: threshold, quiet-time: 5s}\n"
			     "shadow: {}\n";

static void put(const struct core_host *host, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", host->dir, name);
	file_put(path, text);
}

static void put_pressure(const struct core_host *host, const char *resource, const char *avg10)
{
	char name[32], text[160];

	snprintf(name, sizeof(name), "pressure/%s", resource);
	snprintf(text, sizeof(text),
		 "some avg10=%s avg60=99.00 avg300=99.00 total=1\n"
		 "full avg10=99.00 avg60=99.00 avg300=99.00 total=1\n",
		 avg10);
	put(host, name, text);
}

static int setup(void **state)
{
	struct core_host *host;

	if (core_host_setup(state) < 0)
		return -1;
	host = *state;
	if (mkdirat(host->dir_fd, "pressure", 0700) < 0)
		return -1;
	put_pressure(host, "memory", "0.00");
	put_pressure(host, "cpu", "0.00");
	return 0;
}

static int teardown(void **state)
{
	const struct core_host *host = *state;

	(void)unlinkat(host->dir_fd, "pressure/memory", 0);
	(void)unlinkat(host->dir_fd, "pressure/cpu", 0);
	(void)unlinkat(host->dir_fd, "pressure", AT_REMOVEDIR);
	(void)unlinkat(host->dir_fd, "buddyinfo", 0);
	return core_host_teardown(state);
}

static void reload(struct core_host *host, const char *text)
{
	core_host_write_config(host, text);
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_settle(host);
}

static uint64_t shadow_merges(struct core_host *host)
{
	struct lp_shadow_snapshot shadow;

	assert_int_equal(host->core->ops->shadow(host->core, &shadow), 0);
	return shadow.shadow.merges;
}

static void no_merges_are_begun_while_the_host_is_short_of_memory(void **state)
{
	struct core_host *host = *state;
	struct lp_explain why;

	core_host_one_vm_fixture(host);
	reload(host, limits);
	put_pressure(host, "memory", "10.01");
	core_host_pass(host, 6 * NS_PER_S);
	assert_null(core_host_op(host));
	assert_int_equal(shadow_merges(host), 0);
	assert_int_equal(core_host_status(host).pressure, LPAGE_REASON_MEMORY_PRESSURE);
	assert_int_equal(core_host_status(host).memory_pressure_ppm, 100100);
	assert_int_equal(core_host_web(host).gate, LPAGE_REASON_MEMORY_PRESSURE);
	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, RFN_FIRST, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_MEMORY_PRESSURE);
	assert_string_equal(why.text, "tasks waited for memory for 10.01 % of the last 10 s; below "
				      "5.00 % merging goes on");
	assert_true(core_host_logged(host, "no merges are begun: the host is short of memory"));
	core_host_pass(host, NS_PER_S);
	assert_non_null(strstr(host->status, "no merges: memory-pressure"));
	/* Somebody who asks for a merge gets it. */
	assert_int_equal(core_host_range_op(host, VM_WEB, KVM_LPAGE_OP_MERGE,
					    &(struct lp_range){RFN_FIRST, 1}, 0),
			 0);
	assert_non_null(core_host_op(host));
	fake_link_finish(&host->fake, core_host_op(host), 0);
	core_host_run(host);
	/* Below half of the limit it goes on by itself. */
	put_pressure(host, "memory", "5.01");
	core_host_pass(host, LOOK_NS);
	assert_null(core_host_op(host));
	put_pressure(host, "memory", "5.00");
	core_host_pass(host, LOOK_NS);
	assert_non_null(core_host_op(host));
	assert_int_equal(core_host_status(host).pressure, LPAGE_REASON_NONE);
	assert_true(core_host_logged(host, "merging again"));
}

static void each_limit_is_one_of_its_own(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	reload(host, limits);
	put_pressure(host, "cpu", "40.00");
	put_pressure(host, "memory", "10.00");
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
	fake_link_finish(&host->fake, core_host_op(host), KVM_LPAGE_REASON_BUSY);
	core_host_run(host);
	put_pressure(host, "cpu", "90.00");
	core_host_pass(host, LOOK_NS);
	assert_null(core_host_op(host));
	assert_int_equal(core_host_status(host).pressure, LPAGE_REASON_CPU_PRESSURE);
	/* Who takes the limit away, opens the gate at once. */
	reload(host, "version: 1\ndefaults: {policy: threshold, quiet-time: 5s}\n");
	assert_int_equal(core_host_status(host).pressure, LPAGE_REASON_NONE);
	assert_int_equal(core_host_status(host).cpu_pressure_ppm, UINT64_MAX);
	assert_non_null(core_host_op(host));
}

static void a_pause_outlives_the_shortage(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	reload(host, limits);
	put_pressure(host, "memory", "50.00");
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(core_host_set_paused(host, VM_ALL, true), 0);
	put_pressure(host, "memory", "0.00");
	core_host_pass(host, LOOK_NS);
	assert_int_equal(core_host_status(host).pressure, LPAGE_REASON_NONE);
	assert_null(core_host_op(host));
	assert_int_equal(core_host_set_paused(host, VM_ALL, false), 0);
	core_host_run(host);
	assert_non_null(core_host_op(host));
}

/* The files say 99 % and nobody looks. */
static void without_limits_nobody_looks(void **state)
{
	struct core_host *host = *state;

	put_pressure(host, "memory", "99.00");
	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
	assert_int_equal(core_host_status(host).memory_pressure_ppm, UINT64_MAX);
}

/* The daemon wakes up for it only while the gate is shut, once in two seconds. */
static void an_open_gate_wakes_nobody(void **state)
{
	struct core_host *host = *state;

	core_host_one_vm_fixture(host);
	reload(host, limits);
	assert_int_equal(pressure_left_ns(host->manager), NS_NEVER);
	put_pressure(host, "memory", "50.00");
	core_host_pass(host, 6 * NS_PER_S);
	assert_int_equal(pressure_left_ns(host->manager), LOOK_NS);
	/* Not before. */
	put_pressure(host, "memory", "0.00");
	core_host_pass(host, LOOK_NS - 1);
	assert_int_equal(core_host_status(host).memory_pressure_ppm, 500000);
	core_host_pass(host, 1);
	assert_int_equal(core_host_status(host).memory_pressure_ppm, 0);
	assert_int_equal(pressure_left_ns(host->manager), NS_NEVER);
}

static void a_kernel_without_psi_stops_nothing(void **state)
{
	struct core_host *host = *state;

	assert_int_equal(unlinkat(host->dir_fd, "pressure/memory", 0), 0);
	assert_int_equal(unlinkat(host->dir_fd, "pressure/cpu", 0), 0);
	core_host_one_vm_fixture(host);
	reload(host, limits);
	assert_true(core_host_logged(host, "limits of pressure have no effect"));
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
}

/* ---- /proc ---- */

static void pressure_is_read_to_the_hundredth(void **state)
{
	const struct core_host *host = *state;
	static const char *const bad[] = {"", "full avg10=1.00", "some avg10=", "some avg10=x.00",
					  "some avg10=101.00"};
	uint32_t ppm = 7;

	put_pressure(host, "memory", "12.34");
	assert_int_equal(procfs_pressure(host->dir, "memory", &ppm), 0);
	assert_int_equal(ppm, 123400);
	put_pressure(host, "memory", "100.00");
	assert_int_equal(procfs_pressure(host->dir, "memory", &ppm), 0);
	assert_int_equal(ppm, 1000000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(host, "pressure/memory", bad[i]);
		assert_int_equal(procfs_pressure(host->dir, "memory", &ppm), -EBADMSG);
	}
	assert_int_equal(procfs_pressure(host->dir, "io", &ppm), -ENOENT);
	assert_int_equal(ppm, 1000000);
}

static void free_blocks_are_counted_in_2_mib(void **state)
{
	const struct core_host *host = *state;
	uint64_t blocks = 7;

	assert_int_equal(procfs_free_huge_blocks(host->dir, &blocks), -ENOENT);
	assert_int_equal(blocks, 7);
	put(host, "buddyinfo",
	    "Node 0, zone      DMA      1      1      1      1      1      1      1      1      1      1      2\n"
	    "Node 0, zone   Normal   9999   9999   9999   9999   9999   9999   9999   9999   9999     10      0\n"
	    "Node 1, zone   Normal      0      0      0      0      0      0      0      0      0      0      3\n");
	assert_int_equal(procfs_free_huge_blocks(host->dir, &blocks), 0);
	assert_int_equal(blocks, 1 + 2 * 2 + 10 + 3 * 2);
	put(host, "buddyinfo", "");
	assert_int_equal(procfs_free_huge_blocks(host->dir, &blocks), 0);
	assert_int_equal(blocks, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_merges_are_begun_while_the_host_is_short_of_memory),
		TEST(each_limit_is_one_of_its_own),
		TEST(a_pause_outlives_the_shortage),
		TEST(without_limits_nobody_looks),
		TEST(an_open_gate_wakes_nobody),
		TEST(a_kernel_without_psi_stops_nothing),
		TEST(pressure_is_read_to_the_hundredth),
		TEST(free_blocks_are_counted_in_2_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
