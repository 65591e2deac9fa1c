// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parts of the manual pages and the interface file that repeat a table of the program are what
 * that table says. They stand between "; begin NAME" and "; end NAME"; TDX_LPAGE_UPDATE=1 writes
 * them anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/value.h"
#include "daemon/control/call.h"
#include "daemon/ctl/ctl.h"
#include "daemon/process/options.h"
#include "tdx-lpage/reasons.h"
#include "tests/lib/files.h"

static char *read_file(const char *name)
{
	char path[TREE_PATH_MAX];

	return file_text(tree_path(path, name));
}

static void write_file(const char *name, const char *text)
{
	char path[TREE_PATH_MAX];

	file_put(tree_path(path, name), text);
}

/* Text in which nothing means anything to scdoc. */
static void put_plain(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (strchr("_*\\<[", *text))
			fputc('\\', f);
		fputc(*text, f);
	}
}

/* ---- what each part has to be ---- */

static void put_keys(FILE *f, const struct config_keys *keys)
{
	char allowed[CONFIG_TEXT_MAX];

	for (size_t i = 0; i < keys->nr; i++) {
		const struct config_key *key = &keys->keys[i];
		const char *wants = config_type_wants(key->type);

		config_key_allowed(key, allowed);
		fprintf(f, "*%s*: ", key->name);
		put_plain(f, strstr(wants, "one of the names") ? allowed : wants);
		fputs("\n\t", f);
		put_plain(f, key->doc);
		if (key->min) {
			fputs(" Allowed: ", f);
			put_plain(f, allowed);
			fputc('.', f);
		}
		fputs(" Default: ", f);
		put_plain(f, key->def);
		fputs(".", f);
		if (key->tune) {
			fputs(" Tunable: ", f);
			put_plain(f, key->tune);
			fputs(".", f);
		}
		fputs("\n\n", f);
	}
}

static void put_global(FILE *f)
{
	put_keys(f, &config_global_keys);
}

static void put_settings(FILE *f)
{
	put_keys(f, &config_setting_keys);
}

static void put_match(FILE *f)
{
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);

	for (size_t i = 0; i < nr; i++) {
		fprintf(f, "*%s*: ", keys[i].name);
		put_plain(f, config_match_type_wants(keys[i].type));
		fputs("\n\t", f);
		put_plain(f, keys[i].doc);
		fputs("\n\n", f);
	}
}

static void put_verb(FILE *f, const struct ctl_verb *verb)
{
	fprintf(f, "*%s*", verb->name);
	for (const struct ctl_option *o = verb->options; o->name; o++) {
		fprintf(f, " \\[*%s*", o->name);
		if (o->value)
			fprintf(f, " _%s_", o->value);
		fputs("]", f);
	}
	fputs(*verb->args ? " " : "", f);
	put_plain(f, verb->args);
	fprintf(f, "\n\t%c", verb->help[0] - 32);
	put_plain(f, verb->help + 1);
	fputc('.', f);
	if (verb->about) {
		fputc(' ', f);
		put_plain(f, verb->about);
	}
	fputs("\n\n", f);
	for (const struct ctl_option *o = verb->options; o->name; o++) {
		fprintf(f, "\t*%s*%s%s%s: ", o->name, o->value ? " _" : "",
			o->value ? o->value : "", o->value ? "_" : "");
		put_plain(f, o->help);
		fputs(".\n\n", f);
	}
}

static void put_verbs(FILE *f)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		if (!verb->hidden)
			put_verb(f, verb);
	}
}

static void put_reasons(FILE *f)
{
	for (int i = lpage_reason_next(-1); i >= 0; i = lpage_reason_next(i)) {
		const struct lpage_reason_info *info = lpage_reason_info((unsigned int)i);

		fprintf(f, "*%s*\n\t%c", info->name,
			info->why[0] >= 'a' && info->why[0] <= 'z' ? info->why[0] - 32 :
								     info->why[0]);
		put_plain(f, info->why + 1);
		fputc('.', f);
		if (*info->remedy) {
			fputs(" Fix: ", f);
			put_plain(f, info->remedy);
			fputc('.', f);
		}
		fputs("\n\n", f);
	}
}

