// SPDX-License-Identifier: GPL-2.0-or-later
/* How tune searches, and how it cuts a trace in two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/replay/tune_search.h"
#include "daemon/replay/tune_split.h"
#include "daemon/trace/trace.h"

#define MS UINT64_C(1000000)

/* A landscape: what runs cost, and what was asked. */
struct land {
	double (*cost)(const struct config_settings *s);
	unsigned int runs;
	unsigned int levels[4];
	unsigned int stop_after; /* 0: never */
};

static int cost(void *ctx, const struct config_settings *settings, unsigned int level, double *ret)
{
	struct land *land = ctx;

	land->runs++;
	land->levels[level]++;
	*ret = land->cost(settings);
	return 0;
}

static bool go_on(void *ctx, unsigned int runs, double gain)
{
	const struct land *land = ctx;

	assert_true(gain >= 0 && gain < 1);
	return !land->stop_after || runs < land->stop_after;
}

static struct tune_result search(struct land *land, unsigned int max_runs, unsigned int nr_levels)
{
	struct tune_options options = {
		.max_runs = max_runs,
		.nr_levels = nr_levels,
		.cost = cost,
		.go_on = go_on,
		.ctx = land,
	};
	struct tune_result result;

	config_set_defaults(&config_setting_keys, &options.base);
	land->runs = 0;
	memset(land->levels, 0, sizeof(land->levels));
	assert_int_equal(tune_search(&options, &result), 0);
	assert_int_equal(result.runs, land->runs);
	return result;
}

/* Threshold with a quiet time of 300 ms, which is not listed, and a short minimum. */
static double valley(const struct config_settings *s)
{
	double quiet = fabs(log((double)s->quiet_time_ns / 3e8));

	return 1000 + (double)s->min_quiet_ns / 1e9 +
	       (s->policy == CONFIG_POLICY_THRESHOLD ? 100 * quiet : 2000);
}

/* Nothing makes a difference. */
static double plain(const struct config_settings *s)
{
	(void)s;
	return 1000;
}

/* Holds pay, but only together with a short one. */
static double holds(const struct config_settings *s)
{
	if (!s->hold_after.count)
		return 1000;
	return s->hold_for_ns <= 10000 * MS ? 500 : 990;
}

/* A longer minimum helps, until there are holds. */
static double overtaken(const struct config_settings *s)
{
	if (s->hold_after.count)
		return 500;
	return s->min_quiet_ns ? 900 : 1000;
}

static void tunable_words_are_valid_values(void **state)
{
	unsigned int tunable = 0, words = 0;

	(void)state;
	for (size_t i = 0; i < config_setting_keys.nr; i++) {
		const struct config_key *key = &config_setting_keys.keys[i];
		char text[CONFIG_TEXT_MAX], *save = NULL;
		struct config_settings settings;

		tunable += key->tune != NULL;
		snprintf(text, sizeof(text), "%s", key->tune ? key->tune : "");
		for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			words++;
			if (config_value_parse(key, w, true, tune_field(&settings, key)))
				print_error("%s: %s\n", key->name, w);
			assert_int_equal(
				config_value_parse(key, w, true, tune_field(&settings, key)), 0);
		}
	}
	assert_true(tunable >= 5 && words >= 4 * tunable);
	for (size_t i = 0; i < config_global_keys.nr; i++)
		assert_null(config_global_keys.keys[i].tune);
}

static void search_finds_unlisted_values(void **state)
{
	struct land land = {.cost = valley};
	struct tune_result result = search(&land, 1000, 1), again;

	(void)state;
	assert_int_equal(result.best.policy, CONFIG_POLICY_THRESHOLD);
	assert_true(result.best.quiet_time_ns > 200 * MS && result.best.quiet_time_ns < 400 * MS);
	assert_int_equal(result.best.min_quiet_ns, 0);
	assert_true(result.best_cost < 1030 && result.base_cost == 3000);
	assert_false(result.cut);
	assert_true(result.runs < 200);
	again = search(&land, 1000, 1);
	assert_int_equal(again.runs, result.runs);
	assert_int_equal(again.best.quiet_time_ns, result.best.quiet_time_ns);
}

static void keys_that_belong_together(void **state)
{
	struct land land = {.cost = holds};
	struct tune_result result = search(&land, 1000, 1);

	(void)state;
	assert_true(result.best.hold_after.count > 0);
	assert_int_equal(result.best.hold_for_ns, 10000 * MS);
	assert_true(result.best_cost == 500);
}

static void nothing_to_gain_changes_nothing(void **state)
{
	struct land land = {.cost = plain};
	struct config_settings base;
	struct tune_result result = search(&land, 1000, 1);

	(void)state;
	config_set_defaults(&config_setting_keys, &base);
	for (size_t i = 0; i < config_setting_keys.nr; i++)
		assert_true(tune_same(&result.best, &base, &config_setting_keys.keys[i]));
	assert_true(result.best_cost == result.base_cost);
}

static void keys_without_effect_are_reverted(void **state)
{
	struct land land = {.cost = overtaken};
	struct tune_result result = search(&land, 1000, 1);

	(void)state;
	assert_true(result.best.hold_after.count > 0);
	assert_int_equal(result.best.min_quiet_ns, 0);
	assert_true(result.best_cost == 500);
}

