// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include <tdx-lpage/text.h>

#include "daemon/config/print.h"
#include "daemon/config/value.h"

#define WIDTH	      95
#define ORIGIN_COLUMN 32

/* A value and, where origins are wanted, where it comes from. */
static void print_field(FILE *f, const char *indent, const struct config_key *key, const void *base,
			const char *origin)
{
	char text[CONFIG_TEXT_MAX];
	int column;

	config_value_format(key->type, (const char *)base + key->offset, text);
	/* [::1]:9477 would be a list. */
	column = fprintf(f, *text == '[' ? "%s%s: \"%s\"" : "%s%s: %s", indent, key->name, text);
	if (origin)
		fprintf(f, "%*s # %s", column < ORIGIN_COLUMN ? ORIGIN_COLUMN - column : 0, "",
			origin);
	fputc('\n', f);
}

void config_place_format(const struct config *config, const struct config_place *place, char *ret,
			 size_t size)
{
	if (place->line)
		snprintf(ret, size, "%s:%u", config->files[place->file], place->line);
	else
		snprintf(ret, size, "default");
	text_clean(ret, "");
}

/* @places: NULL where origins are not wanted. @set: bit per key that is printed. */
static void print_fields(FILE *f, const struct config *config, const char *indent,
			 const struct config_keys *keys, const void *base, uint64_t set,
			 const struct config_place *places)
{
	char origin[CONFIG_ORIGIN_MAX];

	for (size_t i = 0; i < keys->nr; i++) {
		if (!(set >> i & 1))
			continue;
		if (places)
			config_place_format(config, &places[i], origin, sizeof(origin));
		print_field(f, indent, &keys->keys[i], base, places ? origin : NULL);
	}
}

/* Neither kind of quote is allowed in a term, so quotes need no escapes. */
static void print_term(FILE *f, enum config_match_type type, const struct config_term *term)
{
	fprintf(f, type == CONFIG_MATCH_UID ? "%s" : "'%s'", term->text);
}

static void print_terms(FILE *f, const struct config_match_key *key,
			const struct config_terms *terms)
{
	if (!terms->nr)
		return;
	fprintf(f, "      %s: [", key->name);
	for (size_t i = 0; i < terms->nr; i++) {
		fputs(i ? ", " : "", f);
		print_term(f, key->type, &terms->terms[i]);
	}
	fputs("]\n", f);
}

static void print_rule(FILE *f, const struct config *config, const struct config_rule *rule,
		       bool origins)
{
	char origin[CONFIG_ORIGIN_MAX];
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);

	config_place_format(config, &rule->place, origin, sizeof(origin));
	if (origins)
		fprintf(f, "  # %s\n", origin);
	fprintf(f, "  - name: '%s'\n    match:\n", rule->name);
	for (size_t i = 0; i < nr; i++)
		print_terms(f, &keys[i], config_match_terms(&rule->match, &keys[i]));
	print_fields(f, config, "    ", &config_setting_keys, &rule->settings,
		     origins ? UINT64_MAX : rule->set, origins ? rule->places : NULL);
}

static void print_shadow(FILE *f, const struct config *config, bool origins)
{
	const struct config_shadow *shadow = &config->shadow;

	if (!shadow->given)
		return;
	fputs(shadow->set ? "shadow:\n" : "shadow: {}\n", f);
	print_fields(f, config, "  ", &config_setting_keys, &shadow->settings, shadow->set,
		     origins ? shadow->places : NULL);
}

static void print_all(FILE *f, const struct config *config, bool origins)
{
	fprintf(f, "version: %d\nglobal:\n", CONFIG_VERSION);
	print_fields(f, config, "  ", &config_global_keys, &config->global, UINT64_MAX,
		     origins ? config->global_places : NULL);
	fputs("defaults:\n", f);
	print_fields(f, config, "  ", &config_setting_keys, &config->defaults, UINT64_MAX,
		     origins ? config->default_places : NULL);
	fputs(config->nr_rules ? "rules:\n" : "rules: []\n", f);
	for (size_t i = 0; i < config->nr_rules; i++)
		print_rule(f, config, &config->rules[i], origins);
	print_shadow(f, config, origins);
}

void config_print(FILE *f, const struct config *config)
{
	print_all(f, config, false);
}

void config_print_effective(FILE *f, const struct config *config)
{
	print_all(f, config, true);
}

/* Writes words as comment lines that fit in WIDTH. */
static void print_comment(FILE *f, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column && column + 1 + len > WIDTH) {
			fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : "  # ", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

static void print_commented(FILE *f, const char *name, const struct config_keys *keys)
{
	char allowed[CONFIG_TEXT_MAX];

	fprintf(f, "\n%s:\n", name);
	for (size_t i = 0; i < keys->nr; i++) {
		const struct config_key *key = &keys->keys[i];

		config_key_allowed(key, allowed);
		print_comment(f, key->doc);
		if (*allowed)
			fprintf(f, "  # Allowed: %s%s.\n",
				strncmp(config_type_wants(key->type), "false, or", 9) ?
					"" :
					"false, or ",
				allowed);
		fprintf(f, "  %s: %s\n%s", key->name, key->def, i + 1 < keys->nr ? "\n" : "");
	}
}

void config_print_template(FILE *f)
{
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);

	fputs("# SPDX-License-Identifier: GPL-2.0-or-later\n"
	      "# Configuration of tdx-lpaged: every key with its default. See tdx-lpage.yaml(5).\n"
	      "# Check an edited file with `tdx-lpctl config check`, then `systemctl reload "
	      "tdx-lpaged`.\n"
	      "# Files *.yaml in /etc/tdx-lpage.d are read after this one: they override keys and "
	      "add rules.\n"
	      "version: 1\n\n"
	      "# The whole daemon.",
	      f);
	print_commented(f, "global", &config_global_keys);
	fputs("\n# Every VM that no rule matches, and what a rule leaves out.", f);
	print_commented(f, "defaults", &config_setting_keys);
	fputs("\n# The first rule that matches a VM is in force, for VMs started later too. A rule has "
	      "a name,\n"
	      "# a match, and any of the keys of defaults. What to match on, one value or a list:\n"
	      "#\n",
	      f);
	for (size_t i = 0; i < nr; i++)
		fprintf(f, "#   %-8s %s\n", keys[i].name, config_match_type_wants(keys[i].type));
	fputs("#\n"
	      "# rules:\n"
	      "#   - name: databases\n"
	      "#     match: {vm-name: \"db-*\", slice: machine.slice, memory: \">=16G\"}\n"
	      "#     min-quiet: 2s\n"
	      "#   - name: left-alone\n"
	      "#     match: {uid: [1001, 1002]}\n"
	      "#     mode: off\n"
	      "rules: []\n"
	      "\n"
	      "# A second configuration on the same events, which merges nothing: `tdx-lpctl status --shadow`\n"
	      "# compares the two. Of the keys of defaults, for all VMs: policy, min-quiet, quiet-time,\n"
	      "# hold-after and hold-for.\n"
	      "#\n"
	      "# shadow: {policy: threshold, quiet-time: 10s}\n",
	      f);
}
