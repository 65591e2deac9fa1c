// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/trace/model.h"

#include <errno.h>
#include <linux/kvm_lpage.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#define DIR_REGIONS (UINT64_C(1) << 15)

/* ---- VMs and regions ---- */

static int is_before(const void *element, const void *vm_id)
{
	const struct model_vm *vm = *(struct model_vm *const *)element;

	return vm->id < *(const uint32_t *)vm_id;
}

static size_t vm_index(const struct model *model, uint32_t vm_id)
{
	return lower_bound(model->vms, model->nr_vms, sizeof(struct model_vm *), &vm_id, is_before);
}

struct model_vm *model_vm_find(const struct model *model, uint32_t vm_id)
{
	size_t i;

	if (model->last_vm && model->last_vm->id == vm_id)
		return model->last_vm;
	i = vm_index(model, vm_id);
	return i < model->nr_vms && model->vms[i]->id == vm_id ? model->vms[i] : NULL;
}

static int vm_add(struct model *model, const struct trace_record *record)
{
	size_t at = vm_index(model, record->vm_id);
	struct model_vm *vm;

	if (array_reserve(&model->vms, &model->vms_capacity, model->nr_vms + 1,
			  sizeof(*model->vms)) < 0)
		return -ENOMEM;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->id = record->vm_id;
	vm->regions = record->regions;
	vm->walk_ns_per_s = record->walk_ns_per_s;
	memcpy(vm->name, record->name, sizeof(vm->name));
	memmove(model->vms + at + 1, model->vms + at,
		(model->nr_vms - at) * sizeof(struct model_vm *));
	model->vms[at] = vm;
	model->nr_vms++;
	return 0;
}

struct model_region *model_region_find(const struct model_vm *vm, uint64_t rfn)
{
	uint64_t dir = rfn / DIR_REGIONS;

	if (dir >= vm->nr_dirs || !vm->dirs[dir])
		return NULL;
	return vm->dirs[dir][rfn % DIR_REGIONS];
}

struct model_region *model_region_get(struct model_vm *vm, uint64_t rfn)
{
	uint64_t dir = rfn / DIR_REGIONS;
	struct model_region *region;

	if (!vm->dirs) {
		vm->nr_dirs = (vm->regions + DIR_REGIONS - 1) / DIR_REGIONS;
		vm->dirs = calloc(vm->nr_dirs, sizeof(*vm->dirs));
		if (!vm->dirs)
			return NULL;
	}
	if (!vm->dirs[dir])
		vm->dirs[dir] = calloc(DIR_REGIONS, sizeof(struct model_region *));
	if (!vm->dirs[dir])
		return NULL;
	region = vm->dirs[dir][rfn % DIR_REGIONS];
	if (region)
		return region;
	region = calloc(1, sizeof(*region));
	if (!region)
		return NULL;
	region->walk_ns_per_s = vm->walk_ns_per_s;
	vm->dirs[dir][rfn % DIR_REGIONS] = region;
	vm->touched_regions++;
	return region;
}

struct model_region *model_region_next(const struct model_vm *vm, uint64_t *rfn)
{
	while (*rfn / DIR_REGIONS < vm->nr_dirs) {
		struct model_region **dir = vm->dirs[*rfn / DIR_REGIONS];

		if (!dir)
			*rfn = (*rfn / DIR_REGIONS + 1) * DIR_REGIONS;
		else if (dir[*rfn % DIR_REGIONS])
			return dir[*rfn % DIR_REGIONS];
		else
			++*rfn;
	}
	return NULL;
}

uint32_t model_region_state(const struct model_region *region)
{
	if (region->nr_shared)
		return KVM_LPAGE_STATE_MIXED;
	if (region->nr_pending)
		return region->dropped ? KVM_LPAGE_STATE_UNMAPPED : KVM_LPAGE_STATE_TABLE;
	return region->interval && !region->merged ? KVM_LPAGE_STATE_TABLE : KVM_LPAGE_STATE_LARGE;
}

static void vm_free_regions(struct model_vm *vm)
{
	for (uint64_t dir = 0; dir < vm->nr_dirs; dir++) {
		for (uint64_t i = 0; vm->dirs[dir] && i < DIR_REGIONS; i++)
			free(vm->dirs[dir][i]);
		free(vm->dirs[dir]);
	}
	free(vm->dirs);
	vm->dirs = NULL;
	vm->nr_dirs = 0;
}

/* ---- pages ---- */

