// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How far from the best order is the queue when merges are scarce? Bounds from below what any policy pays under
 * a merge rate, even one that knows the whole trace, by Lagrangian duality: at most RATE * (BURST_S + t) merges
 * fit into a span t. So in a span [a, b], L long, a merge at time t may be given the price
 * w * min(b - t, H), for any H <= L, on condition that what all of them could bring in,
 * w * RATE * (L * H - H^2 / 2 + BURST_S * H), is added to the saving. With w at most the walk cost of its
 * region, an interval merges at its start or at b, if at all. Any set of disjoint spans is a proof; those in
 * which a queue would have stood make it a good one. A CPU budget is a rate of budget / M.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/replay/simulate.h"
#include "tests/lib/tracegen.h"
#include "tests/traces/hindsight.h"
#include "tests/traces/sweep.h"

#define RATE	5.0
#define BURST_S 10.0
#define SCALE	1.0
#define PARTS	16 /* spans and prices are tried in steps of the longest by this */

struct interval {
	double start_s;
	double end_s;
	double walk; /* ns per s */
	double merge_ns;
};

struct intervals {
	struct interval *all;
	size_t nr;
	size_t capacity;
	double walk_ns;
	struct trace_costs costs;
	bool failed;
};

static void on_interval(void *ctx, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	struct intervals *intervals = ctx;
	double length_s = (double)(end_ns - region->start_ns) / (double)NS_PER_S;
	double walk_ns = (double)region->walk / (double)NS_PER_S;
	double merge_ns = (double)intervals->costs.merge_ns +
			  (region->partial ? (double)intervals->costs.split_ns : 0);

	(void)vm;
	(void)rfn;
	intervals->walk_ns += walk_ns;
	if (walk_ns <= merge_ns)
		return;
	if (array_reserve(&intervals->all, &intervals->capacity, intervals->nr + 1,
			  sizeof(*intervals->all))) {
		intervals->failed = true;
		return;
	}
	intervals->all[intervals->nr++] = (struct interval){
		.start_s = (double)region->start_ns / (double)NS_PER_S,
		.end_s = (double)end_ns / (double)NS_PER_S,
		.walk = walk_ns / length_s,
		.merge_ns = merge_ns,
	};
}

static int by_start(const void *a, const void *b)
{
	const struct interval *x = a;
	const struct interval *y = b;

	return x->start_s < y->start_s ? -1 : x->start_s > y->start_s;
}

/* The most that @nr intervals that start in a span save, if merges in it have the price of @high_s. */
static double saving_ns(const struct interval *all, size_t nr, double length_s, double high_s)
{
	double price = HUGE_VAL;
	double sum_ns = 0;

	for (size_t i = 0; i < nr; i++)
		price = fmin(price, all[i].walk);
	for (size_t i = 0; i < nr; i++) {
		double until_s = fmax(all->start_s + length_s, all[i].start_s);
		double now_ns = all[i].walk * (all[i].end_s - all[i].start_s) -
				price * fmin(until_s - all[i].start_s, high_s);
		double then_ns = all[i].walk * (all[i].end_s - until_s);

		sum_ns += fmax(fmax(now_ns, then_ns) - all[i].merge_ns, 0);
	}
	return sum_ns + price * RATE * high_s * (length_s - high_s / 2 + BURST_S);
}

/* A queue stands from the first of @nr intervals on for up to @length_s: the best prices in that. */
static double best_saving_ns(const struct interval *all, size_t nr, double length_s)
{
	double best_ns = saving_ns(all, nr, 0, 0);

	for (int part = 1; part <= PARTS; part++)
		for (int high = 1; high <= part; high++)
			best_ns = fmin(best_ns, saving_ns(all, nr, length_s * part / PARTS,
							  length_s * high / PARTS));
	return best_ns;
}

