/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names: those that are written with "-" in YAML and netlink, and with "_" in JSON and Varlink,
 * those that people mistype, and those that VMs have; and text from elsewhere that goes to a terminal or a log.
 */
#ifndef TDX_LPAGE_TEXT_H
#define TDX_LPAGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define TEXT_NAME_MAX 64

/* Writes @name with every "-" as "_" to @ret and returns @ret; cuts after TEXT_NAME_MAX - 1. */
char *text_snake(const char *name, char ret[static TEXT_NAME_MAX]);

/* The reverse of text_snake(). */
char *text_kebab(const char *name, char ret[static TEXT_NAME_MAX]);

/* Are @a and @b the same but for "-" and "_"? */
bool text_same_name(const char *a, const char *b);

/*
 * The name of the NULL-terminated @names that @word was probably meant to be: the same but for case
 * and for "-" and "_", or one or two letters off. NULL: none is near.
 */
const char *text_nearest(const char *word, const char *const *names);

/* May a name of a VM or a rule have @c: a letter, a digit, or one of . _ : @ + - (ASCII, as KVM has it)? */
bool text_is_name_char(char c);

/* The length of @text, cut to at most @max bytes and not inside a UTF-8 character. */
size_t text_cut(const char *text, size_t max);

/*
 * Replaces in place what could steer a terminal or forge a line of a log by "?": control characters
 * (C0 and C1), line separators and marks that reorder text. Characters of @keep stay.
 */
void text_clean(char *text, const char *keep);

#endif
