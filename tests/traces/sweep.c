// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/traces/sweep.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/replay/simulate.h"
#include "tests/lib/tracegen.h"
#include "tests/traces/hindsight.h"

#define SCALE 0.1

/* By what is multiplied: with the daemon's defaults, split is 1.5 and a refusal 0.4 of a merge. */
static const struct tracegen_costs settings[] = {
	{"defaults", 1, 1, 1},	{"D=M/10", 1 / 15.0, 1, 1}, {"D=10M", 20 / 3.0, 1, 1},
	{"F=M/10", 1, 0.25, 1}, {"F=10M", 1, 25, 1},	    {"w/100", 1, 1, 0.01},
	{"w/10", 1, 1, 0.1},	{"10w", 1, 1, 10},	    {"10w,F=10M", 1, 25, 10},
};

#define SETTINGS ARRAY_SIZE(settings)

/* ns, summed up over the seeds. */
struct cell {
	double adaptive;
	double fixed;
	double kinds;
	double later;
	double pool;
	double opt;
};

/* How many cells of a setting miss what is aimed at, and how far they are above knowing the kinds, summed up. */
struct misses {
	unsigned int cells;
	unsigned int fixed;
	unsigned int kinds;
	unsigned int either;
	double above;
};

static void cell_add(struct cell *to, const struct cell *from)
{
	to->adaptive += from->adaptive;
	to->fixed += from->fixed;
	to->kinds += from->kinds;
	to->later += from->later;
	to->pool += from->pool;
	to->opt += from->opt;
}

static int score(const struct config *config, const char *text, size_t len,
		 struct hindsight_pool *pool, struct cell *cell)
{
	const struct simulate_options options = {.config = config};
	struct simulate_result result;
	struct hindsight hindsight = {.pool = pool};
	struct trace_reader *reader;
	int err = trace_open_buffer("trace", text, len, &reader);

	if (!err)
		err = simulate_run(&options, reader, &result);
	trace_close(reader);
	if (!err)
		err = hindsight_run(&hindsight, text, len);
	if (err)
		return err;
	cell->adaptive += (double)result.cost_ns;
	cell->opt += (double)result.opt_ns;
	cell->fixed += hindsight.fixed;
	cell->kinds += hindsight.kinds;
	cell->later += hindsight.later;
	return 0;
}

static int score_kind(const struct config *config, int kind, const struct tracegen_costs *costs,
		      uint64_t first_seed, uint64_t seeds, struct cell *cell)
{
	struct hindsight_pool *pool = hindsight_pool_new();
	int err = pool ? 0 : -ENOMEM;

	for (uint64_t seed = first_seed; seed < first_seed + seeds && !err; seed++) {
		char *text = NULL;
		size_t len;

		err = tracegen_buffer_at((enum tracegen_kind)kind, seed, SCALE, costs, &text, &len);
		if (!err)
			err = score(config, text, len, pool, cell);
		free(text);
	}
	if (!err)
		cell->pool = hindsight_pool_cost(pool);
	hindsight_pool_free(pool);
	return err;
}

static void report(FILE *json, const char *kind, const struct cell cells[static SETTINGS])
{
	printf("%-17s", kind);
	fprintf(json, "{\"kind\": \"%s\"", kind);
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct cell *cell = &cells[i];

		printf(" %7.3f %+4.0f%+4.0f", cell->adaptive / cell->opt,
		       100 * (cell->adaptive / cell->fixed - 1),
		       100 * (cell->adaptive / cell->kinds - 1));
		fprintf(json,
			", \"%s\": {\"adaptive\": %.6f, \"fixed\": %.6f, \"kinds\": %.6f, \"later\": %.6f, \"pool\": %.6f}",
			settings[i].name, cell->adaptive / cell->opt, cell->fixed / cell->opt,
			cell->kinds / cell->opt, cell->later / cell->opt, cell->pool / cell->opt);
	}
	printf("\n");
	fprintf(json, "}");
}

