// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rebuild/rebuild.h"
#include <tdx-lpage/base.h>

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/rebuild/rebuild_internal.h"

#define LAG_NS UINT64_C(2000000000)
#define WAITING_MAX                                                                                \
	(UINT64_C(1) << 17) /* pending records; beyond it the oldest are written early */

/* How long to wait for late reports of the daemon. */
static uint64_t lag_of(const struct rebuild *r, uint64_t notify_interval_ns)
{
	return LAG_NS * max_of(r->options.speed, 1) + notify_interval_ns;
}

static int by_rfn(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct vm *find_vm(const struct rebuild *r, uint32_t id)
{
	struct vm *vm = r->vms;

	while (vm && (vm->id != id || vm->gone))
		vm = vm->next;
	return vm;
}

/* ---- out ---- */

static int write_mark(struct rebuild *r, const struct rebuild_out *out)
{
	return r->options.write(r->options.ctx, out);
}

static int write_vm(struct rebuild *r, struct rebuild_out *out)
{
	for (struct vm *vm = r->vms; vm; vm = vm->next) {
		if (vm->trace_id != out->record.vm_id)
			continue;
		/* As it is by now. */
		out->record.regions = vm->regions;
		vm->written = true;
	}
	return write_mark(r, out);
}

/* One page shared and private again: no conversion explains why the region is at 4 KiB. */
static int write_guess(struct rebuild *r, struct order_entry *entry)
{
	static const enum trace_op ops[] = {TRACE_TO_SHARED, TRACE_TO_PRIVATE, TRACE_ACCEPT};
	struct region *region = entry->region;
	int err = 0;

	if (region) {
		region->guess = NULL;
		region->small = region->accepted = true;
		region->last_ns = max_of(region->last_ns, entry->out.record.t_ns);
	}
	for (size_t i = 0; i < 3 && !err; i++) {
		entry->out.record.op = ops[i];
		r->stats.records++;
		err = write_mark(r, &entry->out);
		entry->out.mark = REBUILD_SEEN;
	}
	return err;
}

static int write_entry(struct rebuild *r, struct order_entry *entry)
{
	struct region *region = entry->region;

	if (entry->dead)
		return 0;
	r->reached_ns = entry->out.record.t_ns;
	if (entry->guess)
		return write_guess(r, entry);
	if (region && region->accept == entry) {
		region->accept = NULL;
		region->pending = false;
		region->accepted = true;
	}
	if (entry->out.only_mark)
		return write_mark(r, &entry->out);
	r->stats.records++;
	return entry->out.record.op == TRACE_VM ? write_vm(r, &entry->out) :
						  write_mark(r, &entry->out);
}

static int write_until(struct rebuild *r, uint64_t until_ns)
{
	struct order_entry *entry;
	int err = 0;

	while (!err && (entry = order_pop(&r->order, until_ns))) {
		err = write_entry(r, entry);
		free(entry);
	}
	return err;
}

int rebuild_advance(struct rebuild *r, uint64_t now_ns)
{
	int err = now_ns > r->lag_ns ? write_until(r, now_ns - r->lag_ns) : 0;

	while (!err && r->order.nr > WAITING_MAX)
		err = write_until(r, r->order.heap[0]->out.record.t_ns);
	return err;
}

struct order_entry *rebuild_put(struct rebuild *r, struct rebuild_out *out)
{
	if (out->record.t_ns < r->reached_ns) {
		out->record.t_ns = r->reached_ns;
		r->stats.late++;
	}
	return order_push(&r->order, out);
}

/* ---- regions ---- */

static int widen(struct rebuild *r, struct vm *vm, uint64_t regions)
{
	if (regions > TRACE_REGIONS_MAX)
		regions = TRACE_REGIONS_MAX;
	if (regions <= vm->regions)
		return 0;
	vm->regions = regions;
	return vm->written ? r->options.widen(r->options.ctx, vm->trace_id, regions) : 0;
}

static struct region *find_region(struct rebuild *r, struct vm *vm, uint64_t rfn, bool *ret_first)
{
	struct region *region, **found = tfind(&rfn, &vm->tree, by_rfn);

	*ret_first = !found;
	if (found)
		return *found;
	region = calloc(1, sizeof(*region));
	if (!region)
		return NULL;
	region->rfn = rfn;
	region->index = r->options.raw ? rfn : vm->nr_indices;
	region->observed_ns = region->last_ns = vm->begin_ns;
	region->refused_ns = NEVER;
	region->last.last_op_ns = REBUILD_NEVER;
	if (!tsearch(region, &vm->tree, by_rfn)) {
		free(region);
		return NULL;
	}
	vm->nr_indices++;
	return region;
}

int rebuild_observe(struct rebuild *r, uint64_t now_ns, uint32_t vm_id,
		    const struct rebuild_observation *observations, size_t nr)
{
	struct vm *vm = find_vm(r, vm_id);
	struct region *region;
	bool first;
	int err = 0;

	for (size_t i = 0; vm && i < nr && !err; i++) {
		/* Out of the range of a trace. */
		if (observations[i].rfn >= TRACE_REGIONS_MAX)
			continue;
		region = find_region(r, vm, observations[i].rfn, &first);
		err = region ? widen(r, vm, region->index + 1) : -ENOMEM;
		if (!err)
			err = rebuild_region_observe(r, vm, region, &observations[i], first,
						     now_ns);
	}
	return err ? err : rebuild_advance(r, now_ns);
}

/* ---- VMs ---- */

static void set_name(struct vm *vm, const char *name)
{
	if (!name || !*name) {
		snprintf(vm->name, sizeof(vm->name), "vm-%u", vm->trace_id);
		return;
	}
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	for (char *p = vm->name; *p; p++) {
		if (!trace_name_ok(p, 1))
			*p = '_';
	}
}

static int put_vm(struct rebuild *r, const struct vm *vm)
{
	struct rebuild_out out = {
		.record = {.t_ns = vm->begin_ns,
			   .op = TRACE_VM,
			   .vm_id = vm->trace_id,
			   .walk_ns_per_s = vm->walk_ns_per_s,
			   .regions = vm->regions},
		.mark = r->options.raw ? REBUILD_VM : REBUILD_SEEN,
		.number = vm->id,
	};

	memcpy(out.record.name, vm->name, sizeof(vm->name));
	return rebuild_put(r, &out) ? 0 : -ENOMEM;
}

static int add_vm(struct rebuild *r, uint64_t now_ns, const struct rebuild_vm *init)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	uint64_t regions = (init->memory_bytes + REGION_BYTES - 1) / REGION_BYTES;

	if (!vm)
		return -ENOMEM;
	vm->id = init->id;
	vm->trace_id = ++r->nr_vms;
	/* VMs of the initial report exist from the start, however long the report took. */
	vm->begin_ns = r->synced ? max_of(now_ns, r->reached_ns) : 0;
	vm->settled = init->is_new;
	vm->notify_interval_ns = init->notify_interval_ns;
	vm->walk_ns_per_s = min_of(init->walk_ns_per_s, TRACE_COST_MAX);
	vm->regions = regions ? min_of(regions, TRACE_REGIONS_MAX) : 1;
	set_name(vm, r->options.raw ? init->name : NULL);
	vm->next = r->vms;
	r->vms = vm;
	r->stats.vms++;
	return put_vm(r, vm);
}

