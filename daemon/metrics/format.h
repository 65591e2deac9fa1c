/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two formats of the exposition, and which of them a client wants. */
#ifndef TDX_LPAGE_METRICS_FORMAT_H
#define TDX_LPAGE_METRICS_FORMAT_H

enum metrics_format {
	METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
	METRICS_TEXT,	     /* Prometheus' text format 0.0.4 */
};

/*
 * The format for a request with this Accept header (RFC 9110, section 12.5.1; NULL: there is none): text if the
 * client prefers text/plain to application/openmetrics-text, else OpenMetrics.
 */
enum metrics_format metrics_format_for(const char *accept);

/* The value of Content-Type. */
const char *metrics_content_type(enum metrics_format format);

#endif
