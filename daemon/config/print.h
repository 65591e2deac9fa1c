/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CONFIG_PRINT_H
#define TDX_LPAGE_CONFIG_PRINT_H

#include <stdio.h>

/* Writes etc/tdx-lpage.yaml: every key with its documentation and its default. */
void config_print_template(FILE *f);

#endif
