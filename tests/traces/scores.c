// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `make bench` prints of the policy: scores on generated traces of full size, and the speed of
 * the engine. A table on standard output; JSON to the file named first.
 *	scores JSON [SEEDS [FIRST_SEED [PART]]]
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tdx-lpage/base.h>

#include "daemon/replay/simulate.h"
#include "tests/lib/tracegen.h"
#include "tests/traces/hindsight.h"
#include "tests/traces/sweep.h"

#define TICKS_NS UINT64_C(100000000)
#define UPDATES	 (UINT64_C(16) << 20)

/* The columns: how the traces are run. */
static const struct {
	const char *name;
	enum config_policy policy;
	uint64_t observe_ns;
} columns[] = {
	{"adaptive", CONFIG_POLICY_ADAPTIVE, 0},
	{"adaptive_100ms", CONFIG_POLICY_ADAPTIVE, TICKS_NS},
	{"threshold", CONFIG_POLICY_THRESHOLD, 0},
	{"eager", CONFIG_POLICY_EAGER, 0},
	{"never", CONFIG_POLICY_NEVER, 0},
};

#define COLUMNS ARRAY_SIZE(columns)

/* Sums over the seeds of a kind. */
struct row {
	double cost[COLUMNS];
	double opt;
	struct hindsight hindsight;
	uint64_t events;
	double seconds; /* of the first column */
};

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int run_column(const struct config *config, const char *text, size_t len, size_t column,
		      struct row *row)
{
	const struct simulate_options options = {
		.config = config,
		.override_policy = true,
		.policy = columns[column].policy,
		.observe_ns = columns[column].observe_ns,
	};
	struct simulate_result result;
	struct trace_reader *reader;
	double begin = cpu_seconds();
	int err = trace_open_buffer("trace", text, len, &reader);

	if (!err)
		err = simulate_run(&options, reader, &result);
	trace_close(reader);
	if (err)
		return err;
	row->cost[column] += (double)result.cost_ns;
	if (column)
		return 0;
	row->opt += (double)result.opt_ns;
	row->events += result.events;
	row->seconds += cpu_seconds() - begin;
	return 0;
}

static int run_kind(const struct config *config, int kind, uint64_t first_seed, uint64_t seeds,
		    struct row *row)
{
	int err = 0;

	for (uint64_t seed = first_seed; seed < first_seed + seeds && !err; seed++) {
		char *text = NULL;
		size_t len;

		err = tracegen_buffer((enum tracegen_kind)kind, seed, 1, &text, &len);
		for (size_t column = 0; column < COLUMNS && !err; column++)
			err = run_column(config, text, len, column, row);
		if (!err)
			err = hindsight_run(&row->hindsight, text, len);
		free(text);
	}
	return err;
}

static void print_row(FILE *json, const char *name, const struct row *row, bool last)
{
	printf("%-17s", name);
	fprintf(json, "    {\"kind\": \"%s\"", name);
	for (size_t column = 0; column < COLUMNS; column++) {
		printf(" %14.4f", row->cost[column] / row->opt);
		fprintf(json, ", \"%s\": %.6f", columns[column].name, row->cost[column] / row->opt);
	}
	printf(" %10.4f %13.4f %10.4f\n", row->hindsight.fixed / row->opt,
	       row->hindsight.kinds / row->opt, row->hindsight.regions / row->opt);
	fprintf(json, ", \"best_fixed\": %.6f, \"knowing_kinds\": %.6f, \"knowing\": %.6f}%s\n",
		row->hindsight.fixed / row->opt, row->hindsight.kinds / row->opt,
		row->hindsight.regions / row->opt, last ? "" : ",");
}

static void add_row(struct row *to, const struct row *from)
{
	for (size_t column = 0; column < COLUMNS; column++)
		to->cost[column] += from->cost[column];
	to->opt += from->opt;
	to->hindsight.regions += from->hindsight.regions;
	to->hindsight.kinds += from->hindsight.kinds;
	to->hindsight.fixed += from->hindsight.fixed;
	to->events += from->events;
	to->seconds += from->seconds;
}

static void print_heading(void)
{
	printf("%-17s", "kind");
	for (size_t column = 0; column < COLUMNS; column++)
		printf(" %14s", columns[column].name);
	printf(" %10s %13s %10s\n", "best fixed", "knowing kinds", "knowing");
}

