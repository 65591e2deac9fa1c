/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text files, read and written whole, and what the kernel tells in one. */
#ifndef TDX_LPAGE_TESTS_FILES_H
#define TDX_LPAGE_TESTS_FILES_H

#include <stddef.h>

#define TREE_PATH_MAX 4096

/* Puts where @name of the source tree is, TDX_LPAGE_SRC or the directory that a test runs in. Returns @path. */
const char *tree_path(char path[static TREE_PATH_MAX], const char *name);

/* Returns the text, which the caller frees; "" if the file is empty or cannot be read. */
char *file_text(const char *path);
/* Asserts that it can be written. */
void file_put(const char *path, const char *text);

/* The resident set of this process. */
size_t resident_bytes(void);

#endif
