// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/report/gather.h"

#include <errno.h>
#include <linux/kvm_lpage.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#define GONE REPORT_STATES /* the region of a VM that does not exist at that time */

static uint64_t part_of(uint64_t whole, uint64_t parts)
{
	return whole > parts ? (whole + parts - 1) / parts : 1;
}

/* ---- curves ---- */

static struct report_point *point_at(struct report_run *run, uint64_t t_ns)
{
	uint64_t i = t_ns / run->step_ns;

	return &run->points[i < run->nr_points ? i : run->nr_points - 1];
}

/* Accounts the time since the last change. */
static void pass_time(struct report_run *run, uint64_t t_ns)
{
	while (run->now_ns < t_ns) {
		struct report_point *point = point_at(run, run->now_ns);
		uint64_t next = (run->now_ns / run->step_ns + 1) * run->step_ns;
		uint64_t ns = (next < t_ns ? next : t_ns) - run->now_ns;

		point->large += (model_walk)run->states[KVM_LPAGE_STATE_LARGE] * ns;
		point->table += (model_walk)run->states[KVM_LPAGE_STATE_TABLE] * ns;
		run->now_ns += ns;
	}
}

/* Takes constant time however many steps the interval spans: see whole_steps. */
static void add_merged_by_optimum(struct report_run *run, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t first = from_ns / run->step_ns, last = to_ns / run->step_ns;

	if (first == last) {
		point_at(run, from_ns)->merged_by_optimum += to_ns - from_ns;
		return;
	}
	point_at(run, from_ns)->merged_by_optimum += (first + 1) * run->step_ns - from_ns;
	run->whole_steps[first + 1]++;
	run->whole_steps[last]--;
	if (last < run->nr_points)
		run->points[last].merged_by_optimum += to_ns - last * run->step_ns;
}

/* ---- VMs ---- */

static void add_vm_regions(struct report_run *run, const uint64_t vm_states[REPORT_STATES])
{
	for (size_t i = 0; i < REPORT_STATES; i++)
		run->states[i] += vm_states[i];
}

static void remove_vm_regions(struct report_run *run, const uint64_t vm_states[REPORT_STATES])
{
	for (size_t i = 0; i < REPORT_STATES; i++)
		run->states[i] -= vm_states[i];
}

static void change_vm(struct report_run *run, const struct trace_record *record)
{
	const struct report_vm *vm = report_facts_vm(run->facts, record->vm_id);
	uint64_t *vm_states;

	if (!vm)
		return;
	vm_states = run->vm_states[vm - run->facts->vms];
	if (record->op == TRACE_VM) {
		vm_states[KVM_LPAGE_STATE_LARGE] = record->regions;
		add_vm_regions(run, vm_states);
	} else {
		remove_vm_regions(run, vm_states);
	}
}

/* When a VM ends, or the trace. */
static uint64_t vm_end_ns(const struct report_run *run, uint32_t vm_id)
{
	const struct report_vm *vm = report_facts_vm(run->facts, vm_id);

	return vm ? vm->end_ns : run->facts->end_ns;
}

/* ---- time lines ---- */

static size_t column_of(const struct report_run *run, uint64_t t_ns)
{
	unsigned __int128 part = (unsigned __int128)t_ns * REPORT_COLUMNS;

	return t_ns < run->facts->end_ns ? (size_t)(part / run->facts->end_ns) : REPORT_COLUMNS - 1;
}

/* The start of a column in ns. */
static uint64_t column_start(const struct report_run *run, size_t column)
{
	unsigned __int128 part = (unsigned __int128)run->facts->end_ns * column;

	return (uint64_t)((part + REPORT_COLUMNS - 1) / REPORT_COLUMNS);
}

static void timeline_to(const struct report_run *run, struct report_timeline *timeline,
			uint64_t t_ns, uint32_t state)
{
	while (timeline->from_ns < t_ns) {
		size_t column = column_of(run, timeline->from_ns);
		uint64_t next = column_start(run, column + 1);
		uint64_t ns = (next < t_ns ? next : t_ns) - timeline->from_ns;

		if (timeline->state != GONE)
			timeline->state_ns[column][timeline->state] += ns;
		timeline->from_ns += ns;
	}
	timeline->state = state;
}

static void end_timelines(struct report_run *run, const struct trace_record *record)
{
	for (size_t i = 0; i < run->nr_timelines; i++) {
		struct report_timeline *timeline = &run->timelines[i];

		if (record->op == TRACE_END || timeline->vm_id == record->vm_id)
			timeline_to(run, timeline, record->t_ns, GONE);
	}
}

