// SPDX-License-Identifier: GPL-2.0-or-later
/* Configurations of several files: a main one and its drop-ins. */
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

#include "daemon/config/config.h"
#include "tests/lib/config_text.h"

/* A directory with NAME.yaml and NAME.d; files are written into it by name. */
struct dir {
	char path[32];
	char file[64];
};

static void put_file(const struct dir *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void open_dir(struct dir *dir)
{
	char drop_ins[64];

	strcpy(dir->path, "/tmp/test_config.XXXXXX");
	assert_non_null(mkdtemp(dir->path));
	snprintf(dir->file, sizeof(dir->file), "%s/lpage.yaml", dir->path);
	snprintf(drop_ins, sizeof(drop_ins), "%s/lpage.d", dir->path);
	assert_int_equal(mkdir(drop_ins, 0755), 0);
}

static void close_dir(struct dir *dir)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir->path);
	assert_int_equal(system(command), 0);
}

static struct config *load_dir(const struct dir *dir)
{
	struct config_errors errors = {0};
	struct config *config = NULL;

	if (config_load(dir->file, false, &config, &errors) < 0)
		config_errors_print(stderr, &errors);
	assert_int_equal(errors.nr, 0);
	assert_non_null(config);
	config_errors_done(&errors);
	return config;
}

/* What is wrong with the files, without the directory; the caller frees it. */
static char *load_dir_errors(const struct dir *dir, int want)
{
	struct config_errors errors = {0};
	struct config *config = NULL;
	char *text = NULL, *at;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(config_load(dir->file, false, &config, &errors), want);
	assert_null(config);
	config_errors_print(f, &errors);
	config_errors_done(&errors);
	fclose(f);
	while ((at = strstr(text, dir->path)))
		memmove(at, at + strlen(dir->path) + 1, strlen(at + strlen(dir->path)));
	return text;
}

static void drop_ins_override_keys_and_append_rules_in_order(void **state)
{
	struct dir dir;
	struct config *c;

	(void)state;
	open_dir(&dir);
	put_file(&dir, "lpage.yaml",
		 "version: 1\nglobal: {dry-run: true, merge-rate: 7/s}\n"
		 "defaults: {batch: 1, min-quiet: 1s}\n"
		 "rules:\n  - {name: main, match: {uid: 1}}\n");
	put_file(&dir, "lpage.d/20-b.yaml",
		 "version: 1\ndefaults: {batch: 20}\nrules:\n  - {name: b, match: {uid: 3}}\n");
	put_file(&dir, "lpage.d/10-a.yaml",
		 "version: 1\ndefaults: {batch: 10}\nglobal: {dry-run: false}\n"
		 "rules:\n  - {name: a, match: {uid: 2}, min-quiet: 2s}\n");
	put_file(&dir, "lpage.d/.30-hidden.yaml", "nonsense");
	put_file(&dir, "lpage.d/30-saved.yaml~", "nonsense");
	c = load_dir(&dir);
	assert_false(c->missing);
	assert_int_equal(c->nr_files, 3);
	assert_false(c->global.dry_run);
	assert_int_equal(c->global.merge_rate_per_s, 7);
	assert_int_equal(c->defaults.batch, 20);
	assert_int_equal(c->nr_rules, 3);
	assert_string_equal(c->rules[0].name, "main");
	assert_string_equal(c->rules[1].name, "a");
	assert_string_equal(c->rules[2].name, "b");
	/* The rule of the main file takes the default of the last drop-in. */
	assert_int_equal(c->rules[0].settings.batch, 20);
	assert_int_equal(c->rules[1].settings.min_quiet_ns, 2000000000);
	config_free(c);
	close_dir(&dir);
}

static void drop_ins_count_without_the_file_itself(void **state)
{
	struct config_errors errors = {0};
	struct dir dir;
	struct config *c;

	(void)state;
	open_dir(&dir);
	put_file(&dir, "lpage.d/a.yaml", "version: 1\ndefaults: {batch: 3}\n");
	c = load_dir(&dir);
	assert_false(c->missing);
	assert_int_equal(c->defaults.batch, 3);
	config_free(c);
	c = NULL;
	assert_int_equal(config_load(dir.file, true, &c, &errors), -ENOENT);
	config_errors_done(&errors);
	close_dir(&dir);
}

