/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics over HTTP: GET /metrics, as OpenMetrics or in Prometheus' text format. Serves what the core knows, with its
 * age; a scrape sends no request to the kernel.
 */
#ifndef TDX_LPAGE_METRICS_METRICS_H
#define TDX_LPAGE_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct lp_core;
struct metrics;

struct metrics_options {
	struct event_base *base;
	struct lp_core *core; /* must outlive the server */
	const char *listen;   /* numeric ADDRESS:PORT or [ADDRESS]:PORT */
	bool names;	      /* VM names beside their ids */
	uint32_t scrape_ms;   /* whose answer takes longer is dropped; 0: METRICS_SCRAPE_MS */
};

/* Listens. 0, -EINVAL for a malformed address, or the negative errno of a socket call. */
int metrics_new(const struct metrics_options *options, struct metrics **ret);

/* Drops every client. NULL-safe; returns NULL. */
struct metrics *metrics_free(struct metrics *metrics);

#endif
