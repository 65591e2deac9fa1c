// SPDX-License-Identifier: GPL-2.0-or-later
/* What completes on a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "tests/lib/ctl_host.h"

static void completion_follows_the_table(void **state)
{
	static const char *const rows[][2] = {
		{"complete re", "region\nrelease\nresume\nreload\nrecord\n"},
		{"complete vm ''", "list\nshow\n"},
		{"complete config c", "check\n"},
		{"complete vm show ''", "web-1\ndb\n"},
		{"complete vm show w", "web-1\n"},
		{"complete -- -o j", "json\n"},
		{"complete -- -o json vm l", "list\n"},
		{"complete -- --s", "--socket\n"},
		{"complete -- hold web-1 --", "--for\n--owner\n--attached\n"},
		{"complete -- region list web-1 --state t", "table\n"},
		{"complete -- region list --state table d", "db\n"},
		{"complete help wa", "watch\nwait\n"},
		{"complete help region ''", "list\nmap\n"},
		{"complete dry-run ''", "on\noff\n"},
		{"complete -- simulate --policy t", "threshold\n"},
		{"complete -- simulate --observe ''", "exact\n100ms\n"},
		{"complete -- tune --budget ''", ""},
		{"complete status ''", ""},
		{"complete frob ''", ""},
		{"complete", ""},
	};
	struct ctl_host *host = ctl_host_new();

	(void)state;
	ctl_host_start(host);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(ctl_host_run(host, rows[i][0]), 0);
		if (strcmp(host->out, rows[i][1]) != 0)
			print_error("for: %s\n", rows[i][0]);
		assert_string_equal(host->out, rows[i][1]);
		assert_string_equal(host->err, "");
	}
	ctl_host_free(host);
	host = ctl_host_new();
	assert_int_equal(ctl_host_run(host, "complete vm show ''"), 0); /* no daemon */
	assert_string_equal(host->out, "");
	assert_string_equal(host->err, "");
	ctl_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(completion_follows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