static struct report_timeline *find_timeline(const struct report_run *run, uint32_t vm_id,
					     uint64_t rfn)
{
	for (size_t i = 0; i < run->nr_timelines; i++)
		if (run->timelines[i].rfn == rfn && run->timelines[i].vm_id == vm_id)
			return &run->timelines[i];
	return NULL;
}

int report_run_want_timelines(struct report_run *run, const struct report_region *regions,
			      size_t nr)
{
	run->timelines = calloc(nr ? nr : 1, sizeof(*run->timelines));
	if (!run->timelines)
		return -ENOMEM;
	run->nr_timelines = nr;
	for (size_t i = 0; i < nr; i++) {
		const struct report_vm *vm = report_facts_vm(run->facts, regions[i].vm_id);

		run->timelines[i].vm_id = regions[i].vm_id;
		run->timelines[i].rfn = regions[i].rfn;
		run->timelines[i].state = KVM_LPAGE_STATE_LARGE;
		run->timelines[i].from_ns = vm ? vm->start_ns : 0;
	}
	return 0;
}

/* ---- regions ---- */

static int by_place(const void *a, const void *b)
{
	const struct report_region *left = a, *right = b;

	if (left->vm_id != right->vm_id)
		return left->vm_id > right->vm_id ? 1 : -1;
	return (left->rfn > right->rfn) - (left->rfn < right->rfn);
}

/* NULL: not kept, or out of memory. */
static struct report_region *region_get(struct report_run *run, uint32_t vm_id, uint64_t rfn)
{
	const struct report_region key = {.vm_id = vm_id, .rfn = rfn};
	struct report_region *region, **node;

	if (!run->keep_regions)
		return NULL;
	node = tfind(&key, &run->regions, by_place);
	if (node)
		return *node;
	region = calloc(1, sizeof(*region));
	if (region) {
		*region = key;
		node = tsearch(region, &run->regions, by_place);
	}
	if (!node) {
		free(region);
		run->error = -ENOMEM;
		return NULL;
	}
	run->touched_regions++;
	return region;
}

static model_walk regret_sum(const struct report_regret *regret)
{
	return regret->wasted + regret->late + regret->missed;
}

/* Compares an interval that ended with its optimum. */
static void add_regret(const struct model_region *region, model_walk paid,
		       struct report_regret *ret)
{
	bool pays = region->walk >= paid;

	if (region->merged && !pays) {
		ret->wasted += region->walked + paid - region->walk;
		ret->nr_wasted++;
	} else if (region->merged) {
		ret->late += region->walked;
		ret->nr_late++;
	} else if (pays && region->walk > paid) {
		ret->missed += region->walk - paid;
		ret->nr_missed++;
	}
}

static void add_to_region(struct report_region *ret, const struct model_region *region,
			  model_walk paid)
{
	ret->intervals++;
	ret->merges += region->merged;
	ret->splits += region->merged && region->partial;
	ret->cost += region->walked + (region->merged ? paid : 0);
	ret->opt += region->walk < paid ? region->walk : paid;
	add_regret(region, paid, &ret->regret);
}

/* ---- callbacks of the run ---- */

static size_t length_class(uint64_t ns)
{
	unsigned int octave = 63 - (unsigned int)__builtin_clzll(ns | 1);

	/* Is it above the root of 2 of its octave? */
	return 2 * octave +
	       ((unsigned __int128)ns * ns >= (unsigned __int128)1 << (2 * octave + 1));
}

double report_length_edge(size_t class)
{
	return exp2((double)class / 2);
}

static void on_interval(void *ctx, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	struct report_run *run = ctx;
	const struct trace_costs *costs = &run->facts->costs;
	model_walk paid =
		(model_walk)(costs->merge_ns + (region->partial ? costs->split_ns : 0)) * NS_PER_S;
	struct report_region *kept = region_get(run, vm->id, rfn);

	if (kept)
		add_to_region(kept, region, paid);
	add_regret(region, paid, &run->regret);
	if (region->walk >= paid) {
		run->opt_merges++;
		run->opt_splits += region->partial;
		add_merged_by_optimum(run, region->start_ns, end_ns);
	}
	if (region->partial || end_ns < vm_end_ns(run, vm->id))
		run->converted[length_class(end_ns - region->start_ns)]++;
	else
		run->cut[length_class(end_ns - region->start_ns)]++;
}

