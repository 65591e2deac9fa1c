/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tdx-lpctl: what every verb gets, and the table of verbs. A verb writes to ctl->out, complains on
 * ctl->err, and returns an exit code.
 */
#ifndef TDX_LPAGE_CTL_CTL_H
#define TDX_LPAGE_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_SCHEMA	1 /* of the JSON output; grows when a field goes or changes its meaning */
#define CTL_OPTIONS_MAX 10
#define CTL_ARGS_MAX	66
#define CTL_LIST_MAX	4200 /* 64 names with their commas */

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,	     /* refused, failed, or not reached in time */
	CTL_USAGE = 2,	     /* the command line is wrong */
	CTL_UNREACHABLE = 3, /* no daemon answers */
};

/* Of a call: it failed by ctl->expected_error, and nothing was said. No exit code. */
#define CTL_EXPECTED (-1)

struct ctl_client;
struct ctl;

/* What bash offers for a value. */
enum ctl_complete {
	CTL_COMPLETE_NOTHING,
	CTL_COMPLETE_VM,
	CTL_COMPLETE_FILE,
	CTL_COMPLETE_STATE,
	CTL_COMPLETE_VERB,
};

/* An option of a verb; without a value when @value is NULL. */
struct ctl_option {
	const char *name; /* "--state" */
	const char *value;
	const char *help;
	enum ctl_complete complete;
	bool list; /* may be given several times; values are joined with commas */
};

/* What a verb is for: help is in this order. */
enum ctl_group { CTL_LOOK, CTL_ACT, CTL_CONFIGURATION, CTL_TRACES, CTL_GROUPS };

struct ctl_verb {
	enum ctl_group group;
	const char *name;  /* one or two words */
	const char *args;  /* "VM RANGE..." */
	const char *help;  /* one line without a full stop */
	const char *about; /* more of it, for help and man page; whole sentences */
	int min_args;
	int max_args;
	bool write;		       /* needs the control socket */
	bool hidden;		       /* not shown in help */
	enum ctl_complete complete[2]; /* of the first and the second argument */
	int (*run)(struct ctl *ctl);
	struct ctl_option options[CTL_OPTIONS_MAX]; /* up to the first without a name */
};

/* Ends with a row without a name. */
extern const struct ctl_verb ctl_verbs[];

/* Where a run takes place; tests have their own. */
struct ctl_env {
	FILE *in; /* keys of top; NULL: none */
	FILE *out;
	FILE *err;
	bool colour;
	int columns;		 /* of the terminal; 0: none, a line is as long as it is */
	const char *sysroot;	 /* in front of /sys and /proc, "" */
	const char *runtime_dir; /* of the daemon's sockets */
	uint64_t wall_us;	 /* since 1970, in place of the clock; 0: the clock */
};

struct ctl {
	struct ctl_env env;
	FILE *out;
	FILE *err;
	bool json;
	const char *socket;	      /* --socket, NULL: by what the verb needs */
	const struct ctl_verb *verbs; /* the table */
	const struct ctl_verb *verb;
	const char *args[CTL_ARGS_MAX];
	int nr_args;
	const char *values[CTL_OPTIONS_MAX]; /* of verb->options; "" for one without a value */
	struct ctl_client *client;	     /* once connected */
	int timeout_ms;			     /* of each call */
	const char *expected_error;	     /* of the next calls, "NoSuchVm"; NULL: none */
	bool write;			     /* needs the control socket after all */
	int out_error; /* why something could not be written to @out; 0: unknown, or none */
	char list[CTL_LIST_MAX]; /* the values of an option that is a list */
};

/* Runs a command line. @argv[0] is the program's name. Returns an exit code. */
int ctl_run(const struct ctl_env *env, int argc, char **argv);

/* The value of an option, NULL when it was not given. @name has to be one of the verb's. */
const char *ctl_option(const struct ctl *ctl, const char *name);

/* Says "tdx-lpctl: ..." on ctl->err. Returns CTL_USAGE, or CTL_FAILED. */
int ctl_usage_error(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ctl_failure(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Passes on what was written to ctl->out, as ctl_run() does at its end. Returns CTL_OK, or CTL_FAILED when
 * something could not be written, now or before, which ctl_run() says.
 */
int ctl_flush(struct ctl *ctl);

/* Writes an object with the schema's version as one line and drops it. Returns as ctl_flush(). */
int ctl_print_json(struct ctl *ctl, json_t *object);

/* The name of a file without its folder: what a report calls it. */
const char *ctl_file_name(const char *path);

/*
 * Calls a method (name without interface). Takes the reference to @params, which may be NULL.
 * Returns CTL_OK and the reply's parameters, to be dropped; or has complained and returns an exit
 * code.
 */
int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **ret);

/* Writes the table of verbs, or one verb's usage. */
void ctl_print_help(FILE *f, const struct ctl_verb *verbs);
void ctl_print_verb_help(FILE *f, const struct ctl_verb *verb);

/* Lists the verbs of two words that begin with @first. Returns false when there is none. */
bool ctl_print_group_help(FILE *f, const struct ctl_verb *verbs, const char *first);

/* Finds a verb by one or two words; *ret_words says how many. NULL: none. */
const struct ctl_verb *ctl_find_verb(const struct ctl_verb *verbs, int nr, const char *const *words,
				     int *ret_words);

/* Complains about a verb, @second being NULL or its second word. Returns CTL_USAGE. */
int ctl_unknown_verb(struct ctl *ctl, const char *first, const char *second);

#endif
