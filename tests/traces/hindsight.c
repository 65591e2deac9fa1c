// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/traces/hindsight.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/past.h"

#define VMS_MAX		 64
#define REGIONS		 4096
#define THRESHOLDS	 40
#define KINDS_MAX	 64 /* of regions, in a trace */
#define GROUPS		 (KINDS_MAX + PAST_FIRSTS)
#define BREAK_EVEN_STEPS 6400 /* of hazard.h, at default costs */
#define FIRST_NS	 1e6
#define LAST_BREAK_EVENS 4 /* the longest threshold but "never" */

/* By kind of region, and, after those, of first intervals by class. */
struct groups {
	double cost[GROUPS][THRESHOLDS];
};

struct hindsight_pool {
	struct groups groups;
	char kinds[KINDS_MAX][32];
};

/* What each threshold would have cost. */
struct sums {
	struct hindsight *hindsight;
	struct model model;
	double thresholds_ns[VMS_MAX][THRESHOLDS];
	double cost[VMS_MAX][REGIONS][THRESHOLDS];
	struct groups groups[VMS_MAX];
	bool known[VMS_MAX][REGIONS]; /* has had an interval */
	char kinds[KINDS_MAX][32];
	uint8_t kind[VMS_MAX][REGIONS]; /* index of it */
};

static double break_even_ns(const struct sums *sums, const struct model_vm *vm)
{
	double cost_ns = (double)(sums->model.costs.merge_ns + sums->model.costs.split_ns);

	return cost_ns * (double)NS_PER_S / (double)(vm->walk_ns_per_s ? vm->walk_ns_per_s : 1);
}

static void make_thresholds(struct sums *sums, const struct model_vm *vm)
{
	double *thresholds_ns = sums->thresholds_ns[vm->id % VMS_MAX];
	double last_ns = fmax(LAST_BREAK_EVENS * break_even_ns(sums, vm), 2 * FIRST_NS);

	for (int i = 0; i < THRESHOLDS - 1; i++)
		thresholds_ns[i] = FIRST_NS * pow(last_ns / FIRST_NS, i / (THRESHOLDS - 2.0));
	thresholds_ns[THRESHOLDS - 1] = DBL_MAX;
}

/* What the policy can see of a region before its first interval. */
static unsigned int first_class(const struct sums *sums, const struct model_vm *vm,
				const struct model_region *region)
{
	double shared = (double)(region->last_to_private_ns - region->last_to_shared_ns) /
			break_even_ns(sums, vm);

	return past_first_class((uint64_t)(BREAK_EVEN_STEPS * shared), region->to_shared_pages);
}

static void add(struct sums *sums, const struct model_vm *vm, uint64_t rfn,
		const struct model_region *region, const double cost[static THRESHOLDS])
{
	struct hindsight_pool *pool = sums->hindsight->pool;
	bool *known = &sums->known[vm->id % VMS_MAX][rfn % REGIONS];
	unsigned int group = *known ? sums->kind[vm->id % VMS_MAX][rfn % REGIONS] :
				      KINDS_MAX + first_class(sums, vm, region);

	*known = true;
	for (int i = 0; i < THRESHOLDS; i++) {
		sums->cost[vm->id % VMS_MAX][rfn % REGIONS][i] += cost[i];
		sums->groups[vm->id % VMS_MAX].cost[group][i] += cost[i];
		if (pool)
			pool->groups.cost[group][i] += cost[i];
	}
}

/* Tries at @age_ns and its doubles until @until_ns are refused. Returns the age of the next. */
static double refuse(const struct sums *sums, double age_ns, double until_ns, double *cost)
{
	for (; age_ns < until_ns; age_ns *= 2)
		*cost += (double)sums->model.costs.fail_ns;
	return age_ns;
}

static void on_interval(void *ctx, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	struct sums *sums = ctx;
	double late_ns = (double)(region->start_ns - region->last_to_private_ns);
	double length_ns = (double)(end_ns - region->start_ns);
	double walk = (double)region->walk / (double)NS_PER_S;
	double change = (double)sums->model.costs.merge_ns +
			(region->partial ? (double)sums->model.costs.split_ns : 0);
	double cost[THRESHOLDS] = {0};

	for (int i = 0; i < THRESHOLDS; i++) {
		double age_ns =
			refuse(sums, sums->thresholds_ns[vm->id % VMS_MAX][i], late_ns, &cost[i]) -
			late_ns;

		cost[i] += age_ns < length_ns ? walk * age_ns / length_ns + change : walk;
	}
	add(sums, vm, rfn, region, cost);
	if (sums->hindsight->interval)
		sums->hindsight->interval(sums->hindsight->ctx, vm, rfn, region, end_ns);
}

/* The region is converted again, or its VM goes, at @end_ns: has it come back without ever being accepted? */
static void end_pending(struct sums *sums, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	double late_ns = (double)(end_ns - region->last_to_private_ns);
	double cost[THRESHOLDS] = {0};

	if (region->nr_shared || !region->nr_pending || !region->small || region->dropped)
		return;
	for (int i = 0; i < THRESHOLDS; i++)
		refuse(sums, sums->thresholds_ns[vm->id % VMS_MAX][i], late_ns, &cost[i]);
	add(sums, vm, rfn, region, cost);
}

