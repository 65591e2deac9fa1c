/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text by lines and words, with complaints that name file and line. What is read is one trace. */
#ifndef TDX_LPAGE_TRACE_LINES_H
#define TDX_LPAGE_TRACE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LINES_QUOTE_BYTES   40
#define LINES_KEYS_PER_LINE 3

struct lines {
	FILE *f; /* NULL: a buffer */
	char *name;
	char *buffer;	  /* own, when reading a file */
	const char *next; /* unread text */
	const char *limit;
	bool eof;
	bool cut; /* the last line had no LF */
	uint64_t line_nr;
	uint64_t offset; /* of the line after the last one */
	char error[512]; /* the first complaint, "" for none */
};

/* The rest of a line that is being taken apart. */
struct cursor {
	const char *at;
	const char *end;
};

struct key {
	const char *name;
	uint64_t *value; /* NULL: a VM name */
	uint64_t min;
	uint64_t max;
};

/* Reads the file at @path, "-" for standard input. Negative errno, with a line in ->error. */
int lines_open(struct lines *lines, const char *path);
/* The same of @len bytes at @text, which the caller keeps. */
int lines_open_buffer(struct lines *lines, const char *name, const char *text, size_t len);
void lines_close(struct lines *lines);

/* Notes a complaint about the current line. Returns -EINVAL. */
int lines_fail(struct lines *lines, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Cuts the next line that says something. Returns 1, 0 at the end, or a negative errno. */
int lines_next(struct lines *lines, struct cursor *ret);

void lines_skip_white(struct cursor *line);
/* Printable start of the word, for complaints. Returns @out. */
const char *lines_quote(const struct cursor *word, char out[static LINES_QUOTE_BYTES]);
/* Is the next word @word? Takes it then. */
bool lines_take_word(struct cursor *line, const char *word);

/* The following take what they are named after, or complain and return a negative errno. */
int lines_take_number(struct lines *lines, struct cursor *line, const char *what, uint64_t min,
		      uint64_t max, uint64_t *ret);
int lines_take_end(struct lines *lines, struct cursor *line);
/* All of @keys, in any order, each once; then the end of the line. @name: of TRACE_NAME_MAX + 1. */
int lines_take_keys(struct lines *lines, struct cursor *line,
		    const struct key keys[static LINES_KEYS_PER_LINE], char *name);

#endif
