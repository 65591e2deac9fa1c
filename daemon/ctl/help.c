// SPDX-License-Identifier: GPL-2.0-or-later
/* Help and completion, out of the table of verbs. */
#include <ctype.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/client.h"
#include "daemon/ctl/format.h"
#include "daemon/ctl/verbs.h"

#define WIDTH 79

/* Is @name, of one or two words, what @words begin with? Returns how many words it took. */
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

const struct ctl_verb *ctl_find_verb(int nr, const char *const *words, int *ret_words)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		*ret_words = words_matched(verb->name, nr, words);
		if (*ret_words)
			return verb;
	}
	return NULL;
}

void ctl_print_help(FILE *f)
{
	char left[64];

	fputs("Usage: tdx-lpctl [--socket PATH] [-o table|json] [VERB] [ARGUMENTS]\n"
	      "\n"
	      "Shows and controls tdx-lpaged. Without a verb: status.\n"
	      "\n",
	      f);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		if (verb->hidden)
			continue;
		snprintf(left, sizeof(left), "%s %s", verb->name, verb->args);
		fprintf(f, "  %-20s  %s\n", left, verb->help);
	}
	fputs("\n"
	      "  -o, --output FORMAT   table (for people) or json (stable, times in us)\n"
	      "  --socket PATH         the daemon's socket; /run/tdx-lpage/control or read\n"
	      "  --version             print the version\n"
	      "  -h, --help            print this; after a verb, more about it\n"
	      "\n"
	      "Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon answers.\n",
	      f);
}

void ctl_print_verb_help(FILE *f, const struct ctl_verb *verb)
{
	char left[64];

	fprintf(f, "Usage: tdx-lpctl %s%s%s%s\n\n", verb->name,
		verb->options[0].name ? " [OPTIONS]" : "", *verb->args ? " " : "", verb->args);
	/* Half a sentence in the table, a whole one here. */
	fprintf(f, "%c%s.\n", toupper((unsigned char)verb->help[0]), verb->help + 1);
	if (verb->about) {
		print_wrapped(f, verb->about, 0, WIDTH);
		fputc('\n', f);
	}
	if (verb->write)
		fputs("Needs the control socket.\n", f);
	for (int i = 0; i < CTL_OPTIONS_MAX && verb->options[i].name; i++) {
		const struct ctl_option *option = &verb->options[i];

		snprintf(left, sizeof(left), "%s%s%s", option->name, option->value ? " " : "",
			 option->value ? option->value : "");
		fprintf(f, "%s  %-18s  %s\n", i ? "" : "\n", left, option->help);
	}
}

/* Writes the second words of verbs that begin with @first, with commas. */
static void second_words(const char *first, char *ret, size_t size)
{
	size_t len = strlen(first), used = 0;

	*ret = '\0';
	for (const struct ctl_verb *verb = ctl_verbs; verb->name && used < size; verb++) {
		if (strncmp(verb->name, first, len) != 0 || verb->name[len] != ' ')
			continue;
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
					 verb->name + len + 1);
	}
}

int ctl_unknown_verb(struct ctl *ctl, const char *first, const char *second)
{
	char words[128];

	/* What is wrong is the verb: the help about this one, if any, does not help. */
	ctl->verb = NULL;
	second_words(first, words, sizeof(words));
	if (!*words)
		return ctl_usage_error(ctl, "unknown verb \"%s\"", first);
	if (second)
		return ctl_usage_error(ctl, "unknown verb \"%s %s\"; there is: %s", first, second,
				       words);
	return ctl_usage_error(ctl, "%s wants one of: %s", first, words);
}

int verb_help(struct ctl *ctl)
{
	const struct ctl_verb *verb;
	int words;

	if (ctl->nr_args == 0) {
		ctl_print_help(ctl->out);
		return CTL_OK;
	}
	verb = ctl_find_verb(ctl->nr_args, ctl->args, &words);
	if (verb && words == ctl->nr_args) {
		ctl_print_verb_help(ctl->out, verb);
		return CTL_OK;
	}
	return ctl_unknown_verb(ctl, ctl->args[0], ctl->nr_args > 1 ? ctl->args[1] : NULL);
}

/* ---- completion ---- */

static void offer(FILE *f, const char *word, const char *typed)
{
	if (strncmp(word, typed, strlen(typed)) == 0)
		fprintf(f, "%s\n", word);
}

/* First words, or second ones after @first. A first word is offered once. */
static void offer_verbs(FILE *f, const char *first, const char *typed)
{
	char word[32], last[32] = "";

	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		size_t len = strcspn(verb->name, " ");

		if (verb->hidden)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)len, verb->name);
		if (first && strcmp(first, word) == 0 && verb->name[len])
			offer(f, verb->name + len + 1, typed);
		else if (!first && strcmp(word, last) != 0)
			offer(f, word, typed);
		strcpy(last, word);
	}
}

