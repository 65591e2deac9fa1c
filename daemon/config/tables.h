/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units and names that values are written with. Tables end with a NULL name. */
#ifndef TDX_LPAGE_CONFIG_TABLES_H
#define TDX_LPAGE_CONFIG_TABLES_H

#include <stdint.h>
#include <tdx-lpage/base.h>

#define CONFIG_MIN_NS (60 * NS_PER_S)

struct config_unit {
	const char *name;
	uint64_t factor;
};

struct config_name {
	const char *name;
	unsigned int value;
};

extern const struct config_unit config_duration_units[];
extern const struct config_unit config_cost_units[];
extern const struct config_unit config_size_units[];
extern const struct config_unit config_rate_units[];
extern const struct config_unit config_percent_units[];
extern const struct config_unit config_no_units[];
extern const struct config_name config_bool_names[];
extern const struct config_name config_mode_names[];
extern const struct config_name config_policy_names[];
extern const struct config_name config_log_level_names[];
extern const struct config_name config_vm_type_names[];

#endif
