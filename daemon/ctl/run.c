// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line: global options, the verb, its arguments and options. */
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/numbers.h"

/* Operations on long ranges take their time; nothing else does. */
#define CALL_TIMEOUT_MS 60000

/* Is @arg the option @name, alone, or as --name=VALUE or -nVALUE? *ret_value: NULL when alone. */
static bool is_option(const char *arg, const char *name, const char **ret_value)
{
	size_t len = strlen(name);

	*ret_value = NULL;
	if (strncmp(arg, name, len) != 0)
		return false;
	if (strncmp(name, "--", 2) != 0)
		*ret_value = arg[len] ? arg + len : NULL;
	else if (arg[len] == '=')
		*ret_value = arg + len + 1;
	return arg[len] == '\0' || *ret_value;
}

/* Takes the value of the option argv[*i]. Returns NULL after a complaint. */
static const char *take_value(struct ctl *ctl, int argc, char **argv, int *i, const char *name,
			      const char *value)
{
	if (value)
		return value;
	if (*i + 1 < argc)
		return argv[++*i];
	ctl_usage_error(ctl, "%s requires a value", name);
	return NULL;
}

static int take_timeout(struct ctl *ctl, const char *text)
{
	uint64_t us = 0;
	int r = text ? ctl_parse_duration(ctl, "--timeout", text, "100ms", "24h", &us) : CTL_USAGE;

	if (r == CTL_OK)
		ctl->timeout_ms = (int)(us / 1000);
	return r;
}

/* Returns CTL_OK when argv[*i] was a global option, -1 when it was not, or complains. */
static int take_global(struct ctl *ctl, int argc, char **argv, int *i)
{
	const char *value;

	if (is_option(argv[*i], "--socket", &value)) {
		ctl->socket = take_value(ctl, argc, argv, i, "--socket", value);
		return ctl->socket ? CTL_OK : CTL_USAGE;
	}
	if (is_option(argv[*i], "--timeout", &value))
		return take_timeout(ctl, take_value(ctl, argc, argv, i, "--timeout", value));
	if (!is_option(argv[*i], "-o", &value) && !is_option(argv[*i], "--output", &value))
		return -1;
	value = take_value(ctl, argc, argv, i, "-o", value);
	if (!value)
		return CTL_USAGE;
	if (strcmp(value, "json") != 0 && strcmp(value, "table") != 0)
		return ctl_usage_error(ctl, "-o %s: must be json or table", value);
	ctl->json = strcmp(value, "json") == 0;
	return CTL_OK;
}

/* Joins the values of an option that is a list. Returns NULL after a complaint. */
static const char *add_to_list(struct ctl *ctl, const char *name, const char *value)
{
	size_t len = strlen(ctl->list);

	if (len + strlen(value) + 2 > sizeof(ctl->list)) {
		ctl_usage_error(ctl, "%s: too many values", name);
		return NULL;
	}
	snprintf(ctl->list + len, sizeof(ctl->list) - len, "%s%s", len ? "," : "", value);
	return ctl->list;
}

/* The same for an option of the verb. */
static int take_option(struct ctl *ctl, int argc, char **argv, int *i)
{
	for (int n = 0; n < CTL_OPTIONS_MAX && ctl->verb->options[n].name; n++) {
		const struct ctl_option *option = &ctl->verb->options[n];
		const char *value;

		if (!is_option(argv[*i], option->name, &value))
			continue;
		if (!option->value && value)
			return ctl_usage_error(ctl, "%s takes no value", option->name);
		value = option->value ? take_value(ctl, argc, argv, i, option->name, value) : "";
		if (value && option->list)
			value = add_to_list(ctl, option->name, value);
		ctl->values[n] = value;
		return value ? CTL_OK : CTL_USAGE;
	}
	return -1;
}

/* Files have any name, VMs have not. */
static bool is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string;
}

static int take_argument(struct ctl *ctl, const char *arg)
{
	if (ctl->nr_args == ctl->verb->max_args)
		return ctl_usage_error(ctl, "too many arguments: \"%s\"", arg);
	if (ctl->nr_args < 2 && ctl->verb->complete[ctl->nr_args] == CTL_COMPLETE_VM &&
	    !is_utf8(arg))
		return ctl_usage_error(ctl, "VM is not valid UTF-8");
	ctl->args[ctl->nr_args++] = arg;
	return CTL_OK;
}

