// SPDX-License-Identifier: GPL-2.0-or-later
/* What every verb says and reads: complaints, JSON, its options. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include <tdx-lpage/text.h>

static void complain(struct ctl *ctl, const char *format, va_list ap)
{
	char *text;

	if (vasprintf(&text, format, ap) < 0)
		return;
	/* Words of the command line may come from elsewhere. */
	text_clean(text, "\n");
	fprintf(ctl->err, "tdx-lpctl: %s\n", text);
	free(text);
}

int ctl_usage_error(struct ctl *ctl, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(ctl, format, ap);
	va_end(ap);
	if (ctl->verb)
		fprintf(ctl->err, "Try: tdx-lpctl help %s\n", ctl->verb->name);
	else
		fprintf(ctl->err, "Try: tdx-lpctl --help\n");
	return CTL_USAGE;
}

int ctl_failure(struct ctl *ctl, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(ctl, format, ap);
	va_end(ap);
	return CTL_FAILED;
}

int ctl_flush(struct ctl *ctl)
{
	if (fflush(ctl->out) == EOF && !ctl->out_error)
		ctl->out_error = errno;
	return ctl->out_error || ferror(ctl->out) ? CTL_FAILED : CTL_OK;
}

int ctl_print_json(struct ctl *ctl, json_t *object)
{
	int r;

	json_object_set_new(object, "schema", json_integer(CTL_SCHEMA));
	r = json_dumpf(object, ctl->out, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
	if (r < 0 && ferror(ctl->out) && !ctl->out_error)
		ctl->out_error = errno;
	json_decref(object);
	if (r < 0 && !ferror(ctl->out))
		return ctl_failure(
			ctl, "the result is no JSON: the name of a file is not UTF-8, or there "
			     "is no memory");
	fputc('\n', ctl->out);
	return ctl_flush(ctl);
}

const char *ctl_option(const struct ctl *ctl, const char *name)
{
	for (int i = 0; i < CTL_OPTIONS_MAX && ctl->verb->options[i].name; i++) {
		if (strcmp(ctl->verb->options[i].name, name) == 0)
			return ctl->values[i];
	}
	return NULL;
}

const char *ctl_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}
