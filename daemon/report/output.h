/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that is written as a whole or not at all. */
#ifndef TDX_LPAGE_REPORT_OUTPUT_H
#define TDX_LPAGE_REPORT_OUTPUT_H

#include <stddef.h>

/*
 * Could @path be written? Finds out before long work what is sure to fail after it: 0, -EISDIR,
 * -ENOTDIR, -ENOENT (the directory), -EACCES, -EROFS, or -EEXIST for what is not a regular file.
 */
int report_output_check(const char *path);

/*
 * Puts @len bytes in place of the file at @path, or makes it. What was there stays until the new
 * one is complete, and when it fails. A symbolic link stays one. Negative errno.
 */
int report_output_write(const char *path, const char *text, size_t len);

#endif
