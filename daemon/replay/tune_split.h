/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Splits a trace in two: settings are fitted to one part and validated on the other. With at least
 * four VMs that convert, by VM, alternating; else by time, after the first three fifths.
 */
#ifndef TDX_LPAGE_REPLAY_TUNE_SPLIT_H
#define TDX_LPAGE_REPLAY_TUNE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUNE_LEVELS_MAX 3

/* A trace in memory. */
struct tune_part {
	char *text;
	size_t len;
};

struct tune_split {
	bool by_vms;
	unsigned int nr_fit_vms;
	unsigned int nr_held_vms;
	uint64_t fit_end_ns;
	uint64_t end_ns;
	unsigned int nr_levels;
	/* A quarter, a half and all of the time that is fitted to; a short trace is not cut up. */
	struct tune_part levels[TUNE_LEVELS_MAX];
	struct tune_part held; /* the other VMs, or the whole trace */
};

/*
 * Reads the trace at @path, up to its last whole record if it is cut off, which is then what @error
 * says, else "". Negative errno, with one line in @error.
 */
int tune_split_read(struct tune_split *split, const char *path, char *error, size_t error_size);

void tune_split_done(struct tune_split *split);

#endif