static void mistakes_of_all_files_are_named_with_their_file(void **state)
{
	struct dir dir;
	char *text, path[128];

	(void)state;
	open_dir(&dir);
	put_file(&dir, "lpage.yaml", "version: 1\ndefaults: {batch: 0}\n");
	put_file(&dir, "lpage.d/a.yaml", "defaults: [\n");
	put_file(&dir, "lpage.d/b.yaml", "version: 1\nglobal: {x: 1\n");
	text = load_dir_errors(&dir, -EINVAL);
	assert_string_equal(
		text,
		"lpage.yaml:2:19: defaults.batch: \"0\": out of range (allowed: 1 to 64)\n"
		"lpage.d/a.yaml:1:11: defaults: must be a mapping, KEY: VALUE\n"
		"lpage.d/a.yaml:2:1: not YAML: while parsing a flow node, did not find "
		"expected node content\n"
		"lpage.d/b.yaml:2:10: global.x: unknown key (allowed: dry-run, cpu-budget, "
		"merge-rate, memory-pressure-limit, cpu-pressure-limit, metrics, metrics-names, log-level, log-interval)\n"
		"lpage.d/b.yaml:3:1: not YAML: while parsing a flow mapping, did not find "
		"expected ',' or '}'\n");
	free(text);
	/* What is wrong between files, too. */
	put_file(&dir, "lpage.yaml",
		 "version: 1\ndefaults: {policy: threshold, quiet-time: 1s}\nrules: [{name: r}]\n");
	put_file(&dir, "lpage.d/a.yaml", "version: 1\ndefaults: {min-quiet: 2s}\n");
	put_file(&dir, "lpage.d/b.yaml", "version: 1\nrules: [{name: r, match: {uid: 1}}]\n");
	text = load_dir_errors(&dir, -EINVAL);
	assert_string_equal(text,
			    "lpage.d/b.yaml:2:16: rules[1].name: \"r\": another rule has this "
			    "name\n");
	free(text);
	put_file(&dir, "lpage.d/b.yaml", "version: 1\nrules: [{name: s, match: {uid: 1}}]\n");
	text = load_dir_errors(&dir, -EINVAL);
	assert_string_equal(text, "lpage.d/a.yaml:2:12: defaults.min-quiet: \"2s\": min-quiet is "
				  "longer than quiet-time: the kernel would refuse every merge of "
				  "policy threshold\n"
				  "lpage.yaml:3:9: rules[0]: matches every VM, so later rules are "
				  "never reached; give it a match, or put it last\n");
	free(text);
	/* And what is no file. */
	snprintf(path, sizeof(path), "%s/lpage.d/c.yaml", dir.path);
	assert_int_equal(mkfifo(path, 0600), 0);
	text = load_dir_errors(&dir, -EMEDIUMTYPE);
	assert_string_equal(text, "lpage.d/c.yaml: not a regular file\n");
	free(text);
	close_dir(&dir);
}

static void the_effective_configuration_says_where_values_come_from(void **state)
{
	struct dir dir;
	struct config *c, *d;
	char *text, want[256];

	(void)state;
	open_dir(&dir);
	put_file(&dir, "lpage.yaml", "version: 1\ndefaults:\n  batch: 5\n  min-quiet: 1s\n");
	put_file(&dir, "lpage.d/a.yaml",
		 "version: 1\nglobal:\n  dry-run: true\ndefaults:\n  batch: 6\n"
		 "rules:\n  - name: r\n    match: {uid: 1}\n    min-quiet: 3s\n");
	c = load_dir(&dir);
	text = config_test_print(config_print_effective, c);
	snprintf(want, sizeof(want), "  dry-run: true                  # %s/lpage.d/a.yaml:3\n",
		 dir.path);
	assert_non_null(strstr(text, want));
	assert_non_null(strstr(text, "  cpu-budget: 5%                 # default\n"));
	snprintf(want, sizeof(want), "\n  batch: 6                       # %s/lpage.d/a.yaml:5\n",
		 dir.path);
	assert_non_null(strstr(text, want));
	snprintf(want, sizeof(want), "\n  min-quiet: 1s                  # %s:4\n", dir.file);
	assert_non_null(strstr(text, want));
	/* A rule: what it gives, and what it takes. */
	snprintf(want, sizeof(want), "\n    min-quiet: 3s                # %s/lpage.d/a.yaml:9\n",
		 dir.path);
	assert_non_null(strstr(text, want));
	snprintf(want, sizeof(want), "\n    batch: 6                     # %s/lpage.d/a.yaml:5\n",
		 dir.path);
	assert_non_null(strstr(text, want));
	d = config_test_parse(text);
	assert_memory_equal(&d->defaults, &c->defaults, sizeof(c->defaults));
	assert_memory_equal(&d->rules[0].settings, &c->rules[0].settings, sizeof(c->defaults));
	free(text);
	config_free(c);
	config_free(d);
	close_dir(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drop_ins_override_keys_and_append_rules_in_order),
		cmocka_unit_test(drop_ins_count_without_the_file_itself),
		cmocka_unit_test(mistakes_of_all_files_are_named_with_their_file),
		cmocka_unit_test(the_effective_configuration_says_where_values_come_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
