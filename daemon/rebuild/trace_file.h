/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of a recording: lptrace 1 with comments, of limited size, for its owner alone. */
#ifndef TDX_LPAGE_REBUILD_TRACE_FILE_H
#define TDX_LPAGE_REBUILD_TRACE_FILE_H

#include <stdio.h>

#include "daemon/rebuild/rebuild.h"

#define TRACE_FILE_MIN_BYTES UINT64_C(4096)
#define TRACE_FILE_FULL	     1

struct trace_file {
	FILE *f;
	FILE *out; /* NULL: the file itself */
	uint64_t bytes;
	uint64_t max_bytes;
	bool header; /* no record with a time was written */
	bool full;
	long *vms; /* where the regions of each VM stand, by its id in the trace */
	size_t nr_vms;
};

/*
 * Makes the file, or for "-" a temporary one that trace_file_close() copies to @out. Mode 0600; one that is there is not touched (-EEXIST) unless @force, and only if
 * it is a regular file (-ENOTSUP). Negative errno.
 */
int trace_file_open(struct trace_file *file, const char *path, FILE *out, bool force,
		    uint64_t max_bytes);

int trace_file_header(struct trace_file *file, const struct trace_costs *costs, bool raw);

/* For rebuild_options, with a struct trace_file as ctx. write: TRACE_FILE_FULL at the limit. */
int trace_file_write(void *ctx, const struct rebuild_out *out);
int trace_file_widen(void *ctx, uint32_t trace_vm, uint64_t regions);

/* Writes the end of a trace whose records reach up to @end_ns, with what is known of it. */
int trace_file_end(struct trace_file *file, uint64_t end_ns, const struct rebuild_stats *stats);

/*
 * Completes the trace at @path, which a kill or a full disk cut off: what is after the last whole
 * record goes, and an end is written. *ret_bytes: how much is left. 0; -EALREADY for a trace that is
 * whole; another negative errno, with one line in @error.
 */
int trace_file_salvage(const char *path, uint64_t *ret_bytes, char *error, size_t size);

/* Closes it; all has reached the file then, or a negative errno says why not. */
int trace_file_close(struct trace_file *file);

#endif
