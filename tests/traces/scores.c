// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `make bench` prints of the policy: scores on generated traces of full size, and the speed of
 * the engine. A table on standard output; JSON to the file named first.
 *	scores JSON [SEEDS [FIRST_SEED]]
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tdx-lpage/base.h>

#include "daemon/replay/simulate.h"
#include "tests/lib/tracegen.h"

#define TICKS_NS   UINT64_C(100000000)
#define VMS_MAX	   64
#define REGIONS	   4096
#define THRESHOLDS 40
#define KINDS_MAX  32 /* of regions, in a trace */
#define UPDATES	   (UINT64_C(16) << 20)

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
	/* Costs of the best fixed thresholds, known beforehand: of each region, of each kind of them. */
	double knowing;
	double knowing_kinds;
	uint64_t events;
	double seconds; /* of the first column */
};

/* What each fixed threshold would have cost each region, and what kind of region it is. */
struct hindsight {
	double thresholds_s[THRESHOLDS];
	double cost[VMS_MAX][REGIONS][THRESHOLDS];
	char kinds[KINDS_MAX][32];
	uint8_t kind[VMS_MAX][REGIONS]; /* index of it */
};

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void hindsight_clear(struct hindsight *hindsight)
{
	memset(hindsight, 0, sizeof(*hindsight));
	for (int i = 1; i < THRESHOLDS; i++)
		hindsight->thresholds_s[i] = i < THRESHOLDS - 1 ? 0.01 * pow(1.3, i - 1) : DBL_MAX;
}

static void on_interval(void *ctx, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	struct hindsight *hindsight = ctx;
	double length_s = (double)(end_ns - region->start_ns) / 1e9;
	double walk = (double)region->walk / 1e9;
	double split = region->partial ? 45000 : 0;

	for (int i = 0; i < THRESHOLDS; i++) {
		double threshold_s = hindsight->thresholds_s[i];

		hindsight->cost[vm->id % VMS_MAX][rfn % REGIONS][i] +=
			length_s <= threshold_s ? walk :
						  walk * threshold_s / length_s + 30000 + split;
	}
}

static uint8_t hindsight_kind(struct hindsight *hindsight, const char *name)
{
	uint8_t i = 0;

	while (i < KINDS_MAX - 1 && hindsight->kinds[i][0] && strcmp(hindsight->kinds[i], name))
		i++;
	snprintf(hindsight->kinds[i], sizeof(hindsight->kinds[i]), "%s", name);
	return i;
}

/* Reads the comments in which the generator says what each region is. */
static void hindsight_read_kinds(struct hindsight *hindsight, const char *text)
{
	static const char mark[] = "\n# region ";

	while ((text = strstr(text, mark))) {
		uint32_t vm;
		uint32_t rfn;
		char name[32];

		text += sizeof(mark) - 1;
		if (sscanf(text, "%" SCNu32 " %" SCNu32 " %31s", &vm, &rfn, name) == 3)
			hindsight->kind[vm % VMS_MAX][rfn % REGIONS] =
				hindsight_kind(hindsight, name);
	}
}

static double least(const double cost[static THRESHOLDS])
{
	double best = DBL_MAX;

	for (int i = 0; i < THRESHOLDS; i++)
		best = fmin(best, cost[i]);
	return best;
}

static double best_of_regions(const struct hindsight *hindsight)
{
	double sum = 0;

	for (int vm = 0; vm < VMS_MAX; vm++)
		for (int rfn = 0; rfn < REGIONS; rfn++)
			sum += least(hindsight->cost[vm][rfn]);
	return sum;
}

/* The same for all regions of a kind in a VM. */
static double best_of_kinds(const struct hindsight *hindsight)
{
	double sum = 0;

	for (int vm = 0; vm < VMS_MAX; vm++) {
		double cost[KINDS_MAX][THRESHOLDS] = {0};

		for (int rfn = 0; rfn < REGIONS; rfn++)
			for (int i = 0; i < THRESHOLDS; i++)
				cost[hindsight->kind[vm][rfn]][i] += hindsight->cost[vm][rfn][i];
		for (int kind = 0; kind < KINDS_MAX; kind++)
			sum += least(cost[kind]);
	}
	return sum;
}

static int run_column(const struct config *config, const char *text, size_t len, size_t column,
		      struct hindsight *hindsight, struct row *row)
{
	const struct simulate_options options = {
		.config = config,
		.override_policy = true,
		.policy = columns[column].policy,
		.observe_ns = columns[column].observe_ns,
		/* Beside the policy that costs least time, so that the others' speed is theirs. */
		.on_interval = columns[column].policy == CONFIG_POLICY_NEVER ? on_interval : NULL,
		.ctx = hindsight,
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
		    struct hindsight *hindsight, struct row *row)
{
	int err = 0;

