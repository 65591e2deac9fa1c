// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/due.h"

#include <errno.h>

#include <tdx-lpage/base.h>

#include "daemon/core/vm.h"

/* ---- a binary heap ---- */

static void put(struct due *due, struct vm_entry *vm, size_t at)
{
	due->heap[at] = vm;
	vm->due.at = at;
}

static bool is_before(const struct vm_entry *a, const struct vm_entry *b)
{
	return a->due.ns != b->due.ns ? a->due.ns < b->due.ns : a->due.turn < b->due.turn;
}

static size_t sift_up(struct due *due, size_t at)
{
	struct vm_entry *vm = due->heap[at];

	for (; at && is_before(vm, due->heap[(at - 1) / 2]); at = (at - 1) / 2)
		put(due, due->heap[(at - 1) / 2], at);
	put(due, vm, at);
	return at;
}

static void sift_down(struct due *due, size_t at)
{
	struct vm_entry *vm = due->heap[at];

	for (size_t next; (next = 2 * at + 1) < due->nr; at = next) {
		if (next + 1 < due->nr && is_before(due->heap[next + 1], due->heap[next]))
			next++;
		if (is_before(vm, due->heap[next]))
			break;
		put(due, due->heap[next], at);
	}
	put(due, vm, at);
}

static void set(struct due *due, struct vm_entry *vm, uint64_t ns)
{
	vm->due.ns = ns;
	vm->due.turn = due->turns++;
	sift_down(due, sift_up(due, vm->due.at));
}

static void enter(struct due *due, struct vm_entry *vm, uint64_t ns)
{
	put(due, vm, due->nr++);
	set(due, vm, ns);
}

static void leave(struct due *due, struct vm_entry *vm)
{
	size_t at = vm->due.at;
	struct vm_entry *last = due->heap[--due->nr];

	if (last == vm)
		return;
	put(due, last, at);
	sift_down(due, sift_up(due, at));
}

static void unpark(struct due *due, struct vm_entry *vm)
{
	vm->due.parked = false;
	TAILQ_REMOVE(&due->parked, vm, due.entry);
}

/* ---- what the others see ---- */

int due_add(struct lp_manager *m, struct vm_entry *vm)
{
	struct due *due = &m->due;

	/* Those that are parked come back. */
	if (array_reserve(&due->heap, &due->capacity, m->nr_vms + 1, sizeof(struct vm_entry *)) < 0)
		return -ENOMEM;
	enter(due, vm, manager_now(m));
	return 0;
}

void due_remove(struct lp_manager *m, struct vm_entry *vm)
{
	if (vm->due.parked)
		unpark(&m->due, vm);
	else
		leave(&m->due, vm);
}

void due_touch(struct lp_manager *m, struct vm_entry *vm)
{
	uint64_t now_ns = manager_now(m);

	if (!vm->due.parked && vm->due.ns > now_ns)
		set(&m->due, vm, now_ns);
}

uint64_t due_first_ns(const struct lp_manager *m)
{
	return m->due.nr ? m->due.heap[0]->due.ns : NS_NEVER;
}

struct vm_entry *due_next(struct lp_manager *m, uint64_t now_ns)
{
	struct vm_entry *vm = TAILQ_FIRST(&m->due.parked);

	if (vm && !manager_link_full(m))
		return vm;
	return due_first_ns(m) <= now_ns ? m->due.heap[0] : NULL;
}

void due_again(struct lp_manager *m, struct vm_entry *vm, uint64_t due_ns)
{
	if (!vm->due.parked) {
		set(&m->due, vm, due_ns);
		return;
	}
	unpark(&m->due, vm);
	enter(&m->due, vm, due_ns);
}

void due_park(struct lp_manager *m, struct vm_entry *vm)
{
	if (vm->due.parked)
		return;
	leave(&m->due, vm);
	vm->due.parked = true;
	TAILQ_INSERT_TAIL(&m->due.parked, vm, due.entry);
}
