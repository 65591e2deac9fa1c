// SPDX-License-Identifier: GPL-2.0-or-later
/* tune: searches for settings that cost less on a trace, and validates them on another part. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config/value.h"
#include "daemon/ctl/verbs.h"
#include "daemon/replay/simulate.h"
#include "daemon/replay/tune_search.h"
#include "daemon/replay/tune_split.h"
#include <tdx-lpage/base.h>

#define RUNS	  400 /* default of --budget */
#define RUNS_MAX  100000
#define SHOW_RUNS 5

/*
 * Relative gain below which a result is noise: a recorded trace scores within 1.5 % of the host that
 * it was recorded from (tests/property/record_ratio.c), and two halves of a day differ by more.
 */
#define NOISE 0.02

enum verdict { AS_GOOD, UNCHECKED, OVERFITTED, BETTER };

struct tune {
	struct ctl *ctl;
	const char *path;
	const char *config_path; /* NULL: built-in defaults */
	struct config *config;	 /* of the current run */
	struct config_settings base;
	struct tune_split split;
	unsigned int max_runs;
	uint64_t begin_us; /* our clock, and the next */
	uint64_t end_us;   /* UINT64_MAX: none */
	struct tune_result result;
	double fit_gain;
	double held_base;
	double held_cost;
	double held_gain;
	enum verdict verdict;
};

static uint64_t now_us(void)
{
	return monotonic_ns() / NS_PER_US;
}

static double gain_of(double base, double cost)
{
	return base > 0 ? 1 - cost / base : 0;
}

/* ---- runs ---- */

/* Replaces the defaults, and what rules inherit from them. */
static void put_settings(struct config *config, const struct config_settings *settings)
{
	for (size_t i = 0; i < config_setting_keys.nr; i++) {
		const struct config_key *key = &config_setting_keys.keys[i];

		if (!key->tune)
			continue;
		tune_copy(&config->defaults, settings, key);
		for (size_t k = 0; k < config->nr_rules; k++) {
			if (!(config->rules[k].set & UINT64_C(1) << i))
				tune_copy(&config->rules[k].settings, settings, key);
		}
	}
}

static int run(struct tune *tune, const struct config_settings *settings,
	       const struct tune_part *part, double *ret)
{
	const struct simulate_options options = {
		.config = tune->config,
		/* As the kernel reports them. */
		.observe_ns = tune->config->defaults.notify_interval_ns,
	};
	struct simulate_result result;
	struct trace_reader *reader;
	int err;

	put_settings(tune->config, settings);
	err = trace_open_buffer(tune->path, part->text, part->len, &reader);
	if (!err)
		err = simulate_run(&options, reader, &result);
	trace_close(reader);
	*ret = err ? 0 : (double)result.cost_ns;
	return err;
}

static int fit_cost(void *ctx, const struct config_settings *settings, unsigned int level,
		    double *ret)
{
	struct tune *tune = ctx;

	return run(tune, settings, &tune->split.levels[level], ret);
}

/* The cost on what was held back: other VMs, or the later part. */
static int held_cost(struct tune *tune, const struct config_settings *settings, double *ret)
{
	const struct tune_split *split = &tune->split;
	double before;
	int err = run(tune, settings, &split->held, ret);

	if (err || split->by_vms)
		return err;
	/* Costs are additive over time: subtract the part that was fitted to. */
	err = run(tune, settings, &split->levels[split->nr_levels - 1], &before);
	*ret -= before;
	return err;
}

/* How much of the runs, or of the time, is over: 1 is all. The search may end before. */
static double budget_share(const struct tune *tune, unsigned int runs)
{
	if (tune->end_us == UINT64_MAX)
		return (double)runs / tune->max_runs;
	return fmin(1,
		    (double)(now_us() - tune->begin_us) / (double)(tune->end_us - tune->begin_us));
}

static bool go_on(void *ctx, unsigned int runs, double gain)
{
	const struct tune *tune = ctx;
	FILE *err = tune->ctl->err;

	if (runs % SHOW_RUNS == 0 && isatty(fileno(err))) {
		fprintf(err, "\r%u runs, %.0f %% of the budget, %.1f %% less so far \033[K", runs,
			100 * budget_share(tune, runs), 100 * gain);
		fflush(err);
	}
	return now_us() < tune->end_us;
}