static int parse_rest(struct ctl *ctl, int argc, char **argv, int i)
{
	bool only_args = false;

	for (; i < argc; i++) {
		int r = -1;

		if (!only_args && strcmp(argv[i], "--") == 0) {
			only_args = true;
			continue;
		}
		if (!only_args && argv[i][0] == '-' && argv[i][1]) {
			r = take_option(ctl, argc, argv, &i);
			if (r < 0)
				r = take_global(ctl, argc, argv, &i);
			if (r < 0 &&
			    (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
				ctl_print_verb_help(ctl->out, ctl->verb);
				return -1;
			}
			if (r < 0)
				return ctl_usage_error(ctl, "unknown option \"%s\"", argv[i]);
		} else {
			r = take_argument(ctl, argv[i]);
		}
		if (r != CTL_OK)
			return r;
	}
	if (ctl->nr_args < ctl->verb->min_args)
		return ctl_usage_error(ctl, "%s requires %s", ctl->verb->name, ctl->verb->args);
	return CTL_OK;
}

/* Finds the verb at argv[*i] and steps over it; no verb means status. */
static int parse_verb(struct ctl *ctl, int argc, char **argv, int *i)
{
	static const char *const status[] = {"status"};
	int words = 0;

	if (*i == argc) {
		ctl->verb = ctl_find_verb(ctl->verbs, 1, status, &words);
		return CTL_OK;
	}
	ctl->verb = ctl_find_verb(ctl->verbs, argc - *i, (const char *const *)argv + *i, &words);
	if (!ctl->verb && *i + 1 < argc &&
	    (strcmp(argv[*i + 1], "--help") == 0 || strcmp(argv[*i + 1], "-h") == 0) &&
	    ctl_print_group_help(ctl->out, ctl->verbs, argv[*i]))
		return -1;
	if (!ctl->verb)
		return ctl_unknown_verb(ctl, argv[*i], *i + 1 < argc ? argv[*i + 1] : NULL);
	*i += words;
	return CTL_OK;
}

/* Options before the verb. Returns CTL_OK, -1 when everything was said, or complains. */
static int parse_globals(struct ctl *ctl, int argc, char **argv, int *i)
{
	for (*i = 1; *i < argc && argv[*i][0] == '-'; ++*i) {
		int r = take_global(ctl, argc, argv, i);

		if (r > 0)
			return r;
		if (r == CTL_OK)
			continue;
		if (strcmp(argv[*i], "--help") == 0 || strcmp(argv[*i], "-h") == 0) {
			ctl_print_help(ctl->out, ctl->verbs);
			return -1;
		}
		if (strcmp(argv[*i], "--version") == 0) {
			fprintf(ctl->out, "tdx-lpctl %s\n", TDX_LPAGE_VERSION);
			return -1;
		}
		return ctl_usage_error(ctl, "unknown option \"%s\"", argv[*i]);
	}
	return CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	int i, r = parse_globals(ctl, argc, argv, &i);

	if (r == CTL_OK)
		r = parse_verb(ctl, argc, argv, &i);
	if (r == CTL_OK)
		r = parse_rest(ctl, argc, argv, i);
	if (r == CTL_OK)
		r = ctl->verb->run(ctl);
	ctl->client = ctl_client_close(ctl->client);
	return r < 0 ? CTL_OK : r;
}

/* Also where the rest of the line is wrong, which is an error, too. */
static bool wants_json(int argc, char **argv)
{
	const char *value;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!is_option(argv[i], "-o", &value) && !is_option(argv[i], "--output", &value))
			continue;
		if (!value && i + 1 < argc)
			value = argv[i + 1];
		if (value && !strcmp(value, "json"))
			return true;
	}
	return false;
}

/* One object of what was complained about; a warning beside a result is left as it is. */
static void print_complaint(FILE *f, int code, char *text)
{
	static const char name[] = "tdx-lpctl: ";
	size_t len = strlen(text);
	json_t *object;

	if (code == CTL_OK || !len) {
		fputs(text, f);
		return;
	}
	if (text[len - 1] == '\n')
		text[len - 1] = '\0';
	if (!strncmp(text, name, strlen(name)))
		text += strlen(name);
	object = json_pack("{s:i, s:i, s:s}", "schema", CTL_SCHEMA, "exit", code, "text", text);
	json_dumpf(object, f, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(object);
	fputc('\n', f);
}

/* What could not be written, to a full disk or so, was not done. */
static int check_written(struct ctl *ctl, int code)
{
	if (ctl_flush(ctl) == CTL_OK)
		return code;
	ctl_failure(ctl, "standard output: %s",
		    ctl->out_error ? strerror(ctl->out_error) : "not everything could be written");
	return code == CTL_OK ? CTL_FAILED : code;
}

int ctl_run(const struct ctl_env *env, int argc, char **argv)
{
	struct ctl ctl = {.env = *env,
			  .verbs = ctl_verbs,
			  .out = env->out,
			  .err = env->err,
			  .timeout_ms = CALL_TIMEOUT_MS};
	FILE *f = NULL;
	char *said = NULL;
	size_t size;
	int code;

	if (wants_json(argc, argv))
		f = open_memstream(&said, &size);
	if (f)
		ctl.err = f;
	code = check_written(&ctl, run(&ctl, argc, argv));
	if (f) {
		fclose(f);
		print_complaint(env->err, code, said);
	}
	free(said);
	return code;
}
