// SPDX-License-Identifier: GPL-2.0-or-later
/* simulate: the policy over a trace in virtual time, scored against the optimum. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/simulate.h"
#include "daemon/ctl/verbs.h"
#include "daemon/replay/diff.h"

#define TICKS_NS UINT64_C(100000000) /* the kernel's default notify-interval */

const char *simulate_observe_name(uint64_t observe_ns)
{
	return observe_ns ? "100ms" : "exact";
}

const char *simulate_policy_name(const struct outcome *outcome)
{
	return outcome->configured ? "by rules" : config_policy_name(outcome->policy);
}

/* The policy that the run is said to be of: what every VM runs, or the defaults. */
static enum config_policy policy_of(const struct simulation *sim)
{
	return sim->override_policy ? sim->policy : sim->config->defaults.policy;
}

int simulate_load_config(struct simulation *sim, const char *path)
{
	struct config_errors errors = {0};
	int err;

	if (!path) {
		err = config_new_defaults("built-in defaults", &sim->config);
		return err ? ctl_failure(sim->ctl, "%s", strerror(-err)) : CTL_OK;
	}
	err = config_load(path, true, &sim->config, &errors);
	if (err)
		config_errors_print(sim->ctl->err, &errors);
	config_errors_done(&errors);
	return err ? CTL_USAGE : CTL_OK;
}

/* Which options exclude each other, and which need a file. */
static int check_together(const struct simulation *sim)
{
	static const char *const several[] = {"--compare", "--report", "--against"};
	struct ctl *ctl = sim->ctl;

	for (size_t i = 0; i < ARRAY_SIZE(several); i++) {
		if (ctl_option(ctl, several[i]) && strcmp(sim->trace, "-") == 0)
			return ctl_usage_error(ctl,
					       "%s reads the trace several times and needs a file",
					       several[i]);
	}
	if (ctl_option(ctl, "--against") && (ctl_option(ctl, "--compare") || sim->report))
		return ctl_usage_error(ctl, "--against excludes --compare and --report");
	if (ctl_option(ctl, "--limit") && !ctl_option(ctl, "--against"))
		return ctl_usage_error(ctl, "--limit requires --against");
	return CTL_OK;
}

static int parse_options(struct simulation *sim)
{
	struct ctl *ctl = sim->ctl;
	const char *policy = ctl_option(ctl, "--policy");
	const char *observe = ctl_option(ctl, "--observe");

	sim->trace = ctl_option(ctl, "--trace");
	if (!sim->trace)
		return ctl_usage_error(ctl, "simulate requires --trace FILE");
	if (policy && config_policy_from_name(policy, &sim->policy))
		return ctl_usage_error(
			ctl, "--policy %s: must be adaptive, threshold, eager or never", policy);
	sim->override_policy = policy != NULL;
	if (observe && strcmp(observe, "exact") != 0 && strcmp(observe, "100ms") != 0)
		return ctl_usage_error(ctl, "--observe %s: must be exact or 100ms", observe);
	sim->observe_ns = observe && strcmp(observe, "100ms") == 0 ? TICKS_NS : 0;
	sim->report = ctl_option(ctl, "--report");
	return check_together(sim);
}

/* One run. Complains by itself; returns an exit code. */
static int run_once(const struct simulation *sim, const struct simulate_options *options,
		    struct simulate_result *ret)
{
	struct trace_reader *reader = NULL;
	int err = trace_open(sim->trace, &reader);

	if (!err) {
		trace_salvage(reader);
		err = simulate_run(options, reader, ret);
	}
	if (!err && *trace_cut(reader) && !*sim->cut_told) {
		fprintf(sim->ctl->err, "%s\n", trace_cut(reader));
		*sim->cut_told = true;
	}
	if (err && *trace_error(reader))
		fprintf(sim->ctl->err, "%s\n", trace_error(reader));
	else if (err)
		ctl_failure(sim->ctl, "%s: %s", sim->trace, strerror(-err));
	trace_close(reader);
	return err ? CTL_USAGE : CTL_OK;
}

