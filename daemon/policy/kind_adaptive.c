// SPDX-License-Identifier: GPL-2.0-or-later
/* Policy `adaptive`: merges at the age that past intervals suggest. */
#include "daemon/policy/internal.h"
#include "daemon/policy/kind.h"

static uint64_t age_tick(const struct policy_vm *vm, const struct region *region)
{
	return adaptive_merge_age_tick(vm->adaptive, region, &vm->cost);
}

static void outlook(const struct policy_vm *vm, const struct region *region,
		    struct policy_action *ret)
{
	adaptive_outlook(vm->adaptive, region, &vm->cost, ret);
}

const struct policy_kind policy_kind_adaptive = {
	.learns = true,
	.age_tick = age_tick,
	.outlook = outlook,
};
