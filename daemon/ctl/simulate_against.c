// SPDX-License-Identifier: GPL-2.0-or-later
/* simulate --against: two configurations on one trace, decision by decision. */
#include "daemon/ctl/simulate.h"

#include <inttypes.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/numbers.h"
#include "daemon/replay/diff.h"

#define LIMIT_DEFAULT 10
#define LIMIT_MAX     1000000

static const char *const changes[DIFF_CHANGES] = {"added", "dropped", "moved", "same"};

/* Both runs, and what differs. The first is that of --config. */
struct against {
	struct outcome outcomes[2];
	struct diff_run runs[2];
	struct diff diff;
	unsigned long limit; /* of the decisions that are listed */
};

static int64_t cost_change_ns(const struct against *both)
{
	return (int64_t)(both->outcomes[0].result.cost_ns - both->outcomes[1].result.cost_ns);
}

static int64_t refused_change_ns(const struct against *both)
{
	return (int64_t)(both->outcomes[0].result.fail_ns - both->outcomes[1].result.fail_ns);
}

/* ---- JSON ---- */

static json_t *time_or_null(uint64_t ns)
{
	return ns == UINT64_MAX ? json_null() : json_integer((json_int_t)ns);
}

static json_t *decisions_json(const struct against *both)
{
	json_t *list = json_array();

	for (size_t i = 0; i < both->diff.nr && i < both->limit; i++) {
		const struct diff_decision *decision = &both->diff.decisions[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:I, s:o, s:o, s:I}", "change",
						changes[decision->change], "vm",
						(json_int_t)decision->vm_id, "rfn",
						(json_int_t)decision->rfn, "time_ns",
						time_or_null(decision->first_ns), "against_time_ns",
						time_or_null(decision->second_ns), "cost_ns",
						(json_int_t)decision->cost_ns));
	}
	return list;
}

static json_t *sum_json(const struct against *both, enum diff_change change)
{
	return json_pack("{s:I, s:I}", "merges", (json_int_t)both->diff.sums[change].merges,
			 "cost_ns", (json_int_t)both->diff.sums[change].cost_ns);
}

static int show_json(const struct simulation *sim, const struct simulation *other,
		     const struct against *both)
{
	const struct diff *diff = &both->diff;
	json_t *object = json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:I, s:I, s:I}", "trace",
				   sim->trace, "config", sim->config->path, "against",
				   other->config->path, "run",
				   simulate_result_json(&both->outcomes[0]), "against_run",
				   simulate_result_json(&both->outcomes[1]), "cost_change_ns",
				   (json_int_t)cost_change_ns(both), "decisions",
				   decisions_json(both), "changed", (json_int_t)diff->nr, "earlier",
				   (json_int_t)diff->earlier, "later", (json_int_t)diff->later);

	for (size_t i = 0; i < DIFF_CHANGES; i++)
		json_object_set_new(object, changes[i], sum_json(both, (enum diff_change)i));
	json_object_set_new(object, "refused_change",
			    json_integer((json_int_t)(both->outcomes[0].result.fails -
						      both->outcomes[1].result.fails)));
	json_object_set_new(object, "refused_cost_ns",
			    json_integer((json_int_t)refused_change_ns(both)));
	return ctl_print_json(sim->ctl, object);
}

/* ---- for people ---- */

static void add_ms(struct table *table, int64_t ns)
{
	table_add(table, "%+.3fms", (double)ns / 1e6);
}

static void print_sums(const struct simulation *sim, const struct against *both)
{
	static const char *const heads[] = {"<CHANGE", "MERGES", "COST", NULL};
	struct table *table = table_new(heads);

	for (size_t i = 0; i < DIFF_CHANGES; i++) {
		table_add(table, "%s", changes[i]);
		table_add(table, "%" PRIu64, both->diff.sums[i].merges);
		add_ms(table, both->diff.sums[i].cost_ns);
	}
	table_print(table, sim->ctl->out, sim->ctl->env.colour, sim->ctl->env.columns);
}

