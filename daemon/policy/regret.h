/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a merged region had been private before its merge, so that a split tells whether the merge
 * has paid: walks are saved from the merge on, not from the conversion.
 *
 * There is no room for a second stamp. Refusals are of no interest while a region is merged: their 8
 * bits hold the age, exact to a hundredth of the break-even time up to a third of it, and to 3 %
 * beyond.
 */
#ifndef TDX_LPAGE_POLICY_REGRET_H
#define TDX_LPAGE_POLICY_REGRET_H

#include <stdint.h>

#include "daemon/policy/table.h"

struct policy_vm;

/* The region was merged at @age_tick. */
void regret_note_merge(const struct policy_vm *vm, struct region *region, uint64_t age_tick);

/* Of a merged region. */
uint64_t regret_merge_age_tick(const struct policy_vm *vm, const struct region *region);

/* It is no longer merged: there were no refusals. */
void regret_forget_merge(struct region *region);

#endif
