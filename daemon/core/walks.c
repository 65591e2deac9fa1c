// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/walks.h"

#include "daemon/core/vm.h"

/* The next VM, NULL: that was the last one. */
static struct vm_entry *next_vm(const struct lp_manager *m, struct walk *walk)
{
	size_t at = walk->next_id > UINT32_MAX ? m->nr_vms :
						 vm_position(m, (uint32_t)walk->next_id);

	if (at == m->nr_vms && !walk->wrapped) {
		walk->wrapped = true;
		at = 0;
	}
	if (at == m->nr_vms || (walk->wrapped && m->vms[at]->vm.id >= walk->stop_id))
		return NULL;
	walk->next_id = (uint64_t)m->vms[at]->vm.id + 1;
	return m->vms[at];
}

static void go_on(struct lp_manager *m, struct walk *walk)
{
	struct vm_entry *vm = NULL;

	for (unsigned int i = 0; i < WALK_SLICE; i++) {
		vm = next_vm(m, walk);
		if (!vm)
			break;
		if (walk == &m->walks[WALK_LOST] || !vm_is_lost(m, vm))
			walk->each(m, vm);
	}
	if (vm) {
		manager_go_on(m);
		return;
	}
	walk->pending = false;
	if (walk->done)
		walk->done(m);
}

void walk_begin(struct lp_manager *m, enum walk_id id, walk_each_fn each, walk_done_fn done)
{
	struct walk *walk = &m->walks[id];

	if (!walk->pending)
		*walk = (struct walk){.pending = true, .each = each, .done = done};
	/* Once around, from where it is. */
	walk->stop_id = walk->next_id;
	walk->wrapped = false;
	go_on(m, walk);
	if (walk->pending)
		manager_wake(m);
}

void walks_run(struct lp_manager *m)
{
	for (unsigned int i = 0; i < WALKS; i++) {
		if (m->walks[i].pending)
			go_on(m, &m->walks[i]);
	}
}

bool walks_pending(const struct lp_manager *m)
{
	bool pending = false;

	for (unsigned int i = 0; i < WALKS; i++)
		pending |= m->walks[i].pending;
	return pending;
}
