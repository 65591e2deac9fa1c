// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/sim_spec.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#define SPEED_MAX 1000000

__attribute__((format(printf, 3, 4))) static int fail(char *error, size_t size, const char *format,
						      ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end && *ret >= min && *ret <= max;
}

static int open_file(const char *path, FILE **ret, char *error, size_t size)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return fail(error, size, "%s: %s", path, strerror(errno));
	if (*ret)
		fclose(*ret);
	*ret = f;
	return 0;
}

static const struct numeric {
	const char *name;
	uint64_t min;
	uint64_t max;
	size_t offset; /* in struct sim_spec */
} numerics[] = {
	{"speed", 1, SPEED_MAX, offsetof(struct sim_spec, speed)},
	{"busy", 0, 100, offsetof(struct sim_spec, busy_percent)},
	{"interrupt", 0, 100, offsetof(struct sim_spec, interrupt_percent)},
	{"lose", 0, 100, offsetof(struct sim_spec, lose_percent)},
	{"stall", 0, 1000000, offsetof(struct sim_spec, stall_us)},
	{"pid", 1, INT32_MAX, offsetof(struct sim_spec, pid)},
	{"vanish", 1, UINT32_MAX, offsetof(struct sim_spec, vanish_s)},
	{"seed", 0, UINT64_MAX, offsetof(struct sim_spec, seed)},
};

static int set_number(struct sim_spec *spec, const struct numeric *numeric, const char *value,
		      char *error, size_t size)
{
	uint64_t parsed;

	if (!number(value, numeric->min, numeric->max, &parsed))
		return fail(error, size, "sim: %s=%s is not a number from %llu to %llu",
			    numeric->name, value, (unsigned long long)numeric->min,
			    (unsigned long long)numeric->max);
	memcpy((char *)spec + numeric->offset, &parsed, sizeof(parsed));
	return 0;
}

static int set_value(struct sim_spec *spec, const char *option, const char *value, char *error,
		     size_t size)
{
	if (value && strcmp(option, "decisions") == 0)
		return open_file(value, &spec->decisions, error, size);
	if (value && strcmp(option, "start") == 0) {
		spec->start = value;
		return 0;
	}
	if (value && strcmp(option, "score") == 0)
		return open_file(value, &spec->score, error, size);
	for (size_t i = 0; value && i < ARRAY_SIZE(numerics); i++) {
		if (strcmp(option, numerics[i].name) == 0)
			return set_number(spec, &numerics[i], value, error, size);
	}
	return fail(
		error, size,
		"sim: \"%s\" must be one of: speed=N virtual steady loop at-once start=FILE decisions=FILE score=FILE "
		"busy=P interrupt=P lose=P stall=US pid=N vanish=S seed=N",
		option);
}

static const struct flag {
	const char *name;
	size_t offset; /* in struct sim_spec */
} flags[] = {
	{"virtual", offsetof(struct sim_spec, is_virtual)},
	{"steady", offsetof(struct sim_spec, is_steady)},
	{"loop", offsetof(struct sim_spec, loop)},
	{"at-once", offsetof(struct sim_spec, at_once)},
};

static int set_option(struct sim_spec *spec, char *option, char *error, size_t size)
{
	char *value;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(option, flags[i].name) == 0) {
			*(bool *)((char *)spec + flags[i].offset) = true;
			return 0;
		}
	}
	value = strchr(option, '=');
	if (value)
		*value++ = '\0';
	return set_value(spec, option, value, error, size);
}

/* As strsep() with a comma, but ",,", as QEMU has it, is a comma of the part. */
static char *next_part(char **rest)
{
	char *part = *rest, *from = part, *to = part;

	if (!part)
		return NULL;
	while (*from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return part;
}

int sim_spec_parse(const char *text, struct sim_spec *ret, char *error, size_t size)
{
	char *rest, *option;
	int r = 0;

	*ret = (struct sim_spec){.speed = 1};
	ret->path = strdup(text);
	if (!ret->path)
		return -ENOMEM;
	/* The path is what is left before the first comma. */
	rest = ret->path;
	(void)next_part(&rest);
	while (!r && (option = next_part(&rest)))
		r = set_option(ret, option, error, size);
	return r;
}

void sim_spec_done(struct sim_spec *spec)
{
	free(spec->path);
	if (spec->decisions)
		fclose(spec->decisions);
	if (spec->score)
		fclose(spec->score);
	*spec = (struct sim_spec){0};
}
