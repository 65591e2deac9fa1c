// SPDX-License-Identifier: GPL-2.0-or-later
/* The policy engine alone: updates per second and memory per region. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/policy.h"
#include "tests/bench/bench.h"

#define MI		   (UINT64_C(1) << 20)
#define UPDATES		   (8 * MI)
#define CHUNK		   128	       /* observations in a call, as a link delivers them */
#define ROUND		   (4 * CHUNK) /* between looks at the clock; stays in the L1 cache */
#define VM		   1
#define CONVERSIONS_PER_MS 5000

/* One table of regions and what is done to it. */
struct engine {
	struct policy *policy;
	uint32_t *rfns; /* of the tracked regions, ascending */
	uint64_t nr;
	uint64_t now_ns;
	uint64_t rng;
	uint32_t conversions;
	double updates_s; /* CPU time */
	bool deadlines;	  /* are served, once per ms of the engine's time */
	uint64_t served_ns;
};

static const struct config_global global = {.cpu_budget_ppm = 50000, .merge_rate_per_s = 2000};

static const struct config_settings settings = {
	.mode = CONFIG_MODE_MANAGED,
	.policy = CONFIG_POLICY_ADAPTIVE,
	.merge_rate_per_s = 1000,
	.batch = 32,
	.walk_cost_ns_per_s = 12000,
	.merge_cost_ns = 30000,
	.split_cost_ns = 45000,
	.fail_cost_ns = 12000,
};

static int engine_init(struct engine *engine, uint64_t regions, unsigned int sparsity)
{
	uint64_t rfn = 0;

	*engine = (struct engine){.rng = 1, .now_ns = 1000 * NS_PER_MS};
	engine->policy = policy_new(&global, 0);
	engine->rfns = calloc(regions, sizeof(*engine->rfns));
	if (!engine->policy || !engine->rfns || policy_vm_add(engine->policy, VM, &settings, 0))
		return -ENOMEM;
	while (engine->nr < regions) {
		if (bench_random(&engine->rng) % sparsity == 0)
			engine->rfns[engine->nr++] = (uint32_t)rfn;
		rfn++;
	}
	return 0;
}

static void engine_done(struct engine *engine)
{
	policy_free(engine->policy);
	free(engine->rfns);
}

static void observe(struct engine *engine, const struct policy_observation obs[static ROUND])
{
	double begin = bench_cpu_s();

	for (unsigned int i = 0; i < ROUND; i += CHUNK)
		policy_observe_all(engine->policy, VM, obs + i, CHUNK, engine->now_ns);
	engine->updates_s += bench_cpu_s() - begin;
}

/* Carries out what is due, all of it successfully. */
static void serve(struct engine *engine)
{
	struct policy_batch batch;
	double begin = bench_cpu_s();

	while (engine->served_ns + NS_PER_MS <= engine->now_ns) {
		engine->served_ns += NS_PER_MS;
		while (policy_next_batch(engine->policy, engine->served_ns, &batch))
			for (unsigned int i = 0; i < batch.nr; i++)
				policy_outcome(engine->policy, VM, batch.actions[i].rfn,
					       LPAGE_REASON_NONE, 0, engine->served_ns);
	}
	engine->updates_s += bench_cpu_s() - begin;
}

/* Converts ROUND regions and back: two updates each. @from < 0: random ones. */
static void convert(struct engine *engine, int64_t from)
{
	struct policy_observation obs[ROUND];

	engine->now_ns += ROUND * NS_PER_MS / CONVERSIONS_PER_MS;
	engine->conversions++;
	for (unsigned int i = 0; i < ROUND; i++) {
		uint64_t at = from < 0 ? bench_random(&engine->rng) % engine->nr :
					 (uint64_t)from + i;

		obs[i] = (struct policy_observation){
			.rfn = engine->rfns[at],
			.to_shared_pages = engine->conversions,
			.to_private_pages = engine->conversions - 1,
			.last_to_shared_ns = engine->now_ns - 1,
			.state = POLICY_STATE_UNKNOWN,
		};
	}
	observe(engine, obs);
	for (unsigned int i = 0; i < ROUND; i++) {
		obs[i].to_private_pages++;
		obs[i].last_to_private_ns = engine->now_ns;
	}
	observe(engine, obs);
	if (engine->deadlines)
		serve(engine);
}

/* Tracks all regions; the growth of the resident set over the second half, per region. */
static double fill(struct engine *engine)
{
	size_t half_bytes = 0;

	for (uint64_t i = 0; i < engine->nr; i += ROUND) {
		if (i == engine->nr / 2)
			half_bytes = bench_resident_bytes();
		convert(engine, (int64_t)i);
	}
	return (double)(bench_resident_bytes() - half_bytes) / ((double)engine->nr / 2);
}

static double updates_per_s(struct engine *engine)
{
	engine->updates_s = 0;
	for (uint64_t i = 0; i < UPDATES / 2; i += ROUND)
		convert(engine, -1);
	return (double)UPDATES / engine->updates_s;
}

static int measure(json_t *ret, unsigned int mi, unsigned int sparsity, const char *density)
{
	struct engine engine;
	double observe_per_s;
	double bytes;
	char key[64];
	int err = engine_init(&engine, mi * MI, sparsity);

	bench_progress("engine: %u Mi regions, %s", mi, density);
	if (!err) {
		bytes = fill(&engine);
		observe_per_s = updates_per_s(&engine);
		engine.deadlines = true;
		engine.served_ns = engine.now_ns;
		printf("%4u Mi %-10s %18.2f %18.2f %16.1f\n", mi, density, observe_per_s / 1e6,
		       updates_per_s(&engine) / 1e6, bytes);
		snprintf(key, sizeof(key), "%uMi_%s", mi, density);
		json_object_set_new(ret, key,
				    json_pack("{s:f,s:f,s:f}", "updates_per_s", observe_per_s,
					      "updates_with_deadlines_per_s",
					      (double)UPDATES / engine.updates_s,
					      "resident_bytes_per_region", bytes));
	}
	engine_done(&engine);
	return err;
}

static int run(json_t *ret)
{
	int err = 0;

	printf("%-18s %18s %18s %16s\n", "tracked regions", "million updates/s", "with deadlines",
	       "bytes/region");
	for (unsigned int mi = 1; mi <= 8 && !err; mi += 7) {
		err = measure(ret, mi, 1, "dense");
		if (!err)
			err = measure(ret, mi, 10, "one_in_ten");
	}
	return err;
}

const struct bench bench_engine = {
	.name = "engine",
	.doc = "policy engine: updates per second, memory per region",
	.run = run,
};
