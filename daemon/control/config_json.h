/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CONTROL_CONFIG_JSON_H
#define TDX_LPAGE_CONTROL_CONFIG_JSON_H

#include <jansson.h>

struct config;

/*
 * Returns the configuration as an object laid out as the file is, keys in snake case. Yes or no and
 * whole numbers are such; everything else is the file's text, with its unit.
 */
json_t *control_config_json(const struct config *config);

#endif
