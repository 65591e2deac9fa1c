// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/config/config.h"

struct config *config_test_parse(const char *text)
{
	struct config_errors errors = {0};
	struct config *config = NULL;
	int r = config_parse_buffer("f", text, strlen(text), &config, &errors);

	if (r < 0)
		config_errors_print(stderr, &errors);
	assert_int_equal(r, 0);
	assert_int_equal(errors.nr, 0);
	config_errors_done(&errors);
	return config;
}

char *config_test_print(void (*print)(FILE *f, const struct config *config),
			const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	print(f, config);
	fclose(f);
	return text;
}
