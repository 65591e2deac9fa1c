// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/record_rebuild.h"

#include <errno.h>
#include <linux/kvm_lpage.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/record_order.h"
#include "daemon/ctl/record_plan.h"

#define LAG_NS	    UINT64_C(2000000000)
#define TELL_NS	    UINT64_C(50000000)	/* from the kernel's notice to the look */
#define WAITING_MAX (UINT64_C(1) << 17) /* records; beyond it the oldest do not wait */
#define PAGES	    PLAN_PAGES
#define NEVER	    UINT64_MAX

struct region {
	uint64_t rfn;		  /* the kernel's; first, for the search */
	uint64_t index;		  /* in the trace */
	struct rebuild_look look; /* the last one */
	uint64_t told_ns;
	uint64_t last_ns; /* of its last record */
	uint64_t usual_shared_ns;
	unsigned int nr_shared;
	bool small;	     /* the trace has it at 4 KiB */
	bool pending;	     /* back to private, and its A is not written */
	bool accepted;	     /* its A was written and nothing happened since */
	uint64_t refused_ns; /* last try that found it not accepted, NEVER: none since the P */
	struct order_entry *accept; /* its A that waits */
	struct order_entry *guess; /* that it came to be at 4 KiB, unless a conversion explains it */
};

struct vm {
	struct vm *next;
	uint32_t id;	   /* the kernel's */
	uint32_t trace_id; /* never reused */
	uint64_t begin_ns;
	bool gone;
	bool written;
	bool settled; /* what is seen first from now on began when the VM was there */
	uint64_t regions;
	uint64_t nr_indices;
	uint64_t walk_ns_per_s;
	uint64_t notify_interval_ns;
	char name[TRACE_NAME_MAX + 1];
	void *tree; /* of struct region, by rfn */
};

struct rebuild {
	struct rebuild_options options;
	struct rebuild_stats stats;
	struct order order;
	struct vm *vms; /* the newest first */
	uint32_t nr_vms;
	uint64_t lag_ns;
	uint64_t reached_ns;
	uint64_t gap_ns; /* looks may have been left out until then */
	bool synced;
};

static uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long to wait for what the daemon may still tell of the past. */
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

/* One page out and back, now: no conversion explains why the region is at 4 KiB. */
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

int rebuild_passed(struct rebuild *r, uint64_t now_ns)
{
	int err = now_ns > r->lag_ns ? write_until(r, now_ns - r->lag_ns) : 0;

	while (!err && r->order.nr > WAITING_MAX)
		err = write_until(r, r->order.heap[0]->out.record.t_ns);
	return err;
}

/* Puts a record among those that wait; what comes too late is moved. NULL: out of memory. */
static struct order_entry *put(struct rebuild *r, struct rebuild_out *out)
{
	if (out->record.t_ns < r->reached_ns) {
		out->record.t_ns = r->reached_ns;
		r->stats.late++;
	}
	return order_push(&r->order, out);
}

/* ---- records of a region ---- */

static struct order_entry *put_pages(struct rebuild *r, const struct vm *vm, struct region *region,
				     struct rebuild_out *out, enum trace_op op, unsigned int first,
				     unsigned int nr, uint64_t t_ns)
{
	/* The order of a region's records is known, whatever their stamps. */
	region->last_ns = max_of(max_of(t_ns, region->last_ns), vm->begin_ns);
	out->rfn = region->index;
	out->record.t_ns = region->last_ns;
	out->record.op = op;
	out->record.vm_id = vm->trace_id;
	out->record.gfn = region->index * PAGES + first;
	out->record.npages = nr;
	return put(r, out);
}

static int put_accept(struct rebuild *r, const struct vm *vm, struct region *region, uint64_t t_ns,
		      enum rebuild_mark mark)
{
	struct rebuild_out out = {.mark = mark, .until_ns = region->refused_ns};
	struct order_entry *entry = put_pages(r, vm, region, &out, TRACE_ACCEPT, 0, PAGES, t_ns);

	if (!entry)
		return -ENOMEM;
	entry->region = region;
	region->accept = entry;
	return 0;
}

/* An A that is assumed: as soon as the last page is back. */
static int assume_accept(struct rebuild *r, const struct vm *vm, struct region *region,
			 uint64_t t_ns)
{
	r->stats.accepts_assumed++;
	return put_accept(r, vm, region, t_ns, REBUILD_SEEN);
}