	for (uint64_t seed = first_seed; seed < first_seed + seeds && !err; seed++) {
		char *text = NULL;
		size_t len;

		hindsight_clear(hindsight);
		err = tracegen_buffer((enum tracegen_kind)kind, seed, 1, &text, &len);
		for (size_t column = 0; column < COLUMNS && !err; column++)
			err = run_column(config, text, len, column, hindsight, row);
		if (!err)
			hindsight_read_kinds(hindsight, text);
		row->knowing += best_of_regions(hindsight);
		row->knowing_kinds += best_of_kinds(hindsight);
		free(text);
	}
	return err;
}

static void print_row(FILE *json, const char *name, const struct row *row, bool last)
{
	printf("%-15s", name);
	fprintf(json, "    {\"kind\": \"%s\"", name);
	for (size_t column = 0; column < COLUMNS; column++) {
		printf(" %14.4f", row->cost[column] / row->opt);
		fprintf(json, ", \"%s\": %.6f", columns[column].name, row->cost[column] / row->opt);
	}
	printf(" %13.4f %10.4f\n", row->knowing_kinds / row->opt, row->knowing / row->opt);
	fprintf(json, ", \"knowing_kinds\": %.6f, \"knowing\": %.6f}%s\n",
		row->knowing_kinds / row->opt, row->knowing / row->opt, last ? "" : ",");
}

static void add_row(struct row *to, const struct row *from)
{
	for (size_t column = 0; column < COLUMNS; column++)
		to->cost[column] += from->cost[column];
	to->opt += from->opt;
	to->knowing += from->knowing;
	to->knowing_kinds += from->knowing_kinds;
	to->events += from->events;
	to->seconds += from->seconds;
}

/* The traces that one table is about. */
struct family {
	const char *name;
	enum tracegen_kind first;
	enum tracegen_kind end;
};

static const struct family families[] = {
	{"wide", (enum tracegen_kind)0, TRACEGEN_PLAIN_BOOT},
	{"plain", TRACEGEN_PLAIN_BOOT, TRACEGEN_KINDS_END},
};

#define FAMILIES ARRAY_SIZE(families)

static void print_heading(void)
{
	printf("%-15s", "kind");
	for (size_t column = 0; column < COLUMNS; column++)
		printf(" %14s", columns[column].name);
	printf(" %13s %10s\n", "knowing_kinds", "knowing");
}

static int score_family(const struct config *config, FILE *json, const struct family *family,
			uint64_t seeds, uint64_t first_seed, struct hindsight *hindsight)
{
	struct row mix = {0};
	double mean = 0;
	int err = 0;

	print_heading();
	fprintf(json, "    \"%s\": {\"kinds\": [\n", family->name);
	for (int kind = family->first; kind < (int)family->end && !err; kind++) {
		struct row row = {0};

		err = run_kind(config, kind, first_seed, seeds, hindsight, &row);
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
	struct hindsight *hindsight = malloc(sizeof(*hindsight));
	int err = hindsight ? 0 : -1;

	fprintf(json,
		"{\n  \"first_seed\": %" PRIu64 ", \"seeds\": %" PRIu64 ",\n  \"scores\": {\n",
		first_seed, seeds);
	for (size_t i = 0; i < FAMILIES && !err; i++) {
		err = score_family(config, json, &families[i], seeds, first_seed, hindsight);
		fprintf(json, "%s\n", i + 1 < FAMILIES ? "," : "");
	}
	fprintf(json, "  },\n");
	free(hindsight);
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

int main(int argc, char **argv)
{
	uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 2;
	uint64_t first_seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	FILE *json = argc > 1 ? fopen(argv[1], "w") : NULL;
	struct config *config;
	double small;
	double large;

	if (!json || !seeds || config_new_defaults("defaults", &config)) {
		fprintf(stderr, "usage: scores JSON [SEEDS [FIRST_SEED]]\n");
		return 2;
	}
	if (scores(config, json, seeds, first_seed))
		return 1;
	small = speed(config, UINT64_C(1) << 20);
	large = speed(config, UINT64_C(8) << 20);
	printf("engine: %.2f million updates/s at 1 million regions, %.2f at 8 million\n",
	       small / 1e6, large / 1e6);
	fprintf(json, "  \"updates_per_s\": {\"1M\": %.0f, \"8M\": %.0f}\n}\n", small, large);
	config_free(config);
	return fclose(json) ? 1 : 0;
}