static int tune_it(struct tune *tune)
{
	const struct tune_options options = {
		.base = tune->base,
		.max_runs = tune->max_runs,
		.nr_levels = tune->split.nr_levels,
		.cost = fit_cost,
		.go_on = go_on,
		.ctx = tune,
	};
	int err = tune_search(&options, &tune->result);

	if (isatty(fileno(tune->ctl->err)))
		fputs("\r\033[K", tune->ctl->err);
	if (!err)
		err = held_cost(tune, &tune->base, &tune->held_base);
	if (!err)
		err = held_cost(tune, &tune->result.best, &tune->held_cost);
	tune->fit_gain = gain_of(tune->result.base_cost, tune->result.best_cost);
	tune->held_gain = gain_of(tune->held_base, tune->held_cost);
	if (tune->fit_gain < NOISE)
		tune->verdict = AS_GOOD;
	else if (tune->held_base <= 0)
		tune->verdict = UNCHECKED;
	else
		tune->verdict = tune->held_gain < NOISE ? OVERFITTED : BETTER;
	return err;
}

/* ---- gain of each key ---- */

/* The relative cost of reverting this key, in validation. */
static int key_gain(struct tune *tune, const struct config_key *key, double *ret)
{
	struct config_settings settings = tune->result.best;
	double cost;
	int err;

	tune_copy(&settings, &tune->base, key);
	err = held_cost(tune, &settings, &cost);
	*ret = tune->held_base > 0 ? (cost - tune->held_cost) / tune->held_base : 0;
	return err;
}

static bool is_changed(const struct tune *tune, const struct config_key *key)
{
	return key->tune && !tune_same(&tune->result.best, &tune->base, key);
}

/* ---- the fragment ---- */

static const char *base_name(const struct tune *tune)
{
	return tune->config_path ? "configuration" : "defaults";
}

static void write_head(const struct tune *tune, FILE *f)
{
	const struct tune_split *split = &tune->split;

	fprintf(f, "# tdx-lpctl tune: %u runs over %s\n", tune->result.runs,
		ctl_file_name(tune->path));
	if (split->by_vms)
		fprintf(f, "# fitted to %u VMs, validated on the other %u\n", split->nr_fit_vms,
			split->nr_held_vms);
	else
		fprintf(f, "# fitted to the first %.0f s, validated on the following %.0f s\n",
			(double)split->fit_end_ns / 1e9,
			(double)(split->end_ns - split->fit_end_ns) / 1e9);
	if (tune->result.cut)
		fputs("# the budget was exhausted before the search was complete\n", f);
}

static int write_key(struct tune *tune, FILE *f, const struct config_key *key, json_t *keys)
{
	char value[CONFIG_TEXT_MAX], was[CONFIG_TEXT_MAX];
	double gain;
	int err = key_gain(tune, key, &gain);

	config_value_format(key->type, tune_field(&tune->result.best, key), value);
	config_value_format(key->type, tune_field(&tune->base, key), was);
	fprintf(f, "  # was %s; reverting it costs %+.1f %%\n  %s: %s\n", was, 100 * gain,
		key->name, value);
	json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:f}", "key", key->name, "value",
					      value, "was", was, "gain_percent", 100 * gain));
	return err;
}

static int write_better(struct tune *tune, FILE *f, json_t *keys)
{
	int err = 0;

	fprintf(f,
		"# estimate: %.1f %% less than the %s where fitted, %.1f %% less in validation\n",
		100 * tune->fit_gain, base_name(tune), 100 * tune->held_gain);
	if (tune->held_gain < tune->fit_gain / 2)
		fputs("# validation confirms less than half of the gain: try more traces before relying on it\n",
		      f);
	fprintf(f,
		"# Add these keys to defaults: in %s, or to a rule to apply them to some VMs only.\n"
		"version: 1\ndefaults:\n",
		tune->config_path ? tune->config_path : CONFIG_PATH);
	for (size_t i = 0; i < config_setting_keys.nr && !err; i++) {
		if (is_changed(tune, &config_setting_keys.keys[i]))
			err = write_key(tune, f, &config_setting_keys.keys[i], keys);
	}
	return err;
}

static int write_fragment(struct tune *tune, FILE *f, json_t *keys)
{
	write_head(tune, f);
	if (tune->verdict == BETTER)
		return write_better(tune, f, keys);
	if (tune->verdict == AS_GOOD)
		fprintf(f,
			"# nothing better than the %s was found: the best settings cost %.1f %% less; "
			"less than %.0f %% is noise\n",
			base_name(tune), 100 * tune->fit_gain, 100 * NOISE);
	else if (tune->verdict == UNCHECKED)
		fprintf(f,
			"# %.1f %% less than the %s where fitted, but there is no activity to validate "
			"it on: record for longer\n",
			100 * tune->fit_gain, base_name(tune));
	else
		fprintf(f,
			"# nothing proposed (overfitting): %.1f %% less than the %s where fitted, but "
			"%.1f %% %s in validation\n",
			100 * tune->fit_gain, base_name(tune), 100 * fabs(tune->held_gain),
			tune->held_gain < 0 ? "more" : "less");
	fputs("version: 1\n", f);
	return 0;
}