static int to_shared(struct rebuild *r, const struct vm *vm, struct region *region,
		     struct rebuild_out *out, unsigned int after, uint64_t t_ns)
{
	unsigned int nr = after - region->nr_shared;

	if (!put_pages(r, vm, region, out, TRACE_TO_SHARED, region->nr_shared, nr, t_ns))
		return -ENOMEM;
	/* A conversion of the whole region drops its mapping instead of splitting it. */
	region->small = nr < PAGES;
	region->nr_shared = after;
	/* An A that was assumed before this stays. */
	region->accept = NULL;
	region->pending = region->accepted = false;
	region->refused_ns = NEVER;
	return 0;
}

static int to_private(struct rebuild *r, const struct vm *vm, struct region *region,
		      struct rebuild_out *out, unsigned int after, uint64_t t_ns)
{
	unsigned int nr = region->nr_shared - after;

	if (!put_pages(r, vm, region, out, TRACE_TO_PRIVATE, after, nr, t_ns))
		return -ENOMEM;
	region->nr_shared = after;
	if (after)
		return 0;
	region->pending = true;
	region->accepted = false;
	region->refused_ns = NEVER;
	return assume_accept(r, vm, region, t_ns);
}

/* Moves a region's number of shared pages. */
static int move_to(struct rebuild *r, const struct vm *vm, struct region *region,
		   struct rebuild_out *out, unsigned int after, uint64_t t_ns)
{
	if (after > region->nr_shared)
		return to_shared(r, vm, region, out, after, t_ns);
	return after < region->nr_shared ? to_private(r, vm, region, out, after, t_ns) : 0;
}

/* One page out and back, for a region that is at 4 KiB for reasons that are not seen. */
static int put_small(struct rebuild *r, const struct vm *vm, struct region *region, uint64_t t_ns,
		     enum rebuild_mark mark)
{
	struct rebuild_out first = {.mark = mark}, second = {.mark = REBUILD_SEEN};
	int err = move_to(r, vm, region, &first, 1, t_ns);

	return err ? err : move_to(r, vm, region, &second, 0, t_ns);
}

/*
 * A region is at 4 KiB, and no conversion is known that made it so. The kernel splits before it counts:
 * one may be under way.
 */
static int guess_small(struct rebuild *r, const struct vm *vm, struct region *region, uint64_t t_ns)
{
	struct rebuild_out out = {
		.record = {.t_ns = max_of(t_ns, region->last_ns),
			   .op = TRACE_TO_SHARED,
			   .vm_id = vm->trace_id,
			   .gfn = region->index * PAGES,
			   .npages = 1},
		.mark = REBUILD_BECAME_TABLE,
		.rfn = region->index,
	};

	region->guess = put(r, &out);
	if (!region->guess)
		return -ENOMEM;
	region->guess->region = region;
	region->guess->guess = true;
	return 0;
}

/* ---- one look ---- */

static uint64_t stamp(int64_t ns)
{
	return ns > 0 ? (uint64_t)ns : 0;
}

/*
 * Shared pages. The kernel counts a conversion before the state is mixed, or no longer: a look between
 * the two is of what the last stamp says. Counters from before a record was kept say nothing.
 */
static unsigned int count_shared(const struct rebuild_look *look)
{
	uint32_t nr = look->to_shared_pages - look->to_private_pages;
	bool mixed = look->state == KVM_LPAGE_STATE_MIXED;
	bool shared_last = look->to_shared_ns > look->to_private_ns;

	if (nr > PAGES)
		return !mixed ? 0 : look->shared ? PAGES : 1;
	if (mixed == (nr > 0))
		return nr;
	if (mixed)
		return shared_last ? 1 : 0;
	return shared_last ? nr : 0;
}

static int play(struct rebuild *r, const struct vm *vm, struct region *region,
		const struct plan *plan)
{
	struct rebuild_out out = {
		.mark = plan->guessed ? REBUILD_HIDDEN : REBUILD_SEEN,
		.number = plan->guessed,
		.until_ns = plan->nr ? plan->steps[plan->nr - 1].t_ns : 0,
	};
	int err = 0;

	r->stats.hidden += plan->guessed;
	r->stats.left_out += plan->left_out;
	for (unsigned int i = 0; i < plan->nr && !err; i++) {
		err = move_to(r, vm, region, &out, plan->steps[i].shared_after,
			      plan->steps[i].t_ns);
		out.mark = REBUILD_SEEN;
	}
	return err;
}