static void put_exits(FILE *f)
{
#define X(name, value, when)                                                                       \
	fprintf(f, "*%d*\n\t", value);                                                             \
	put_plain(f, when);                                                                        \
	fputs(".\n\n", f);
	LP_EXITS(X)
#undef X
}

static const struct {
	const char *file;
	const char *name;
	void (*put)(FILE *f);
} parts[] = {
	{"docs/man/tdx-lpage.yaml.5.scd", "global", put_global},
	{"docs/man/tdx-lpage.yaml.5.scd", "settings", put_settings},
	{"docs/man/tdx-lpage.yaml.5.scd", "match", put_match},
	{"docs/man/tdx-lpctl.1.scd", "verbs", put_verbs},
	{"docs/man/tdx-lpctl.1.scd", "reasons", put_reasons},
	{"docs/man/tdx-lpaged.8.scd", "exits", put_exits},
};

static char *wanted(void (*put)(FILE *f))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	put(f);
	fclose(f);
	return text;
}

/* Puts @part between the marks of @name. */
static void replace(const char *file, const char *text, char *begin, const char *end,
		    const char *part)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);

	*begin = '\0';
	fprintf(f, "%s%s%s", text, part, end);
	fclose(f);
	write_file(file, all);
	free(all);
}

static void generated_parts_match_the_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char *text = read_file(parts[i].file), *want = wanted(parts[i].put);
		char mark[64], *begin, *end;

		snprintf(mark, sizeof(mark), "; begin %s\n", parts[i].name);
		begin = strstr(text, mark);
		assert_non_null(begin);
		begin += strlen(mark);
		snprintf(mark, sizeof(mark), "; end %s\n", parts[i].name);
		end = strstr(begin, mark);
		assert_non_null(end);
		if (getenv("TDX_LPAGE_UPDATE")) {
			char *rest = strdup(end);

			replace(parts[i].file, text, begin, rest, want);
			free(rest);
		} else {
			*end = '\0';
			if (strcmp(begin, want) != 0)
				print_error("%s, %s: accept with TDX_LPAGE_UPDATE=1\n",
					    parts[i].file, parts[i].name);
			assert_string_equal(begin, want);
		}
		free(text);
		free(want);
	}
}

static void interface_file_matches_the_daemon(void **state)
{
	static const char name[] = "docs/org.tdxlpage.Control.varlink";
	char *want = wanted(control_print_interface), *got, *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);

	(void)state;
	fprintf(f, "# SPDX-License-Identifier: GPL-2.0-or-later\n%s", want);
	fclose(f);
	if (getenv("TDX_LPAGE_UPDATE"))
		write_file(name, all);
	got = read_file(name);
	assert_string_equal(got, all);
	free(got);
	free(all);
	free(want);
}

/* Each option that the daemon's help lists is in its manual page. */
static void daemon_options_are_in_the_man_page(void **state)
{
	char *page = read_file("docs/man/tdx-lpaged.8.scd"), *help = NULL, *save = NULL;
	char *argv[] = {(char *)"tdx-lpaged", (char *)"--help", NULL};
	struct lp_options options;
	size_t size, nr = 0;
	FILE *f = open_memstream(&help, &size);

	(void)state;
	assert_int_equal(lp_options_parse(2, argv, NULL, &options, f, stderr), LP_EXIT_OK);
	fclose(f);
	for (char *line = strtok_r(help, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char word[64];

		if (strncmp(line, "  --", 4) != 0)
			continue;
		snprintf(word, sizeof(word), "*%.*s*", (int)strcspn(line + 2, " ="), line + 2);
		if (!strstr(page, word))
			print_error("%s is not in the page\n", word);
		assert_non_null(strstr(page, word));
		nr++;
	}
	assert_true(nr >= 7);
	free(page);
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated_parts_match_the_tables),
		cmocka_unit_test(interface_file_matches_the_daemon),
		cmocka_unit_test(daemon_options_are_in_the_man_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