static void on_record(void *ctx, const struct trace_record *record)
{
	struct report_run *run = ctx;

	pass_time(run, record->t_ns);
	if (record->op == TRACE_VM || record->op == TRACE_VM_GONE)
		change_vm(run, record);
	if (record->op == TRACE_VM_GONE || record->op == TRACE_END)
		end_timelines(run, record);
}

static void on_state(void *ctx, const struct model_vm *vm, uint64_t rfn, uint32_t before,
		     uint32_t after, uint64_t t_ns)
{
	struct report_run *run = ctx;
	const struct report_vm *fact = report_facts_vm(run->facts, vm->id);
	struct report_timeline *timeline = find_timeline(run, vm->id, rfn);

	pass_time(run, t_ns);
	if (fact) {
		run->vm_states[fact - run->facts->vms][before]--;
		run->vm_states[fact - run->facts->vms][after]++;
	}
	run->states[before]--;
	run->states[after]++;
	if (!timeline)
		return;
	timeline_to(run, timeline, t_ns, after);
	if (after == KVM_LPAGE_STATE_MIXED)
		timeline->conversions[column_of(run, t_ns)]++;
}

static void on_try(void *ctx, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason,
		   uint64_t now_ns)
{
	struct report_run *run = ctx;
	struct report_timeline *timeline = find_timeline(run, vm_id, rfn);
	struct report_region *kept;

	if (timeline && reason == LPAGE_REASON_NONE)
		timeline->merges[column_of(run, now_ns)]++;
	else if (timeline)
		timeline->refused[column_of(run, now_ns)]++;
	if (reason == LPAGE_REASON_NONE)
		return;
	run->regret.refused++;
	kept = region_get(run, vm_id, rfn);
	if (!kept)
		return;
	kept->regret.refused++;
	kept->cost += (model_walk)run->facts->costs.fail_ns * NS_PER_S;
}

/* ---- a run ---- */

int report_run_new(const struct report_facts *facts, struct report_run **ret)
{
	struct report_run *run = calloc(1, sizeof(*run));

	if (!run)
		return -ENOMEM;
	run->facts = facts;
	run->step_ns = part_of(facts->end_ns, REPORT_POINTS);
	run->nr_points = facts->end_ns ? part_of(facts->end_ns, run->step_ns) : 1;
	run->vm_states = calloc(facts->nr_vms ? facts->nr_vms : 1, sizeof(*run->vm_states));
	if (!run->vm_states) {
		free(run);
		return -ENOMEM;
	}
	*ret = run;
	return 0;
}

struct report_run *report_run_free(struct report_run *run)
{
	if (!run)
		return NULL;
	tdestroy(run->regions, free);
	free(run->timelines);
	free(run->vm_states);
	free(run);
	return NULL;
}

void report_run_attach(struct report_run *run, struct simulate_options *options)
{
	options->on_interval = on_interval;
	options->on_record = on_record;
	options->on_state = on_state;
	options->on_try = on_try;
	options->ctx = run;
}

int report_run_finish(struct report_run *run)
{
	int64_t whole = 0;

	for (size_t i = 0; i < run->nr_points; i++) {
		whole += run->whole_steps[i];
		run->points[i].merged_by_optimum += (model_walk)whole * run->step_ns;
	}
	return run->error;
}

/* ---- the worst regions ---- */

struct worst {
	struct report_region *list;
	size_t nr;
	uint64_t fail_ns;
};

static model_walk region_regret(const struct worst *worst, const struct report_region *region)
{
	return regret_sum(&region->regret) +
	       (model_walk)region->regret.refused * worst->fail_ns * NS_PER_S;
}

/* Regions come in the order of their place, so the first of equals stays first. */
static void visit(const void *node, VISIT which, void *closure)
{
	const struct report_region *region = *(const struct report_region *const *)node;
	struct worst *worst = closure;
	size_t at;

	if ((which != postorder && which != leaf) || !region_regret(worst, region))
		return;
	at = worst->nr;
	while (at > 0 &&
	       region_regret(worst, &worst->list[at - 1]) < region_regret(worst, region)) {
		if (at < REPORT_WORST)
			worst->list[at] = worst->list[at - 1];
		at--;
	}
	if (at == REPORT_WORST)
		return;
	worst->list[at] = *region;
	if (worst->nr < REPORT_WORST)
		worst->nr++;
}

size_t report_run_worst(const struct report_run *run, struct report_region ret[REPORT_WORST])
{
	struct worst worst = {.list = ret, .fail_ns = run->facts->costs.fail_ns};

	twalk_r(run->regions, visit, &worst);
	return worst.nr;
}