/* A change is told of soon: what was not seen is no older, unless looks were left out. */
static uint64_t unseen_since(const struct rebuild *r, const struct vm *vm,
			     const struct region *region, uint64_t now_ns)
{
	uint64_t from_ns = max_of(region->last_ns, region->told_ns);
	uint64_t told_within_ns = vm->notify_interval_ns + TELL_NS * max_of(r->options.speed, 1);

	if (now_ns < r->gap_ns || now_ns < told_within_ns)
		return from_ns;
	return max_of(from_ns, now_ns - told_within_ns);
}

/* What happened since the last look. */
static int convert(struct rebuild *r, const struct vm *vm, struct region *region,
		   const struct rebuild_look *look, uint64_t now_ns)
{
	const struct rebuild_look *old = &region->look;
	struct plan_delta delta = {
		.shared_before = region->nr_shared,
		.shared_after = count_shared(look),
		.to_shared_events = look->to_shared_events - old->to_shared_events,
		.to_private_events = look->to_private_events - old->to_private_events,
		.to_shared_pages = look->to_shared_pages - old->to_shared_pages,
		.to_private_pages = look->to_private_pages - old->to_private_pages,
		.from_ns = unseen_since(r, vm, region, now_ns),
		.to_shared_ns = min_of(stamp(look->to_shared_ns), now_ns),
		.to_private_ns = min_of(stamp(look->to_private_ns), now_ns),
	};
	struct plan plan;

	if (delta.to_private_ns > delta.to_shared_ns)
		region->usual_shared_ns = delta.to_private_ns - delta.to_shared_ns;
	delta.usual_shared_ns = region->usual_shared_ns;
	if (!delta.to_shared_events && !delta.to_private_events)
		return 0;
	if (region->guess)
		region->guess->dead = true;
	region->guess = NULL;
	plan_make(&delta, &plan);
	return play(r, vm, region, &plan);
}

/* What a region was when the recording, or its VM, began. Fills in what it would have counted. */
static int begin_region(struct rebuild *r, const struct vm *vm, struct region *region,
			const struct rebuild_look *look)
{
	int64_t begin_ns = (int64_t)vm->begin_ns;
	bool s_since = look->to_shared_ns > begin_ns, p_since = look->to_private_ns > begin_ns;
	struct rebuild_out out = {.mark = REBUILD_WAS_SHARED};
	unsigned int nr = count_shared(look);

	region->look = *look;
	/* The last ones happened while all was being told. */
	region->look.to_shared_events -= s_since;
	region->look.to_shared_pages -= s_since;
	region->look.to_private_events -= p_since;
	region->look.to_private_pages -= p_since;
	if (p_since && (!s_since || look->to_private_ns < look->to_shared_ns))
		nr = nr < PAGES ? nr + 1 : nr;
	else if (s_since)
		nr = 0;
	if (nr || (look->state == KVM_LPAGE_STATE_TABLE && !s_since))
		r->stats.initial++;
	if (nr)
		return move_to(r, vm, region, &out, nr, vm->begin_ns);
	if (look->state != KVM_LPAGE_STATE_TABLE || s_since)
		return 0;
	return put_small(r, vm, region, vm->begin_ns, REBUILD_WAS_TABLE);
}

/* ---- accepted? ---- */

static bool says_not_accepted(uint32_t reason)
{
	/* What the guest has not accepted is not mapped either where nothing is ever accepted. */
	return reason == KVM_LPAGE_REASON_NOT_ACCEPTED || reason == KVM_LPAGE_REASON_NOT_MAPPED;
}

static void refused(struct rebuild *r, struct region *region, uint64_t t_ns)
{
	if (!region->pending) {
		r->stats.accepts_contradicted += region->accepted;
		return;
	}
	if (region->accept) {
		region->accept->dead = true;
		region->accept = NULL;
		r->stats.accepts_assumed--;
	}
	region->refused_ns = t_ns;
	region->last_ns = max_of(region->last_ns, t_ns);
}

