// SPDX-License-Identifier: GPL-2.0-or-later
/* What is exposed, held against the rules of OpenMetrics 1.0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/metrics/metrics.h"
#include "tests/lib/fake_core.h"

struct host {
	struct fake_core fake;
	char *text;
};

static int setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	fake_core_init(&host->fake);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	struct host *host = *state;

	fake_core_done(&host->fake);
	free(host->text);
	free(host);
	return 0;
}

static const char *expose(struct host *host, bool names)
{
	size_t size;
	FILE *f;

	free(host->text);
	f = open_memstream(&host->text, &size);
	assert_int_equal(metrics_write(f, &host->fake.core, names), 0);
	assert_int_equal(fclose(f), 0);
	return host->text;
}

static void metrics_have_the_right_values(void **state)
{
	struct host *host = *state;
	const char *text;
	char line[128];

	host->fake.status.degraded = true;
	host->fake.status.tally.refused[LPAGE_REASON_BUSY] = 3;
	host->fake.status.tally.work_ns = 1500000000;
	host->fake.vms[0].vm.large = 41;
	host->fake.vms[0].vm.to_shared_events = 1ULL << 40;
	host->fake.vms[0].coverage_ppm = 250000;
	host->fake.vms[0].stats_age_ns = LP_AGE_NEVER;
	text = expose(host, false);
	assert_non_null(strstr(text, "\ntdx_lpage_degraded 1\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_refused_regions_total{reason=\"busy\"} 3\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_work_seconds_total 1.5\n"));
	snprintf(line, sizeof(line), "\ntdx_lpage_vm_regions{vm=\"%u\",state=\"large\"} 41\n",
		 host->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
	/* No figure is rounded. */
	snprintf(line, sizeof(line),
		 "\ntdx_lpage_vm_conversions_total{vm=\"%u\",to=\"shared\"} 1099511627776\n",
		 host->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\ntdx_lpage_vm_coverage_ratio{vm=\"%u\"} 0.25\n",
		 host->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\ntdx_lpage_vm_stats_age_seconds{vm=\"%u\"} NaN\n",
		 host->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
}

/* Names say who runs on the host: only on request. */
static void names_are_served_on_request_only(void **state)
{
	struct host *host = *state;
	char label[96];

	strcpy(host->fake.vms[0].identity.name, "secret-guest");
	assert_null(strstr(expose(host, false), "secret-guest"));
	snprintf(label, sizeof(label), "{vm=\"%u\",name=\"secret-guest\"}",
		 host->fake.vms[0].vm.id);
	assert_non_null(strstr(expose(host, true), label));
}

/* ---- the format ---- */

struct family {
	char name[96];
	bool counter;
	bool info;
};

static bool name_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!islower((unsigned char)name[i]) && name[i] != '_')
			return false;
	}
	return len > 0;
}

static void check_type(const char *line, struct family *families, size_t *nr)
{
	struct family *family = &families[*nr];
	char type[16];

	assert_int_equal(sscanf(line, "# TYPE %95s %15s", family->name, type), 2);
	assert_true(name_ok(family->name, strlen(family->name)));
	family->counter = !strcmp(type, "counter");
	family->info = !strcmp(type, "info");
	assert_true(family->counter || family->info || !strcmp(type, "gauge"));
	/* A family comes once; its name does not have the suffix of its samples. */
	for (size_t i = 0; i < *nr; i++)
		assert_string_not_equal(families[i].name, family->name);
	assert_null(strstr(family->name, "_total"));
	assert_true(*nr < 127);
	(*nr)++;
}

static void check_sample(const char *line, const struct family *family)
{
	size_t len = strcspn(line, "{ ");
	const char *suffix = family->counter ? "_total" : family->info ? "_info" : "";
	char expected[128];
	char *end;

	snprintf(expected, sizeof(expected), "%s%s", family->name, suffix);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(line, expected, len);
	line += len;
	if (*line == '{')
		line = strstr(line, "} ") + 1;
	assert_int_equal(*line, ' ');
	(void)strtod(line + 1, &end);
	assert_int_equal(*end, '\0');
}

