// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>

#include <tdx-lpage/base.h>

#include "daemon/config/tables.h"
#include "daemon/config/value.h"

#define US_NS	1000ULL
#define MS_NS	1000000ULL
#define HOUR_NS (60 * CONFIG_MIN_NS)

const struct config_unit config_duration_units[] = {
	{"ns", 1},
	{"us", US_NS},
	{"ms", MS_NS},
	{"s", NS_PER_S},
	{"min", CONFIG_MIN_NS},
	{"m", CONFIG_MIN_NS},
	{"h", HOUR_NS},
	{NULL, 0},
};
const struct config_unit config_cost_units[] = {
	{"ns/s", 1},
	{"us/s", US_NS},
	{"ms/s", MS_NS},
	{NULL, 0},
};
const struct config_unit config_size_units[] = {
	{"", 1},
	{"B", 1},
	{"K", 1ULL << 10},
	{"M", 1ULL << 20},
	{"G", 1ULL << 30},
	{"T", 1ULL << 40},
	{"KiB", 1ULL << 10},
	{"MiB", 1ULL << 20},
	{"GiB", 1ULL << 30},
	{"TiB", 1ULL << 40},
	{NULL, 0},
};
const struct config_unit config_rate_units[] = {{"/s", 1}, {NULL, 0}};
const struct config_unit config_percent_units[] = {{"%", 10000}, {NULL, 0}};
const struct config_unit config_no_units[] = {{"", 1}, {NULL, 0}};

const struct config_name config_bool_names[] = {
	{"false", 0}, {"true", 1}, {"off", 0}, {"on", 1}, {"no", 0}, {"yes", 1}, {NULL, 0},
};
const struct config_name config_mode_names[] = {
	{"off", CONFIG_MODE_OFF},
	{"managed", CONFIG_MODE_MANAGED},
	{"fault", CONFIG_MODE_FAULT},
	{NULL, 0},
};
const struct config_name config_policy_names[] = {
	{"never", CONFIG_POLICY_NEVER},
	{"eager", CONFIG_POLICY_EAGER},
	{"threshold", CONFIG_POLICY_THRESHOLD},
	{"adaptive", CONFIG_POLICY_ADAPTIVE},
	{NULL, 0},
};
const struct config_name config_log_level_names[] = {
	{"error", CONFIG_LOG_ERROR}, {"warning", CONFIG_LOG_WARNING}, {"notice", CONFIG_LOG_NOTICE},
	{"info", CONFIG_LOG_INFO},   {"debug", CONFIG_LOG_DEBUG},     {NULL, 0},
};
/* Values of KVM_X86_*_VM in asm/kvm.h. */
const struct config_name config_vm_type_names[] = {
	{"default", 0}, {"sw-protected", 1}, {"sev", 2}, {"sev-es", 3},
	{"snp", 4},	{"tdx", 5},	     {NULL, 0},
};

#define X(field, key, type, min, max, def, doc)                                                    \
	{key, CONFIG_TYPE_##type, offsetof(struct config_global, field), min, max, def, NULL, doc},
static const struct config_key global_rows[] = {CONFIG_GLOBAL_KEYS(X)};
#undef X
#define X(field, key, type, min, max, def, tune, doc)                                              \
	{key, CONFIG_TYPE_##type, offsetof(struct config_settings, field), min, max, def, tune,    \
	 doc},
static const struct config_key setting_rows[] = {CONFIG_SETTING_KEYS(X)};
#undef X
#define X(field, key, type, doc)                                                                   \
	{key, CONFIG_MATCH_##type, offsetof(struct config_match, field), doc},
static const struct config_match_key match_rows[] = {CONFIG_MATCH_KEYS(X)};
#undef X

const struct config_keys config_global_keys = {global_rows, ARRAY_SIZE(global_rows)};
const struct config_keys config_setting_keys = {setting_rows, ARRAY_SIZE(setting_rows)};

const struct config_match_key *config_match_keys(size_t *ret_nr)
{
	*ret_nr = ARRAY_SIZE(match_rows);
	return match_rows;
}

const struct config_terms *config_match_terms(const struct config_match *match,
					      const struct config_match_key *key)
{
	return (const struct config_terms *)((const char *)match + key->offset);
}
