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
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>
#include <tdx-lpage/base.h>
#include <tdx-lpage/protocol.h>

#include "daemon/ctl/client.h"
#include "tests/lib/daemon_host.h"

/* One guest of 64 regions, 16 of which lose their 2 MiB mapping two seconds into the trace. */
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

static void sim_fixture(struct daemon_host *host, const char *options)
{
	char spec[160];

	daemon_host_write(host->config, "version: 1\nglobal: {log-interval: 10s}\n"
					"defaults: {policy: threshold, quiet-time: 20s}\n");
	write_trace(host, spec, sizeof(spec), 10, options);
	host->pid = daemon_host_spawn(host, ARGS("--config", host->config, "--runtime-dir",
						 host->run, spec));
	daemon_host_message(host, "READY=1");
}

static void quiet_regions_are_merged(void **state)
{
	struct daemon_host *host = *state;
	char text[16384];

	sim_fixture(host, "");
	daemon_host_message(host, "1 VM, 75 % of 64 regions large");
	daemon_host_message(host, "1 VM, 100 % of 64 regions large");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	daemon_host_log(host, text, sizeof(text));
	/* The last summary is logged at the end. */
	assert_non_null(strstr(text, "VM 2 (web-1): 16 merged; "));
	assert_null(strstr(text, "<3>"));
}

static void refused_regions_are_merged_later(void **state)
{
	struct daemon_host *host = *state;

	sim_fixture(host, ",busy=40,interrupt=20,seed=7");
	daemon_host_message(host, " 75 % of 64 regions large");
	daemon_host_message(host, " 100 % of 64 regions large");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void merging_continues_after_the_family_returns(void **state)
{
	struct daemon_host *host = *state;

	sim_fixture(host, ",vanish=6");
	daemon_host_message(host, " 75 % of 64 regions large");
	daemon_host_message(host, "STATUS=degraded: ");
	/* The family is absent for five seconds; the host keeps its counts. */
	daemon_host_message(host, " 75 % of 64 regions large");
	daemon_host_message(host, " 100 % of 64 regions large");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

#define PINGS	  5 /* of the watchdog, one every two seconds */
#define ANSWER_MS 20000

/* Waits until the daemon sleeps. Returns how often it went to sleep. */
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

/* How many requests the daemon has sent to its host so far. */
static uint64_t requests(const struct daemon_host *host)
{
	struct ctl_client *client = NULL;
	json_int_t sent = -1;
	json_t *reply = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/" CONTROL_READ_SOCKET, host->run);
	assert_int_equal(ctl_client_connect(path, ANSWER_MS, &client), 0);
	assert_int_equal(ctl_client_send(client, "Status", NULL, false), 0);
	assert_int_equal(ctl_client_receive(client, ANSWER_MS, &reply), 0);
	assert_int_equal(json_unpack(reply, "{s:{s:{s:{s:I}}}}", "parameters", "host", "link_stats",
				     "requests", &sent),
			 0);
	json_decref(reply);
	ctl_client_close(client);
	return (uint64_t)sent;
}

/* Reads what has come. Returns how many of it were pings: a busy machine lets this process run late. */
static long pings_in_queue(const struct daemon_host *host)
{
	char message[4096];
	long pings = 0;
	ssize_t len;

	while ((len = recv(host->notify_fd, message, sizeof(message) - 1, MSG_DONTWAIT)) > 0) {
		message[len] = '\0';
		pings += strstr(message, "WATCHDOG=1") != NULL;
	}
	return pings;
}

/*
 * How often the daemon wakes beyond once for each of some pings. Sets @ret_requests to what it sent meanwhile. Negative: a
 * ping came at the border, whose wake-up is not in the time that was measured.
 */
static long other_wakeups(struct daemon_host *host, uint64_t *ret_requests)
{
	uint64_t sent = requests(host);
	long before, after;

	(void)pings_in_queue(host);
	before = (long)sleeps(host);
	for (int i = 0; i < PINGS; i++)
		daemon_host_message(host, "WATCHDOG=1");
	after = (long)sleeps(host) - pings_in_queue(host);
	*ret_requests = requests(host) - sent;
	return after - before - PINGS;
}

/*
 * An idle guest: the only wake-ups are those for the pings of the watchdog. The lease of its limits is renewed every five
 * minutes, half a minute at this speed, and a new guest is dumped once more after one: such a time is measured again.
 */
static void only_the_watchdog_wakes_a_daemon_with_nothing_due(void **state)
{
	struct daemon_host *host = *state;
	uint64_t sent = 1;
	long others = 0;
	char text[16384];

	host->watchdog_usec = "4000000";
	sim_fixture(host, "");
	daemon_host_message(host, " 100 % of 64 regions large");
	/* Startup is over with the summary of what was merged, one log interval later. */
	for (int i = 0; i < 10 * PINGS; i++) {
		daemon_host_message(host, "WATCHDOG=1");
		daemon_host_log(host, text, sizeof(text));
		if (strstr(text, "16 merged"))
			break;
	}
	assert_non_null(strstr(text, "16 merged"));
	for (int i = 0; i < 4 && (sent || others < 0); i++)
		others = other_wakeups(host, &sent);
	assert_int_equal(sent, 0);
	assert_int_equal(others, 0);
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void a_bad_trace_is_reported_with_its_line(void **state)
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
		DAEMON_HOST_TEST(quiet_regions_are_merged),
		DAEMON_HOST_TEST(refused_regions_are_merged_later),
		DAEMON_HOST_TEST(merging_continues_after_the_family_returns),
		DAEMON_HOST_TEST(only_the_watchdog_wakes_a_daemon_with_nothing_due),
		DAEMON_HOST_TEST(a_bad_trace_is_reported_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
