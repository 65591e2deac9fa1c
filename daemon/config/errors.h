/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collecting what is wrong with a configuration. */
#ifndef TDX_LPAGE_CONFIG_ERRORS_H
#define TDX_LPAGE_CONFIG_ERRORS_H

#include "daemon/config/config.h"

/* Where, and what; NULL for what does not apply. The strings are copied. */
struct config_complaint {
	const char *path; /* NULL: that of the errors */
	unsigned int line;
	unsigned int column;
	const char *key;
	const char *value;
	const char *allowed;
};

/* Appends an error, or counts it as suppressed. Returns 0 or -ENOMEM. */
int config_errors_add(struct config_errors *errors, const struct config_complaint *complaint,
		      const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