static void the_output_is_openmetrics(void **state)
{
	static struct family families[128];
	struct host *host = *state;
	char *text, *line, *rest;
	size_t nr = 0;
	bool eof = false;

	text = strdup(expose(host, true));
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (!rest)
			break;
		assert_false(eof);
		if (!strncmp(line, "# TYPE ", 7)) {
			check_type(line, families, &nr);
		} else if (!strcmp(line, "# EOF")) {
			eof = true;
		} else if (line[0] == '#') {
			/* UNIT and HELP are about the family that began. A unit ends its name. */
			char what[8], name[96], word[16];

			assert_int_equal(sscanf(line, "# %7s %95s %15s", what, name, word), 3);
			assert_string_equal(name, families[nr - 1].name);
			if (!strcmp(what, "UNIT"))
				assert_string_equal(name + strlen(name) - strlen(word), word);
			else
				assert_string_equal(what, "HELP");
		} else {
			assert_true(nr > 0);
			check_sample(line, &families[nr - 1]);
		}
	}
	assert_true(eof);
	/* The last line is ended. */
	assert_string_equal(line, "");
	free(text);
}

static void metrics_work_without_vms(void **state)
{
	struct host *host = *state;

	host->fake.nr_vms = 0;
	assert_non_null(strstr(expose(host, false), "\n# EOF\n"));
	assert_null(strstr(host->text, "{vm="));
}

static void addresses_are_parsed(void **state)
{
	static const char *const bad[] = {"",	  "9477",      "localhost:9477", "127.0.0.1:99999",
					  "[::1", "127.0.0.1", "[::1]"};
	struct host *host = *state;
	struct event_base *base = event_base_new();
	struct metrics_options options = {.base = base, .core = &host->fake.core};
	struct metrics *metrics = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		options.listen = bad[i];
		assert_int_equal(metrics_new(&options, &metrics), -EINVAL);
	}
	options.listen = "203.0.113.1:9477";
	assert_int_equal(metrics_new(&options, &metrics), -EADDRNOTAVAIL);
	assert_null(metrics);
	assert_null(metrics_free(metrics));
	event_base_free(base);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- the server ---- */

#define DIALS 60
#define LIMIT 128 /* of file descriptors, while the server is flooded */

/* A port that was free a moment ago. */
static void free_address(char *text, size_t size, struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	snprintf(text, size, "127.0.0.1:%d", ntohs(address->sin_port));
	close(fd);
}

static int dial(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_true(connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		    errno == EINPROGRESS);
	return fd;
}

/* Asks on @fd, and runs the loop until the answer is there. */
static void expect_metrics(struct event_base *base, int fd)
{
	static const char get[] = "GET /metrics HTTP/1.0\r\n\r\n";
	char text[64] = "";

	for (int tries = 0; send(fd, get, strlen(get), MSG_NOSIGNAL) < 0; tries++) {
		assert_true(tries < 10000);
		assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
		usleep(1000);
	}
	for (int tries = 0; recv(fd, text, sizeof(text) - 1, 0) < 0; tries++) {
		assert_true(errno == EAGAIN && tries < 10000);
		assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
		usleep(1000);
	}
	assert_non_null(strstr(text, "200 OK"));
}

/* Who opens connections and asks nothing must not take the daemon's file descriptors. */
static void a_flood_of_clients_leaves_descriptors(void **state)
{
	struct host *host = *state;
	struct metrics_options options = {.core = &host->fake.core};
	int fds[DIALS], fill[LIMIT], spare = 0;
	struct sockaddr_in address;
	struct metrics *metrics;
	struct rlimit old, few;
	char listen[32];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	options.base = event_base_new();
	free_address(listen, sizeof(listen), &address);
	options.listen = listen;
	assert_int_equal(metrics_new(&options, &metrics), 0);
	few = old;
	few.rlim_cur = LIMIT;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < DIALS; i++) {
		fds[i] = dial(&address);
		assert_int_equal(event_base_loop(options.base, EVLOOP_NONBLOCK), 0);
	}
	while ((fill[spare] = dup(fds[0])) >= 0)
		spare++;
	/* The clients are ours as well: without them more than half would be left. */
	assert_true(spare + DIALS >= LIMIT / 2);
	assert_true(spare > 10);
	for (int i = 0; i < spare; i++)
		close(fill[i]);
	for (int i = 1; i < DIALS; i++)
		close(fds[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	expect_metrics(options.base, fds[0]);
	close(fds[0]);
	/* One that comes when the pause is over. */
	fds[0] = dial(&address);
	expect_metrics(options.base, fds[0]);
	close(fds[0]);
	metrics_free(metrics);
	event_base_free(options.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(metrics_have_the_right_values),
		T(names_are_served_on_request_only),
		T(the_output_is_openmetrics),
		T(metrics_work_without_vms),
		T(addresses_are_parsed),
		cmocka_unit_test_setup_teardown(a_flood_of_clients_leaves_descriptors, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
