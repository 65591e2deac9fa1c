// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in a guest kernel whose clock counts instructions: what do the operations cost that the series touches, in a VM whose
 * kvm-lpage mode is off? Prints `NAME INSTRUCTIONS`, the least of many samples, so that a timer tick in between does not count.
 */
#include "tests/bench/vm/machine.h"

#include <err.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define PAGES	2048ull
#define SAMPLES 400

static void fault_op(struct machine *vm, uint64_t i)
{
	machine_fault(vm, i + 1);
}

static void to_shared(struct machine *vm, uint64_t i)
{
	machine_convert(vm, i + 1, 1, false);
}

static void to_private(struct machine *vm, uint64_t i)
{
	machine_convert(vm, i + 1, 1, true);
}

static void punch(struct machine *vm, uint64_t i)
{
	machine_punch(vm, i + 1, 1);
}

/* KVM_RUN up to where it looks at immediate_exit. */
static void run_op(struct machine *vm, uint64_t i)
{
	(void)i;
	vm->run->immediate_exit = 1;
	(void)ioctl(vm->vcpu, KVM_RUN, NULL);
}

static void measure(struct machine *vm, const char *name,
		    void (*op)(struct machine *vm, uint64_t i))
{
	uint64_t least = UINT64_MAX;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t begin = now_ns();
		uint64_t took;

		op(vm, i);
		took = now_ns() - begin;
		if (took < least)
			least = took;
	}
	printf("%s %llu\n", name, (unsigned long long)least);
}

int main(void)
{
	struct machine vm;

	machine_open(&vm, PAGES * PAGE_BYTES, 0);
	machine_convert(&vm, 0, PAGES, true);
	/* The upper levels of the page tables, and slabs. */
	machine_fault(&vm, 0);
	run_op(&vm, 0);
	measure(&vm, "fault-private", fault_op);
	measure(&vm, "fault-again", fault_op);
	measure(&vm, "to-shared", to_shared);
	measure(&vm, "to-private", to_private);
	measure(&vm, "fault-back", fault_op);
	measure(&vm, "punch-hole", punch);
	measure(&vm, "kvm-run", run_op);
	return 0;
}
