/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that are numbers. */
#ifndef TDX_LPAGE_CTL_NUMBERS_H
#define TDX_LPAGE_CTL_NUMBERS_H

#include "daemon/ctl/ctl.h"

/*
 * Reads an option that is a duration as in the configuration, between @min and @max (as there).
 * Leaves @ret_us alone when it was not given. Returns CTL_OK, or complains.
 */
int ctl_duration(struct ctl *ctl, const char *option, const char *min, const char *max,
		 uint64_t *ret_us);

/* The same for @text, which was given for @option. */
int ctl_parse_duration(struct ctl *ctl, const char *option, const char *text, const char *min,
		       const char *max, uint64_t *ret_us);

/* The same as ctl_duration() for a percentage, into millionths. */
int ctl_percent(struct ctl *ctl, const char *option, uint32_t *ret_ppm);

/* The same as ctl_duration() for a whole number, in decimal digits. */
int ctl_number(struct ctl *ctl, const char *option, unsigned long min, unsigned long max,
	       unsigned long *ret);

#endif
