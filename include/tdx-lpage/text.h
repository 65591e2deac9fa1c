/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that are written with "-" in YAML and netlink, and with "_" in JSON and Varlink. */
#ifndef TDX_LPAGE_TEXT_H
#define TDX_LPAGE_TEXT_H

#include <stdbool.h>

#define TEXT_NAME_MAX 64

/* Writes @name with every "-" as "_" to @ret and returns @ret; cuts after TEXT_NAME_MAX - 1. */
char *text_snake(const char *name, char ret[static TEXT_NAME_MAX]);

/* The reverse of text_snake(). */
char *text_kebab(const char *name, char ret[static TEXT_NAME_MAX]);

/* Are @a and @b the same but for "-" and "_"? */
bool text_same_name(const char *a, const char *b);

#endif