static int score_family(const struct config *config, FILE *json,
			const struct tracegen_family *family, uint64_t seeds, uint64_t first_seed)
{
	struct row mix = {0};
	double mean = 0;
	int err = 0;

	print_heading();
	fprintf(json, "    \"%s\": {\"kinds\": [\n", family->name);
	for (int kind = (int)family->first; kind < (int)family->end && !err; kind++) {
		struct row row = {0};

		err = run_kind(config, kind, first_seed, seeds, &row);
		print_row(json, tracegen_name((enum tracegen_kind)kind), &row, false);
		add_row(&mix, &row);
		mean += row.cost[0] / row.opt / (double)(family->end - family->first);
	}
	print_row(json, "mix", &mix, true);
	printf("mean over kinds %.4f; replay %.2f million records/s, parsing included\n\n", mean,
	       (double)mix.events / mix.seconds / 1e6);
	fprintf(json, "    ], \"mean\": %.6f, \"replay_records_per_s\": %.0f}", mean,
		(double)mix.events / mix.seconds);
	return err;
}

static int scores(const struct config *config, FILE *json, uint64_t seeds, uint64_t first_seed)
{
	int err = 0;

	fprintf(json, "  \"scores\": {\n");
	for (size_t i = 0; i < TRACEGEN_FAMILIES && !err; i++) {
		err = score_family(config, json, &tracegen_families[i], seeds, first_seed);
		fprintf(json, "%s\n", i + 1 < TRACEGEN_FAMILIES ? "," : "");
	}
	fprintf(json, "  }");
	return err;
}

/* Conversions of random ones of @regions regions: updates per second of CPU time. */
static double speed(const struct config *config, uint64_t regions)
{
	struct policy_observation obs = {.state = POLICY_STATE_UNKNOWN};
	struct policy *policy = policy_new(&config->global, 0);
	uint64_t rng = 1;
	uint64_t now_ns = 1000000000;
	double begin = 0;

	if (!policy || policy_vm_add(policy, 1, &config->defaults, 0))
		return NAN;
	for (uint64_t i = 0; i < regions + UPDATES / 2; i++) {
		if (i == regions)
			begin = cpu_seconds();
		rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		obs.rfn = i < regions ? i : (rng >> 33) % regions;
		now_ns += 300;
		obs.to_shared_pages++;
		obs.last_to_shared_ns = now_ns;
		policy_observe(policy, 1, &obs, now_ns);
		now_ns += 300;
		obs.to_private_pages++;
		obs.last_to_private_ns = now_ns;
		policy_observe(policy, 1, &obs, now_ns);
	}
	begin = cpu_seconds() - begin;
	policy_free(policy);
	return (double)UPDATES / begin;
}

static int speeds(const struct config *config, FILE *json)
{
	double small = speed(config, UINT64_C(1) << 20);
	double large = speed(config, UINT64_C(8) << 20);

	printf("engine: %.2f million updates/s at 1 million regions, %.2f at 8 million\n",
	       small / 1e6, large / 1e6);
	fprintf(json, "  \"updates_per_s\": {\"1M\": %.0f, \"8M\": %.0f}", small, large);
	return 0;
}

/* Each writes one member of the JSON object. */
static int run_parts(const char *only, const struct config *config, FILE *json, uint64_t seeds,
		     uint64_t first_seed)
{
	int err = 0;

	fprintf(json, "{\n  \"first_seed\": %" PRIu64 ", \"seeds\": %" PRIu64, first_seed, seeds);
	if (!only || strcmp(only, "scores") == 0) {
		fprintf(json, ",\n");
		err = scores(config, json, seeds, first_seed);
	}
	if (!err && (!only || strcmp(only, "costs") == 0)) {
		fprintf(json, ",\n");
		err = sweep_costs(config, json, first_seed, seeds);
	}
	if (!err && (!only || strcmp(only, "budget") == 0)) {
		fprintf(json, ",\n");
		err = sweep_budget(config, json, first_seed);
	}
	if (!err && (!only || strcmp(only, "speed") == 0)) {
		fprintf(json, ",\n");
		err = speeds(config, json);
	}
	fprintf(json, "\n}\n");
	return err;
}

int main(int argc, char **argv)
{
	uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 2;
	uint64_t first_seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	FILE *json = argc > 1 ? fopen(argv[1], "w") : NULL;
	struct config *config;
	int err;

	if (!json || !seeds || config_new_defaults("defaults", &config)) {
		fprintf(stderr,
			"usage: scores JSON [SEEDS [FIRST_SEED [scores|costs|budget|speed]]]\n");
		return 2;
	}
	err = run_parts(argc > 4 ? argv[4] : NULL, config, json, seeds, first_seed);
	config_free(config);
	return fclose(json) || err ? 1 : 0;
}
