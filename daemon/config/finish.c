// SPDX-License-Identifier: GPL-2.0-or-later
/* What only all files together tell. */
#include <errno.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/errors.h"
#include "daemon/config/parse.h"
#include "daemon/config/value.h"

/* Rules take from the defaults what they do not give; those may stand anywhere, in any file. */
static void complete_rule(const struct config *config, struct config_rule *rule)
{
	struct config_settings given = rule->settings;

	rule->settings = config->defaults;
#define X(field, key, type, min, max, def, tune, doc)                                              \
	if (rule->set & UINT64_C(1) << CONFIG_SETTING_##field)                                     \
		rule->settings.field = given.field;                                                \
	else                                                                                       \
		rule->places[CONFIG_SETTING_##field] =                                             \
			config->default_places[CONFIG_SETTING_##field];
	CONFIG_SETTING_KEYS(X)
#undef X
}

void config_shadow_apply(const struct config *config, struct config_settings *settings)
{
	const struct config_shadow *shadow = &config->shadow;

#define X(field, key, type, min, max, def, tune, doc)                                              \
	if (shadow->set & UINT64_C(1) << CONFIG_SETTING_##field)                                   \
		settings->field = shadow->settings.field;
	CONFIG_SETTING_KEYS(X)
#undef X
	settings->dry_run = false;
}

static int complain(struct config_errors *errors, const struct config *config,
		    const struct config_place *place, const char *key, const char *value,
		    const char *message)
{
	const struct config_complaint complaint = {
		.path = place->line ? config->files[place->file] : NULL,
		.line = place->line,
		.column = place->column,
		.key = key,
		.value = value,
	};

	return config_errors_add(errors, &complaint, "%s", message);
}

/* The first of the keys, of which one makes the trouble, that was given in @rule (NULL: defaults). */
static int given_key(const struct config *config, const struct config_rule *rule, const int *keys,
		     size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (rule ? rule->set >> keys[i] & 1 : config->default_places[keys[i]].line != 0)
			return keys[i];
	}
	return -1;
}

/* Rule @index, or the defaults for -1. */
static int check_settings(const struct config *config, int index, struct config_errors *errors)
{
	static const int keys[] = {CONFIG_SETTING_min_quiet_ns, CONFIG_SETTING_quiet_time_ns,
				   CONFIG_SETTING_policy};
	const struct config_rule *rule = index < 0 ? NULL : &config->rules[index];
	const struct config_settings *s = rule ? &rule->settings : &config->defaults;
	int key = given_key(config, rule, keys, ARRAY_SIZE(keys));
	char path[64], value[CONFIG_TEXT_MAX];
	const struct config_key *row = &config_setting_keys.keys[key < 0 ? 0 : key];

	if (s->policy != CONFIG_POLICY_THRESHOLD || s->min_quiet_ns <= s->quiet_time_ns || key < 0)
		return 0;
	if (rule)
		snprintf(path, sizeof(path), "rules[%d].%s", index, row->name);
	else
		snprintf(path, sizeof(path), "defaults.%s", row->name);
	config_value_format(row->type, (const char *)s + row->offset, value);
	return complain(errors, config, rule ? &rule->places[key] : &config->default_places[key],
			path, value,
			"min-quiet is longer than quiet-time: the kernel would refuse every merge "
			"of policy threshold");
}

/* The same of what the shadow has instead. */
static int check_shadow(const struct config *config, int index, struct config_errors *errors)
{
	const struct config_shadow *shadow = &config->shadow;
	struct config_settings settings = index < 0 ? config->defaults :
						      config->rules[index].settings;
	int key = 0;

	config_shadow_apply(config, &settings);
	if (!shadow->set || settings.policy != CONFIG_POLICY_THRESHOLD ||
	    settings.min_quiet_ns <= settings.quiet_time_ns)
		return 0;
	while (!(shadow->set >> key & 1))
		key++;
	return complain(errors, config, &shadow->places[key], "shadow", NULL,
			index < 0 ? "min-quiet is longer than quiet-time with these defaults" :
				    "min-quiet is longer than quiet-time for one of the rules");
}

static bool matches_everything(const struct config_match *match)
{
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);

	for (size_t i = 0; i < nr; i++) {
		if (config_match_terms(match, &keys[i])->nr)
			return false;
	}
	return true;
}

static int check_rule(const struct config *config, size_t i, struct config_errors *errors)
{
	char path[32];

	snprintf(path, sizeof(path), "rules[%zu]", i);
	if (i + 1 == config->nr_rules || !matches_everything(&config->rules[i].match))
		return 0;
	return complain(errors, config, &config->rules[i].place, path, NULL,
			"matches every VM, so later rules are never reached; give it a match, or "
			"put it last");
}

int config_finish(struct config *config, struct config_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < config->nr_rules; i++)
		complete_rule(config, &config->rules[i]);
	r = check_settings(config, -1, errors);
	if (r == 0 && !errors->nr)
		r = check_shadow(config, -1, errors);
	for (size_t i = 0; r == 0 && i < config->nr_rules; i++) {
		r = check_settings(config, (int)i, errors);
		if (r == 0)
			r = check_rule(config, i, errors);
		if (r == 0 && !errors->nr)
			r = check_shadow(config, (int)i, errors);
	}
	if (r == 0 && errors->nr)
		r = -EINVAL;
	return r;
}