/* The bits of pages first ... first + nr - 1 that lie in @word. */
static uint64_t word_mask(unsigned int word, unsigned int first, unsigned int nr)
{
	unsigned int low = word * 64;
	unsigned int from = first > low ? first - low : 0;
	unsigned int to = first + nr > low ? first + nr - low : 0;

	if (from >= 64 || to <= from)
		return 0;
	if (to > 64)
		to = 64;
	return (to - from == 64 ? ~UINT64_C(0) : ((UINT64_C(1) << (to - from)) - 1)) << from;
}

/* Returns how many pages turned shared. */
static unsigned int pages_to_shared(struct model_region *region, unsigned int first,
				    unsigned int nr)
{
	unsigned int flipped = 0;

	for (unsigned int i = first / 64; i <= (first + nr - 1) / 64; i++) {
		uint64_t mask = word_mask(i, first, nr);
		uint64_t left = region->pending[i] & mask;

		flipped += (unsigned int)__builtin_popcountll(mask & ~region->shared[i]);
		region->nr_pending = (uint16_t)(region->nr_pending - __builtin_popcountll(left));
		region->pending[i] &= ~mask;
		region->shared[i] |= mask;
	}
	region->nr_shared = (uint16_t)(region->nr_shared + flipped);
	return flipped;
}

static unsigned int pages_to_private(struct model_region *region, unsigned int first,
				     unsigned int nr)
{
	unsigned int flipped = 0;

	for (unsigned int i = first / 64; i <= (first + nr - 1) / 64; i++) {
		uint64_t bits = word_mask(i, first, nr) & region->shared[i];

		flipped += (unsigned int)__builtin_popcountll(bits);
		region->shared[i] &= ~bits;
		region->pending[i] |= bits;
	}
	region->nr_shared = (uint16_t)(region->nr_shared - flipped);
	region->nr_pending = (uint16_t)(region->nr_pending + flipped);
	return flipped;
}

static unsigned int pages_accept(struct model_region *region, unsigned int first, unsigned int nr)
{
	unsigned int flipped = 0;

	for (unsigned int i = first / 64; i <= (first + nr - 1) / 64; i++) {
		uint64_t bits = word_mask(i, first, nr) & region->pending[i];

		flipped += (unsigned int)__builtin_popcountll(bits);
		region->pending[i] &= ~bits;
	}
	region->nr_pending = (uint16_t)(region->nr_pending - flipped);
	return flipped;
}

/* ---- intervals ---- */

static void interval_walk(struct model_region *region, uint64_t t_ns)
{
	model_walk walk = (model_walk)(t_ns - region->walk_from) * region->walk_ns_per_s;

	region->walk += walk;
	if (!region->merged)
		region->walked += walk;
	region->walk_from = t_ns;
}

static void interval_begin(struct model *model, struct model_region *region, uint64_t t_ns)
{
	model->score.intervals++;
	region->interval = true;
	region->merged = false;
	region->start_ns = region->walk_from = t_ns;
	region->walk = region->walked = 0;
}

/*
 * Adds up an interval that ends now. @partial: by a conversion of some pages, which would split a
 * merged region.
 */
static void interval_score(const struct trace_costs *costs, struct model_score *score,
			   const struct model_region *region, bool partial)
{
	model_walk merge = (model_walk)costs->merge_ns * NS_PER_S;
	model_walk split = partial ? (model_walk)costs->split_ns * NS_PER_S : 0;

	score->walk += region->walked;
	score->opt += region->walk < merge + split ? region->walk : merge + split;
	if (region->merged && partial)
		score->splits++;
}

static void interval_finish(struct model *model, struct model_vm *vm, uint64_t rfn,
			    struct model_region *region, uint64_t t_ns, bool partial)
{
	interval_walk(region, t_ns);
	region->interval = false;
	region->partial = partial;
	interval_score(&model->costs, &model->score, region, partial);
	if (model->interval)
		model->interval(model->ctx, vm, rfn, region, t_ns);
}

struct model_score model_score_at(const struct model *model, uint64_t t_ns)
{
	struct model_score score = model->score;

	for (size_t i = 0; i < model->nr_vms; i++) {
		const struct model_region *region;
		uint64_t rfn = 0;

		for (; (region = model_region_next(model->vms[i], &rfn)); rfn++) {
			struct model_region copy = *region;

			if (!copy.interval)
				continue;
			interval_walk(&copy, t_ns);
			interval_score(&model->costs, &score, &copy, false);
		}
	}
	return score;
}

/* ---- records ---- */

