// SPDX-License-Identifier: GPL-2.0-or-later
/* What bash offers for the word that is being typed, out of the table of verbs. */
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/client.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/verbs.h"

static void offer(FILE *f, const char *word, const char *typed)
{
	if (strncmp(word, typed, strlen(typed)) == 0)
		fprintf(f, "%s\n", word);
}

/* First words, or second ones after @first. A first word is offered once. */
static void offer_verbs(const struct ctl *ctl, const char *first, const char *typed)
{
	char word[32], last[32] = "";

	for (const struct ctl_verb *verb = ctl->verbs; verb->name; verb++) {
		size_t len = strcspn(verb->name, " ");

		if (verb->hidden)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)len, verb->name);
		if (first && strcmp(first, word) == 0 && verb->name[len])
			offer(ctl->out, verb->name + len + 1, typed);
		else if (!first && strcmp(word, last) != 0)
			offer(ctl->out, word, typed);
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
		offer_verbs(ctl, before, typed);
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
	static const char *const options[] = {"-o",	   "--output",	"--socket",
					      "--timeout", "--version", "--help"};

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
				 strcmp(ctl->args[i], "--socket") == 0 ||
				 strcmp(ctl->args[i], "--timeout") == 0;

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
	verb = ctl_find_verb(ctl->verbs, last - i, ctl->args + i, &words);
	if (verb)
		offer_for_verb(ctl, verb, ctl->nr_args - i - words, ctl->args + i + words);
	else if (i == last && ctl->args[i][0] == '-')
		offer_globals(ctl->out, ctl->args[i]);
	else if (i == last)
		offer_verbs(ctl, NULL, ctl->args[i]);
	else if (i + 1 == last)
		offer_verbs(ctl, ctl->args[i], ctl->args[last]);
	return CTL_OK;
}
