// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/accept.h"

#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"

/*
 * What it shrinks and grows to. `make bench-constant NAME=ACCEPT_MIN_NS VALUE='16 * NS_PER_MS'`:
 * slow has 8 refusals in place of 28, but pattern 1.104 in place of 1.093.
 */
#define ACCEPT_MIN_NS (NS_PER_MS / 4)
#define ACCEPT_MAX_NS NS_PER_S

uint64_t accept_first_try_ns(const struct policy_vm *vm, const struct region *region,
			     uint64_t start_ns)
{
	uint64_t quiet_ns = vm->settings.min_quiet_ns;
	uint64_t accept_ns = vm->accept_ns;

	/* A guest that did not accept in time gets more of it. */
	if (region->retries && region_reason(region) == LPAGE_REASON_NOT_ACCEPTED)
		accept_ns <<= region->retries;
	if (accept_ns > ACCEPT_LAST_NS)
		accept_ns = ACCEPT_LAST_NS;
	return start_ns + (quiet_ns > accept_ns ? quiet_ns : accept_ns);
}

void accept_note_refusal(struct policy_vm *vm)
{
	vm->accept_ns += vm->accept_ns;
	if (vm->accept_ns > ACCEPT_MAX_NS)
		vm->accept_ns = ACCEPT_MAX_NS;
}

void accept_note_merge(struct policy_vm *vm)
{
	vm->accept_ns -= vm->accept_ns / 64;
	if (vm->accept_ns < ACCEPT_MIN_NS)
		vm->accept_ns = ACCEPT_MIN_NS;
}
