// SPDX-License-Identifier: GPL-2.0-or-later
/* The exposition against the rules of OpenMetrics 1.0 and the text format, its page, and the server. */
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

#include "daemon/metrics/exposition.h"
#include "daemon/metrics/families.h"
#include "daemon/metrics/metrics.h"
#include "tests/lib/fake_core.h"
#include "tests/lib/files.h"

struct metrics_fixture {
	struct fake_core fake;
	char *text;
};

static int setup(void **state)
{
	struct metrics_fixture *fixture = calloc(1, sizeof(*fixture));

	fake_core_init(&fixture->fake);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct metrics_fixture *fixture = *state;

	fake_core_done(&fixture->fake);
	free(fixture->text);
	free(fixture);
	return 0;
}

static const char *expose_as(struct metrics_fixture *fixture, enum metrics_format format,
			     bool names)
{
	struct metrics_exposition *exposition =
		metrics_exposition_new(&fixture->fake.core, format, names);
	size_t size;
	FILE *f;

	free(fixture->text);
	f = open_memstream(&fixture->text, &size);
	while (metrics_exposition_go_on(exposition, f) > 0)
		;
	assert_null(metrics_exposition_free(exposition));
	assert_int_equal(fclose(f), 0);
	return fixture->text;
}

static const char *expose(struct metrics_fixture *fixture, bool names)
{
	return expose_as(fixture, METRICS_OPENMETRICS, names);
}

