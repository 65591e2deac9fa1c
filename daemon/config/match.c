// SPDX-License-Identifier: GPL-2.0-or-later
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/config/value.h"

/* Three-valued logic: unknown is neither. */
enum truth { NO, YES, UNKNOWN };

static enum truth match_glob(const struct config_terms *terms, const char *text)
{
	if (!text)
		return UNKNOWN;
	for (size_t i = 0; i < terms->nr; i++) {
		if (fnmatch(terms->terms[i].text, text, 0) == 0)
			return YES;
	}
	return NO;
}

static enum truth match_uuid(const struct config_terms *terms, const char *uuid)
{
	if (!uuid)
		return UNKNOWN;
	for (size_t i = 0; i < terms->nr; i++) {
		if (strcasecmp(terms->terms[i].text, uuid) == 0)
			return YES;
	}
	return NO;
}

/* Any slice on the path counts: what runs in machine-a.slice runs in machine.slice too. */
static enum truth match_slice(const struct config_terms *terms, const char *cgroup)
{
	char slice[CONFIG_GLOB_MAX + 1];

	if (!cgroup)
		return UNKNOWN;
	while (*cgroup) {
		size_t len = strcspn(cgroup, "/");

		if (len > 6 && len < sizeof(slice) && !memcmp(cgroup + len - 6, ".slice", 6)) {
			memcpy(slice, cgroup, len);
			slice[len] = '\0';
			if (match_glob(terms, slice) == YES)
				return YES;
		}
		cgroup += len + (cgroup[len] == '/');
	}
	return NO;
}

static enum truth match_number(const struct config_terms *terms, int64_t number)
{
	if (number < 0)
		return UNKNOWN;
	for (size_t i = 0; i < terms->nr; i++) {
		if (terms->terms[i].value == (uint64_t)number)
			return YES;
	}
	return NO;
}

static bool compare(const struct config_term *term, uint64_t value)
{
	switch (term->compare) {
	case CONFIG_EQ:
		return value == term->value;
	case CONFIG_LT:
		return value < term->value;
	case CONFIG_LE:
		return value <= term->value;
	case CONFIG_GT:
		return value > term->value;
	case CONFIG_GE:
		return value >= term->value;
	}
	return false;
}

static enum truth match_memory(const struct config_terms *terms, uint64_t bytes)
{
	if (bytes == 0)
		return UNKNOWN;
	for (size_t i = 0; i < terms->nr; i++) {
		if (compare(&terms->terms[i], bytes))
			return YES;
	}
	return NO;
}

/* One NO decides; else one UNKNOWN does. */
static enum truth match_rule(const struct config_match *match, const struct config_identity *id)
{
	const struct {
		const struct config_terms *terms;
		enum truth truth;
	} asked[] = {
		{&match->vm_name, match_glob(&match->vm_name, id->vm_name)},
		{&match->uuid, match_uuid(&match->uuid, id->uuid)},
		{&match->uid, match_number(&match->uid, id->uid)},
		{&match->slice, match_slice(&match->slice, id->cgroup)},
		{&match->cgroup, match_glob(&match->cgroup, id->cgroup)},
		{&match->vmm, match_glob(&match->vmm, id->vmm)},
		{&match->memory, match_memory(&match->memory, id->memory_bytes)},
		{&match->type, match_number(&match->type, id->type)},
	};
	enum truth all = YES;

	_Static_assert(ARRAY_SIZE(asked) ==
			       sizeof(struct config_match) / sizeof(struct config_terms),
		       "a key of CONFIG_MATCH_KEYS is not asked for");
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		if (!asked[i].terms->nr || asked[i].truth == YES)
			continue;
		if (asked[i].truth == NO)
			return NO;
		all = UNKNOWN;
	}
	return all;
}

enum config_match_result config_match(const struct config *config,
				      const struct config_identity *identity,
				      struct config_selected *ret)
{
	*ret = (struct config_selected){
		.rule = -1,
		.unknown_rule = -1,
		.settings = &config->defaults,
	};
	for (size_t i = 0; i < config->nr_rules; i++) {
		enum truth truth = match_rule(&config->rules[i].match, identity);

		if (truth == UNKNOWN && ret->unknown_rule < 0)
			ret->unknown_rule = (int)i;
		if (truth != YES)
			continue;
		ret->rule = (int)i;
		ret->settings = &config->rules[i].settings;
		break;
	}
	if (ret->unknown_rule >= 0)
		return CONFIG_MATCH_UNKNOWN;
	return ret->rule >= 0 ? CONFIG_MATCH_YES : CONFIG_MATCH_NO;
}
