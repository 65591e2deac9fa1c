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

/* The settings only, each with the place that config_place_format() names; rules are in order. */
json_t *control_origins_json(const struct config *config);

/* The files that the configuration was read from. */
json_t *control_files_json(const struct config *config);

#endif