/* Where adaptive is more than 1 % above the best fixed threshold, or 5 % above knowing the kinds: how much is to be had? */
static void list_losses(FILE *list, const char *kind, const struct cell cells[static SETTINGS],
			struct misses misses[static SETTINGS])
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct cell *cell = &cells[i];
		bool above_fixed = cell->adaptive > 1.01 * cell->fixed;
		bool above_kinds = cell->adaptive > 1.05 * cell->kinds;

		misses[i].cells++;
		misses[i].fixed += above_fixed;
		misses[i].kinds += above_kinds;
		misses[i].either += above_fixed || above_kinds;
		misses[i].above += cell->adaptive / cell->kinds - 1;
		if (!above_fixed && !above_kinds)
			continue;
		fprintf(list, "%-17s %-10s %8.3f %10.3f %13.3f %11.3f %13.3f\n", kind,
			settings[i].name, cell->adaptive / cell->opt, cell->fixed / cell->opt,
			cell->kinds / cell->opt, cell->later / cell->opt, cell->pool / cell->opt);
	}
}

static void report_misses(const struct misses misses[static SETTINGS])
{
	printf("kinds that are: more than 1 %% above the best fixed threshold, 5 %% above knowing kinds, either; and the mean over kinds above knowing kinds\n");
	for (size_t i = 0; i < SETTINGS; i++)
		printf("%-10s %3u %3u %3u of %u %+6.1f %%\n", settings[i].name, misses[i].fixed,
		       misses[i].kinds, misses[i].either, misses[i].cells,
		       100 * misses[i].above / misses[i].cells);
	printf("\n");
}

static int sweep_family(const struct config *config, FILE *json, FILE *list, struct misses *misses,
			const struct tracegen_family *family, uint64_t first_seed, uint64_t seeds)
{
	struct cell mix[SETTINGS] = {0};
	char name[32];
	int err = 0;

	for (int kind = (int)family->first; kind < (int)family->end && !err; kind++) {
		struct cell cells[SETTINGS] = {0};

		for (size_t i = 0; i < SETTINGS && !err; i++) {
			err = score_kind(config, kind, &settings[i], first_seed, seeds, &cells[i]);
			cell_add(&mix[i], &cells[i]);
		}
		fprintf(json, "    ");
		report(json, tracegen_name((enum tracegen_kind)kind), cells);
		list_losses(list, tracegen_name((enum tracegen_kind)kind), cells, misses);
		fprintf(json, ",\n");
	}
	fprintf(json, "    ");
	snprintf(name, sizeof(name), "mix, %s", family->name);
	report(json, name, mix);
	return err;
}

int sweep_costs(const struct config *config, FILE *json, uint64_t first_seed, uint64_t seeds)
{
	struct misses misses[SETTINGS] = {0};
	char *losses = NULL;
	size_t losses_len;
	FILE *list = open_memstream(&losses, &losses_len);
	int err = 0;

	if (!list)
		return -errno;
	printf("other costs: adaptive by the optimum; percent above the best fixed threshold, and above knowing kinds\n%-17s",
	       "kind");
	for (size_t i = 0; i < SETTINGS; i++)
		printf(" %15s", settings[i].name);
	printf("\n");
	fprintf(json, "  \"costs\": [\n");
	for (size_t i = 0; i < TRACEGEN_FAMILIES && !err; i++) {
		err = sweep_family(config, json, list, misses, &tracegen_families[i], first_seed,
				   seeds);
		fprintf(json, "%s\n", i + 1 < TRACEGEN_FAMILIES ? "," : "");
	}
	fclose(list);
	printf("\nmore than 1 %% above the best fixed threshold, or 5 %% above knowing kinds; told later: the kind, after the first interval;\n"
	       "traces known: what traces of all seeds together are like, but not which one this is\n"
	       "%-17s %-10s %8s %10s %13s %11s %13s\n%s\n",
	       "kind", "costs", "adaptive", "best fixed", "knowing kinds", "told later",
	       "traces known", losses);
	free(losses);
	report_misses(misses);
	fprintf(json, "  ]");
	return err;
}