/* It is known to be accepted at @t_ns. */
static int known_accepted(struct rebuild *r, const struct vm *vm, struct region *region,
			  uint64_t t_ns)
{
	uint64_t at_ns;

	if (!region->pending || region->accept)
		return 0;
	at_ns = region->refused_ns;
	if (t_ns > at_ns)
		at_ns += (t_ns - at_ns) / 2;
	/* The second half of it may have been written past already. */
	at_ns = max_of(at_ns, min_of(r->reached_ns, t_ns));
	r->stats.accepts_tried++;
	return put_accept(r, vm, region, at_ns, REBUILD_TRIED);
}

static int judge_accept(struct rebuild *r, const struct vm *vm, struct region *region,
			const struct rebuild_look *look, bool new_op, uint64_t now_ns)
{
	uint64_t op_ns = min_of(stamp(look->last_op_ns), now_ns);

	if (region->nr_shared)
		return 0;
	if (new_op && look->last_op == KVM_LPAGE_OP_MERGE && look->last_op_ns >= 0 &&
	    look->last_op_ns > look->to_private_ns && says_not_accepted(look->last_reason))
		refused(r, region, op_ns);
	else if (look->state == KVM_LPAGE_STATE_LARGE)
		return known_accepted(r, vm, region,
				      look->last_op == KVM_LPAGE_OP_MERGE ? op_ns : now_ns);
	return 0;
}

static int look_at(struct rebuild *r, const struct vm *vm, struct region *region,
		   const struct rebuild_look *look, bool first, uint64_t now_ns)
{
	bool new_op;
	int err = 0;

	if (first && !vm->settled)
		err = begin_region(r, vm, region, look);
	new_op = first || look->last_op_ns != region->look.last_op_ns;
	if (!err)
		err = convert(r, vm, region, look, now_ns);
	if (!err && look->state == KVM_LPAGE_STATE_TABLE && !region->small && !region->nr_shared &&
	    !region->guess && !(region->pending && !region->accept))
		err = guess_small(r, vm, region, now_ns);
	if (!err)
		err = judge_accept(r, vm, region, look, new_op, now_ns);
	region->look = *look;
	region->told_ns = now_ns;
	return err;
}

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
	region->told_ns = region->last_ns = vm->begin_ns;
	region->refused_ns = NEVER;
	region->look.last_op_ns = REBUILD_NEVER;
	if (!tsearch(region, &vm->tree, by_rfn)) {
		free(region);
		return NULL;
	}
	vm->nr_indices++;
	return region;
}

int rebuild_look(struct rebuild *r, uint64_t now_ns, uint32_t vm_id,
		 const struct rebuild_look *looks, size_t nr)
{
	struct vm *vm = find_vm(r, vm_id);
	struct region *region;
	bool first;
	int err = 0;

	for (size_t i = 0; vm && i < nr && !err; i++) {
		/* No trace can hold it. */
		if (looks[i].rfn >= TRACE_REGIONS_MAX)
			continue;
		region = find_region(r, vm, looks[i].rfn, &first);
		err = region ? widen(r, vm, region->index + 1) : -ENOMEM;
		if (!err)
			err = look_at(r, vm, region, &looks[i], first, now_ns);
	}
	return err ? err : rebuild_passed(r, now_ns);
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
	return put(r, &out) ? 0 : -ENOMEM;
}

static int add_vm(struct rebuild *r, uint64_t now_ns, const struct rebuild_vm *init)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	uint64_t regions = (init->memory_bytes + (UINT64_C(1) << 21) - 1) >> 21;

	if (!vm)
		return -ENOMEM;
	vm->id = init->id;
	vm->trace_id = ++r->nr_vms;
	/* Those that were there count from the begin, however long it took to tell. */
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
		err = widen(r, vm, init->memory_bytes >> 21);
	return err ? err : rebuild_passed(r, now_ns);
}

static void free_vm(struct vm *vm)
{
	tdestroy(vm->tree, free);
	vm->tree = NULL;
}

/* Its regions go now: those of its A that wait forget them. */
static void let_go(struct rebuild *r, struct vm *vm)
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
	let_go(r, vm);
	out.record.vm_id = vm->trace_id;
	if (!put(r, &out))
		return -ENOMEM;
	return rebuild_passed(r, now_ns);
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
	r->stats.lost += mark == REBUILD_LOST ? number : 0;
	if (!put(r, &out))
		return -ENOMEM;
	return rebuild_passed(r, now_ns);
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
