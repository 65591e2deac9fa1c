// SPDX-License-Identifier: GPL-2.0-or-later
/* simulate: the policy over a trace in virtual time, scored against the optimum. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "daemon/ctl/format.h"
#include "daemon/ctl/simulate_run.h"
#include "daemon/ctl/verbs.h"

#define TICKS_NS UINT64_C(100000000) /* the kernel's default notify-interval */

struct simulation {
	struct ctl *ctl;
	struct config *config;
	const char *trace;
	bool override_policy;
	enum config_policy policy;
	uint64_t observe_ns;
	FILE *decisions;
};

struct outcome {
	enum config_policy policy;
	uint64_t observe_ns;
	struct simulate_result result;
};

static const char *observe_name(uint64_t observe_ns)
{
	return observe_ns ? "100ms" : "exact";
}

/* The policy that the run is said to be of: what every VM runs, or the defaults. */
static enum config_policy policy_of(const struct simulation *sim)
{
	return sim->override_policy ? sim->policy : sim->config->defaults.policy;
}

static int load_config(struct simulation *sim)
{
	const char *path = ctl_option(sim->ctl, "--config");
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

static int parse_options(struct simulation *sim)
{
	struct ctl *ctl = sim->ctl;
	const char *policy = ctl_option(ctl, "--policy");
	const char *observe = ctl_option(ctl, "--observe");

	sim->trace = ctl_option(ctl, "--trace");
	if (!sim->trace)
		return ctl_usage_error(ctl, "simulate wants --trace FILE");
	if (policy && config_policy_from_name(policy, &sim->policy))
		return ctl_usage_error(
			ctl, "--policy %s: wants adaptive, threshold, eager or never", policy);
	sim->override_policy = policy != NULL;
	if (observe && strcmp(observe, "exact") != 0 && strcmp(observe, "100ms") != 0)
		return ctl_usage_error(ctl, "--observe %s: wants exact or 100ms", observe);
	sim->observe_ns = observe && strcmp(observe, "100ms") == 0 ? TICKS_NS : 0;
	if (ctl_option(ctl, "--compare") && strcmp(sim->trace, "-") == 0)
		return ctl_usage_error(ctl, "--compare reads the trace several times; give a file");
	return CTL_OK;
}

/* One run. Complains by itself; returns an exit code. */
static int run_once(const struct simulation *sim, const struct simulate_options *options,
		    struct simulate_result *ret)
{
	struct trace_reader *reader = NULL;
	int err = trace_open(sim->trace, &reader);

	if (!err)
		err = simulate_run(options, reader, ret);
	if (err && *trace_error(reader))
		fprintf(sim->ctl->err, "%s\n", trace_error(reader));
	else if (err)
		ctl_failure(sim->ctl, "%s: %s", sim->trace, strerror(-err));
	trace_close(reader);
	return err ? CTL_USAGE : CTL_OK;
}

static json_t *result_json(const struct outcome *outcome)
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
				   "observe", observe_name(outcome->observe_ns));

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(object, numbers[i].name,
				    json_integer((json_int_t)numbers[i].value));
	json_object_set_new(object, "ratio",
			    isnan(result->ratio) ? json_null() : json_real(result->ratio));
	return object;
}

static void result_row(struct table *table, const struct outcome *outcome)
{
	const struct simulate_result *result = &outcome->result;

	table_add(table, "%s", config_policy_name(outcome->policy));
	table_add(table, "%s", observe_name(outcome->observe_ns));
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
	static const char *const heads[] = {"<POLICY", "<OBSERVE", "RATIO",  "COST",	"OPTIMUM",
					    "WALK",    "MERGES",   "SPLITS", "REFUSED", NULL};
	struct table *table = table_new(heads);

	for (size_t i = 0; i < nr; i++)
		result_row(table, &outcomes[i]);
	table_print(table, sim->ctl->out, sim->ctl->env.colour);
}

/* The run that was asked for, and beside it those that it is compared with. */
static int show_json(const struct simulation *sim, const struct outcome *outcomes, size_t nr)
{
	json_t *object = result_json(&outcomes[0]);
	json_t *runs = json_array();

	for (size_t i = 1; i < nr; i++)
		json_array_append_new(runs, result_json(&outcomes[i]));
	json_object_set_new(object, "trace", json_string(sim->trace));
	if (nr > 1)
		json_object_set_new(object, "runs", runs);
	else
		json_decref(runs);
	return ctl_print_json(sim->ctl, object);
}

static int run_outcome(const struct simulation *sim, bool override_policy, FILE *decisions,
		       struct outcome *outcome)
{
	const struct simulate_options options = {
		.config = sim->config,
		.override_policy = override_policy,
		.policy = outcome->policy,
		.observe_ns = outcome->observe_ns,
		.decisions = decisions,
	};

	return run_once(sim, &options, &outcome->result);
}

static int simulate(const struct simulation *sim)
{
	static const enum config_policy policies[] = {CONFIG_POLICY_ADAPTIVE,
						      CONFIG_POLICY_THRESHOLD, CONFIG_POLICY_EAGER,
						      CONFIG_POLICY_NEVER};
	struct outcome outcomes[1 + 2 * sizeof(policies) / sizeof(policies[0])] = {
		{.policy = policy_of(sim), .observe_ns = sim->observe_ns},
	};
	size_t nr = 1;
	int r = run_outcome(sim, sim->override_policy, sim->decisions, &outcomes[0]);

	if (ctl_option(sim->ctl, "--compare"))
		nr = sizeof(outcomes) / sizeof(outcomes[0]);
	for (size_t i = 1; i < nr && r == CTL_OK; i++) {
		outcomes[i].policy = policies[(i - 1) / 2];
		outcomes[i].observe_ns = i % 2 ? 0 : TICKS_NS;
		r = run_outcome(sim, true, NULL, &outcomes[i]);
	}
	if (r != CTL_OK)
		return r;
	if (sim->ctl->json)
		return show_json(sim, outcomes, nr);
	/* Among those compared is the one that was asked for. */
	show_table(sim, outcomes + (nr > 1), nr - (nr > 1));
	return CTL_OK;
}

int verb_simulate(struct ctl *ctl)
{
	struct simulation sim = {.ctl = ctl};
	const char *decisions = ctl_option(ctl, "--decisions");
	int r = parse_options(&sim);

	if (r == CTL_OK)
		r = load_config(&sim);
	if (r != CTL_OK)
		return r;
	if (decisions)
		sim.decisions = fopen(decisions, "we");
	if (decisions && !sim.decisions)
		r = ctl_failure(ctl, "%s: %s", decisions, strerror(errno));
	else
		r = simulate(&sim);
	if (sim.decisions && fclose(sim.decisions) && r == CTL_OK)
		r = ctl_failure(ctl, "%s: %s", decisions, strerror(errno));
	config_free(sim.config);
	return r;
}
