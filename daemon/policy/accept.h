/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a guest takes to accept what came back. KVM cannot see ACCEPT: a try that comes too
 * early is refused as `not-accepted`, and that is all there is to learn from.
 */
#ifndef TDX_LPAGE_POLICY_ACCEPT_H
#define TDX_LPAGE_POLICY_ACCEPT_H

#include <stdint.h>

#include "daemon/policy/table.h"

/*
 * Time that a new VM gets. Longer: fewer refusals (fail-cost each); shorter: merges come sooner
 * (walk-cost). `make bench-constant NAME=ACCEPT_FIRST_NS VALUE='64 * NS_PER_MS'`: slow has 11
 * refusals in place of 28, whole 1.026 in place of 1.012.
 */
#define ACCEPT_FIRST_NS NS_PER_MS
/* Longest delay of a region that was refused again and again. */
#define ACCEPT_LAST_NS (600 * NS_PER_S)

struct policy_vm;

/* The earliest time of a try, for an interval that began at @start_ns. */
uint64_t accept_first_try_ns(const struct policy_vm *vm, const struct region *region,
			     uint64_t start_ns);

/* A first try came too early: the VM gets twice the time, up to a second. */
void accept_note_refusal(struct policy_vm *vm);

/* A try succeeded: the VM gets a 64th less, down to a quarter of a millisecond. */
void accept_note_merge(struct policy_vm *vm);

#endif