json_t *simulate_result_json(const struct outcome *outcome)
{
	const struct simulate_result *result = &outcome->result;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"cost_ns", result->cost_ns},	  {"opt_ns", result->opt_ns},
		{"merges", result->merges},	  {"splits", result->splits},
		{"fails", result->fails},	  {"walk_ns", result->walk_ns},
		{"merge_ns", result->merge_ns},	  {"split_ns", result->split_ns},
		{"fail_ns", result->fail_ns},	  {"forced_split_ns", result->forced_split_ns},
		{"intervals", result->intervals}, {"events", result->events},
	};
	json_t *object = json_pack("{s:s, s:s}", "policy", config_policy_name(outcome->policy),
				   "observe", simulate_observe_name(outcome->observe_ns));

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_object_set_new(object, numbers[i].name,
				    json_integer((json_int_t)numbers[i].value));
	json_object_set_new(object, "ratio",
			    isnan(result->ratio) ? json_null() : json_real(result->ratio));
	return object;
}

static void result_row(struct table *table, const struct outcome *outcome)
{
	const struct simulate_result *result = &outcome->result;

	table_add(table, "%s", simulate_policy_name(outcome));
	table_add(table, "%s", simulate_observe_name(outcome->observe_ns));
	if (isnan(result->ratio))
		table_add(table, "-");
	else
		table_add(table, "%.4f", result->ratio);
	table_add(table, "%.3fms", (double)result->cost_ns / 1e6);
	table_add(table, "%.3fms", (double)result->opt_ns / 1e6);
	table_add(table, "%.3fms", (double)result->walk_ns / 1e6);
	table_add(table, "%" PRIu64, result->merges);
	table_add(table, "%" PRIu64, result->splits);
	table_add(table, "%" PRIu64, result->fails);
}

static void show_table(const struct simulation *sim, const struct outcome *outcomes, size_t nr)
{
	static const char *const heads[] = {"<POLICY",	"6<OBSERVE", "RATIO",	"COST",
					    "1OPTIMUM", "2WALK",     "5MERGES", "4SPLITS",
					    "3REFUSED", NULL};
	struct table *table = table_new(heads);

	for (size_t i = 0; i < nr; i++)
		result_row(table, &outcomes[i]);
	table_print(table, sim->ctl->out, sim->ctl->env.colour, sim->ctl->env.columns);
}

/* The run that was asked for, and beside it those that it is compared with. */
static int show_json(const struct simulation *sim, const struct outcome *outcomes, size_t nr)
{
	json_t *object = simulate_result_json(&outcomes[0]);
	json_t *runs = json_array();

	for (size_t i = 1; i < nr; i++)
		json_array_append_new(runs, simulate_result_json(&outcomes[i]));
	json_object_set_new(object, "trace", json_string(sim->trace));
	if (sim->report)
		json_object_set_new(object, "report", json_string(sim->report));
	if (nr > 1)
		json_object_set_new(object, "runs", runs);
	else
		json_decref(runs);
	return ctl_print_json(sim->ctl, object);
}

int simulate_outcome(const struct simulation *sim, struct outcome *outcome)
{
	struct simulate_options options = {
		.config = sim->config,
		.override_policy = !outcome->configured,
		.policy = outcome->policy,
		.observe_ns = outcome->observe_ns,
		.decisions = outcome->decisions,
	};
	int r, err;

	if (outcome->run)
		report_run_attach(outcome->run, &options);
	if (outcome->diff)
		diff_run_attach(outcome->diff, &options);
	r = run_once(sim, &options, &outcome->result);
	if (r != CTL_OK || !outcome->run)
		return r;
	err = report_run_finish(outcome->run);
	return err ? ctl_failure(sim->ctl, "%s: %s", sim->trace, strerror(-err)) : CTL_OK;
}

/* Do the rules give VMs different policies? Then the run is none of the plain ones. */
static bool mixes_policies(const struct simulation *sim)
{
	const struct config *config = sim->config;

	for (size_t i = 0; !sim->override_policy && i < config->nr_rules; i++)
		if (config->rules[i].settings.policy != config->defaults.policy)
			return true;
	return false;
}

struct outcome simulate_asked(const struct simulation *sim)
{
	return (struct outcome){
		.configured = mixes_policies(sim),
		.policy = policy_of(sim),
		.observe_ns = sim->observe_ns,
		.decisions = sim->decisions,
	};
}