static void metrics_have_the_right_values(void **state)
{
	struct metrics_fixture *fixture = *state;
	const char *text;
	char line[128];

	fixture->fake.status.degraded = true;
	fixture->fake.status.tally.refused[LPAGE_REASON_BUSY] = 3;
	fixture->fake.status.tally.work_ns = 1500000000;
	fixture->fake.vms[0].vm.large = 41;
	fixture->fake.vms[0].vm.to_shared_events = 1ULL << 40;
	fixture->fake.vms[0].coverage_ppm = 250000;
	fixture->fake.vms[0].stats_age_ns = LP_AGE_NEVER;
	fixture->fake.vms[0].ledger.walk_saved_ns = 2250000000;
	fixture->fake.vms[0].vm.table = 60;
	fixture->fake.vms[0].costs =
		(struct policy_costs){.split_ns = 45000, .walk_ns_per_s = 12000};
	text = expose(fixture, false);
	assert_non_null(strstr(text, "\ntdx_lpage_degraded 1\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_refused_regions_total{reason=\"busy\"} 3\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_work_seconds_total 1.5\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_vm_walk_saved_seconds_total{vm=\"1\"} 2.25\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_vm_walk_loss_ratio{vm=\"1\"} 0.00072\n"));
	assert_non_null(
		strstr(text, "\ntdx_lpage_vm_cost_seconds{vm=\"1\",op=\"split\"} 4.5e-05\n"));
	assert_non_null(strstr(text, "\ntdx_lpage_vm_gate{vm=\"7\",reason=\"paused\"} 1\n"));
	snprintf(line, sizeof(line), "\ntdx_lpage_vm_regions{vm=\"%u\",state=\"large\"} 41\n",
		 fixture->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
	/* No value is rounded. */
	snprintf(line, sizeof(line),
		 "\ntdx_lpage_vm_conversions_total{vm=\"%u\",to=\"shared\"} 1099511627776\n",
		 fixture->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\ntdx_lpage_vm_coverage_ratio{vm=\"%u\"} 0.25\n",
		 fixture->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\ntdx_lpage_vm_stats_age_seconds{vm=\"%u\"} NaN\n",
		 fixture->fake.vms[0].vm.id);
	assert_non_null(strstr(text, line));
}

/* VM names may be confidential. */
static void names_are_served_on_request_only(void **state)
{
	struct metrics_fixture *fixture = *state;
	char label[96];

	strcpy(fixture->fake.vms[0].identity.name, "secret-guest");
	assert_null(strstr(expose(fixture, false), "secret-guest"));
	snprintf(label, sizeof(label), "{vm=\"%u\",name=\"secret-guest\"}",
		 fixture->fake.vms[0].vm.id);
	assert_non_null(strstr(expose(fixture, true), label));
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

/* The names of the labels of a sample, as the table writes them. */
static void label_names(const char *line, char *ret, size_t size)
{
	const char *label = line + strcspn(line, "{ ");

	ret[0] = '\0';
	while (*label == '{' || *label == ',') {
		size_t len = strcspn(label + 1, "=");

		snprintf(ret + strlen(ret), size - strlen(ret), "%s%.*s", ret[0] ? ", " : "",
			 (int)len, label + 1);
		label = strchr(strchr(label, '"') + 1, '"') + 1;
	}
}

static void check_labels(const char *line, const struct family *family)
{
	char names[96];

	label_names(line, names, sizeof(names));
	for (size_t i = 0; i < METRICS_NR; i++) {
		if (strcmp(metrics_families[i].name, family->name + strlen(METRICS_PREFIX)) == 0) {
			assert_string_equal(names, metrics_families[i].labels);
			return;
		}
	}
	fail_msg("%s is not in the table", family->name);
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

static void samples_have_the_labels_of_the_table(void **state)
{
	struct metrics_fixture *fixture = *state;
	struct family family = {0};
	char *text, *line, *rest;

	fixture->fake.status.tally.refused[LPAGE_REASON_BUSY] = 3;
	text = strdup(expose(fixture, false));
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "# TYPE %95s", family.name) != 1 && line[0] && line[0] != '#')
			check_labels(line, &family);
	}
	free(text);
}

static void the_output_is_openmetrics(void **state)
{
	static struct family families[128];
	struct metrics_fixture *fixture = *state;
	char *text, *line, *rest;
	size_t nr = 0;
	bool eof = false;

	text = strdup(expose(fixture, true));
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

/* ---- Prometheus' text format ---- */

static void each_family_of_the_text_format_has_the_name_of_its_samples(void **state)
{
	struct metrics_fixture *fixture = *state;
	char *text = strdup(expose_as(fixture, METRICS_TEXT, true));
	char *rest = text, *line;
	char name[96] = "", type[16];
	size_t nr = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		if (sscanf(line, "# TYPE %95s %15s", name, type) == 2) {
			assert_true(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0);
		} else if (line[0] == '#') {
			assert_memory_equal(line, "# HELP ", strlen("# HELP "));
			assert_memory_equal(line + strlen("# HELP "), name, strlen(name));
		} else {
			assert_int_equal(strcspn(line, "{ "), strlen(name));
			assert_memory_equal(line, name, strlen(name));
			nr++;
		}
	}
	assert_null(rest);
	assert_true(nr > METRICS_NR);
	free(text);
}

static void the_samples_of_both_formats_are_the_same(void **state)
{
	struct metrics_fixture *fixture = *state;
	char *open = strdup(expose_as(fixture, METRICS_OPENMETRICS, true));
	const char *text = expose_as(fixture, METRICS_TEXT, true);
	char *rest = open, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line && *line != '#')
			assert_non_null(strstr(text, line));
	free(open);
}

static void the_client_chooses_the_format(void **state)
{
	static const struct {
		const char *accept;
		enum metrics_format format;
	} rows[] = {
		{NULL, METRICS_OPENMETRICS},
		{"", METRICS_OPENMETRICS},
		{"*/*", METRICS_OPENMETRICS},
		{"image/png", METRICS_OPENMETRICS},
		{"text/plain", METRICS_TEXT},
		{"Text/Plain;version=0.0.4", METRICS_TEXT},
		{"text/*", METRICS_TEXT},
		{"text/plain;q=0.5, */*;q=0.1", METRICS_TEXT},
		{"text/plain;q=0.1 , */*; q=0.5", METRICS_OPENMETRICS},
		{"text/plain;q=0", METRICS_OPENMETRICS},
		{"application/openmetrics-text", METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0.5,text/plain;q=0.6", METRICS_TEXT},
		{"application/openmetrics-text; version=1.0.0; q=0.5,text/plain;version=0.0.4;q=0.3",
		 METRICS_OPENMETRICS},
		/* Prometheus, without and with OpenMetrics. */
		{"text/plain;version=0.0.4;q=1,*/*;q=0.1", METRICS_TEXT},
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
		 "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 METRICS_OPENMETRICS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (metrics_format_for(rows[i].accept) != rows[i].format)
			print_error("%s\n", rows[i].accept);
		assert_int_equal(metrics_format_for(rows[i].accept), rows[i].format);
	}
}

static void metrics_work_without_vms(void **state)
{
	struct metrics_fixture *fixture = *state;

	fixture->fake.nr_vms = 0;
	assert_non_null(strstr(expose(fixture, false), "\n# EOF\n"));
	assert_null(strstr(fixture->text, "{vm="));
}

static void bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"",	  "9477",      "localhost:9477", "127.0.0.1:99999",
					  "[::1", "127.0.0.1", "[::1]"};
	struct metrics_fixture *fixture = *state;
	struct event_base *base = event_base_new();
	struct metrics_options options = {.base = base, .core = &fixture->fake.core};
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

/* ---- docs/metrics.md ---- */

static void the_page_lists_every_metric_of_the_table(void **state)
{
	char path[TREE_PATH_MAX];
	char *want = NULL, *got;
	size_t size;
	FILE *f = open_memstream(&want, &size);

	(void)state;
	tree_path(path, "docs/metrics.md");
	fputs("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n", f);
	metrics_print_page(f);
	assert_int_equal(fclose(f), 0);
	if (getenv("TDX_LPAGE_UPDATE"))
		file_put(path, want);
	got = file_text(path);
	if (strcmp(got, want) != 0)
		print_error("%s: accept with TDX_LPAGE_UPDATE=1\n", path);
	assert_string_equal(got, want);
	free(got);
	free(want);
}

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

/* Clients that connect and send nothing must not exhaust the daemon's file descriptors. */
static void a_flood_of_clients_leaves_descriptors(void **state)
{
	struct metrics_fixture *fixture = *state;
	struct metrics_options options = {.core = &fixture->fake.core};
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
	/* A client that connects after the pause. */
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
		T(samples_have_the_labels_of_the_table),
		cmocka_unit_test(the_page_lists_every_metric_of_the_table),
		T(each_family_of_the_text_format_has_the_name_of_its_samples),
		T(the_samples_of_both_formats_are_the_same),
		cmocka_unit_test(the_client_chooses_the_format),
		T(metrics_work_without_vms),
		T(bad_addresses_are_refused),
		cmocka_unit_test_setup_teardown(a_flood_of_clients_leaves_descriptors, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
