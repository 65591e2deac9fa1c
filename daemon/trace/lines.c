// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/trace/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/trace.h"

#define BUFFER_BYTES (256 * 1024)
#define WHITE(c)     ((c) == ' ' || (c) == '\t')

int lines_fail(struct lines *lines, const char *fmt, ...)
{
	int n = snprintf(lines->error, sizeof(lines->error), "%s:%" PRIu64 ": ", lines->name,
			 lines->line_nr);
	va_list args;

	if (n < 0 || (size_t)n >= sizeof(lines->error))
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(lines->error + n, sizeof(lines->error) - (size_t)n, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* ---- lines ---- */

/* Moves the unread text to the front and reads more. */
static int refill(struct lines *lines)
{
	size_t have = (size_t)(lines->limit - lines->next);
	size_t got;

	if (!lines->f) {
		lines->eof = true;
		return 0;
	}
	memmove(lines->buffer, lines->next, have);
	got = fread(lines->buffer + have, 1, BUFFER_BYTES - have, lines->f);
	if (!got && ferror(lines->f)) {
		snprintf(lines->error, sizeof(lines->error), "%s: %s", lines->name,
			 strerror(errno));
		return errno ? -errno : -EIO;
	}
	lines->eof = got == 0;
	lines->next = lines->buffer;
	lines->limit = lines->buffer + have + got;
	return 0;
}

/* Cuts the next line, without its LF, to @ret. Returns 1, 0 at the end, or an error. */
static int next_line(struct lines *lines, struct cursor *ret)
{
	const char *lf;

	while (!(lf = memchr(lines->next, '\n', (size_t)(lines->limit - lines->next)))) {
		int err;

		if (lines->limit - lines->next > TRACE_LINE_MAX)
			break;
		if (lines->eof)
			break;
		err = refill(lines);
		if (err)
			return err;
	}
	if (!lf && lines->next == lines->limit)
		return 0;
	lines->line_nr++;
	if (!lf)
		lf = lines->limit;
	if (lf - lines->next > TRACE_LINE_MAX)
		return lines_fail(lines, "line is longer than %d bytes", TRACE_LINE_MAX);
	*ret = (struct cursor){lines->next, lf};
	lines->cut = lf == lines->limit;
	lines->offset += (uint64_t)(lf - lines->next) + !lines->cut;
	lines->next = lines->cut ? lf : lf + 1;
	/* As editors and mail leave it. */
	if (ret->end > ret->at && ret->end[-1] == '\r')
		ret->end--;
	return 1;
}

void lines_skip_white(struct cursor *line)
{
	while (line->at < line->end && WHITE(*line->at))
		line->at++;
}

int lines_next(struct lines *lines, struct cursor *ret)
{
	for (;;) {
		int more = next_line(lines, ret);

		if (more <= 0)
			return more;
		if (ret->at < ret->end && *ret->at == '#')
			continue;
		lines_skip_white(ret);
		if (ret->at < ret->end)
			return 1;
	}
}

/* ---- words ---- */

const char *lines_quote(const struct cursor *word, char out[static LINES_QUOTE_BYTES])
{
	size_t n = 0;

	for (const char *p = word->at; p < word->end && !WHITE(*p) && n < LINES_QUOTE_BYTES - 4;
	     p++)
		out[n++] = *p >= 0x21 && *p < 0x7f ? *p : '?';
	out[n] = 0;
	if (n == LINES_QUOTE_BYTES - 4)
		strcpy(out + n, "...");
	return out;
}

/* Reads a decimal number that ends at white space or the end of the line. */
static bool number(struct cursor *line, uint64_t max, uint64_t *ret)
{
	const char *p = line->at;
	uint64_t value = 0;

	while (p < line->end && *p >= '0' && *p <= '9') {
		unsigned int digit = (unsigned int)(*p++ - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (p == line->at || (p < line->end && !WHITE(*p)) || value > max)
		return false;
	line->at = p;
	*ret = value;
	return true;
}

int lines_take_number(struct lines *lines, struct cursor *line, const char *what, uint64_t min,
		      uint64_t max, uint64_t *ret)
{
	char text[LINES_QUOTE_BYTES];

	lines_skip_white(line);
	if (line->at == line->end)
		return lines_fail(lines, "%s is missing", what);
	if (!number(line, max, ret) || *ret < min)
		return lines_fail(lines, "%s \"%s\" is not a number from %" PRIu64 " to %" PRIu64,
				  what, lines_quote(line, text), min, max);
	return 0;
}

int lines_take_end(struct lines *lines, struct cursor *line)
{
	char text[LINES_QUOTE_BYTES];

	lines_skip_white(line);
	if (line->at < line->end)
		return lines_fail(lines, "unexpected \"%s\"", lines_quote(line, text));
	return 0;
}

bool lines_take_word(struct cursor *line, const char *word)
{
	size_t len = strlen(word);
	size_t have = (size_t)(line->end - line->at);

	if (have < len || memcmp(line->at, word, len) != 0 || (have > len && !WHITE(line->at[len])))
		return false;
	line->at += len;
	return true;
}

static int take_name(struct lines *lines, struct cursor *line, char *ret)
{
	const char *end = line->at;
	char text[LINES_QUOTE_BYTES];

	while (end < line->end && !WHITE(*end))
		end++;
	if (!trace_name_ok(line->at, (size_t)(end - line->at)))
		return lines_fail(lines, "name \"%s\" is not 1 to %d of A-Z a-z 0-9 . _ : @ + -",
				  lines_quote(line, text), TRACE_NAME_MAX);
	memcpy(ret, line->at, (size_t)(end - line->at));
	ret[end - line->at] = 0;
	line->at = end;
	return 0;
}

/* Takes "key=" of one of @keys; returns its index, or -1. */
static int take_key(struct cursor *line, const struct key keys[static LINES_KEYS_PER_LINE])
{
	for (int i = 0; i < LINES_KEYS_PER_LINE; i++) {
		size_t len = strlen(keys[i].name);

		if ((size_t)(line->end - line->at) > len && line->at[len] == '=' &&
		    memcmp(line->at, keys[i].name, len) == 0) {
			line->at += len + 1;
			return i;
		}
	}
	return -1;
}

int lines_take_keys(struct lines *lines, struct cursor *line,
		    const struct key keys[static LINES_KEYS_PER_LINE], char *name)
{
	bool seen[LINES_KEYS_PER_LINE] = {false};
	char text[LINES_QUOTE_BYTES];
	int err;

	for (lines_skip_white(line); line->at < line->end; lines_skip_white(line)) {
		int i = take_key(line, keys);

		if (i < 0)
			return lines_fail(lines,
					  "unexpected \"%s\" (%s=, %s= and %s= are known here)",
					  lines_quote(line, text), keys[0].name, keys[1].name,
					  keys[2].name);
		if (seen[i])
			return lines_fail(lines, "%s= is given twice", keys[i].name);
		seen[i] = true;
		err = keys[i].value ? lines_take_number(lines, line, keys[i].name, keys[i].min,
							keys[i].max, keys[i].value) :
				      take_name(lines, line, name);
		if (err)
			return err;
	}
	for (int i = 0; i < LINES_KEYS_PER_LINE; i++)
		if (!seen[i])
			return lines_fail(lines, "%s= is missing", keys[i].name);
	return 0;
}

/* ---- opening ---- */

int lines_open_buffer(struct lines *lines, const char *name, const char *text, size_t len)
{
	*lines = (struct lines){.name = strdup(name), .next = text, .limit = text + len};
	return lines->name ? 0 : -ENOMEM;
}

int lines_open(struct lines *lines, const char *path)
{
	bool standard_input = strcmp(path, "-") == 0;
	int err = lines_open_buffer(lines, standard_input ? "<stdin>" : path, "", 0);

	if (err)
		return err;
	lines->buffer = malloc(BUFFER_BYTES);
	if (!lines->buffer)
		return -ENOMEM;
	lines->next = lines->limit = lines->buffer;
	lines->f = standard_input ? stdin : fopen(path, "re");
	if (!lines->f) {
		err = -errno;
		snprintf(lines->error, sizeof(lines->error), "%s: %s", path, strerror(-err));
	}
	return err;
}

void lines_close(struct lines *lines)
{
	if (lines->f && lines->f != stdin)
		fclose(lines->f);
	free(lines->buffer);
	free(lines->name);
	*lines = (struct lines){0};
}