/* The run that was asked for, then those beside it. Returns how many. */
static size_t plan(const struct simulation *sim, struct outcome *ret)
{
	static const enum config_policy policies[] = {CONFIG_POLICY_ADAPTIVE,
						      CONFIG_POLICY_THRESHOLD, CONFIG_POLICY_EAGER,
						      CONFIG_POLICY_NEVER};
	bool compare = ctl_option(sim->ctl, "--compare");
	size_t nr = 0;

	ret[nr++] = simulate_asked(sim);
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		const uint64_t ways[] = {0, TICKS_NS};

		for (size_t k = 0; k < 2; k++)
			if (compare || (sim->report && ways[k] == sim->observe_ns))
				ret[nr++] = (struct outcome){.policy = policies[i],
							     .observe_ns = ways[k]};
	}
	return nr;
}

/* Was @outcome what was asked for? Then it need not run again. */
static bool is_asked(const struct outcome *asked, const struct outcome *outcome)
{
	return !asked->configured && asked->policy == outcome->policy &&
	       asked->observe_ns == outcome->observe_ns;
}

/* On a terminal: which run is going on, after the first; @nr 0: none any more. */
static void show_progress(const struct simulation *sim, size_t i, size_t nr)
{
	FILE *err = sim->ctl->err;

	if ((nr && !i) || !isatty(fileno(err)))
		return;
	if (nr)
		fprintf(err, "\rrun %zu of %zu ...", i + 1, nr);
	else
		fputs("\r\033[K", err);
	fflush(err);
}

static int run_all(const struct simulation *sim, const struct report_facts *facts,
		   struct outcome *outcomes, size_t nr)
{
	int r = CTL_OK;

	for (size_t i = 0; i < nr && r == CTL_OK; i++) {
		struct outcome *outcome = &outcomes[i];
		int err = 0;

		if (i && is_asked(&outcomes[0], outcome)) {
			*outcome = outcomes[0];
			continue;
		}
		if (sim->report)
			err = report_run_new(facts, &outcome->run);
		if (err)
			return ctl_failure(sim->ctl, "%s", strerror(-err));
		if (i == 0 && outcome->run)
			outcome->run->keep_regions = true;
		show_progress(sim, i, nr);
		r = simulate_outcome(sim, outcome);
	}
	if (nr > 1)
		show_progress(sim, 0, 0);
	return r;
}

static void free_runs(struct outcome *outcomes, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (i == 0 || outcomes[i].run != outcomes[0].run)
			report_run_free(outcomes[i].run);
}

static int simulate(const struct simulation *sim)
{
	struct outcome outcomes[SIMULATE_RUNS_MAX];
	size_t nr = plan(sim, outcomes), shown = ctl_option(sim->ctl, "--compare") ? nr : 1;
	struct report_facts facts = {0};
	size_t skip;
	int r = sim->report ? simulate_report_facts(sim, &facts) : CTL_OK;

	if (r == CTL_OK)
		r = run_all(sim, &facts, outcomes, nr);
	if (r == CTL_OK && sim->report)
		r = simulate_report(sim, &facts, outcomes, nr);
	free_runs(outcomes, nr);
	report_facts_done(&facts);
	if (r != CTL_OK)
		return r;
	if (sim->ctl->json)
		return show_json(sim, outcomes, shown);
	/* Among those compared is the one that was asked for, unless rules mix policies. */
	skip = shown > 1 && !outcomes[0].configured;
	show_table(sim, outcomes + skip, shown - skip);
	return CTL_OK;
}

int verb_simulate(struct ctl *ctl)
{
	bool cut_told = false;
	struct simulation sim = {.ctl = ctl, .cut_told = &cut_told};
	const char *decisions = ctl_option(ctl, "--decisions");
	const char *against = ctl_option(ctl, "--against");
	int r = parse_options(&sim);

	if (r == CTL_OK)
		r = simulate_load_config(&sim, ctl_option(ctl, "--config"));
	if (r == CTL_OK)
		r = simulate_report_check(&sim);
	if (r == CTL_OK && decisions) {
		sim.decisions = fopen(decisions, "we");
		if (!sim.decisions)
			r = ctl_failure(ctl, "%s: %s", decisions, strerror(errno));
	}
	if (r == CTL_OK)
		r = against ? simulate_against(&sim, against) : simulate(&sim);
	if (sim.decisions && fclose(sim.decisions) && r == CTL_OK)
		r = ctl_failure(ctl, "%s: %s", decisions, strerror(errno));
	config_free(sim.config);
	return r;
}
