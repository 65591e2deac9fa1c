// SPDX-License-Identifier: GPL-2.0-or-later
/* The real tdx-lpaged on a simulated host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/daemon_host.h"

/* One guest of 64 regions, of which 16 lose their 2 MiB mapping in the second second. */
static void write_trace(const struct daemon_host *host, char *spec, size_t size, unsigned int speed,
			const char *options)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", host->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
	      "vm 1 name=web-1 regions=64 walk_ns_per_s=12000\n",
	      f);
	for (unsigned int i = 0; i < 16; i++) {
		unsigned long t = 2000000000ul + i * 1000000, gfn = (3 * i + 1) * 512 + 7;

		fprintf(f, "%lu S 1 %lu 1\n%lu P 1 %lu 1\n%lu A 1 %lu 1\n", t, gfn, t + 1000, gfn,
			t + 2000, gfn);
	}
	fputs("end 100000000000000\n", f);
	assert_int_equal(fclose(f), 0);
	snprintf(spec, size, "--link=sim:%s,speed=%u%s", path, speed, options);
}

static void start_sim_speed(struct daemon_host *host, unsigned int speed, const char *options)
{
	char spec[160];

	daemon_host_write(host->config, "version: 1\nglobal: {log-interval: 10s}\n"
					"defaults: {policy: threshold, quiet-time: 20s}\n");
	write_trace(host, spec, sizeof(spec), speed, options);
	host->pid = daemon_host_spawn(host, ARGS("--config", host->config, "--runtime-dir",
						 host->run, spec));
	daemon_host_message(host, "READY=1");
}

static void start_sim(struct daemon_host *host, const char *options)
{
	start_sim_speed(host, 10, options);
}

static void test_merges_on_simulated_host(void **state)
{
	struct daemon_host *host = *state;
	char text[16384];

	start_sim(host, "");
	daemon_host_message(host, "1 VM, 75 % of 64 regions large");
	daemon_host_message(host, "1 VM, 100 % of 64 regions large");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	daemon_host_log(host, text, sizeof(text));
	/* What was not told by the interval's line is told at the end. */
	assert_non_null(strstr(text, "VM 2 (web-1): 16 merged; "));
	assert_null(strstr(text, "<3>"));
}

/* Much is refused, and a part is left undone. */
static void test_merges_on_busy_host(void **state)
{
	struct daemon_host *host = *state;

	start_sim(host, ",busy=40,interrupt=20,seed=7");
	daemon_host_message(host, " 75 % of 64 regions large");
	daemon_host_message(host, " 100 % of 64 regions large");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void test_kernel_goes_and_comes(void **state)
{
	struct daemon_host *host = *state;

	start_sim(host, ",vanish=6");
	daemon_host_message(host, " 75 % of 64 regions large");
	daemon_host_message(host, "STATUS=degraded: ");
	/* It is away for five seconds; what it knows of the regions is still there. */
	daemon_host_message(host, " 75 % of 64 regions large");
	daemon_host_message(host, " 100 % of 64 regions large");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

#define PINGS 5 /* of a watchdog that wants one every two seconds */

/* Its count of sleeps once it sleeps. */
static unsigned long sleeps(const struct daemon_host *host)
{
	unsigned long last, now = daemon_host_status(host->pid, "voluntary_ctxt_switches");

	do {
		last = now;
		usleep(100000);
		now = daemon_host_status(host->pid, "voluntary_ctxt_switches");
	} while (now != last);
	return now;
}

/* A guest that does nothing: ten seconds with a wake-up for each ping of the watchdog, and no other. */
static void test_idle_beside_watchdog(void **state)
{
	struct daemon_host *host = *state;
	unsigned long before;

	host->watchdog_usec = "4000000";
	/* A new guest is looked at once more after a minute, or two thirds of a second here. */
	start_sim_speed(host, 90, "");
	daemon_host_message(host, " 100 % of 64 regions large");
	/* What is left of the start is over within a few pings. */
	for (int i = 0; i < PINGS; i++)
		daemon_host_message(host, "WATCHDOG=1");
	before = sleeps(host);
	for (int i = 0; i < PINGS; i++)
		daemon_host_message(host, "WATCHDOG=1");
	assert_int_equal(sleeps(host) - before, PINGS);
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void test_bad_trace(void **state)
{
	struct daemon_host *host = *state;
	char text[4096], path[64], spec[96];

	snprintf(path, sizeof(path), "%s/trace", host->dir);
	daemon_host_write(path, "lptrace 1\nnonsense\n");
	snprintf(spec, sizeof(spec), "--link=sim:%s", path);
	assert_int_equal(
		daemon_host_wait(daemon_host_spawn(host, ARGS("--config", host->config,
							      "--runtime-dir", host->run, spec))),
		1);
	daemon_host_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "trace:2: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_merges_on_simulated_host),
		T(test_merges_on_busy_host),
		T(test_kernel_goes_and_comes),
		T(test_idle_beside_watchdog),
		T(test_bad_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
