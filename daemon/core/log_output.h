/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where lines of the log go, without waiting for whoever reads them. */
#ifndef TDX_LPAGE_CORE_LOG_OUTPUT_H
#define TDX_LPAGE_CORE_LOG_OUTPUT_H

#include <stddef.h>
#include <sys/uio.h>

#define LOG_JOURNAL_PATH "/run/systemd/journal/socket"

/*
 * A descriptor to write to @fd with, which may be @fd itself. Not made non-blocking where that would
 * change it for other processes, too.
 */
int log_output_open(int fd);

/* Writes to it. -EAGAIN: nobody reads, the text was dropped. */
int log_output_write(int fd, const char *text, size_t len);

/* A socket for log_output_send(), or a negative errno. */
int log_output_open_journal(void);

/*
 * Sends one entry of "NAME=value" fields, each without a newline, to the socket at @path, as systemd's
 * native protocol of the journal has it. -EAGAIN as above; any other error: nobody is there.
 */
int log_output_send(int fd, const char *path, const struct iovec *fields, int nr_fields);

#endif
