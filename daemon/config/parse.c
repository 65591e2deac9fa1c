// SPDX-License-Identifier: GPL-2.0-or-later
/* The file's outline: which mapping holds which keys, and what has to hold between them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/text.h>

#include "daemon/config/parse.h"
#include "daemon/config/reader.h"
#include "daemon/config/value.h"

#define WANTS_MAX 224 /* "must be", what, and a hint */

/* What is wrong with @value, which is not what @wants says. */
static void must_be(const char *wants, const char *value, char *ret, size_t size)
{
	snprintf(ret, size, "must be %s%s", wants,
		 config_has_leading_zero(value) ? "; a number has no leading zeros" : "");
}

/* Reads the current event as a value of @key. Returns true when it was good. */
static bool read_value(struct reader *r, const struct config_key *key, void *base)
{
	const char *wants = config_type_wants(key->type);
	char allowed[CONFIG_TEXT_MAX], text[WANTS_MAX];
	int err;

	config_key_allowed(key, allowed);
	if (!reader_want_scalar(r, wants, allowed))
		return false;
	err = config_value_parse(key, reader_scalar(r), reader_scalar_is_plain(r),
				 (char *)base + key->offset);
	if (err == 0)
		return true;
	must_be(wants, reader_scalar(r), text, sizeof(text));
	reader_complain_at(r, r->event.start_mark, reader_scalar(r), allowed,
			   err == -ERANGE && *allowed ? "out of range" : text);
	return false;
}

