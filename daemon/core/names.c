// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/names.h"

#include <string.h>

#include "daemon/core/vm.h"

/* FNV-1a. Who can choose the names of thousands of VMs owns the host. */
static size_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619;
	return hash % NAME_BUCKETS;
}

void names_enter(struct lp_manager *m, struct vm_entry *vm)
{
	if (vm->named || !vm->identity.name[0])
		return;
	vm->named = true;
	LIST_INSERT_HEAD(&m->names[bucket_of(vm->identity.name)], vm, by_name);
}

void names_leave(struct lp_manager *m, struct vm_entry *vm)
{
	(void)m;
	if (vm->named)
		LIST_REMOVE(vm, by_name);
	vm->named = false;
}

/* Keeps the lowest ids, in ascending order. */
static size_t add(uint32_t *ids, size_t nr, size_t capacity, uint32_t id)
{
	size_t at = nr < capacity ? nr++ : capacity;

	if (at == capacity && (!capacity || ids[--at] < id))
		return nr;
	for (; at && ids[at - 1] > id; at--)
		ids[at] = ids[at - 1];
	ids[at] = id;
	return nr;
}

size_t names_find(const struct lp_core *core, const char *name, uint32_t *ids, size_t capacity)
{
	const struct lp_manager *m = manager_of_const(core);
	const struct vm_entry *vm;
	size_t nr = 0;

	LIST_FOREACH(vm, &m->names[bucket_of(name)], by_name) {
		if (!strcmp(vm->identity.name, name) && !vm_is_lost(m, vm))
			nr = add(ids, nr, capacity, vm->vm.id);
	}
	return nr;
}
