// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/kind.h"

#include "daemon/policy/internal.h"

/* ---- policies without experience: a fixed time after the conversion ---- */

static uint64_t age_eager(const struct policy_vm *vm, const struct region *region)
{
	(void)vm;
	(void)region;
	return 0;
}

static uint64_t age_threshold(const struct policy_vm *vm, const struct region *region)
{
	(void)region;
	return tick_after(vm->settings.quiet_time_ns);
}

/* As long again as it has been quiet. */
static void outlook(const struct policy_vm *vm, const struct region *region,
		    struct policy_action *ret)
{
	(void)vm;
	(void)region;
	ret->expected_ns = ret->quiet_ns;
}

/* ---- the table ---- */

static const struct policy_kind never = {.outlook = outlook};
static const struct policy_kind eager = {.age_tick = age_eager, .outlook = outlook};
static const struct policy_kind threshold = {.age_tick = age_threshold, .outlook = outlook};

static const struct policy_kind *const kinds[] = {
	[CONFIG_POLICY_ADAPTIVE] = &policy_kind_adaptive,
	[CONFIG_POLICY_THRESHOLD] = &threshold,
	[CONFIG_POLICY_EAGER] = &eager,
	[CONFIG_POLICY_NEVER] = &never,
};

const struct policy_kind *policy_kind_of(const struct policy_vm *vm)
{
	return vm->settings.mode == CONFIG_MODE_OFF ? &never : kinds[vm->settings.policy];
}