static void add_time(struct table *table, uint64_t ns)
{
	if (ns == UINT64_MAX)
		table_add(table, "-");
	else
		table_add(table, "%.3fs", (double)ns / 1e9);
}

static void print_decisions(const struct simulation *sim, const struct against *both)
{
	static const char *const heads[] = {"<CHANGE", "VM", "<GPA", "AT", "AGAINST", "COST", NULL};
	struct table *table = table_new(heads);

	for (size_t i = 0; i < both->diff.nr && i < both->limit; i++) {
		const struct diff_decision *decision = &both->diff.decisions[i];

		table_add(table, "%s", changes[decision->change]);
		table_add(table, "%" PRIu32, decision->vm_id);
		table_add(table, "0x%" PRIx64, decision->rfn * REGION_BYTES);
		add_time(table, decision->first_ns);
		add_time(table, decision->second_ns);
		add_ms(table, decision->cost_ns);
	}
	table_print(table, sim->ctl->out, sim->ctl->env.colour, sim->ctl->env.columns);
}

static void show(const struct simulation *sim, const struct simulation *other,
		 const struct against *both)
{
	const struct simulate_result *a = &both->outcomes[0].result, *b = &both->outcomes[1].result;
	FILE *out = sim->ctl->out;

	fprintf(out, "%s costs %.3fms, against %s %.3fms: %+.3fms\n", sim->config->path,
		(double)a->cost_ns / 1e6, other->config->path, (double)b->cost_ns / 1e6,
		(double)cost_change_ns(both) / 1e6);
	print_sums(sim, both);
	if (both->diff.sums[DIFF_MOVED].merges)
		fprintf(out, "moved: %" PRIu64 " earlier, %" PRIu64 " later\n", both->diff.earlier,
			both->diff.later);
	if (a->fails != b->fails)
		fprintf(out, "refused attempts: %" PRIu64 " instead of %" PRIu64 ", %+.3fms\n",
			a->fails, b->fails, (double)refused_change_ns(both) / 1e6);
	if (!both->diff.nr || !both->limit)
		return;
	fprintf(out, "\n%zu of %zu changed decisions, those that matter most first:\n",
		both->diff.nr < both->limit ? both->diff.nr : both->limit, both->diff.nr);
	print_decisions(sim, both);
}

/* ---- runs ---- */

static int run(const struct simulation *sim, struct outcome *outcome, struct diff_run *run)
{
	*outcome = simulate_asked(sim);
	outcome->diff = run;
	return simulate_outcome(sim, outcome);
}

static int compare(const struct simulation *sim, const struct simulation *other,
		   struct against *both)
{
	int r = run(sim, &both->outcomes[0], &both->runs[0]), err;

	if (r == CTL_OK)
		r = run(other, &both->outcomes[1], &both->runs[1]);
	if (r != CTL_OK)
		return r;
	err = diff_compare(&both->runs[0], &both->runs[1], &both->outcomes[0].result.costs,
			   &both->diff);
	if (err)
		return ctl_failure(sim->ctl, "%s", strerror(-err));
	if (sim->ctl->json)
		return show_json(sim, other, both);
	show(sim, other, both);
	return CTL_OK;
}

int simulate_against(const struct simulation *sim, const char *path)
{
	struct simulation other = *sim;
	struct against both = {.limit = LIMIT_DEFAULT};
	int r = ctl_number(sim->ctl, "--limit", 0, LIMIT_MAX, &both.limit);

	other.config = NULL;
	other.decisions = NULL;
	other.override_policy = false;
	if (r == CTL_OK)
		r = simulate_load_config(&other, path);
	if (r == CTL_OK)
		r = compare(sim, &other, &both);
	diff_done(&both.diff);
	diff_run_done(&both.runs[0]);
	diff_run_done(&both.runs[1]);
	config_free(other.config);
	return r;
}
