// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/numbers.h"
#include <errno.h>
#include <stdlib.h>

#include "daemon/config/value.h"

int ctl_duration(struct ctl *ctl, const char *option, const char *min, const char *max,
		 uint64_t *ret_us)
{
	const char *text = ctl_option(ctl, option);

	return text ? ctl_parse_duration(ctl, option, text, min, max, ret_us) : CTL_OK;
}

int ctl_parse_duration(struct ctl *ctl, const char *option, const char *text, const char *min,
		       const char *max, uint64_t *ret_us)
{
	const struct config_key key = {.type = CONFIG_TYPE_DURATION, .min = min, .max = max};
	uint64_t ns;
	int r;

	r = config_value_parse(&key, text, true, &ns);
	if (r < 0)
		return ctl_usage_error(ctl, "%s %s: %s (allowed: %s to %s)", option, text,
				       r == -ERANGE ? "out of range" :
						      "must be a duration such as 5s or 2m",
				       min, max);
	*ret_us = ns / 1000;
	return CTL_OK;
}

int ctl_percent(struct ctl *ctl, const char *option, uint32_t *ret_ppm)
{
	const struct config_key key = {.type = CONFIG_TYPE_PERCENT, .min = "0%", .max = "100%"};
	const char *text = ctl_option(ctl, option);

	if (text && config_value_parse(&key, text, true, ret_ppm) < 0)
		return ctl_usage_error(
			ctl, "%s %s: must be a percentage such as 95%% (allowed: 0%% to 100%%)",
			option, text);
	return CTL_OK;
}

int ctl_number(struct ctl *ctl, const char *option, unsigned long min, unsigned long max,
	       unsigned long *ret)
{
	const char *text = ctl_option(ctl, option);
	unsigned long n;
	char *end;

	if (!text)
		return CTL_OK;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || n < min || n > max)
		return ctl_usage_error(ctl, "%s %s: must be %lu to %lu", option, text, min, max);
	*ret = n;
	return CTL_OK;
}
