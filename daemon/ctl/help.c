// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds verbs by name and prints help, all from the table of verbs. */
#include <ctype.h>
#include <string.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/text.h>

#define WIDTH	  79
#define NAMES_MAX 63 /* verbs that a mistyped one is compared with */

/* Returns how many of @words make up @name, which is one or two words; 0: they differ. */
static int words_matched(const char *name, int nr, const char *const *words)
{
	size_t len = nr > 0 ? strlen(words[0]) : 0;

	if (nr < 1 || strncmp(name, words[0], len) != 0)
		return 0;
	if (name[len] == '\0')
		return 1;
	if (name[len] != ' ' || nr < 2 || strcmp(name + len + 1, words[1]) != 0)
		return 0;
	return 2;
}

/* The same for words that may be cut off; hidden verbs are not for people. */
static int words_abbreviated(const struct ctl_verb *verb, int nr, const char *const *words)
{
	const char *space = strchr(verb->name, ' ');
	size_t len = space ? (size_t)(space - verb->name) : strlen(verb->name);

	if (verb->hidden || nr < 1 || !*words[0] || strlen(words[0]) > len ||
	    strncmp(verb->name, words[0], strlen(words[0])) != 0)
		return 0;
	if (!space)
		return 1;
	return nr > 1 && *words[1] && strncmp(space + 1, words[1], strlen(words[1])) == 0 ? 2 : 0;
}

/* What the words stand for, if they stand for one verb only. */
static const struct ctl_verb *find_abbreviated(const struct ctl_verb *verbs, int nr,
					       const char *const *words, int *ret_words)
{
	const struct ctl_verb *found = NULL;

	for (const struct ctl_verb *verb = verbs; verb->name; verb++) {
		int matched = words_abbreviated(verb, nr, words);

		if (matched && found)
			return NULL;
		if (!matched)
			continue;
		found = verb;
		*ret_words = matched;
	}
	return found;
}

const struct ctl_verb *ctl_find_verb(const struct ctl_verb *verbs, int nr, const char *const *words,
				     int *ret_words)
{
	for (const struct ctl_verb *verb = verbs; verb->name; verb++) {
		*ret_words = words_matched(verb->name, nr, words);
		if (*ret_words)
			return verb;
	}
	return find_abbreviated(verbs, nr, words, ret_words);
}

static void print_group(FILE *f, const struct ctl_verb *verbs, enum ctl_group group)
{
	static const char *const titles[CTL_GROUPS] = {
		[CTL_LOOK] = "Look",
		[CTL_ACT] = "Act",
		[CTL_CONFIGURATION] = "Configuration",
		[CTL_TRACES] = "Traces",
	};
	char left[64];

	fprintf(f, "\n%s:\n", titles[group]);
	for (const struct ctl_verb *verb = verbs; verb->name; verb++) {
		if (verb->hidden || verb->group != group)
			continue;
		snprintf(left, sizeof(left), "%s %s", verb->name, verb->args);
		fprintf(f, "  %-21s  %s\n", left, verb->help);
	}
}

void ctl_print_help(FILE *f, const struct ctl_verb *verbs)
{
	fputs("Usage: tdx-lpctl [--socket PATH] [--timeout TIME] [-o table|json] [VERB] [ARGUMENTS]\n"
	      "\n"
	      "Shows and controls tdx-lpaged. Without a verb: status. Verbs can be shortened as\n"
	      "long as they are distinct.\n",
	      f);
	for (enum ctl_group group = 0; group < CTL_GROUPS; group++)
		print_group(f, verbs, group);
	fputs("\n"
	      "  -o, --output FORMAT   table (default) or json (stable schema, times in us)\n"
	      "  --socket PATH         the daemon's socket; /run/tdx-lpage/control or read\n"
	      "  --timeout TIME        wait so long for each answer (default: 1m)\n"
	      "  --version             print the version\n"
	      "  -h, --help            show this help, or the help of the verb\n"
	      "\n"
	      "Exit status: 0 success, 1 refused or failed, 2 usage error, 3 daemon not reachable.\n",
	      f);
}

void ctl_print_verb_help(FILE *f, const struct ctl_verb *verb)
{
	char left[64];

	fprintf(f, "Usage: tdx-lpctl %s%s%s%s\n\n", verb->name,
		verb->options[0].name ? " [OPTIONS]" : "", *verb->args ? " " : "", verb->args);
	/* A phrase in the table, a sentence here. */
	fprintf(f, "%c%s.\n", toupper((unsigned char)verb->help[0]), verb->help + 1);
	if (verb->about) {
		print_wrapped(f, verb->about, 0, WIDTH);
		fputc('\n', f);
	}
	if (verb->write)
		fputs("Requires the control socket.\n", f);
	for (int i = 0; i < CTL_OPTIONS_MAX && verb->options[i].name; i++) {
		const struct ctl_option *option = &verb->options[i];

		snprintf(left, sizeof(left), "%s%s%s", option->name, option->value ? " " : "",
			 option->value ? option->value : "");
		fprintf(f, "%s  %-18s  %s\n", i ? "" : "\n", left, option->help);
	}
}

