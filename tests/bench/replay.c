// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast traces are read, and played against the policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/replay/simulate.h"
#include "tests/bench/bench.h"
#include "tests/lib/tracegen.h"

#define SEED   1
#define REPEAT 3

struct sums {
	uint64_t records;
	uint64_t bytes;
	double parse_s;
	double replay_s;
};

static int parse(const char *text, size_t len, struct sums *sums)
{
	struct trace_reader *reader;
	struct trace_record record;
	double begin = bench_cpu_s();
	int more = trace_open_buffer("trace", text, len, &reader);

	while (more >= 0 && (more = trace_next(reader, &record)) > 0)
		sums->records++;
	trace_close(reader);
	sums->parse_s += bench_cpu_s() - begin;
	return more;
}

static int replay(const struct config *config, const char *text, size_t len, struct sums *sums)
{
	const struct simulate_options options = {.config = config};
	struct simulate_result result;
	struct trace_reader *reader;
	double begin = bench_cpu_s();
	int err = trace_open_buffer("trace", text, len, &reader);

	if (!err)
		err = simulate_run(&options, reader, &result);
	trace_close(reader);
	sums->replay_s += bench_cpu_s() - begin;
	return err;
}

static int measure(const struct config *config, int kind, struct sums *sums)
{
	char *text = NULL;
	size_t len = 0;
	int err = tracegen_buffer((enum tracegen_kind)kind, SEED, 1, &text, &len);

	for (int i = 0; i < REPEAT && !err; i++) {
		err = parse(text, len, sums);
		if (!err)
			err = replay(config, text, len, sums);
	}
	sums->bytes = len;
	free(text);
	return err;
}

static void report(json_t *ret, const char *name, const struct sums *sums)
{
	double parsed = (double)sums->records / sums->parse_s;
	double replayed = (double)sums->records / sums->replay_s;

	printf("%-10s %12.2f %20.2f %20.2f\n", name, (double)sums->records / REPEAT / 1e6,
	       parsed / 1e6, replayed / 1e6);
	json_object_set_new(ret, name,
			    json_pack("{s:f,s:f}", "parsed_records_per_s", parsed,
				      "replayed_records_per_s", replayed));
}

static int run(json_t *ret)
{
	struct sums all = {0};
	struct config *config;
	int err = config_new_defaults("defaults", &config);

	printf("%-10s %12s %20s %20s\n", "trace", "million", "million parsed/s",
	       "million replayed/s");
	for (int kind = 0; kind < TRACEGEN_KINDS_END && !err; kind++) {
		struct sums sums = {0};

		bench_progress("replay: %s", tracegen_name((enum tracegen_kind)kind));
		err = measure(config, kind, &sums);
		if (err)
			break;
		report(ret, tracegen_name((enum tracegen_kind)kind), &sums);
		all.records += sums.records;
		all.parse_s += sums.parse_s;
		all.replay_s += sums.replay_s;
	}
	if (!err)
		report(ret, "all", &all);
	config_free(config);
	return err;
}

const struct bench bench_replay = {
	.name = "replay",
	.doc = "trace records per second, read, and replayed with parsing",
	.run = run,
};