static void end_pending_of_vm(struct sums *sums, const struct model_vm *vm, uint64_t end_ns)
{
	struct model_region *region;

	if (vm->gone)
		return;
	for (uint64_t rfn = 0; (region = model_region_next(vm, &rfn)); rfn++)
		end_pending(sums, vm, rfn, region, end_ns);
}

static void before(struct sums *sums, const struct trace_record *record)
{
	const struct model *model = &sums->model;
	const struct model_vm *vm = model_vm_find(model, record->vm_id);

	if (record->op == TRACE_END)
		for (size_t i = 0; i < model->nr_vms; i++)
			end_pending_of_vm(sums, model->vms[i], record->t_ns);
	if (record->op == TRACE_VM_GONE && vm)
		end_pending_of_vm(sums, vm, record->t_ns);
	if (record->op != TRACE_TO_SHARED || !vm)
		return;
	for (uint64_t rfn = record->gfn / REGION_PAGES;
	     rfn <= (record->gfn + record->npages - 1) / REGION_PAGES; rfn++) {
		const struct model_region *region = model_region_find(vm, rfn);

		if (region)
			end_pending(sums, vm, rfn, region, record->t_ns);
	}
}

static int play(struct sums *sums, struct trace_reader *reader)
{
	struct trace_record record;
	int more;

	model_init(&sums->model, trace_costs(reader));
	sums->model.ctx = sums;
	sums->model.interval = on_interval;
	while ((more = trace_next(reader, &record)) > 0) {
		before(sums, &record);
		if (model_apply(&sums->model, &record))
			return -ENOMEM;
		if (record.op == TRACE_VM)
			make_thresholds(sums, model_vm_find(&sums->model, record.vm_id));
	}
	return more;
}

static uint8_t kind_index(char kinds[static KINDS_MAX][32], const char *name)
{
	uint8_t i = 0;

	while (i < KINDS_MAX - 1 && kinds[i][0] && strcmp(kinds[i], name))
		i++;
	snprintf(kinds[i], sizeof(kinds[i]), "%s", name);
	return i;
}

static void read_kinds(struct sums *sums, const char *text)
{
	static const char mark[] = "\n# region ";
	struct hindsight_pool *pool = sums->hindsight->pool;

	while ((text = strstr(text, mark))) {
		uint32_t vm;
		uint32_t rfn;
		char name[32];

		text += sizeof(mark) - 1;
		if (sscanf(text, "%" SCNu32 " %" SCNu32 " %31s", &vm, &rfn, name) == 3)
			sums->kind[vm % VMS_MAX][rfn % REGIONS] =
				kind_index(pool ? pool->kinds : sums->kinds, name);
	}
}

static double least(const double cost[static THRESHOLDS])
{
	double best = DBL_MAX;

	for (int i = 0; i < THRESHOLDS; i++)
		best = fmin(best, cost[i]);
	return best;
}

static double least_of_groups(const struct groups *groups)
{
	double sum = 0;

	for (int group = 0; group < GROUPS; group++)
		sum += least(groups->cost[group]);
	return sum;
}

static void add_up(const struct sums *sums, struct hindsight *ret)
{
	double all[THRESHOLDS] = {0};

	for (size_t n = 0; n < sums->model.nr_vms; n++) {
		uint32_t vm = sums->model.vms[n]->id % VMS_MAX;
		double cost[KINDS_MAX][THRESHOLDS] = {0};

		for (int rfn = 0; rfn < REGIONS; rfn++) {
			ret->regions += least(sums->cost[vm][rfn]);
			for (int i = 0; i < THRESHOLDS; i++) {
				cost[sums->kind[vm][rfn]][i] += sums->cost[vm][rfn][i];
				all[i] += sums->cost[vm][rfn][i];
			}
		}
		for (int kind = 0; kind < KINDS_MAX; kind++)
			ret->kinds += least(cost[kind]);
		ret->later += least_of_groups(&sums->groups[vm]);
	}
	ret->fixed += least(all);
}

int hindsight_run(struct hindsight *hindsight, const char *text, size_t len)
{
	struct sums *sums = calloc(1, sizeof(*sums));
	struct trace_reader *reader = NULL;
	int err = sums ? trace_open_buffer("trace", text, len, &reader) : -ENOMEM;

	if (!err) {
		sums->hindsight = hindsight;
		read_kinds(sums, text);
		err = play(sums, reader);
	}
	if (!err)
		add_up(sums, hindsight);
	if (sums)
		model_done(&sums->model);
	trace_close(reader);
	free(sums);
	return err;
}

struct hindsight_pool *hindsight_pool_new(void)
{
	return calloc(1, sizeof(struct hindsight_pool));
}

void hindsight_pool_free(struct hindsight_pool *pool)
{
	free(pool);
}

double hindsight_pool_cost(const struct hindsight_pool *pool)
{
	return least_of_groups(&pool->groups);
}
