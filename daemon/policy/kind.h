/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tells the policies apart. A new policy is one file like kind_adaptive.c, a row in the table of kind.c, and its name in
 * daemon/config/tables.c.
 */
#ifndef TDX_LPAGE_POLICY_KIND_H
#define TDX_LPAGE_POLICY_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/policy/policy.h"
#include "daemon/policy/table.h"

struct policy_vm;

struct policy_kind {
	/* Are the ages of regions noted, and what they cost kept within the bound of rental.h? */
	bool learns;
	/* The age in ticks at which a merge is worth it. NULL: never tried. */
	uint64_t (*age_tick)(const struct policy_vm *vm, const struct region *region);
	/* Fills in what is expected of the region: expected_ns, samples, cost_ns. */
	void (*outlook)(const struct policy_vm *vm, const struct region *region,
			struct policy_action *ret);
};

/* The kind of the policy in force for the VM; one that never tries when its mode is off. */
const struct policy_kind *policy_kind_of(const struct policy_vm *vm);

extern const struct policy_kind policy_kind_adaptive;

#endif
