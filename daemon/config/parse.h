/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CONFIG_PARSE_H
#define TDX_LPAGE_CONFIG_PARSE_H

#include "daemon/config/config.h"

/*
 * Reads the YAML of the last of @config's files into @config, which holds the defaults and what
 * earlier files said. Returns 0, -ENOMEM, or -EINVAL with something in @errors; @config is then of
 * no use but to have more files read, for their errors, and to be freed.
 */
int config_read(const char *text, size_t len, struct config *config, struct config_errors *errors);

/* Completes @config after its last file, and checks what only all of it tells. Returns as above. */
int config_finish(struct config *config, struct config_errors *errors);

#endif