static void budgets_are_respected(void **state)
{
	struct land land = {.cost = valley};
	struct tune_result result = search(&land, 5, 1);

	(void)state;
	assert_int_equal(result.runs, 5);
	assert_true(result.cut);
	assert_true(result.best_cost <= result.base_cost);
	result = search(&land, 1, 1);
	assert_true(result.best_cost == result.base_cost);
	land.stop_after = 9;
	result = search(&land, 1000, 1);
	assert_int_equal(result.runs, 9);
	assert_true(result.cut);
}

/* Most of the starting points never see the whole trace. */
static void bad_points_are_dropped_early(void **state)
{
	struct land land = {.cost = valley};
	struct tune_result result = search(&land, 1000, 3);

	(void)state;
	assert_int_equal(result.best.policy, CONFIG_POLICY_THRESHOLD);
	assert_true(land.levels[0] >= 11);
	assert_true(land.levels[1] <= (land.levels[0] + 1) / 2);
	assert_true(result.best_cost < 1030);
}

static int failing(void *ctx, const struct config_settings *settings, unsigned int level,
		   double *ret)
{
	(void)settings;
	(void)level;
	*ret = 1;
	return ++*(unsigned int *)ctx == 3 ? -EIO : 0;
}

static void a_failed_run_ends_the_search(void **state)
{
	unsigned int runs = 0;
	struct tune_options options = {
		.max_runs = 100, .nr_levels = 1, .cost = failing, .ctx = &runs};
	struct tune_result result;

	(void)state;
	config_set_defaults(&config_setting_keys, &options.base);
	assert_int_equal(tune_search(&options, &result), -EIO);
	assert_int_equal(runs, 3);
}

/* ---- the split ---- */

#define HEADER "lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"

static int read_split(struct tune_split *split, const char *text, char *error, size_t size)
{
	char path[] = "/tmp/test_tune.XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	int err;

	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	err = tune_split_read(split, path, error, size);
	assert_int_equal(unlink(path), 0);
	return err;
}

/* Everything but the header's lines on costs. */
static void expect_part(const struct tune_part *part, const char *want)
{
	assert_true(strncmp(part->text, HEADER, strlen(HEADER)) == 0);
	assert_string_equal(part->text + strlen(HEADER), want);
}

#define VM(n) "vm " n " name=v" n " regions=8 walk_ns_per_s=12000\n"

static void few_vms_are_split_by_time(void **state)
{
	struct tune_split split;
	char error[256];

	(void)state;
	assert_int_equal(read_split(&split,
				    HEADER VM("1") "1 S 1 0 1\n# note\n59 P 1 0 1\n60 A 1 0 1\n"
						   "61 N 5 name=b regions=1 walk_ns_per_s=1\n"
						   "70 X 5\nend 100\n",
				    error, sizeof(error)),
			 0);
	assert_false(split.by_vms);
	assert_int_equal(split.fit_end_ns, 60);
	assert_int_equal(split.nr_levels, 1);
	expect_part(&split.levels[0], VM("1") "1 S 1 0 1\n59 P 1 0 1\nend 60\n");
	expect_part(&split.held, VM("1") "1 S 1 0 1\n59 P 1 0 1\n60 A 1 0 1\n"
					 "61 N 5 name=b regions=1 walk_ns_per_s=1\n70 X 5\n"
					 "end 100\n");
	tune_split_done(&split);
}

static void many_vms_are_split_by_vm(void **state)
{
	struct tune_split split;
	char error[256];

	(void)state;
	assert_int_equal(read_split(&split,
				    HEADER VM("1")
					    VM("7") "1 S 1 0 1\n2 S 7 0 1\n"
						    "3 N 9 name=b regions=1 walk_ns_per_s=1\n"
						    "4 N 8 name=c regions=1 walk_ns_per_s=1\n"
						    "5 S 9 0 1\n6 S 8 0 1\n7 X 8\nend 100\n",
				    error, sizeof(error)),
			 0);
	assert_true(split.by_vms);
	assert_int_equal(split.nr_fit_vms, 2);
	assert_int_equal(split.nr_held_vms, 2);
	expect_part(&split.levels[0], VM("1") "1 S 1 0 1\n3 N 9 name=b regions=1 walk_ns_per_s=1\n"
					      "5 S 9 0 1\nend 100\n");
	expect_part(&split.held, VM("7") "2 S 7 0 1\n4 N 8 name=c regions=1 walk_ns_per_s=1\n"
					 "6 S 8 0 1\n7 X 8\nend 100\n");
	tune_split_done(&split);
}

static void bad_traces_are_reported(void **state)
{
	struct tune_split split;
	char error[256];

	(void)state;
	assert_int_equal(read_split(&split, HEADER VM("1") "1 S 2 0 1\nend 2\n", error,
				    sizeof(error)),
			 -EINVAL);
	assert_non_null(strstr(error, ":4: there is no VM 2"));
	tune_split_done(&split);
	assert_int_equal(tune_split_read(&split, "/nonexistent", error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent: No such file"));
	tune_split_done(&split);
	assert_int_equal(tune_split_read(&split, "-", error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "needs a file"));
	tune_split_done(&split);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tunable_words_are_valid_values),
		cmocka_unit_test(search_finds_unlisted_values),
		cmocka_unit_test(keys_that_belong_together),
		cmocka_unit_test(nothing_to_gain_changes_nothing),
		cmocka_unit_test(keys_without_effect_are_reverted),
		cmocka_unit_test(budgets_are_respected),
		cmocka_unit_test(bad_points_are_dropped_early),
		cmocka_unit_test(a_failed_run_ends_the_search),
		cmocka_unit_test(few_vms_are_split_by_time),
		cmocka_unit_test(many_vms_are_split_by_vm),
		cmocka_unit_test(bad_traces_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
