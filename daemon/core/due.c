// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/due.h"

#include <errno.h>

#include "daemon/core/vm.h"

static void unpark(struct due *due, struct vm_entry *vm)
{
	vm->due.parked = false;
	TAILQ_REMOVE(&due->parked, vm, due.entry);
}

int due_add(struct lp_manager *m, struct vm_entry *vm)
{
	/* Those that are parked come back. */
	if (heap_reserve(&m->due.heap, m->nr_vms + 1) < 0)
		return -ENOMEM;
	heap_insert(&m->due.heap, &vm->due.item, manager_now(m));
	return 0;
}

void due_remove(struct lp_manager *m, struct vm_entry *vm)
{
	if (vm->due.parked)
		unpark(&m->due, vm);
	else
		heap_remove(&m->due.heap, &vm->due.item);
}

void due_touch(struct lp_manager *m, struct vm_entry *vm)
{
	uint64_t now_ns = manager_now(m);

	if (!vm->due.parked && vm->due.item.key > now_ns)
		heap_set(&m->due.heap, &vm->due.item, now_ns);
}

uint64_t due_first_ns(const struct lp_manager *m)
{
	return m->due.heap.nr ? heap_first(&m->due.heap)->key : NS_NEVER;
}

struct vm_entry *due_next(struct lp_manager *m, uint64_t now_ns)
{
	struct vm_entry *vm = TAILQ_FIRST(&m->due.parked);

	if (vm && !manager_link_full(m))
		return vm;
	return due_first_ns(m) <= now_ns ?
		       HEAP_ENTRY(heap_first(&m->due.heap), struct vm_entry, due.item) :
		       NULL;
}

void due_again(struct lp_manager *m, struct vm_entry *vm, uint64_t due_ns)
{
	if (!vm->due.parked) {
		heap_set(&m->due.heap, &vm->due.item, due_ns);
		return;
	}
	unpark(&m->due, vm);
	heap_insert(&m->due.heap, &vm->due.item, due_ns);
}

void due_park(struct lp_manager *m, struct vm_entry *vm)
{
	if (vm->due.parked)
		return;
	heap_remove(&m->due.heap, &vm->due.item);
	vm->due.parked = true;
	TAILQ_INSERT_TAIL(&m->due.parked, vm, due.entry);
}
