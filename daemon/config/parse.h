/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CONFIG_PARSE_H
#define TDX_LPAGE_CONFIG_PARSE_H

#include "daemon/config/config.h"

/*
 * Reads YAML into @config, which holds the defaults. Returns 0, -ENOMEM, or -EINVAL with something
 * in @errors; @config is then of no use but to be freed.
 */
int config_read(const char *text, size_t len, struct config *config, struct config_errors *errors);

#endif
