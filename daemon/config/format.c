// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <string.h>

#include "daemon/config/tables.h"
#include "daemon/config/value.h"

static const char *find_name(const struct config_name *names, unsigned int value)
{
	for (; names->name; names++) {
		if (names->value == value)
			return names->name;
	}
	return "unknown";
}

static void format_unit(uint64_t value, const struct config_unit *units, char *ret)
{
	const struct config_unit *best = units;

	/* Minutes and hours read well from two on. */
	for (; units->name; units++) {
		if (value == 0 || value % units->factor)
			continue;
		if (units->factor == CONFIG_MIN_NS &&
		    (value < 2 * CONFIG_MIN_NS || strcmp(units->name, "m")))
			continue;
		if (units->factor > best->factor)
			best = units;
	}
	snprintf(ret, CONFIG_TEXT_MAX, "%" PRIu64 "%s", value / best->factor, best->name);
}

static void format_duration(uint64_t value, char *ret)
{
	if (value == 0)
		strcpy(ret, "0s");
	else
		format_unit(value, config_duration_units, ret);
}

static void format_percent(uint32_t ppm, char *ret)
{
	int n = snprintf(ret, CONFIG_TEXT_MAX, "%u.%04u", ppm / 10000, ppm % 10000);

	while (ret[n - 1] == '0')
		n--;
	if (ret[n - 1] == '.')
		n--;
	strcpy(ret + n, "%");
}

static void format_count_per(const struct config_count_per *value, char *ret)
{
	char duration[CONFIG_TEXT_MAX];

	if (!value->count) {
		strcpy(ret, "false");
		return;
	}
	format_duration(value->ns, duration);
	snprintf(ret, CONFIG_TEXT_MAX, "%u/%.32s", value->count, duration);
}

void config_value_format(enum config_type type, const void *value, char ret[static CONFIG_TEXT_MAX])
{
	const uint32_t *u32 = value;
	const uint64_t *u64 = value;

	switch (type) {
	case CONFIG_TYPE_BOOL:
		strcpy(ret, *(const bool *)value ? "true" : "false");
		break;
	case CONFIG_TYPE_MODE:
		strcpy(ret, find_name(config_mode_names, *(const enum config_mode *)value));
		break;
	case CONFIG_TYPE_POLICY:
		strcpy(ret, find_name(config_policy_names, *(const enum config_policy *)value));
		break;
	case CONFIG_TYPE_LOG_LEVEL:
		strcpy(ret,
		       find_name(config_log_level_names, *(const enum config_log_level *)value));
		break;
	case CONFIG_TYPE_COUNT:
		snprintf(ret, CONFIG_TEXT_MAX, "%u", *u32);
		break;
	case CONFIG_TYPE_RATE:
		snprintf(ret, CONFIG_TEXT_MAX, "%u/s", *u32);
		break;
	case CONFIG_TYPE_PERCENT:
		format_percent(*u32, ret);
		break;
	case CONFIG_TYPE_OPT_PERCENT:
		if (*u32 == 0)
			strcpy(ret, "false");
		else
			format_percent(*u32, ret);
		break;
	case CONFIG_TYPE_OPT_DURATION:
		if (*u64 == 0)
			strcpy(ret, "false");
		else
			format_duration(*u64, ret);
		break;
	case CONFIG_TYPE_DURATION:
		format_duration(*u64, ret);
		break;
	case CONFIG_TYPE_COST:
		if (*u64 == 0)
			strcpy(ret, "0us/s");
		else
			format_unit(*u64, config_cost_units, ret);
		break;
	case CONFIG_TYPE_COUNT_PER:
		format_count_per(value, ret);
		break;
	case CONFIG_TYPE_LISTEN:
		snprintf(ret, CONFIG_TEXT_MAX, "%s",
			 *(const char *)value ? ((const struct config_listen *)value)->text :
						"false");
		break;
	}
}

const char *config_type_wants(enum config_type type)
{
	switch (type) {
	case CONFIG_TYPE_BOOL:
		return "true or false (or on, off, yes, no), without quotes";
	case CONFIG_TYPE_COUNT:
		return "a whole number, without quotes";
	case CONFIG_TYPE_RATE:
		return "a rate such as 1000/s";
	case CONFIG_TYPE_PERCENT:
		return "a percentage such as 5% or 0.5%";
	case CONFIG_TYPE_OPT_PERCENT:
		return "false, or a percentage such as 20% or 0.5%";
	case CONFIG_TYPE_DURATION:
		return "a duration with its unit (ns, us, ms, s, m, h) such as 2ms or 5s";
	case CONFIG_TYPE_OPT_DURATION:
		return "false, or a duration with its unit (ns, us, ms, s, m, h) such as 60s";
	case CONFIG_TYPE_COST:
		return "a cost per second (ns/s, us/s, ms/s) such as 12us/s";
	case CONFIG_TYPE_COUNT_PER:
		return "false, or NUMBER/DURATION such as 3/60s";
	case CONFIG_TYPE_LISTEN:
		return "false, or a numeric ADDRESS:PORT such as 127.0.0.1:9477 or [::1]:9477";
	default:
		return "one of the names, without quotes";
	}
}

const char *config_match_type_wants(enum config_match_type type)
{
	switch (type) {
	case CONFIG_MATCH_GLOB:
		return "a glob of 1 to 255 characters, without quotes inside it";
	case CONFIG_MATCH_UID:
		return "a user id from 0 to 4294967294, without quotes";
	case CONFIG_MATCH_SIZE_COMPARE:
		return "a comparison with a size such as \">=16G\" (<, <=, =, >=, >; K, M, G, T)";
	case CONFIG_MATCH_VM_TYPE:
		return "tdx, snp, sev-es, sev, sw-protected or default";
	case CONFIG_MATCH_UUID:
		return "a UUID such as 4dea22b3-1d52-d8f3-2516-782e98ab3fa0";
	}
	return "";
}

static void list_names(const struct config_name *names, char *ret)
{
	*ret = '\0';
	for (const char *sep = ""; names->name; names++, sep = ", ") {
		strcat(ret, sep);
		strcat(ret, names->name);
	}
}

void config_key_allowed(const struct config_key *key, char ret[static CONFIG_TEXT_MAX])
{
	*ret = '\0';
	if (key->min)
		snprintf(ret, CONFIG_TEXT_MAX, "%s to %s", key->min, key->max);
	else if (key->type == CONFIG_TYPE_MODE)
		list_names(config_mode_names, ret);
	else if (key->type == CONFIG_TYPE_POLICY)
		list_names(config_policy_names, ret);
	else if (key->type == CONFIG_TYPE_LOG_LEVEL)
		list_names(config_log_level_names, ret);
}

const char *config_mode_name(unsigned int mode)
{
	return find_name(config_mode_names, mode);
}

const char *config_policy_name(unsigned int policy)
{
	return find_name(config_policy_names, policy);
}

const char *config_vm_type_name(int type)
{
	return type < 0 ? "unknown" : find_name(config_vm_type_names, (unsigned int)type);
}