static int find_key(const struct config_keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->nr; i++) {
		if (strcmp(keys->keys[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* ---- global ---- */

static const char *const global_names[] = {
#define X(field, key, type, min, max, def, doc) key,
	CONFIG_GLOBAL_KEYS(X) NULL
#undef X
};

static int find_global(const char *name)
{
	return find_key(&config_global_keys, name);
}

static void read_global(struct reader *r, int key, void *ctx)
{
	struct config_place place = r->key;
	struct config *config = ctx;

	if (read_value(r, &config_global_keys.keys[key], &config->global))
		config->global_places[key] = place;
}

static const struct mapping global_mapping = {find_global, read_global, global_names};

/* ---- defaults ---- */

static const char *const setting_names[] = {
#define X(field, key, type, min, max, def, tune, doc) key,
	CONFIG_SETTING_KEYS(X) NULL
#undef X
};

static int find_setting(const char *name)
{
	return find_key(&config_setting_keys, name);
}

static void read_setting(struct reader *r, int key, void *ctx)
{
	struct config_place place = r->key;
	struct config *config = ctx;

	if (read_value(r, &config_setting_keys.keys[key], &config->defaults))
		config->default_places[key] = place;
}

static const struct mapping defaults_mapping = {find_setting, read_setting, setting_names};

/* ---- match ---- */

static const char *const match_names[] = {
#define X(field, key, type, doc) key,
	CONFIG_MATCH_KEYS(X) NULL
#undef X
};

static int find_match(const char *name)
{
	for (int i = 0; match_names[i]; i++) {
		if (strcmp(match_names[i], name) == 0)
			return i;
	}
	return -1;
}

static void read_term(struct reader *r, const struct config_match_key *key,
		      struct config_terms *terms)
{
	const char *wants = config_match_type_wants(key->type);
	struct config_term *more;
	char text[WANTS_MAX];
	int err;

	if (!reader_want_scalar(r, wants, NULL))
		return;
	if (terms->nr == CONFIG_TERMS_MAX) {
		reader_complain(r, "more than 64 values");
		return;
	}
	more = reallocarray(terms->terms, terms->nr + 1, sizeof(*more));
	if (!more) {
		r->error = -ENOMEM;
		return;
	}
	terms->terms = more;
	err = config_term_parse(key->type, reader_scalar(r), reader_scalar_is_plain(r),
				&more[terms->nr]);
	if (err == 0) {
		more[terms->nr++].place = reader_place(r, r->event.start_mark);
	} else if (err == -ENOMEM) {
		r->error = -ENOMEM;
	} else {
		must_be(wants, reader_scalar(r), text, sizeof(text));
		reader_complain_at(r, r->event.start_mark, reader_scalar(r), NULL, text);
	}
}

static void read_match(struct reader *r, int index, void *ctx)
{
	size_t nr, len, i = 0;
	const struct config_match_key *key = &config_match_keys(&nr)[index];
	struct config_terms *terms = (void *)((char *)ctx + key->offset);

	if (r->event.type != YAML_SEQUENCE_START_EVENT) {
		read_term(r, key, terms);
		return;
	}
	while (reader_next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
		len = reader_push_index(r, i++);
		read_term(r, key, terms);
		reader_pop(r, len);
	}
	if (i == 0 && !r->error)
		reader_complain(r, "an empty list matches nothing");
}

static const struct mapping match_mapping = {find_match, read_match, match_names};

/* ---- rules ---- */

enum { RULE_NAME, RULE_MATCH, RULE_SETTINGS };

static const char *const rule_names[] = {"name", "match",
#define X(field, key, type, min, max, def, tune, doc) key,
					 CONFIG_SETTING_KEYS(X) NULL
#undef X
};

static int find_rule(const char *name)
{
	int setting = find_setting(name);

	if (strcmp(name, "name") == 0)
		return RULE_NAME;
	if (strcmp(name, "match") == 0)
		return RULE_MATCH;
	return setting < 0 ? -1 : RULE_SETTINGS + setting;
}

static void read_rule_name(struct reader *r, struct config_rule *rule)
{
	static const char wants[] = "1 to 63 characters out of A-Z a-z 0-9 . _ : @ + -";
	const char *name, *end;

	if (!reader_want_scalar(r, wants, NULL))
		return;
	name = reader_scalar(r);
	for (end = name; text_is_name_char(*end); end++)
		;
	if (end == name || *end || end - name > CONFIG_NAME_MAX) {
		reader_complain_at(r, r->event.start_mark, name, wants, "not a name");
		return;
	}
	for (struct config_rule *other = r->config->rules; other < rule; other++) {
		if (strcmp(other->name, name) == 0) {
			reader_complain_at(r, r->event.start_mark, name, NULL,
					   "another rule has this name");
			return;
		}
	}
	strcpy(rule->name, name);
}

static void read_rule(struct reader *r, int key, void *ctx)
{
	struct config_place places[KEYS_MAX] = {0};
	struct config_place place = r->key;
	struct config_rule *rule = ctx;
	int setting = key - RULE_SETTINGS;

	if (key == RULE_NAME)
		read_rule_name(r, rule);
	else if (key == RULE_MATCH)
		reader_mapping(r, &match_mapping, places, &rule->match);
	else if (read_value(r, &config_setting_keys.keys[setting], &rule->settings)) {
		rule->set |= UINT64_C(1) << setting;
		rule->places[setting] = place;
	}
}

static const struct mapping rule_mapping = {find_rule, read_rule, rule_names};

static struct config_rule *new_rule(struct reader *r)
{
	struct config *config = r->config;
	struct config_rule *rules;

	if (config->nr_rules == CONFIG_RULES_MAX) {
		reader_complain_fatal(r, "more than 256 rules");
		return NULL;
	}
	rules = reallocarray(config->rules, config->nr_rules + 1, sizeof(*rules));
	if (!rules) {
		r->error = -ENOMEM;
		return NULL;
	}
	config->rules = rules;
	rules[config->nr_rules] = (struct config_rule){
		.place = reader_place(r, r->event.start_mark),
	};
	return &rules[config->nr_rules++];
}

static void read_rules(struct reader *r)
{
	if (!reader_want_start(r, YAML_SEQUENCE_START_EVENT,
			       "must be a list of rules, each after a \"- \""))
		return;
	while (reader_next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
		struct config_place places[KEYS_MAX] = {0};
		size_t len = reader_push_index(r, r->config->nr_rules);
		yaml_mark_t mark = r->event.start_mark;
		/* What is neither is complained about as such. */
		bool is_rule = r->event.type == YAML_MAPPING_START_EVENT || reader_is_empty(r);
		struct config_rule *rule = new_rule(r);

		if (rule)
			reader_mapping(r, &rule_mapping, places, rule);
		if (rule && is_rule && !r->error && !places[RULE_NAME].line)
			reader_complain_at(r, mark, NULL, NULL, "the rule has no name");
		reader_pop(r, len);
	}
}

/* ---- shadow ---- */

/* Those that tune tries; a test compares. */
static const char *const shadow_names[] = {
	"policy", "min-quiet", "quiet-time", "hold-after", "hold-for", NULL,
};

static int find_shadow(const char *name)
{
	int setting = find_setting(name);

	return setting >= 0 && config_setting_keys.keys[setting].tune ? setting : -1;
}

static void read_shadow(struct reader *r, int key, void *ctx)
{
	struct config_place place = r->key;
	struct config_shadow *shadow = ctx;

	if (!read_value(r, &config_setting_keys.keys[key], &shadow->settings))
		return;
	shadow->set |= UINT64_C(1) << key;
	shadow->places[key] = place;
}

static const struct mapping shadow_mapping = {find_shadow, read_shadow, shadow_names};

/* ---- the whole file ---- */

enum { TOP_VERSION, TOP_GLOBAL, TOP_DEFAULTS, TOP_RULES, TOP_SHADOW };

static const char *const top_names[] = {"version", "global", "defaults", "rules", "shadow", NULL};

static int find_top(const char *name)
{
	for (int i = 0; top_names[i]; i++) {
		if (strcmp(top_names[i], name) == 0)
			return i;
	}
	return -1;
}

static void read_version(struct reader *r)
{
	if (!reader_want_scalar(r, "1, the version of this format", NULL))
		return;
	if (!reader_scalar_is_plain(r) || strcmp(reader_scalar(r), "1") != 0)
		reader_complain_at(r, r->event.start_mark, reader_scalar(r), "1",
				   reader_scalar_is_plain(r) ? "unknown version of the format" :
							       "must not be quoted");
}

static void read_top(struct reader *r, int key, void *ctx)
{
	struct config_place places[KEYS_MAX] = {0};

	(void)ctx;
	switch (key) {
	case TOP_VERSION:
		read_version(r);
		break;
	case TOP_GLOBAL:
		reader_mapping(r, &global_mapping, places, r->config);
		break;
	case TOP_DEFAULTS:
		reader_mapping(r, &defaults_mapping, places, r->config);
		break;
	case TOP_SHADOW:
		r->config->shadow.given |= !reader_is_empty(r);
		reader_mapping(r, &shadow_mapping, places, &r->config->shadow);
		break;
	default:
		read_rules(r);
	}
}

static const struct mapping top_mapping = {find_top, read_top, top_names};

static void read_stream(struct reader *r)
{
	struct config_place places[KEYS_MAX] = {0};
	yaml_mark_t start = {0};

	if (!reader_next(r) || !reader_next(r)) /* STREAM-START */
		return;
	if (r->event.type == YAML_DOCUMENT_START_EVENT) {
		if (!reader_next(r))
			return;
		reader_mapping(r, &top_mapping, places, NULL);
		if (!r->error && reader_next(r) && reader_next(r) &&
		    r->event.type != YAML_STREAM_END_EVENT)
			reader_complain(r, "a second document starts here; only one is supported");
	}
	if (!r->error && !places[TOP_VERSION].line) {
		r->path[0] = '\0';
		reader_complain_at(r, start, NULL, NULL,
				   "the key \"version\" is missing; write version: 1");
	}
}

int config_read(const char *text, size_t len, struct config *config, struct config_errors *errors)
{
	struct reader r;

	if (reader_open(&r, text, len, config, errors) == 0)
		read_stream(&r);
	reader_close(&r);
	if (r.error == -ENOMEM)
		return r.error;
	return errors->nr ? -EINVAL : 0;
}
