// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/metrics/format.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A media type, and the weight of the most specific range of the header that covers it. */
struct choice {
	const char *ranges[3]; /* the type, its group, all; in this order */
	size_t level;	       /* index in ranges, 3: none was found */
	double weight;
};

static size_t token_length(const char *text)
{
	return strcspn(text, " \t;,");
}

/* The weight of the range that begins at @text: 1 unless a parameter says so. */
static double weight_of(const char *text)
{
	const char *end = text + strcspn(text, ",");
	const char *at = text;

	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		at++;
		at += strspn(at, " \t");
		if (strncasecmp(at, "q=", 2) == 0)
			return strtod(at + 2, NULL);
	}
	return 1;
}

static void take_range(struct choice *choice, const char *text)
{
	size_t len = token_length(text);

	for (size_t i = 0; i < choice->level; i++) {
		if (strlen(choice->ranges[i]) != len ||
		    strncasecmp(choice->ranges[i], text, len) != 0)
			continue;
		choice->level = i;
		choice->weight = weight_of(text);
	}
}

enum metrics_format metrics_format_for(const char *accept)
{
	struct choice open = {{"application/openmetrics-text", "application/*", "*/*"}, 3, 0};
	struct choice text = {{"text/plain", "text/*", "*/*"}, 3, 0};

	while (accept && *accept) {
		accept += strspn(accept, " \t,");
		take_range(&open, accept);
		take_range(&text, accept);
		accept += strcspn(accept, ",");
	}
	return text.weight > open.weight ? METRICS_TEXT : METRICS_OPENMETRICS;
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_TEXT ?
		       "text/plain; version=0.0.4; charset=utf-8" :
		       "application/openmetrics-text; version=1.0.0; charset=utf-8";
}
