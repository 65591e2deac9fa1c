// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/config_json.h"
#include "daemon/config/value.h"
#include <tdx-lpage/text.h>

static json_t *value_json(const struct config_key *key, const void *base)
{
	const void *value = (const char *)base + key->offset;
	char text[CONFIG_TEXT_MAX];

	if (key->type == CONFIG_TYPE_BOOL)
		return json_boolean(*(const bool *)value);
	if (key->type == CONFIG_TYPE_COUNT)
		return json_integer(*(const uint32_t *)value);
	config_value_format(key->type, value, text);
	return json_string(text);
}

/* @set: bit per key that is wanted. */
static json_t *section_json(const struct config_keys *keys, const void *base, uint64_t set)
{
	json_t *object = json_object();
	char name[TEXT_NAME_MAX];

	for (size_t i = 0; i < keys->nr; i++) {
		if (set & UINT64_C(1) << i)
			json_object_set_new(object, text_snake(keys->keys[i].name, name),
					    value_json(&keys->keys[i], base));
	}
	return object;
}

static json_t *match_json(const struct config_match *match)
{
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);
	json_t *object = json_object();
	char name[TEXT_NAME_MAX];

	for (size_t i = 0; i < nr; i++) {
		const struct config_terms *terms = config_match_terms(match, &keys[i]);
		json_t *list;

		if (!terms->nr)
			continue;
		list = json_array();
		for (size_t j = 0; j < terms->nr; j++)
			json_array_append_new(list, json_string(terms->terms[j].text));
		json_object_set_new(object, text_snake(keys[i].name, name), list);
	}
	return object;
}

static json_t *rules_json(const struct config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->nr_rules; i++) {
		const struct config_rule *rule = &config->rules[i];
		json_t *object = section_json(&config_setting_keys, &rule->settings, rule->set);

		json_object_set_new(object, "name", json_string(rule->name));
		json_object_set_new(object, "match", match_json(&rule->match));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *origins_json(const struct config *config, const struct config_keys *keys,
			    const struct config_place *places)
{
	json_t *object = json_object();
	char name[TEXT_NAME_MAX], origin[CONFIG_ORIGIN_MAX];

	for (size_t i = 0; i < keys->nr; i++) {
		config_place_format(config, &places[i], origin, sizeof(origin));
		json_object_set_new(object, text_snake(keys->keys[i].name, name),
				    json_string(origin));
	}
	return object;
}

json_t *control_origins_json(const struct config *config)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < config->nr_rules; i++)
		json_array_append_new(rules, origins_json(config, &config_setting_keys,
							  config->rules[i].places));
	return json_pack("{s:o, s:o, s:o}", "global",
			 origins_json(config, &config_global_keys, config->global_places),
			 "defaults",
			 origins_json(config, &config_setting_keys, config->default_places),
			 "rules", rules);
}

json_t *control_files_json(const struct config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->nr_files; i++)
		json_array_append_new(list, json_string(config->files[i]));
	return list;
}

json_t *control_config_json(const struct config *config)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o?}", "version", CONFIG_VERSION, "global",
			 section_json(&config_global_keys, &config->global, UINT64_MAX), "defaults",
			 section_json(&config_setting_keys, &config->defaults, UINT64_MAX), "rules",
			 rules_json(config), "shadow",
			 config->shadow.given ?
				 section_json(&config_setting_keys, &config->shadow.settings,
					      config->shadow.set) :
				 NULL);
}