/* Silence when there is no daemon: nobody asked for it aloud. */
static void offer_vms(struct ctl *ctl, const char *typed)
{
	FILE *err = ctl->err;
	json_t *reply, *vm;
	char id[FORMAT_MAX];
	size_t i;

	ctl->err = fopen("/dev/null", "w");
	if (ctl->err && ctl_call(ctl, "ListVms", NULL, &reply) == CTL_OK) {
		json_array_foreach(json_object_get(reply, "vms"), i, vm) {
			snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT, get_int(vm, "id"));
			offer(ctl->out, *get_text(vm, "name") ? get_text(vm, "name") : id, typed);
		}
		json_decref(reply);
	}
	if (ctl->err)
		fclose(ctl->err);
	ctl->err = err;
}

/* What may stand for @value when that lists it: "on|off", unlike "N|TIME". */
static void offer_choices(FILE *f, const char *value, const char *typed)
{
	char word[32];

	if (strpbrk(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return;
	while (*value) {
		size_t len = strcspn(value, "|");

		snprintf(word, sizeof(word), "%.*s", (int)len, value);
		offer(f, word, typed);
		value += len + (value[len] == '|');
	}
}

/* @before: the word before the one being typed, @value: what it stands for. */
static void offer_values(struct ctl *ctl, enum ctl_complete what, const char *before,
			 const char *value, const char *typed)
{
	static const char *const states[] = {"unmapped", "large", "table", "mixed"};

	switch (what) {
	case CTL_COMPLETE_VM:
		offer_vms(ctl, typed);
		break;
	case CTL_COMPLETE_STATE:
		for (size_t i = 0; i < 4; i++)
			offer(ctl->out, states[i], typed);
		break;
	case CTL_COMPLETE_VERB:
		offer_verbs(ctl->out, before, typed);
		break;
	case CTL_COMPLETE_NOTHING:
		offer_choices(ctl->out, value, typed);
		break;
	case CTL_COMPLETE_FILE:
		break; /* bash offers files by itself */
	}
}

/* @words follow the verb; the last one is being typed. */
static void offer_for_verb(struct ctl *ctl, const struct ctl_verb *verb, int nr,
			   const char *const *words)
{
	const char *typed = words[nr - 1];
	int position = 0;

	for (int i = 0; i < nr - 1; i++) {
		const struct ctl_option *option = verb->options;

		while (option->name && strcmp(option->name, words[i]) != 0)
			option++;
		if (option->name && option->value && ++i == nr - 1) {
			offer_values(ctl, option->complete, NULL, option->value, typed);
			return;
		}
		position += option->name ? 0 : 1;
	}
	if (*typed == '-') {
		for (const struct ctl_option *option = verb->options; option->name; option++)
			offer(ctl->out, option->name, typed);
	} else if (position < 2 && position < verb->max_args) {
		offer_values(ctl, verb->complete[position], position ? words[nr - 2] : NULL,
			     verb->args, typed);
	}
}

static void offer_globals(FILE *f, const char *typed)
{
	static const char *const options[] = {"-o", "--output", "--socket", "--version", "--help"};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		offer(f, options[i], typed);
}

/* Steps over global options. Returns the index of the verb, or of the word being typed. */
static int skip_globals(struct ctl *ctl)
{
	int i = 0;

	while (i < ctl->nr_args - 1 && ctl->args[i][0] == '-') {
		bool has_value = strcmp(ctl->args[i], "-o") == 0 ||
				 strcmp(ctl->args[i], "--output") == 0 ||
				 strcmp(ctl->args[i], "--socket") == 0;

		i += has_value ? 2 : 1;
	}
	return i;
}

int verb_complete(struct ctl *ctl)
{
	static const char *const formats[] = {"table", "json"};
	int i = skip_globals(ctl), last = ctl->nr_args - 1, words = 0;
	const struct ctl_verb *verb;

	if (last < 0)
		return CTL_OK;
	if (i > last) {
		for (size_t n = 0; ctl->args[last - 1][1] != '-' && n < 2; n++)
			offer(ctl->out, formats[n], ctl->args[last]);
		return CTL_OK;
	}
	verb = ctl_find_verb(last - i, ctl->args + i, &words);
	if (verb)
		offer_for_verb(ctl, verb, ctl->nr_args - i - words, ctl->args + i + words);
	else if (i == last && ctl->args[i][0] == '-')
		offer_globals(ctl->out, ctl->args[i]);
	else if (i == last)
		offer_verbs(ctl->out, NULL, ctl->args[i]);
	else if (i + 1 == last)
		offer_verbs(ctl->out, ctl->args[i], ctl->args[last]);
	return CTL_OK;
}