int rebuild_vm(struct rebuild *r, uint64_t now_ns, const struct rebuild_vm *init)
{
	struct vm *vm = find_vm(r, init->id);
	int err;

	r->lag_ns = max_of(r->lag_ns, lag_of(r, init->notify_interval_ns));
	if (!vm)
		err = add_vm(r, now_ns, init);
	else
		err = widen(r, vm, init->memory_bytes / REGION_BYTES);
	return err ? err : rebuild_advance(r, now_ns);
}

static void free_vm(struct vm *vm)
{
	tdestroy(vm->tree, free);
	vm->tree = NULL;
}

/* Frees the regions; pending records no longer refer to them. */
static void forget_regions(struct rebuild *r, struct vm *vm)
{
	for (size_t i = 0; i < r->order.nr; i++) {
		if (r->order.heap[i]->out.record.vm_id == vm->trace_id)
			r->order.heap[i]->region = NULL;
	}
	free_vm(vm);
}

int rebuild_vm_gone(struct rebuild *r, uint64_t now_ns, uint32_t vm_id)
{
	struct vm *vm = find_vm(r, vm_id);
	struct rebuild_out out = {.record = {.t_ns = now_ns, .op = TRACE_VM_GONE}};

	if (!vm)
		return 0;
	vm->gone = true;
	forget_regions(r, vm);
	out.record.vm_id = vm->trace_id;
	if (!rebuild_put(r, &out))
		return -ENOMEM;
	return rebuild_advance(r, now_ns);
}

void rebuild_synced(struct rebuild *r)
{
	r->synced = true;
	for (struct vm *vm = r->vms; vm; vm = vm->next)
		vm->settled = true;
}

int rebuild_gap(struct rebuild *r, uint64_t now_ns, enum rebuild_mark mark, uint64_t number)
{
	struct rebuild_out out = {
		.record = {.t_ns = now_ns}, .mark = mark, .number = number, .only_mark = true};

	r->gap_ns = now_ns + r->lag_ns;
	r->stats.lost += mark == REBUILD_OBSERVATIONS_LOST ? number : 0;
	if (!rebuild_put(r, &out))
		return -ENOMEM;
	return rebuild_advance(r, now_ns);
}

/* ---- life ---- */

int rebuild_end(struct rebuild *r, uint64_t now_ns)
{
	struct rebuild_out out = {
		.record = {.t_ns = max_of(now_ns, r->reached_ns), .op = TRACE_END}};
	int err = write_until(r, now_ns);

	return err ? err : write_mark(r, &out);
}

uint64_t rebuild_reached_ns(const struct rebuild *r)
{
	return r->reached_ns;
}

const struct rebuild_stats *rebuild_stats(const struct rebuild *r)
{
	return &r->stats;
}

struct rebuild *rebuild_new(const struct rebuild_options *options)
{
	struct rebuild *r = calloc(1, sizeof(*r));

	if (r) {
		r->options = *options;
		r->lag_ns = lag_of(r, 0);
	}
	return r;
}

struct rebuild *rebuild_free(struct rebuild *r)
{
	struct vm *vm;

	if (!r)
		return NULL;
	order_done(&r->order);
	while ((vm = r->vms)) {
		r->vms = vm->next;
		free_vm(vm);
		free(vm);
	}
	free(r);
	return NULL;
}