/* Lists the second words of the verbs that start with @first, separated by commas. */
static void second_words(const struct ctl_verb *verbs, const char *first, char *ret, size_t size)
{
	size_t len = strlen(first), used = 0;

	*ret = '\0';
	for (const struct ctl_verb *verb = verbs; verb->name && used < size; verb++) {
		if (strncmp(verb->name, first, len) != 0 || verb->name[len] != ' ')
			continue;
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
					 verb->name + len + 1);
	}
}

/* The verb that "FIRST SECOND", or FIRST alone, was probably meant to be; NULL: none is near. */
static const char *nearest_verb(const struct ctl_verb *verbs, const char *first, const char *second)
{
	const char *names[NAMES_MAX + 1], *nearest;
	char both[64];
	size_t nr = 0;

	for (const struct ctl_verb *verb = verbs; verb->name && nr < NAMES_MAX; verb++) {
		if (!verb->hidden)
			names[nr++] = verb->name;
	}
	names[nr] = NULL;
	snprintf(both, sizeof(both), "%s %s", first, second ? second : "");
	nearest = second ? text_nearest(both, names) : NULL;
	return nearest ? nearest : text_nearest(first, names);
}

/* "release, reload" for "rel"; "" when nothing begins so. */
static void verbs_with_prefix(const struct ctl_verb *verbs, const char *first, char *ret,
			      size_t size)
{
	size_t len = 0;

	*ret = '\0';
	for (const struct ctl_verb *verb = verbs; verb->name && len < size; verb++) {
		if (words_abbreviated(verb, 1, &first))
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len ? ", " : "",
						verb->name);
	}
}

int ctl_unknown_verb(struct ctl *ctl, const char *first, const char *second)
{
	const char *nearest = nearest_verb(ctl->verbs, first, second);
	char words[128];

	/* Point to the general help rather than to that of a verb. */
	ctl->verb = NULL;
	verbs_with_prefix(ctl->verbs, first, words, sizeof(words));
	if (*words)
		return ctl_usage_error(ctl, "\"%s\" may be any of: %s", first, words);
	second_words(ctl->verbs, first, words, sizeof(words));
	if (!*words && nearest)
		return ctl_usage_error(ctl, "unknown verb \"%s\"; did you mean \"%s\"?", first,
				       nearest);
	if (!*words)
		return ctl_usage_error(ctl, "unknown verb \"%s\"", first);
	if (second)
		return ctl_usage_error(ctl,
				       "unknown verb \"%s %s\": %s must be followed by one of: %s",
				       first, second, first, words);
	return ctl_usage_error(ctl, "%s must be followed by one of: %s", first, words);
}

bool ctl_print_group_help(FILE *f, const struct ctl_verb *verbs, const char *first)
{
	size_t len = strlen(first);
	char left[64];
	bool any = false;

	for (const struct ctl_verb *verb = verbs; verb->name; verb++) {
		if (strncmp(verb->name, first, len) != 0 || verb->name[len] != ' ')
			continue;
		snprintf(left, sizeof(left), "%s %s", verb->name, verb->args);
		fprintf(f, "%s  %-20s  %s\n", any ? "" : "Usage: tdx-lpctl VERB\n\n", left,
			verb->help);
		any = true;
	}
	return any;
}

int verb_help(struct ctl *ctl)
{
	const struct ctl_verb *verb;
	int words;

	if (ctl->nr_args == 0) {
		ctl_print_help(ctl->out, ctl->verbs);
		return CTL_OK;
	}
	if (ctl->nr_args == 1 && ctl_print_group_help(ctl->out, ctl->verbs, ctl->args[0]))
		return CTL_OK;
	verb = ctl_find_verb(ctl->verbs, ctl->nr_args, ctl->args, &words);
	if (verb && words == ctl->nr_args) {
		ctl_print_verb_help(ctl->out, verb);
		return CTL_OK;
	}
	if (verb)
		return ctl_usage_error(ctl, "too many arguments: \"%s\"", ctl->args[words]);
	return ctl_unknown_verb(ctl, ctl->args[0], ctl->nr_args > 1 ? ctl->args[1] : NULL);
}
