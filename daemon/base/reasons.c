// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "tdx-lpage/reasons.h"
#include <tdx-lpage/text.h>

_Static_assert(LPAGE_REASON_KERNEL_END <= LPAGE_REASON_DAEMON_BASE,
	       "the kernel's values and the daemon's do not overlap");

static const struct lpage_reason_info reasons[LPAGE_REASON_END] = {
#define X(id, name, why, remedy) [LPAGE_REASON_##id] = {name, why, remedy},
	LPAGE_KERNEL_REASONS(X) LPAGE_DAEMON_REASONS(X)
#undef X
};

const struct lpage_reason_info *lpage_reason_info(unsigned int reason)
{
	if (reason >= LPAGE_REASON_END || !reasons[reason].name)
		return NULL;
	return &reasons[reason];
}

enum lpage_reason lpage_reason_from_kernel(unsigned int reason)
{
	return reason < LPAGE_REASON_KERNEL_END ? (enum lpage_reason)reason : LPAGE_REASON_OTHER;
}

const char *lpage_reason_name(unsigned int reason)
{
	const struct lpage_reason_info *info = lpage_reason_info(reason);

	return info ? info->name : "unknown";
}

int lpage_reason_next(int reason)
{
	for (reason++; reason < LPAGE_REASON_END; reason++) {
		if (reasons[reason].name)
			return reason;
	}
	return -1;
}

int lpage_reason_from_name(const char *name)
{
	for (int i = lpage_reason_next(-1); i >= 0; i = lpage_reason_next(i)) {
		if (text_same_name(name, reasons[i].name))
			return i;
	}
	return -ENOENT;
}
