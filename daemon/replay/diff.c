// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/replay/diff.h"

#include <errno.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

/* Costs and their differences, in 10^-9 ns as walks are. */
typedef __int128 cost;

static void on_interval(void *ctx, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	struct diff_run *run = ctx;

	(void)end_ns;
	if (!region->merged)
		return;
	if (array_reserve(&run->merges, &run->capacity, run->nr + 1, sizeof(*run->merges)) < 0) {
		run->error = -ENOMEM;
		return;
	}
	run->merges[run->nr++] = (struct diff_merge){
		.vm_id = vm->id,
		.partial = region->partial,
		.rfn = rfn,
		.start_ns = region->start_ns,
		.merge_ns = region->merge_ns,
		.walk = region->walk,
		.walked = region->walked,
	};
}

void diff_run_attach(struct diff_run *run, struct simulate_options *options)
{
	options->on_interval = on_interval;
	options->ctx = run;
}

void diff_run_done(struct diff_run *run)
{
	free(run->merges);
	*run = (struct diff_run){.merges = NULL};
}

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_interval(const void *left, const void *right)
{
	const struct diff_merge *a = left, *b = right;
	int r = order(a->vm_id, b->vm_id);

	if (r == 0)
		r = order(a->rfn, b->rfn);
	return r ? r : order(a->start_ns, b->start_ns);
}

static int by_weight(const void *left, const void *right)
{
	const struct diff_decision *a = left, *b = right;
	int r = order((uint64_t)llabs(b->cost_ns), (uint64_t)llabs(a->cost_ns));

	if (r == 0)
		r = order(a->vm_id, b->vm_id);
	if (r == 0)
		r = order(a->rfn, b->rfn);
	return r ? r : order(a->first_ns, b->first_ns);
}

/* What the merge costs beyond walking through its interval. */
static cost beyond_walking(const struct diff_merge *merge, const struct trace_costs *costs)
{
	uint64_t paid_ns = costs->merge_ns + (merge->partial ? costs->split_ns : 0);

	return (cost)merge->walked + (cost)paid_ns * (cost)NS_PER_S - (cost)merge->walk;
}

static int64_t in_ns(cost value)
{
	return (int64_t)(value / (cost)NS_PER_S);
}

/* One interval; @a or @b is NULL when that run has no merge in it. */
static cost compare_merges(const struct diff_merge *a, const struct diff_merge *b,
			   const struct trace_costs *costs, struct diff_decision *ret)
{
	const struct diff_merge *merge = a ? a : b;
	cost difference = (a ? beyond_walking(a, costs) : 0) - (b ? beyond_walking(b, costs) : 0);

	*ret = (struct diff_decision){
		.change = !b			     ? DIFF_ADDED :
			  !a			     ? DIFF_DROPPED :
			  a->merge_ns != b->merge_ns ? DIFF_MOVED :
						       DIFF_SAME,
		.vm_id = merge->vm_id,
		.rfn = merge->rfn,
		.first_ns = a ? a->merge_ns : UINT64_MAX,
		.second_ns = b ? b->merge_ns : UINT64_MAX,
		.cost_ns = in_ns(difference),
	};
	return difference;
}

static void count(struct diff *diff, const struct diff_decision *decision)
{
	diff->sums[decision->change].merges++;
	diff->earlier += decision->change == DIFF_MOVED && decision->first_ns < decision->second_ns;
	diff->later += decision->change == DIFF_MOVED && decision->first_ns > decision->second_ns;
	if (decision->change != DIFF_SAME)
		diff->decisions[diff->nr++] = *decision;
}

/* Both are sorted. */
static void join(const struct diff_run *first, const struct diff_run *second,
		 const struct trace_costs *costs, struct diff *ret)
{
	cost sums[DIFF_CHANGES] = {0};
	size_t i = 0, k = 0;

	while (i < first->nr || k < second->nr) {
		const struct diff_merge *a = i < first->nr ? &first->merges[i] : NULL;
		const struct diff_merge *b = k < second->nr ? &second->merges[k] : NULL;
		int r = a && b ? by_interval(a, b) : a ? -1 : 1;
		struct diff_decision decision;
		cost difference =
			compare_merges(r <= 0 ? a : NULL, r >= 0 ? b : NULL, costs, &decision);

		sums[decision.change] += difference;
		count(ret, &decision);
		i += r <= 0;
		k += r >= 0;
	}
	for (size_t change = 0; change < DIFF_CHANGES; change++)
		ret->sums[change].cost_ns = in_ns(sums[change]);
}

int diff_compare(struct diff_run *first, struct diff_run *second, const struct trace_costs *costs,
		 struct diff *ret)
{
	size_t most = first->nr + second->nr;

	if (first->error || second->error)
		return first->error ? first->error : second->error;
	*ret = (struct diff){.decisions = calloc(most ? most : 1, sizeof(*ret->decisions))};
	if (!ret->decisions)
		return -ENOMEM;
	if (first->nr)
		qsort(first->merges, first->nr, sizeof(*first->merges), by_interval);
	if (second->nr)
		qsort(second->merges, second->nr, sizeof(*second->merges), by_interval);
	join(first, second, costs, ret);
	qsort(ret->decisions, ret->nr, sizeof(*ret->decisions), by_weight);
	return 0;
}

void diff_done(struct diff *diff)
{
	free(diff->decisions);
	*diff = (struct diff){.decisions = NULL};
}
