/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scrapes that are under way: a turn of the event loop does one slice of one of them, however many there are. What
 * is written goes to the client at once, and the next slice is written when the client has taken it.
 */
#ifndef TDX_LPAGE_METRICS_SCRAPES_H
#define TDX_LPAGE_METRICS_SCRAPES_H

#include <stdbool.h>

#include "daemon/metrics/format.h"

/* At a time: each keeps some 420 bytes per VM, and the slice that its client has not taken. */
#define METRICS_SCRAPES_MAX 8

/* A client that takes its answer slower than this is dropped. */
#define METRICS_SCRAPE_MS 30000

struct evhttp_request;
struct metrics_scrapes;

struct metrics_options;

/* The core must outlive them. NULL: out of memory. */
struct metrics_scrapes *metrics_scrapes_new(const struct metrics_options *options);

/* After the HTTP server, whose connections end its scrapes. NULL-safe; returns NULL. */
struct metrics_scrapes *metrics_scrapes_free(struct metrics_scrapes *scrapes);

/* Answers the request, later: with an error when there are too many, or no memory. */
void metrics_scrapes_begin(struct metrics_scrapes *scrapes, struct evhttp_request *request,
			   enum metrics_format format);

#endif
