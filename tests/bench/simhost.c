// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast the simulated host plays a trace: alone, and with the manager on it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "tests/bench/bench.h"
#include "tests/lib/sim_world.h"
#include "tests/lib/tracegen.h"

#define SEED	1
#define STEP_NS UINT64_C(100000000)

static const struct lp_link_events nobody = {0};

static uint64_t count_records(const char *text, size_t len)
{
	struct trace_reader *reader;
	struct trace_record record;
	uint64_t nr = 0;

	if (!trace_open_buffer("trace", text, len, &reader))
		while (trace_next(reader, &record) > 0)
			nr++;
	trace_close(reader);
	return nr;
}

/* CPU time of the host alone; nobody listens. */
static int play_alone(const char *text, size_t len, double *ret_s)
{
	struct sim_world world;
	int err = sim_world_open(&world, text, len, "", "version: 1\n");
	double begin = bench_cpu_s();

	if (err)
		return err;
	lp_link_listen(world.link, &nobody, NULL);
	for (uint64_t now_ns = 0; !lp_sim_ended(world.link); now_ns += STEP_NS)
		lp_sim_advance(world.link, now_ns);
	*ret_s = bench_cpu_s() - begin;
	sim_world_close(&world);
	return 0;
}

/* The same with the manager, at each event and deadline. */
static int play_managed(const char *text, size_t len, double *ret_s, uint64_t *ret_turns)
{
	struct sim_world world;
	int err = sim_world_open(&world, text, len, "", "version: 1\n");
	double begin = bench_cpu_s();

	if (err)
		return err;
	sim_world_run_trace(&world);
	*ret_s = bench_cpu_s() - begin;
	*ret_turns = world.turns;
	sim_world_close(&world);
	return 0;
}

static int measure(json_t *ret, enum tracegen_kind kind)
{
	double alone_s = 0, managed_s = 0;
	uint64_t turns = 0, records;
	char *text = NULL;
	size_t len = 0;
	int err = tracegen_buffer(kind, SEED, 1, &text, &len);

	bench_progress("simhost: %s", tracegen_name(kind));
	if (!err)
		err = play_alone(text, len, &alone_s);
	if (!err)
		err = play_managed(text, len, &managed_s, &turns);
	records = err ? 0 : count_records(text, len);
	free(text);
	if (err)
		return err;
	printf("%-10s %12.2f %18.2f %24.2f %18.2f\n", tracegen_name(kind), (double)records / 1e6,
	       (double)records / alone_s / 1e6, (double)records / managed_s / 1e6,
	       managed_s * 1e6 / (double)turns);
	json_object_set_new(ret, tracegen_name(kind),
			    json_pack("{s:f,s:f,s:f}", "events_per_s", (double)records / alone_s,
				      "events_with_manager_per_s", (double)records / managed_s,
				      "cpu_per_turn_us", managed_s * 1e6 / (double)turns));
	return 0;
}

static int run(json_t *ret)
{
	static const enum tracegen_kind kinds[] = {TRACEGEN_WEB, TRACEGEN_DATABASE, TRACEGEN_FLEET};
	int err = 0;

	printf("%-10s %12s %18s %24s %18s\n", "trace", "million", "million events/s",
	       "million/s with manager", "us per loop turn");
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !err; i++)
		err = measure(ret, kinds[i]);
	return err;
}

const struct bench bench_simhost = {
	.name = "simhost",
	.doc = "simulated host: events per second, alone and with the manager",
	.run = run,
};
