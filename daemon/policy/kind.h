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
	/* Arms @ref, whose interval began at @start_ns, for its try or for the next look at its age. NULL: never tried. */
	void (*plan)(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns,
		     uint64_t now_ns);
	/* The age in ticks at which a large region is to be looked at, NO_TICK: not at all. NULL: never. */
	uint64_t (*next_look_tick)(const struct region *region);
	/* The region is @age_tick old and its interval goes on. NULL: nothing is learnt from that. */
	void (*note_age)(struct policy_vm *vm, struct region *region, uint64_t age_tick);
	/* Fills in what is expected of the region: expected_ns, samples, cost_ns, threshold_ns. */
	void (*outlook)(const struct policy_vm *vm, const struct region *region,
			struct policy_action *ret);
};

/* The kind of the policy in force for the VM; one that never tries when its mode is off. */
const struct policy_kind *policy_kind_of(const struct policy_vm *vm);

extern const struct policy_kind policy_kind_adaptive;

#endif
