// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/map.h"

#include <string.h>

#include <linux/kvm_lpage.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/reasons.h>

#include "daemon/ctl/display.h"

/* ---- state ---- */

static const struct map_class states[] = {
	{"large", 'L'},
	{"table", 't'},
	{"mixed", 's'},
	{"unmapped", '-'},
};

static int state_of(const json_t *region)
{
	const char *state = get_text(region, "state");

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (!strcmp(states[i].name, state))
			return (int)i;
	}
	return -1;
}

/* ---- age ---- */

#define MINUTE_US (60 * US_PER_S)
#define HOUR_US	  (60 * MINUTE_US)

static const struct map_class ages[] = {
	{"<1s", '0'}, {"<10s", '1'}, {"<1m", '2'}, {"<10m", '3'},
	{"<1h", '4'}, {"<10h", '5'}, {"<1d", '6'}, {"older", '7'},
};

/* Where each but the last ends. */
static const uint64_t age_ends_us[] = {
	US_PER_S, 10 * US_PER_S, MINUTE_US, 10 * MINUTE_US, HOUR_US, 10 * HOUR_US, 24 * HOUR_US,
};

static int age_of(const json_t *region)
{
	const json_t *private = json_object_get(region, "to_private_age_us");
	const json_t *shared = json_object_get(region, "to_shared_age_us");
	json_int_t us = INT64_MAX;
	size_t i = 0;

	if (json_is_integer(private))
		us = json_integer_value(private);
	if (json_is_integer(shared) && json_integer_value(shared) < us)
		us = json_integer_value(shared);
	if (us == INT64_MAX)
		return -1;
	while (i < ARRAY_SIZE(age_ends_us) && (uint64_t)us >= age_ends_us[i])
		i++;
	return (int)i;
}

/* ---- reason ---- */

/* By value; NONE is no refusal. */
static const struct map_class reasons[] = {
#define X(id, name, why, remedy) {name, (char)('a' + LPAGE_REASON_##id - 1)},
	LPAGE_KERNEL_REASONS(X)
#undef X
};

_Static_assert(ARRAY_SIZE(reasons) <= 27, "reasons are marked by letters");

/* Why the last try of a region at 4 KiB was refused. */
static int reason_of(const json_t *region)
{
	int reason;

	if (strcmp(get_text(region, "state"), "table") != 0 ||
	    strcmp(get_text(region, "last_op"), "merge") != 0)
		return -1;
	reason = lpage_reason_from_name(get_text(region, "last_reason"));
	return reason > LPAGE_REASON_NONE && reason < LPAGE_REASON_KERNEL_END ? reason : -1;
}

static const struct map_view views[] = {
	{"state", "state", states, ARRAY_SIZE(states), state_of, NULL},
	{"age", "time since the last conversion", ages, ARRAY_SIZE(ages), age_of, "youngest"},
	{"reason", "why the last merge was refused, of regions at 4 KiB", reasons,
	 ARRAY_SIZE(reasons), reason_of, NULL},
};

const struct map_view *map_view_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		if (!strcmp(views[i].name, name))
			return &views[i];
	}
	return NULL;
}
