/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configurations from text, and back, for cmocka tests. */
#ifndef TDX_LPAGE_TESTS_CONFIG_TEXT_H
#define TDX_LPAGE_TESTS_CONFIG_TEXT_H

#include <stdio.h>

struct config;

/* The configuration of @text, a file called "f"; fails the test when it has mistakes. */
struct config *config_test_parse(const char *text);

/* What @print writes for it; to be freed. */
char *config_test_print(void (*print)(FILE *f, const struct config *config),
			const struct config *config);

#endif
