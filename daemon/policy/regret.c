// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/regret.h"

#include "daemon/policy/internal.h"

/*
 * Ages are in units of 2^UNIT_SHIFT steps, some 94 per break-even time, as a number with 4 bits of
 * exponent and 4 of fraction: exact up to 31, and reaching to 5000 break-even times.
 */
#define UNIT_SHIFT    6
#define FRACTION_BITS 4
#define FRACTION      (1u << FRACTION_BITS)
#define CODE_MAX      255u
#define RETRIES_BITS  3
#define RETRIES_MASK  7u
#define REASON_MASK   31u

static unsigned int encode(uint64_t units)
{
	unsigned int shift;

	if (units < 2 * FRACTION)
		return (unsigned int)units;
	shift = 63 - FRACTION_BITS - (unsigned int)__builtin_clzll(units);
	/* The leading bit adds one to the exponent. */
	if (shift >= CODE_MAX / FRACTION)
		return CODE_MAX;
	return shift * FRACTION + (unsigned int)(units >> shift);
}

static uint64_t decode(unsigned int code)
{
	unsigned int shift = code / FRACTION;

	if (code < 2 * FRACTION)
		return code;
	/* The middle of those that have the code. */
	return ((uint64_t)(2 * (FRACTION + code % FRACTION) + 1) << (shift - 1)) / 2;
}

void regret_note_merge(const struct policy_vm *vm, struct region *region, uint64_t age_tick)
{
	unsigned int code =
		encode(hazard_steps(vm->adaptive->hazards.unit, age_tick) >> UNIT_SHIFT);

	region->retries = code & RETRIES_MASK;
	region->reason = code >> RETRIES_BITS & REASON_MASK;
}

uint64_t regret_merge_age_tick(const struct policy_vm *vm, const struct region *region)
{
	unsigned int code = (unsigned int)region->reason << RETRIES_BITS |
			    (unsigned int)region->retries;

	return hazard_ticks(vm->adaptive->hazards.unit, decode(code) << UNIT_SHIFT);
}

void regret_forget_merge(struct region *region)
{
	region->retries = 0;
	region->reason = LPAGE_REASON_NONE;
}
