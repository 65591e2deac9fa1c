// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/refresh.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/context.h"
#include "daemon/core/due.h"
#include "daemon/core/vm.h"
#include "daemon/core/walks.h"

/* At VMs, for all who wait, in one turn of the event loop. */
#define LOOKS_PER_TURN 256

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	uint32_t vm_id;
	uint64_t since_ns;
	uint32_t next_id; /* of all VMs: those with a lower id are fresh */
	lp_refresh_cb cb;
	void *ctx;
};

static bool vm_is_fresh(const struct vm_entry *vm, uint64_t since_ns)
{
	return vm->sync.stats_fresh_ns >= since_ns && vm->sync.regions_fresh_ns >= since_ns;
}

/* 1: fresh, 0: not yet, negative errno: it could not be read. */
static int vm_freshness(const struct vm_entry *vm, uint64_t since_ns)
{
	if (vm_is_fresh(vm, since_ns))
		return 1;
	return vm->trouble.failures && vm->trouble.last_error_ns >= since_ns ?
		       vm->trouble.last_error :
		       0;
}

/* @looks: at how many VMs it may look yet. */
static int freshness(struct lp_manager *m, struct waiter *waiter, unsigned int *looks)
{
	const struct vm_entry *vm;
	int r;

	if (waiter->vm_id) {
		vm = vm_find(m, waiter->vm_id);
		return vm ? vm_freshness(vm, waiter->since_ns) : -ESRCH;
	}
	/* What is fresh stays fresh: those before the cursor need no second look. */
	for (size_t i = vm_position(m, waiter->next_id); i < m->nr_vms; i++) {
		if (!*looks) {
			manager_go_on(m);
			return 0;
		}
		--*looks;
		r = vm_freshness(m->vms[i], waiter->since_ns);
		if (r <= 0)
			return r;
		waiter->next_id = m->vms[i]->vm.id + 1;
	}
	return 1;
}

void refresh_check(struct lp_manager *m, int error)
{
	unsigned int looks = LOOKS_PER_TURN;
	struct waiter *waiter, *next;
	int r;

	for (waiter = TAILQ_FIRST(&m->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, entry);
		r = error ? error : freshness(m, waiter, &looks);
		if (!r)
			continue;
		TAILQ_REMOVE(&m->waiters, waiter, entry);
		waiter->cb(waiter->ctx, r < 0 ? r : 0);
		free(waiter);
		/* The callback may have freed the next one. */
		next = TAILQ_FIRST(&m->waiters);
	}
}

static void hurry(struct lp_manager *m, struct vm_entry *vm)
{
	vm->sync.hurry_dump = true;
	vm->sync.need_stats = true;
	vm->sync.hurry_stats = true;
	due_touch(m, vm);
}

int refresh_start(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct waiter *waiter;

	if (!m->family)
		return -ENOTCONN;
	if (vm_id && !vm_find(m, vm_id))
		return -ESRCH;
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	*waiter = (struct waiter){.vm_id = vm_id, .since_ns = manager_now(m), .cb = cb, .ctx = ctx};
	TAILQ_INSERT_TAIL(&m->waiters, waiter, entry);
	if (vm_id)
		hurry(m, vm_find(m, vm_id));
	else
		walk_begin(m, WALK_REFRESH, hurry, NULL);
	manager_wake(m);
	return 0;
}

void refresh_cancel(struct lp_core *core, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct waiter *waiter, *next;

	for (waiter = TAILQ_FIRST(&m->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, entry);
		if (waiter->ctx != ctx)
			continue;
		TAILQ_REMOVE(&m->waiters, waiter, entry);
		free(waiter);
	}
}