/* No policy that keeps to the rate pays less. Cuts time where a queue that is served in turn runs empty. */
static double least_ns(struct intervals *intervals)
{
	double most_ns = 0;
	double tokens = RATE * BURST_S;
	size_t first = 0;

	qsort(intervals->all, intervals->nr, sizeof(*intervals->all), by_start);
	for (size_t i = 0; i < intervals->nr; i++) {
		const struct interval *all = intervals->all;
		bool is_last = i + 1 == intervals->nr;

		tokens -= 1;
		if (!is_last)
			tokens += RATE * (all[i + 1].start_s - all[i].start_s);
		if (is_last || tokens >= 0) {
			double served_s =
				all[i].start_s - all[first].start_s + fmax(1 - tokens, 0) / RATE;

			most_ns += best_saving_ns(all + first, i + 1 - first, served_s);
			first = i + 1;
		}
		tokens = fmin(tokens, RATE * BURST_S);
	}
	return intervals->walk_ns - most_ns;
}

/* ns. */
struct scores {
	double free;	/* adaptive, with the default budgets */
	double limited; /* with RATE */
	double least;	/* of RATE */
	double opt;
};

static int run(struct config config, const char *text, size_t len, uint64_t rate,
	       struct simulate_result *ret)
{
	const struct simulate_options options = {.config = &config};
	struct trace_reader *reader;
	int err = trace_open_buffer("trace", text, len, &reader);

	if (rate)
		config.global.merge_rate_per_s = config.defaults.merge_rate_per_s = rate;
	if (!err)
		err = simulate_run(&options, reader, ret);
	trace_close(reader);
	return err;
}

static int find_least(const char *text, size_t len, double *ret_ns)
{
	struct intervals intervals = {0};
	struct hindsight hindsight = {.interval = on_interval, .ctx = &intervals};
	struct trace_reader *reader;
	int err = trace_open_buffer("trace", text, len, &reader);

	if (!err)
		intervals.costs = *trace_costs(reader);
	trace_close(reader);
	if (!err)
		err = hindsight_run(&hindsight, text, len);
	if (!err && intervals.failed)
		err = -ENOMEM;
	if (!err)
		*ret_ns = least_ns(&intervals);
	free(intervals.all);
	return err;
}

static int score(const struct config *config, int kind, uint64_t seed, struct scores *ret)
{
	struct simulate_result result;
	char *text = NULL;
	size_t len;
	int err = tracegen_buffer((enum tracegen_kind)kind, seed, SCALE, &text, &len);

	if (!err)
		err = run(*config, text, len, 0, &result);
	ret->free = (double)result.cost_ns;
	ret->opt = (double)result.opt_ns;
	if (!err)
		err = run(*config, text, len, (uint64_t)RATE, &result);
	ret->limited = (double)result.cost_ns;
	if (!err)
		err = find_least(text, len, &ret->least);
	free(text);
	return err;
}

int sweep_budget(const struct config *config, FILE *json, uint64_t first_seed)
{
	int err = 0;

	printf("%-17s %12s %14s %14s %14s\n", "5 merges/s", "adaptive", "at the rate",
	       "least there", "above that");
	fprintf(json, "  \"budget\": [\n");
	for (int kind = 0; kind < TRACEGEN_KINDS_END && !err; kind++) {
		struct scores scores;

		err = score(config, kind, first_seed, &scores);
		if (err)
			break;
		printf("%-17s %12.4f %14.4f %14.4f %13.1f%%\n",
		       tracegen_name((enum tracegen_kind)kind), scores.free / scores.opt,
		       scores.limited / scores.opt, scores.least / scores.opt,
		       100 * (scores.limited / scores.least - 1));
		fprintf(json,
			"    {\"kind\": \"%s\", \"adaptive\": %.6f, \"limited\": %.6f, \"least\": %.6f}%s\n",
			tracegen_name((enum tracegen_kind)kind), scores.free / scores.opt,
			scores.limited / scores.opt, scores.least / scores.opt,
			kind + 1 < TRACEGEN_KINDS_END ? "," : "");
	}
	printf("\n");
	fprintf(json, "  ]");
	return err;
}
