// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/text.h>

#include "daemon/config/errors.h"

#define VALUE_MAX 60
#define TEXT_MAX  4096 /* paths and messages are never cut */

static char *dup_or_null(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		*failed = true;
	return copy;
}

/* As dup_or_null(), but cut, and fit for a terminal. */
static char *dup_shown(const char *text, size_t max, bool *failed)
{
	size_t len = text ? text_cut(text, max) : 0;
	char *copy = NULL;

	if (!text)
		return NULL;
	if (asprintf(&copy, "%.*s%s", (int)len, text, text[len] ? "..." : "") < 0) {
		*failed = true;
		return NULL;
	}
	text_clean(copy, "");
	return copy;
}

static void error_done(struct config_error *error)
{
	free(error->path);
	free(error->key);
	free(error->value);
	free(error->allowed);
	free(error->message);
}

int config_errors_add(struct config_errors *errors, const struct config_complaint *complaint,
		      const char *format, ...)
{
	struct config_error error = {.line = complaint->line, .column = complaint->column};
	bool failed = false;
	va_list ap;

	if (errors->nr == CONFIG_ERRORS_MAX) {
		errors->suppressed++;
		return 0;
	}
	error.path = dup_shown(complaint->path ? complaint->path : errors->path, TEXT_MAX, &failed);
	error.key = dup_shown(complaint->key, TEXT_MAX, &failed);
	error.value = dup_shown(complaint->value, VALUE_MAX, &failed);
	error.allowed = dup_or_null(complaint->allowed, &failed);
	va_start(ap, format);
	if (vasprintf(&error.message, format, ap) < 0) {
		error.message = NULL;
		failed = true;
	}
	va_end(ap);
	if (failed) {
		error_done(&error);
		return -ENOMEM;
	}
	errors->errors[errors->nr++] = error;
	return 0;
}

void config_errors_done(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->nr; i++)
		error_done(&errors->errors[i]);
	free(errors->path);
	*errors = (struct config_errors){0};
}

void config_warnings_print(FILE *f, const struct config_errors *warnings)
{
	for (size_t i = 0; i < warnings->nr; i++) {
		fputs("warning: ", f);
		config_error_print(f, warnings, i);
		fputc('\n', f);
	}
	if (warnings->suppressed)
		fprintf(f, "warning: %s: %zu more\n", warnings->path, warnings->suppressed);
}

void config_error_print(FILE *f, const struct config_errors *errors, size_t i)
{
	const struct config_error *e = &errors->errors[i];

	fputs(e->path, f);
	if (e->line)
		fprintf(f, ":%u:%u", e->line, e->column);
	fputs(": ", f);
	if (e->key && *e->key)
		fprintf(f, "%s: ", e->key);
	if (e->value)
		fprintf(f, "\"%s\": ", e->value);
	fputs(e->message, f);
	if (e->allowed && *e->allowed)
		fprintf(f, " (allowed: %s)", e->allowed);
}

void config_errors_print(FILE *f, const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->nr; i++) {
		config_error_print(f, errors, i);
		fputc('\n', f);
	}
	if (errors->suppressed)
		fprintf(f, "%s: %zu more errors\n", errors->path, errors->suppressed);
}

void config_good_print(FILE *f, const char *path, const struct config *config)
{
	if (config->missing) {
		fprintf(f, "%s: no such file, the built-in defaults apply\n", path);
		return;
	}
	for (size_t i = 0; i < config->nr_files; i++)
		fprintf(f, "%s%s", i ? ", " : "", config->files[i]);
	fprintf(f, ": valid, %zu rule%s\n", config->nr_rules, config->nr_rules == 1 ? "" : "s");
}
