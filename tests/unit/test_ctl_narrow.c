// SPDX-License-Identifier: GPL-2.0-or-later
/* tdx-lpctl on a terminal of 40 columns: a phone, a window beside others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "tests/lib/ctl_host.h"
#include "tests/lib/files.h"

#define COLUMNS 40

static int setup(void **state)
{
	struct ctl_host *host = ctl_host_new();

	host->columns = COLUMNS;
	host->fake.shadow = (struct lp_shadow_snapshot){
		.settings = "policy threshold, quiet-time 10s",
		.age_ns = 7500 * NS_PER_S,
		.nr_vms = 2,
		.active = host->fake.status.ledger,
		.shadow = host->fake.status.ledger,
	};
	ctl_host_start(host);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	ctl_host_stop(*state);
	ctl_host_free(*state);
	return 0;
}

/* From the heads of the columns on, each line fits. Returns how many there are. */
static int assert_table_fits(char *out, const char *head)
{
	char *save = NULL, *line = strtok_r(out, "\n", &save);
	int nr = 0;

	while (line && strncmp(line, head, strlen(head)) != 0)
		line = strtok_r(NULL, "\n", &save);
	for (; line; line = strtok_r(NULL, "\n", &save), nr++) {
		/* What follows a table begins with another word. */
		if (line[0] == '*' || strncmp(line, "VM ", 3) == 0)
			break;
		if (strlen(line) > COLUMNS)
			fail_msg("%s: more than %d characters: %s", head, COLUMNS, line);
	}
	return nr;
}

static void tables_fit_forty_columns(void **state)
{
	static const struct {
		const char *line, *head;
	} rows[] = {
		{"status", "ID  "},
		{"status", "RULE  "},
		{"vm list", "ID  "},
		{"region list web-1", "        GPA  "},
		{"plan", "ID  "},
		{"explain web-1", "REGIONS  "},
		{"status --shadow", "            MERGES"},
	};
	struct ctl_host *host = *state;
	char trace[TREE_PATH_MAX], line[TREE_PATH_MAX + 64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)ctl_host_run(host, rows[i].line);
		print_message("--- %s\n%s", rows[i].line, host->out);
		if (assert_table_fits(host->out, rows[i].head) < 2)
			fail_msg("%s: no table", rows[i].line);
	}
	/* Rows that differ in this only. */
	snprintf(line, sizeof(line), "simulate --compare --trace %s",
		 tree_path(trace, "tests/traces/recorded/linux.lptrace"));
	assert_int_equal(ctl_host_run(host, line), 0);
	assert_non_null(strstr(host->out, "100ms"));
	assert_true(assert_table_fits(host->out, "POLICY") > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tables_fit_forty_columns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
