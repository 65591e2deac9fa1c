/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values of the configuration: text to plain value and back, and the table of keys. */
#ifndef TDX_LPAGE_CONFIG_VALUE_H
#define TDX_LPAGE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config/config.h"

#define CONFIG_TEXT_MAX 128 /* holds any formatted value */
#define CONFIG_GLOB_MAX 255

/* A row of CONFIG_GLOBAL_KEYS or CONFIG_SETTING_KEYS. */
struct config_key {
	const char *name;
	enum config_type type;
	size_t offset;	 /* of the field in its struct */
	const char *min; /* as written in the file; NULL where the type has no order */
	const char *max;
	const char *def;
	const char *tune; /* values worth trying, with blanks; NULL: none are */
	const char *doc;
};

enum config_match_type {
	CONFIG_MATCH_GLOB,
	CONFIG_MATCH_UID,
	CONFIG_MATCH_SIZE_COMPARE,
	CONFIG_MATCH_VM_TYPE,
	CONFIG_MATCH_UUID,
};

/* A row of CONFIG_MATCH_KEYS. */
struct config_match_key {
	const char *name;
	enum config_match_type type;
	size_t offset;
	const char *doc;
};

/* A table of keys, in the order of keys.h. */
struct config_keys {
	const struct config_key *keys;
	size_t nr;
};

extern const struct config_keys config_global_keys;
extern const struct config_keys config_setting_keys;

const struct config_match_key *config_match_keys(size_t *ret_nr);

/* The values of @key in @match. */
const struct config_terms *config_match_terms(const struct config_match *match,
					      const struct config_match_key *key);

/*
 * Reads @text as a value of @key into the field @ret. @plain says that it stood without quotes.
 * Returns 0, -EINVAL when it is no such value, -ERANGE when it is outside of min and max; @ret
 * keeps its value then.
 */
int config_value_parse(const struct config_key *key, const char *text, bool plain, void *ret);

/* Is there a number such as 010 in @text? No value may have one. */
bool config_has_leading_zero(const char *text);

/* Likewise for one value of a match key; @ret->text is allocated. Also -ENOMEM. */
int config_term_parse(enum config_match_type type, const char *text, bool plain,
		      struct config_term *ret);

/* Writes the value as the file would have it. */
void config_value_format(enum config_type type, const void *value,
			 char ret[static CONFIG_TEXT_MAX]);

/* What a value of the type looks like: "a duration such as 500us, 2ms, 5s, 10m or 1h". */
const char *config_type_wants(enum config_type type);
const char *config_match_type_wants(enum config_match_type type);

/* Writes "0s to 1h", or "off, managed, fault"; "" when the type says it all. */
void config_key_allowed(const struct config_key *key, char ret[static CONFIG_TEXT_MAX]);

/* Sets every field of a struct to the defaults of @keys. */
void config_set_defaults(const struct config_keys *keys, void *base);

#endif
