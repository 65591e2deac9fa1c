/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration: what /etc/tdx-lpage.yaml says, as plain values. Everything here is pure but
 * config_load(). A parsed configuration never changes; reload parses another and swaps the two.
 */
#ifndef TDX_LPAGE_CONFIG_CONFIG_H
#define TDX_LPAGE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/config/keys.h"

#define CONFIG_PATH	      "/etc/tdx-lpage.yaml"
#define CONFIG_VERSION	      1
#define CONFIG_FILE_MAX_BYTES (1u << 20)
#define CONFIG_RULES_MAX      256
#define CONFIG_TERMS_MAX      64
#define CONFIG_NAME_MAX	      63
#define CONFIG_ERRORS_MAX     20
#define CONFIG_FILES_MAX      100
#define CONFIG_ORIGIN_MAX     4200 /* of a path and a line, as text */

/* Values of enum kvm_lpage_mode. */
enum config_mode { CONFIG_MODE_OFF, CONFIG_MODE_MANAGED, CONFIG_MODE_FAULT };

enum config_policy {
	CONFIG_POLICY_NEVER,
	CONFIG_POLICY_EAGER,
	CONFIG_POLICY_THRESHOLD,
	CONFIG_POLICY_ADAPTIVE,
};

/* Values of syslog's priorities. */
enum config_log_level {
	CONFIG_LOG_ERROR = 3,
	CONFIG_LOG_WARNING,
	CONFIG_LOG_NOTICE,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

/* This many events within this time; count 0 means off. */
struct config_count_per {
	uint32_t count;
	uint64_t ns;
};

/* Numeric ADDRESS:PORT or [ADDRESS]:PORT; "" means off. */
struct config_listen {
	char text[64];
};

/* Types of values, and the C type that holds each. Off is 0 for OPT_DURATION and OPT_PERCENT. */
#define CONFIG_TYPES(X)                                                                            \
	X(BOOL, bool)                                                                              \
	X(COUNT, uint32_t)                                                                         \
	X(RATE, uint32_t)                                                                          \
	X(PERCENT, uint32_t)                                                                       \
	X(OPT_PERCENT, uint32_t)                                                                   \
	X(DURATION, uint64_t)                                                                      \
	X(OPT_DURATION, uint64_t)                                                                  \
	X(COST, uint64_t)                                                                          \
	X(COUNT_PER, struct config_count_per)                                                      \
	X(LISTEN, struct config_listen)                                                            \
	X(MODE, enum config_mode)                                                                  \
	X(POLICY, enum config_policy)                                                              \
	X(LOG_LEVEL, enum config_log_level)

enum config_type {
#define X(type, ctype) CONFIG_TYPE_##type,
	CONFIG_TYPES(X)
#undef X
};

#define X(type, ctype) typedef ctype config_##type##_value;
CONFIG_TYPES(X)
#undef X

/* global: what holds for the whole daemon. Fields: CONFIG_GLOBAL_KEYS. */
struct config_global {
#define X(field, key, type, min, max, def, doc) config_##type##_value field;
	CONFIG_GLOBAL_KEYS(X)
#undef X
};

/* defaults: and rules: what holds for a VM. Fields: CONFIG_SETTING_KEYS. */
struct config_settings {
#define X(field, key, type, min, max, def, tune, doc) config_##type##_value field;
	CONFIG_SETTING_KEYS(X)
#undef X
};

enum config_setting_key {
#define X(field, key, type, min, max, def, tune, doc) CONFIG_SETTING_##field,
	CONFIG_SETTING_KEYS(X)
#undef X
		CONFIG_SETTING_END,
};

enum config_global_key {
#define X(field, key, type, min, max, def, doc) CONFIG_GLOBAL_##field,
	CONFIG_GLOBAL_KEYS(X)
#undef X
		CONFIG_GLOBAL_END,
};

/* Where something was given; line 0: nowhere, it is the built-in default. */
struct config_place {
	unsigned int file; /* index into files of struct config */
	unsigned int line; /* from 1 */
	unsigned int column;
};

enum config_compare { CONFIG_EQ, CONFIG_LT, CONFIG_LE, CONFIG_GT, CONFIG_GE };

/* One value of a match key. */
struct config_term {
	char *text; /* as written; the glob */
	struct config_place place;
	uint64_t value;
	enum config_compare compare;
};

/* The values of one match key; nr 0: the rule does not ask. */
struct config_terms {
	struct config_term *terms;
	size_t nr;
};

struct config_match {
#define X(field, key, type, doc) struct config_terms field;
	CONFIG_MATCH_KEYS(X)
#undef X
};

struct config_rule {
	char name[CONFIG_NAME_MAX + 1];
	struct config_place place;
	struct config_match match;
	uint64_t set;			 /* bit per enum config_setting_key that the rule gives */
	struct config_settings settings; /* complete: the defaults, and what the rule gives */
	struct config_place places[CONFIG_SETTING_END]; /* of the settings */
};

/* shadow: what a second configuration has instead, for every VM; of the keys that `tune` tries. */
struct config_shadow {
	bool given;
	uint64_t set; /* as in struct config_rule */
	struct config_settings settings;
	struct config_place places[CONFIG_SETTING_END];
};

struct config {
	char *path;
	bool missing; /* there was no such file, and no drop-in: built-in defaults */
	char **files; /* that were read: the one at path, if it exists, then the drop-ins */
	size_t nr_files;
	struct config_global global;
	struct config_place global_places[CONFIG_GLOBAL_END];
	struct config_settings defaults;
	struct config_place default_places[CONFIG_SETTING_END];
	struct config_rule *rules;
	size_t nr_rules;
	struct config_shadow shadow;
};

/* One thing wrong with a file. Strings are owned; key, value and allowed may be NULL. */
struct config_error {
	char *path;	     /* of the file */
	unsigned int line;   /* from 1; 0: the whole file */
	unsigned int column; /* from 1, in characters */
	char *key;	     /* path, "rules[1].match.memory" */
	char *value;	     /* as written, cut */
	char *allowed;	     /* "0s to 1h" */
	char *message;	     /* without place, key, value and allowed */
};

struct config_errors {
	char *path;
	struct config_error errors[CONFIG_ERRORS_MAX];
	size_t nr;
	size_t suppressed; /* more than fit */
};

/* Who a VM is. Strings are borrowed; see each for what unknown is. */
struct config_identity {
	const char *vm_name;   /* NULL: unknown; "": has none */
	const char *uuid;      /* likewise */
	const char *cgroup;    /* path from the root of the default hierarchy; NULL: unknown */
	const char *vmm;       /* command name; NULL: unknown */
	int64_t uid;	       /* -1: unknown */
	int type;	       /* as given to KVM_CREATE_VM; -1: unknown */
	uint64_t memory_bytes; /* private guest memory; 0: unknown */
};

enum config_match_result {
	CONFIG_MATCH_NO,      /* no rule matches: the defaults are in force */
	CONFIG_MATCH_YES,     /* a rule matches */
	CONFIG_MATCH_UNKNOWN, /* as one of those, but an earlier rule could not be decided */
};

/* What is in force for a VM; pointers into the configuration. */
struct config_selected {
	int rule;	  /* index, -1: the defaults */
	int unknown_rule; /* the first rule that could not be decided, -1: none */
	const struct config_settings *settings;
};

/*
 * Finds the first rule that matches @identity. A rule that needs something unknown is passed over
 * and reported; it never matches. Fills @ret whatever the result.
 */
enum config_match_result config_match(const struct config *config,
				      const struct config_identity *identity,
				      struct config_selected *ret);

/*
 * Parses @len bytes at @text; @name is the file name for messages. Returns 0 and a configuration to
 * be freed with config_free(), -ENOMEM, or -EINVAL with everything that is wrong in @errors, which
 * the caller clears with config_errors_done() in any case.
 */
int config_parse_buffer(const char *name, const char *text, size_t len, struct config **ret,
			struct config_errors *errors);

/*
 * Reads and parses the file at @path, then its drop-ins: the files *.yaml of the directory whose
 * name is @path with .d for .yaml, in the order of their names as strcmp() has it. They override
 * keys of global and defaults, and their rules are appended. Without any file, the built-in
 * defaults, with missing set. The file itself must be there if @must_exist. A file that cannot be
 * read is an entry of @errors and its errno. Otherwise as config_parse_buffer().
 */
int config_load(const char *path, bool must_exist, struct config **ret,
		struct config_errors *errors);

/*
 * Finds what is valid but does nothing: rules that no VM can match, or that an earlier rule keeps all
 * VMs from. Returns 0 and what was found in @ret, to be cleared in any case, or -ENOMEM.
 */
int config_lint(const struct config *config, struct config_errors *ret);

/* Returns the built-in defaults in @ret, or -ENOMEM. */
int config_new_defaults(const char *name, struct config **ret);

/* NULL-safe; returns NULL. */
struct config *config_free(struct config *config);

void config_errors_done(struct config_errors *errors);

/* @settings of a VM, which are in force, become those of the shadow. */
void config_shadow_apply(const struct config *config, struct config_settings *settings);

/* Writes one error as "FILE:LINE:COLUMN: KEY: VALUE: message (allowed)" and no end of line. */
void config_error_print(FILE *f, const struct config_errors *errors, size_t i);

/* Writes all of them, a line each, and how many did not fit. */
void config_errors_print(FILE *f, const struct config_errors *errors);

/* Likewise for what config_lint() found. */
void config_warnings_print(FILE *f, const struct config_errors *warnings);

/* The line of a check that found no error: which files were read, or that there is none at @path. */
void config_good_print(FILE *f, const char *path, const struct config *config);

/* Writes what is in force as YAML that parses to the same configuration. */
void config_print(FILE *f, const struct config *config);

/* Likewise, with what rules take from the defaults, and comments that say where values come from. */
void config_print_effective(FILE *f, const struct config *config);

/* Writes FILE:LINE, or "default", to @ret; cuts. */
void config_place_format(const struct config *config, const struct config_place *place, char *ret,
			 size_t size);

/* "managed" and the like; "unknown" for a value that is none; never NULL. */
const char *config_mode_name(unsigned int mode);
const char *config_policy_name(unsigned int policy);
const char *config_vm_type_name(int type);

/* Reads a policy's name. Returns 0 or -EINVAL. */
int config_policy_from_name(const char *name, enum config_policy *ret);

static inline void config_freep(struct config **config)
{
	config_free(*config);
}

#endif
