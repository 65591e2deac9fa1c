// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/range.h"

#define GPA_END (UINT64_C(1) << 52)

/* Reads a number and its suffix, up to @stop characters or the end. */
static int parse(const char *text, const char *stop, uint64_t *ret, const char **ret_end)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;
	int shift = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno || *ret > GPA_END)
		return -ERANGE;
	suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
	if (suffix) {
		shift = 10 * (int)(suffix - suffixes + 1);
		end++;
	}
	if (*end && !strchr(stop, *end))
		return -EINVAL;
	if (*ret > GPA_END >> shift)
		return -ERANGE;
	*ret <<= shift;
	*ret_end = end;
	return 0;
}

int range_parse_gpa(const char *text, uint64_t *ret)
{
	const char *end;
	int r = parse(text, "", ret, &end);

	return r == 0 && *ret >= GPA_END ? -ERANGE : r;
}

int range_parse(const char *text, struct range *ret)
{
	uint64_t start, other, end;
	const char *sep, *rest;
	int r = parse(text, "-+", &start, &sep);

	if (r < 0)
		return r;
	end = start + REGION_BYTES;
	if (*sep) {
		r = parse(sep + 1, "", &other, &rest);
		if (r < 0)
			return r;
		end = *sep == '-' ? other : start + other;
	}
	if (end <= start || end > GPA_END)
		return -ERANGE;
	ret->start_rfn = start / REGION_BYTES;
	ret->nr_regions = (end + REGION_BYTES - 1) / REGION_BYTES - ret->start_rfn;
	return (start | end) % REGION_BYTES ? -EDOM : 0;
}
