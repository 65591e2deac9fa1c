/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of one scrape, in slices: the event loop has other things to do in between. The host and the rules are taken
 * in the first slice, VMs in the next ones, METRICS_SLICE at a time; then their samples are written. A VM that goes
 * meanwhile is left out, or shown as it was.
 */
#ifndef TDX_LPAGE_METRICS_EXPOSITION_H
#define TDX_LPAGE_METRICS_EXPOSITION_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/metrics/format.h"

struct lp_core;
struct metrics_exposition;

#define METRICS_SLICE 128

/* @names: VM names beside their ids. @core must outlive it. NULL: out of memory. */
struct metrics_exposition *metrics_exposition_new(const struct lp_core *core,
						  enum metrics_format format, bool names);

/* NULL-safe; returns NULL. */
struct metrics_exposition *metrics_exposition_free(struct metrics_exposition *exposition);

/* Does a slice, which may write nothing. 1: there is more, 0: that was all; -ENOMEM, or -EIO if @f has failed. */
int metrics_exposition_go_on(struct metrics_exposition *exposition, FILE *f);

#endif