static void region_to_shared(struct model *model, struct model_vm *vm, uint64_t rfn,
			     struct model_region *region, unsigned int first, unsigned int nr,
			     uint64_t t_ns)
{
	bool whole = nr == REGION_PAGES;
	unsigned int flipped;

	if (region->interval)
		interval_finish(model, vm, rfn, region, t_ns, !whole);
	else if (!region->small && !region->dropped && !whole)
		model->score.forced_splits++;
	region->small = !whole;
	region->dropped = region->dropped || whole;
	flipped = pages_to_shared(region, first, nr);
	if (!flipped)
		return;
	region->to_shared_pages += flipped;
	region->to_shared_events++;
	region->last_to_shared_ns = t_ns;
	if (model->changed)
		model->changed(model->ctx, vm, rfn, region);
}

static void region_to_private(struct model *model, struct model_vm *vm, uint64_t rfn,
			      struct model_region *region, unsigned int first, unsigned int nr,
			      uint64_t t_ns)
{
	unsigned int flipped = pages_to_private(region, first, nr);

	if (!flipped)
		return;
	region->to_private_pages += flipped;
	region->to_private_events++;
	region->last_to_private_ns = t_ns;
	if (model->changed)
		model->changed(model->ctx, vm, rfn, region);
}

static void region_accept(struct model *model, struct model_region *region, unsigned int first,
			  unsigned int nr, uint64_t t_ns)
{
	if (!pages_accept(region, first, nr) || region->nr_pending || region->nr_shared)
		return;
	if (region->dropped) {
		region->dropped = false;
		region->small = false;
		return;
	}
	interval_begin(model, region, t_ns);
}

static void note_state(struct model *model, const struct model_vm *vm, uint64_t rfn,
		       const struct model_region *region, uint32_t before, uint64_t t_ns)
{
	uint32_t after = model_region_state(region);

	if (model->state && after != before)
		model->state(model->ctx, vm, rfn, before, after, t_ns);
}

static void apply_to_region(struct model *model, struct model_vm *vm, uint64_t rfn,
			    struct model_region *region, enum trace_op op, unsigned int first,
			    unsigned int nr, uint64_t t_ns)
{
	uint32_t before = model_region_state(region);

	if (op == TRACE_TO_SHARED)
		region_to_shared(model, vm, rfn, region, first, nr, t_ns);
	else if (op == TRACE_TO_PRIVATE)
		region_to_private(model, vm, rfn, region, first, nr, t_ns);
	else
		region_accept(model, region, first, nr, t_ns);
	note_state(model, vm, rfn, region, before, t_ns);
}

static int apply_conversion(struct model *model, struct model_vm *vm,
			    const struct trace_record *record)
{
	uint64_t gfn = record->gfn;
	uint64_t end = record->gfn + record->npages;

	while (gfn < end) {
		uint64_t rfn = gfn / REGION_PAGES;
		unsigned int first = gfn % REGION_PAGES;
		uint64_t left = end - gfn;
		unsigned int nr = left < REGION_PAGES - first ? (unsigned int)left :
								REGION_PAGES - first;
		struct model_region *region = model_region_find(vm, rfn);

		gfn += nr;
		/* P and A of a region that was never shared have no effect. */
		if (!region && record->op != TRACE_TO_SHARED)
			continue;
		if (!region)
			region = model_region_get(vm, rfn);
		if (!region)
			return -ENOMEM;
		apply_to_region(model, vm, rfn, region, record->op, first, nr, record->t_ns);
	}
	return 0;
}

static int apply_walk(struct model_vm *vm, const struct trace_record *record)
{
	struct model_region *region = model_region_get(vm, record->rfn);

	if (!region)
		return -ENOMEM;
	if (region->interval)
		interval_walk(region, record->t_ns);
	region->walk_ns_per_s = record->walk_ns_per_s;
	return 0;
}

static void vm_end(struct model *model, struct model_vm *vm, uint64_t t_ns)
{
	struct model_region *region;
	uint64_t rfn = 0;

	for (; (region = model_region_next(vm, &rfn)); rfn++)
		if (region->interval)
			interval_finish(model, vm, rfn, region, t_ns, false);
	vm->gone = true;
	vm_free_regions(vm);
}

