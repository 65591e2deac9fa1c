// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a configuration. What parses prints as something that parses to the same. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "tests/fuzz/fuzz.h"

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	config_print(f, config);
	fclose(f);
	return text;
}

/* Returns the printed configuration, or NULL for text that is none. */
static char *parse_and_print(const char *text, size_t len)
{
	struct config_errors errors;
	struct config *config = NULL;
	char *printed = NULL;
	int r = config_parse_buffer("fuzz", text, len, &config, &errors);

	if (r == 0 && errors.nr == 0)
		printed = print(config);
	else if (r != -EINVAL || errors.nr == 0 || config)
		abort();
	for (size_t i = 0; i < errors.nr; i++) {
		if (!errors.errors[i].message || !*errors.errors[i].message)
			abort();
	}
	config_free(config);
	config_errors_done(&errors);
	return printed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *once = parse_and_print((const char *)data, size), *twice;

	if (!once)
		return 0;
	twice = parse_and_print(once, strlen(once));
	if (!twice || strcmp(once, twice) != 0)
		abort();
	free(once);
	free(twice);
	return 0;
}
