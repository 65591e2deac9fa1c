// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/kind.h"

#include "daemon/policy/accept.h"
#include "daemon/policy/internal.h"

/* ---- policies without experience: a fixed time after the conversion ---- */

static void arm(struct policy_vm *vm, struct region_ref *ref, uint64_t due_ns, uint64_t now_ns)
{
	region_arm(&vm->policy->heap, ref, tick_after(due_ns), tick_of(now_ns));
}

static void plan_eager(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns,
		       uint64_t now_ns)
{
	arm(vm, ref, accept_first_try_ns(vm, ref->region, start_ns), now_ns);
}

static void plan_threshold(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns,
			   uint64_t now_ns)
{
	uint64_t due_ns = accept_first_try_ns(vm, ref->region, start_ns);
	uint64_t quiet_ns = start_ns + vm->settings.quiet_time_ns;

	arm(vm, ref, due_ns < quiet_ns ? quiet_ns : due_ns, now_ns);
}

/* As long again as it has been quiet. */
static void outlook_eager(const struct policy_vm *vm, const struct region *region,
			  struct policy_action *ret)
{
	(void)vm;
	(void)region;
	ret->expected_ns = ret->quiet_ns;
}

static void outlook_threshold(const struct policy_vm *vm, const struct region *region,
			      struct policy_action *ret)
{
	outlook_eager(vm, region, ret);
	if (ret->threshold_ns < vm->settings.quiet_time_ns)
		ret->threshold_ns = vm->settings.quiet_time_ns;
}

/* ---- the table ---- */

static const struct policy_kind never = {.outlook = outlook_eager};
static const struct policy_kind eager = {.plan = plan_eager, .outlook = outlook_eager};
static const struct policy_kind threshold = {.plan = plan_threshold, .outlook = outlook_threshold};

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