static json_t *report_json(const struct tune *tune, const char *yaml, json_t *keys)
{
	static const char *const verdicts[] = {"as_good", "unchecked", "overfitted", "better"};
	const struct tune_result *result = &tune->result;

	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:f, s:I, s:I, s:f, s:I, s:I, s:f, s:O, s:s}",
			 "trace", tune->path, "verdict", verdicts[tune->verdict], "split",
			 tune->split.by_vms ? "vms" : "time", "runs", (int)result->runs, "cut",
			 (int)result->cut, "noise_percent", 100 * NOISE, "fit_base_cost_ns",
			 (json_int_t)result->base_cost, "fit_cost_ns",
			 (json_int_t)result->best_cost, "fit_gain_percent", 100 * tune->fit_gain,
			 "check_base_cost_ns", (json_int_t)tune->held_base, "check_cost_ns",
			 (json_int_t)tune->held_cost, "check_gain_percent", 100 * tune->held_gain,
			 "keys", keys, "yaml", yaml);
}

static int report(struct tune *tune)
{
	json_t *keys = json_array();
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int err = f ? write_fragment(tune, f, keys) : -ENOMEM, r = CTL_OK;

	if (f && fclose(f) == EOF)
		err = -ENOMEM;
	if (err)
		r = ctl_failure(tune->ctl, "%s", strerror(-err));
	else if (tune->ctl->json)
		r = ctl_print_json(tune->ctl, report_json(tune, text, keys));
	else
		fputs(text, tune->ctl->out);
	json_decref(keys);
	free(text);
	return r;
}

/* ---- setting up ---- */

static int parse_budget(struct tune *tune)
{
	const struct config_key time = {.type = CONFIG_TYPE_DURATION, .min = "1s", .max = "24h"};
	const struct config_key runs = {.type = CONFIG_TYPE_COUNT, .min = "1", .max = "100000"};
	const char *text = ctl_option(tune->ctl, "--budget");
	uint64_t ns;

	tune->max_runs = RUNS;
	tune->end_us = UINT64_MAX;
	if (!text || config_value_parse(&runs, text, true, &tune->max_runs) == 0)
		return CTL_OK;
	if (config_value_parse(&time, text, true, &ns) < 0)
		return ctl_usage_error(
			tune->ctl,
			"--budget %s: must be a number of runs or a time (allowed: 1 "
			"to 100000, or 1s to 24h)",
			text);
	tune->max_runs = RUNS_MAX;
	tune->begin_us = now_us();
	tune->end_us = tune->begin_us + ns / NS_PER_US;
	return CTL_OK;
}

static int parse_options(struct tune *tune)
{
	struct ctl *ctl = tune->ctl;
	const char *objective = ctl_option(ctl, "--objective");

	tune->path = ctl_option(ctl, "--trace");
	tune->config_path = ctl_option(ctl, "--config");
	if (!tune->path)
		return ctl_usage_error(ctl, "tune requires --trace FILE");
	if (objective && strcmp(objective, "cost") != 0)
		return ctl_usage_error(ctl, "--objective %s: must be cost", objective);
	return parse_budget(tune);
}

static int load(struct tune *tune)
{
	struct config_errors errors = {0};
	char error[512] = "";
	int err;

	if (tune->config_path)
		err = config_load(tune->config_path, true, &tune->config, &errors);
	else
		err = config_new_defaults("built-in defaults", &tune->config);
	if (err)
		config_errors_print(tune->ctl->err, &errors);
	config_errors_done(&errors);
	if (err)
		return CTL_USAGE;
	tune->base = tune->config->defaults;
	err = tune_split_read(&tune->split, tune->path, error, sizeof(error));
	if (*error)
		fprintf(tune->ctl->err, "%s\n", error);
	return err ? CTL_USAGE : CTL_OK;
}

int verb_tune(struct ctl *ctl)
{
	struct tune tune = {.ctl = ctl};
	int r = parse_options(&tune), err;

	if (r == CTL_OK)
		r = load(&tune);
	if (r == CTL_OK) {
		err = tune_it(&tune);
		r = err ? ctl_failure(ctl, "%s: %s", tune.path, strerror(-err)) : report(&tune);
	}
	tune_split_done(&tune.split);
	config_free(tune.config);
	return r;
}
