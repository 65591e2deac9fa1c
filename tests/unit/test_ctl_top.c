// SPDX-License-Identifier: GPL-2.0-or-later
/* tdx-lpctl top, on a terminal of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/ctl.h"
#include "daemon/ctl/top_rows.h"
#include "tests/lib/ctl_host.h"

struct screen {
	int master;
	const char *keys; /* typed once the screen shows @wait */
	const char *wait;
	char seen[65536];
	size_t len;
};

static void *look(void *ctx)
{
	struct screen *screen = ctx;

	while (screen->len < sizeof(screen->seen) - 1) {
		ssize_t n = read(screen->master, screen->seen + screen->len,
				 sizeof(screen->seen) - 1 - screen->len);

		if (n <= 0)
			break;
		screen->len += (size_t)n;
		screen->seen[screen->len] = '\0';
		if (*screen->keys && strstr(screen->seen, screen->wait)) {
			n = write(screen->master, screen->keys, strlen(screen->keys));
			screen->keys += n;
		}
	}
	return NULL;
}

static void top_shows_the_status_until_q(void **state)
{
	struct screen screen = {.keys = "mtR/db\nq", .wait = "web-1"};
	struct ctl_host *host = ctl_host_new();
	struct ctl_env env = {.sysroot = "", .runtime_dir = host->dir};
	char *argv[] = {(char *)"tdx-lpctl", (char *)"top", (char *)"--interval", (char *)"100ms"};
	pthread_t thread;
	size_t size;
	int slave;

	(void)state;
	setenv("TERM", "xterm", 1);
	setenv("LINES", "24", 1);
	setenv("COLUMNS", "132", 1);
	screen.master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(screen.master >= 0);
	assert_int_equal(grantpt(screen.master), 0);
	assert_int_equal(unlockpt(screen.master), 0);
	slave = open(ptsname(screen.master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	env.in = fdopen(slave, "r");
	env.out = fdopen(dup(slave), "w");
	env.err = open_memstream(&host->err, &size);
	ctl_host_start(host);
	assert_int_equal(pthread_create(&thread, NULL, look, &screen), 0);
	assert_int_equal(ctl_run(&env, 4, argv), CTL_OK);
	fclose(env.in);
	fclose(env.out);
	fclose(env.err);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(screen.master);
	assert_string_equal(host->err, "");
	assert_string_equal(screen.keys, "");
	assert_non_null(strstr(screen.seen, "coverage 97.96%"));
	assert_non_null(strstr(screen.seen, "COVERAGE"));
	assert_non_null(strstr(screen.seen, "98.52%"));
	assert_non_null(strstr(screen.seen, "MERGES/s"));
	assert_non_null(strstr(screen.seen, "filter: db"));
	ctl_host_free(host);
}

/* ---- rows ---- */

struct vm_row {
	int id;
	const char *name;
	int merges;
	int table;
	double percent; /* < 0: not known */
};

static json_t *vms_of(const struct vm_row *rows, size_t nr)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(
			list,
			json_pack("{s:i, s:s, s:i, s:i, s:i, s:{s:i}, s:o}", "id", rows[i].id,
				  "name", rows[i].name, "merges", rows[i].merges, "refusals", 0,
				  "splits", 0, "regions", "table", rows[i].table,
				  "coverage_percent",
				  rows[i].percent < 0 ? json_null() : json_real(rows[i].percent)));
	return list;
}

static const struct vm_row some[] = {
	{1, "web-1", 100, 5, 90}, {3, "db", 100, 9, -1}, {11, "web-2", 100, 5, 50}};
static const struct vm_row later[] = {
	{1, "web-1", 110, 5, 90}, {3, "db", 140, 9, -1}, {11, "web-2", 100, 5, 50}};

/* The ids in the order in which they are shown, "3 1 11". */
static void check_order(char key, bool reverse, const char *filter, const char *want)
{
	const struct top_order order = {.key = key, .reverse = reverse, .filter = filter};
	struct top_history history = {.base = {.vms = NULL}};
	json_t *before = vms_of(some, ARRAY_SIZE(some)), *now = vms_of(later, ARRAY_SIZE(later));
	struct top_rows rows;
	char text[64] = "";

	assert_int_equal(top_rows_make(&history, before, NS_PER_S, &order, &rows), 0);
	top_rows_done(&rows);
	assert_int_equal(top_rows_make(&history, now, 3 * NS_PER_S, &order, &rows), 0);
	for (size_t i = 0; i < rows.nr; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? " " : "",
			 (int)json_integer_value(json_object_get(rows.rows[i].vm, "id")));
	assert_string_equal(text, want);
	top_rows_done(&rows);
	top_history_done(&history);
	json_decref(before);
	json_decref(now);
}

static void rows_are_sorted_and_filtered(void **state)
{
	(void)state;
	check_order('i', false, "", "1 3 11");
	check_order('i', true, "", "11 3 1");
	check_order('n', false, "", "3 1 11");
	check_order('c', false, "", "11 1 3");
	check_order('t', false, "", "3 1 11");
	check_order('m', false, "", "3 1 11");
	check_order('i', false, "web", "1 11");
	/* An id is one as a whole. */
	check_order('i', false, "1", "1");
	check_order('i', false, "3", "3");
	check_order('i', false, "11", "11");
	check_order('i', false, "none", "");
}

static double merges_per_s(struct top_history *history, int merges, uint64_t now_ns)
{
	const struct vm_row row = {1, "web-1", merges, 0, 90};
	const struct top_order order = {.key = 'i', .filter = ""};
	json_t *vms = vms_of(&row, 1);
	struct top_rows rows;
	double ret;

	assert_int_equal(top_rows_make(history, vms, now_ns, &order, &rows), 0);
	assert_int_equal(rows.nr, 1);
	ret = rows.rows[0].merges_per_s;
	top_rows_done(&rows);
	json_decref(vms);
	return ret;
}

/* What happened long ago does not count. */
static void rates_are_those_of_the_last_seconds(void **state)
{
	struct top_history history = {.base = {.vms = NULL}};

	(void)state;
	assert_true(isnan(merges_per_s(&history, 100, NS_PER_S)));
	assert_true(merges_per_s(&history, 110, 2 * NS_PER_S) == 10);
	assert_true(merges_per_s(&history, 110, 3 * NS_PER_S) == 5);
	for (uint64_t second = 4; second <= 20; second++)
		(void)merges_per_s(&history, 110, second * NS_PER_S);
	assert_true(merges_per_s(&history, 110, 21 * NS_PER_S) == 0);
	assert_true(merges_per_s(&history, 131, 22 * NS_PER_S) >= 2);
	top_history_done(&history);
}

static void scrolling_ends_at_the_last_row(void **state)
{
	(void)state;
	assert_int_equal(top_scroll(0, 1, 100, 20), 1);
	assert_int_equal(top_scroll(75, 20, 100, 20), 80);
	assert_int_equal(top_scroll(5, -20, 100, 20), 0);
	assert_int_equal(top_scroll(0, 1, 10, 20), 0);
	/* Fewer rows than before. */
	assert_int_equal(top_scroll(80, 0, 30, 20), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_shows_the_status_until_q),
		cmocka_unit_test(rows_are_sorted_and_filtered),
		cmocka_unit_test(rates_are_those_of_the_last_seconds),
		cmocka_unit_test(scrolling_ends_at_the_last_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
