// SPDX-License-Identifier: GPL-2.0-or-later
/* etc/tdx-lpage.yaml is what the table of keys says. TDX_LPAGE_UPDATE=1 writes it anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/config/print.h"
#include "tests/lib/files.h"

static char path[TREE_PATH_MAX];

static char *template_text(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	config_print_template(f);
	fclose(f);
	return text;
}

static void the_shipped_file_is_the_table(void **state)
{
	char *want = template_text();
	static char got[65536];
	FILE *f;

	(void)state;
	if (getenv("TDX_LPAGE_UPDATE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(want, f);
		fclose(f);
	}
	f = fopen(path, "r");
	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	if (strcmp(got, want) != 0)
		print_error("%s is out of date; accept with TDX_LPAGE_UPDATE=1\n", path);
	assert_string_equal(got, want);
	free(want);
}

static void the_shipped_file_gives_the_defaults(void **state)
{
	struct config_errors errors;
	struct config *shipped, *defaults;

	(void)state;
	assert_int_equal(config_load(path, true, &shipped, &errors), 0);
	assert_int_equal(config_new_defaults(path, &defaults), 0);
	assert_memory_equal(&shipped->global, &defaults->global, sizeof(shipped->global));
	assert_memory_equal(&shipped->defaults, &defaults->defaults, sizeof(shipped->defaults));
	assert_int_equal(shipped->nr_rules, 0);
	config_errors_done(&errors);
	config_free(shipped);
	config_free(defaults);
}

/* The examples that the file gives in comments: from "# rules:" on, and the line of the shadow. */
static void the_example_is_good(void **state)
{
	char *text = template_text(), *line, *save = NULL;
	char example[2048] = "version: 1\n";
	struct config_errors errors;
	struct config *config;
	bool in = false;

	(void)state;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		in = in ? line[0] == '#' : strcmp(line, "# rules:") == 0;
		if (in || strncmp(line, "# shadow: ", 10) == 0)
			strcat(strcat(example, line + 2), "\n");
	}
	if (config_parse_buffer("example", example, strlen(example), &config, &errors) < 0)
		config_errors_print(stderr, &errors);
	assert_int_equal(errors.nr, 0);
	assert_int_equal(config->nr_rules, 2);
	assert_true(config->shadow.given);
	config_errors_done(&errors);
	config_free(config);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_file_is_the_table),
		cmocka_unit_test(the_shipped_file_gives_the_defaults),
		cmocka_unit_test(the_example_is_good),
	};

	tree_path(path, "etc/tdx-lpage.yaml");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