int model_apply(struct model *model, const struct trace_record *record)
{
	struct model_vm *vm = NULL;

	if (record->op == TRACE_VM)
		return vm_add(model, record);
	if (record->op == TRACE_END) {
		for (size_t i = 0; i < model->nr_vms; i++)
			vm_end(model, model->vms[i], record->t_ns);
		model->ended = true;
		return 0;
	}
	vm = model_vm_find(model, record->vm_id);
	if (!vm || vm->gone)
		return -EINVAL;
	model->last_vm = vm;
	if (record->op == TRACE_WALK)
		return apply_walk(vm, record);
	if (record->op == TRACE_VM_GONE) {
		vm_end(model, vm, record->t_ns);
		return 0;
	}
	return apply_conversion(model, vm, record);
}

/* ---- tries, and splits by request ---- */

static enum lpage_reason try_region(struct model_region *region, uint64_t t_ns)
{
	if (!region || (!region->nr_shared && !region->nr_pending && !region->interval))
		return LPAGE_REASON_ALREADY_LARGE;
	if (region->nr_shared)
		return region->nr_shared == REGION_PAGES ? LPAGE_REASON_NOT_PRIVATE :
							   LPAGE_REASON_MIXED;
	if (region->nr_pending)
		return LPAGE_REASON_NOT_ACCEPTED;
	if (region->merged)
		return LPAGE_REASON_ALREADY_LARGE;
	interval_walk(region, t_ns);
	region->merged = true;
	region->merge_ns = t_ns;
	region->small = false;
	return LPAGE_REASON_NONE;
}

enum lpage_reason model_try(struct model *model, uint32_t vm_id, uint64_t rfn, uint64_t t_ns)
{
	struct model_vm *vm = model_vm_find(model, vm_id);
	struct model_region *region = NULL;
	enum lpage_reason reason;

	if (!vm || vm->gone || model->ended) {
		reason = LPAGE_REASON_VM_GONE;
	} else if (rfn >= vm->regions) {
		reason = LPAGE_REASON_BAD_RANGE;
	} else {
		region = model_region_find(vm, rfn);
		reason = try_region(region, t_ns);
	}
	if (reason != LPAGE_REASON_NONE) {
		model->score.refusals++;
		return reason;
	}
	model->score.merges++;
	note_state(model, vm, rfn, region, KVM_LPAGE_STATE_TABLE, t_ns);
	return reason;
}

/*
 * Its walks cost from now on, and it may be merged again: an interval like others, but for the conversion
 * at its begin.
 */
static void split_region(struct model *model, struct model_region *region, uint64_t t_ns)
{
	model->score.forced_splits++;
	if (region->interval)
		interval_walk(region, t_ns);
	else
		interval_begin(model, region, t_ns);
	region->merged = false;
	region->small = true;
}

enum lpage_reason model_split(struct model *model, uint32_t vm_id, uint64_t rfn, uint64_t t_ns)
{
	struct model_vm *vm = model_vm_find(model, vm_id);
	struct model_region *region;

	if (!vm || vm->gone || model->ended)
		return LPAGE_REASON_VM_GONE;
	if (rfn >= vm->regions)
		return LPAGE_REASON_BAD_RANGE;
	region = model_region_get(vm, rfn);
	if (!region)
		return LPAGE_REASON_NO_MEMORY;
	if (model_region_state(region) != KVM_LPAGE_STATE_LARGE)
		return LPAGE_REASON_ALREADY_SMALL;
	split_region(model, region, t_ns);
	note_state(model, vm, rfn, region, KVM_LPAGE_STATE_LARGE, t_ns);
	return LPAGE_REASON_NONE;
}

/* ---- results ---- */

static model_walk model_cost(const struct model *model)
{
	const struct model_score *score = &model->score;

	return score->walk + NS_PER_S * ((model_walk)score->merges * model->costs.merge_ns +
					 (model_walk)score->splits * model->costs.split_ns +
					 (model_walk)score->refusals * model->costs.fail_ns);
}

uint64_t model_cost_ns(const struct model *model)
{
	return (uint64_t)(model_cost(model) / NS_PER_S);
}

uint64_t model_opt_ns(const struct model *model)
{
	return (uint64_t)(model->score.opt / NS_PER_S);
}

uint64_t model_walk_ns(const struct model *model)
{
	return (uint64_t)(model->score.walk / NS_PER_S);
}

double model_ratio(const struct model *model)
{
	return model->score.opt ? (double)model_cost(model) / (double)model->score.opt : NAN;
}

void model_init(struct model *model, const struct trace_costs *costs)
{
	*model = (struct model){.costs = *costs};
}

void model_done(struct model *model)
{
	for (size_t i = 0; i < model->nr_vms; i++) {
		vm_free_regions(model->vms[i]);
		free(model->vms[i]);
	}
	free(model->vms);
	*model = (struct model){0};
}
