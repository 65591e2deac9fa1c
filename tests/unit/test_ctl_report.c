// SPDX-License-Identifier: GPL-2.0-or-later
/* What a report is made of: text and numbers, scales and ticks, and what is gathered of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/kvm_lpage.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/report/page.h"
#include "daemon/report/svg.h"
#include "daemon/report/units.h"

#define NBSP "\xc2\xa0"
#define S    UINT64_C(1000000000)

/*
 * Region 0 of four is private for 10, 2 and 8 s; the break-even time is 6.25 s. Of the optimum's
 * 129000 ns, the first interval is a merge and a split, the second page walks, the third a merge.
 */
static const char trace_text[] = "lptrace 1\n"
				 "cost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
				 "vm 1 name=web regions=4 walk_ns_per_s=12000\n"
				 "0 S 1 0 1\n"
				 "0 P 1 0 1\n"
				 "0 A 1 0 1\n"
				 "10000000000 S 1 0 1\n"
				 "10000000000 P 1 0 1\n"
				 "10000000000 A 1 0 1\n"
				 "12000000000 S 1 0 1\n"
				 "12000000000 P 1 0 1\n"
				 "12000000000 A 1 0 1\n"
				 "end 20000000000\n";

/* ---- text ---- */

static void assert_text(const char *text, const char *want)
{
	char *got = NULL;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	report_text(f, text);
	fclose(f);
	assert_string_equal(got, want);
	free(got);
}

static void text_is_escaped(void **state)
{
	(void)state;
	assert_text("a<b> & \"c\" 'd'", "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
	assert_text("é €\xf0\x9f\x98\x80", "é €\xf0\x9f\x98\x80");
	/* Control characters, half characters, overlong ones, surrogates, beyond Unicode. */
	assert_text("\x01\n\x7f", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("\xc3", "\xef\xbf\xbd");
	assert_text("\xc3<", "\xef\xbf\xbd&lt;");
	assert_text("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("\xff", "\xef\xbf\xbd");
}

static void numbers_have_suitable_units(void **state)
{
	char text[REPORT_TEXT_MAX];

	(void)state;
	assert_string_equal(report_ns(0, 3, text), "0" NBSP "ns");
	assert_string_equal(report_ns(999, 3, text), "999" NBSP "ns");
	assert_string_equal(report_ns(30000, 3, text), "30" NBSP "µs");
	assert_string_equal(report_ns(12345678, 4, text), "12.35" NBSP "ms");
	/* Rounding up reaches the next unit. */
	assert_string_equal(report_ns(999600, 3, text), "1" NBSP "ms");
	assert_string_equal(report_ns(44.7e9, 4, text), "44.7" NBSP "s");
	assert_string_equal(report_ns(12345e9, 3, text), "12345" NBSP "s");
	assert_string_equal(report_length(100e9, text), "100" NBSP "s");
	assert_string_equal(report_length(120e9, text), "2" NBSP "min");
	assert_string_equal(report_length(876e9, text), "14.6" NBSP "min");
	assert_string_equal(report_length(36e12, text), "10" NBSP "h");
	assert_string_equal(report_length(8.64e14, text), "10" NBSP "d");
	assert_string_equal(report_count(0, text), "0");
	assert_string_equal(report_count(999, text), "999");
	assert_string_equal(report_count(1060441, text), "1,060,441");
	assert_string_equal(report_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
	assert_string_equal(report_fixed(44713459499, REPORT_MS, text), "44,713.459");
	assert_string_equal(report_fixed(999999999, REPORT_MS, text), "1,000.000");
	assert_string_equal(report_fixed(12, REPORT_US, text), "0.012");
	assert_string_equal(report_bytes(UINT64_C(8) << 30, text), "8" NBSP "GiB");
	assert_string_equal(report_bytes(UINT64_C(3) << 29, text), "1.5" NBSP "GiB");
	assert_string_equal(report_bytes(0, text), "0" NBSP "B");
}

/* ---- scales ---- */

static void assert_ticks(struct svg_ticks ticks, size_t nr, double first, double last)
{
	assert_int_equal(ticks.nr, nr);
	assert_true(fabs(ticks.at[0] - first) <= 1e-9 * fabs(first));
	assert_true(fabs(ticks.at[nr - 1] - last) <= 1e-9 * fabs(last));
}

static void ticks_are_at_round_numbers(void **state)
{
	const struct svg_scale percents = {92, 100, 300, 20, false};
	const struct svg_scale quarter = {0, 450e9, 0, 400, false};
	const struct svg_scale days = {0, 40 * 86400e9, 0, 400, false};
	const struct svg_scale lengths = {3e3, 2e11, 0, 480, true};

	(void)state;
	assert_true(svg_step(1, 5) == 0.2);
	assert_true(svg_step(8, 5) == 2);
	assert_true(fabs(svg_step(0.07, 3) - 0.05) < 1e-12);
	assert_true(svg_at(&percents, 96) == 160);
	assert_ticks(svg_round_ticks(&percents, 5), 5, 92, 100);
	assert_ticks(svg_time_ticks(&quarter, 5), 4, 0, 360e9);
	assert_ticks(svg_time_ticks(&days, 5), 5, 0, 40 * 86400e9);
	/* 10 µs to 100 s: eight powers, of which every second one has room. */
	assert_ticks(svg_decades(&lengths, 20), 8, 1e4, 1e11);
	assert_ticks(svg_decades(&lengths, 66), 4, 1e4, 1e10);
	assert_true(fabs(svg_at(&lengths, sqrt(3e3 * 2e11)) - 240) < 1e-9);
}

/* ---- runs ---- */

struct gathered {
	struct report_facts facts;
	struct report_run *run;
	struct simulate_result result;
};

static struct gathered *gather(enum config_policy policy, uint64_t quiet_ns,
			       const struct report_region *watched)
{
	struct gathered *got = calloc(1, sizeof(*got));
	struct simulate_options options = {.override_policy = true, .policy = policy};
	struct trace_reader *reader;
	struct config *config;

	assert_int_equal(trace_open_buffer("t", trace_text, strlen(trace_text), &reader), 0);
	assert_int_equal(report_facts_read(reader, &got->facts), 0);
	trace_close(reader);
	assert_int_equal(report_run_new(&got->facts, &got->run), 0);
	got->run->keep_regions = true;
	if (watched)
		assert_int_equal(report_run_want_timelines(got->run, watched, 1), 0);
	assert_int_equal(config_new_defaults("defaults", &config), 0);
	config->defaults.quiet_time_ns = quiet_ns;
	options.config = config;
	report_run_attach(got->run, &options);
	assert_int_equal(trace_open_buffer("t", trace_text, strlen(trace_text), &reader), 0);
	assert_int_equal(simulate_run(&options, reader, &got->result), 0);
	assert_int_equal(report_run_finish(got->run), 0);
	trace_close(reader);
	config_free(config);
	return got;
}

static void gathered_free(struct gathered *got)
{
	report_run_free(got->run);
	report_facts_done(&got->facts);
	free(got);
}

static uint64_t ns_of(model_walk walk)
{
	return (uint64_t)(walk / S);
}

static void facts_match_the_trace(void **state)
{
	struct gathered *got = gather(CONFIG_POLICY_NEVER, 0, NULL);
	double least_ns, most_ns;

	(void)state;
	assert_int_equal(got->facts.nr_vms, 1);
	assert_int_equal(got->facts.regions, 4);
	assert_int_equal(got->facts.records, 11);
	assert_int_equal(got->facts.end_ns, 20 * S);
	assert_string_equal(report_facts_vm(&got->facts, 1)->name, "web");
	assert_int_equal(report_facts_vm(&got->facts, 1)->end_ns, 20 * S);
	assert_null(report_facts_vm(&got->facts, 2));
	assert_true(report_break_even(&got->facts, &least_ns, &most_ns));
	assert_true(least_ns == 6.25e9 && most_ns == 6.25e9);
	got->facts.vms[0].walk_ns_per_s = 0;
	assert_false(report_break_even(&got->facts, &least_ns, &most_ns));
	gathered_free(got);
}

static void policy_never_misses_merges_that_pay_off(void **state)
{
	struct gathered *got = gather(CONFIG_POLICY_NEVER, 0, NULL);
	const struct report_regret *regret = &got->run->regret;
	struct report_region worst[REPORT_WORST];

	(void)state;
	assert_int_equal(got->result.cost_ns, 240000);
	assert_int_equal(got->result.opt_ns, 129000);
	assert_int_equal(ns_of(regret->missed), 111000);
	assert_int_equal(regret->nr_missed, 2);
	assert_true(regret->late == 0 && regret->wasted == 0 && regret->refused == 0);
	assert_int_equal(got->run->opt_merges, 2);
	assert_int_equal(got->run->opt_splits, 1);
	assert_int_equal(report_run_worst(got->run, worst), 1);
	assert_int_equal(worst[0].vm_id, 1);
	assert_int_equal(worst[0].intervals, 3);
	assert_int_equal(ns_of(worst[0].cost), 240000);
	assert_int_equal(ns_of(worst[0].opt), 129000);
	gathered_free(got);
}

static void threshold_waits_and_merges_wasted(void **state)
{
	struct gathered *late = gather(CONFIG_POLICY_THRESHOLD, 5 * S, NULL);
	struct gathered *early = gather(CONFIG_POLICY_THRESHOLD, 1 * S, NULL);
	const struct report_regret *regret = &late->run->regret;

	(void)state;
	/* Two merges after 5 s each; the policy's clock ticks in 1.05 ms. */
	assert_int_equal(regret->nr_late, 2);
	assert_in_range(ns_of(regret->late), 120000, 120200);
	assert_int_equal(ns_of(regret->late), late->result.cost_ns - late->result.opt_ns);
	/* After 1 s each: the second one is undone when walking would have cost 24000. */
	regret = &early->run->regret;
	assert_int_equal(regret->nr_late, 2);
	assert_int_equal(regret->nr_wasted, 1);
	assert_in_range(ns_of(regret->wasted), 63000, 63100);
	assert_int_equal(regret->nr_missed, 0);
	assert_in_range(early->result.cost_ns - early->result.opt_ns,
			ns_of(regret->late + regret->wasted),
			ns_of(regret->late + regret->wasted) + 1);
	gathered_free(late);
	gathered_free(early);
}

static double coverage_at(const struct report_run *run, double t_ns, bool optimum)
{
	const struct report_point *p = &run->points[(size_t)(t_ns / (double)run->step_ns)];
	double moved = optimum ? (double)p->merged_by_optimum : 0;

	return ((double)p->large + moved) / (double)(p->large + p->table);
}

static void curves_are_averages_of_each_step(void **state)
{
	struct gathered *never = gather(CONFIG_POLICY_NEVER, 0, NULL);
	struct gathered *late = gather(CONFIG_POLICY_THRESHOLD, 5 * S, NULL);
	model_walk all = 0;

	(void)state;
	assert_int_equal(never->run->nr_points, REPORT_POINTS);
	for (size_t i = 0; i < never->run->nr_points; i++)
		all += never->run->points[i].large + never->run->points[i].table;
	assert_true(all == (model_walk)4 * 20 * S);
	assert_true(coverage_at(never->run, 3e9, false) == 0.75);
	assert_true(coverage_at(never->run, 3e9, true) == 1);
	assert_true(coverage_at(never->run, 11e9, true) == 0.75);
	assert_true(coverage_at(never->run, 19.99e9, true) == 1);
	assert_true(coverage_at(late->run, 4.9e9, false) == 0.75);
	assert_true(coverage_at(late->run, 5.1e9, false) == 1);
	assert_true(fabs(report_mean_coverage(never->run) - 75) < 1e-9);
	/* 10 of 20 s: two times 5 s, and 2 s. */
	assert_true(fabs(report_mean_coverage(late->run) - 85) < 0.01);
	gathered_free(never);
	gathered_free(late);
}

static void interval_lengths_are_counted_by_how_they_end(void **state)
{
	struct gathered *got = gather(CONFIG_POLICY_NEVER, 0, NULL);

	(void)state;
	for (size_t i = 0; i < REPORT_LENGTHS; i++) {
		double low = report_length_edge(i), high = report_length_edge(i + 1);

		assert_int_equal(got->run->converted[i],
				 (low <= 10e9 && 10e9 < high) + (low <= 2e9 && 2e9 < high));
		assert_int_equal(got->run->cut[i], low <= 8e9 && 8e9 < high);
	}
	gathered_free(got);
}

static void a_time_line_shows_states_and_events(void **state)
{
	const struct report_region watched = {.vm_id = 1, .rfn = 0};
	struct gathered *got = gather(CONFIG_POLICY_THRESHOLD, 5 * S, &watched);
	const struct report_timeline *line = &got->run->timelines[0];
	uint64_t states[REPORT_STATES] = {0};
	unsigned int conversions = 0, merges = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < REPORT_COLUMNS; i++) {
		for (size_t k = 0; k < REPORT_STATES; k++)
			states[k] += line->state_ns[i][k];
		conversions += line->conversions[i];
		merges += line->merges[i];
		refused += line->refused[i];
	}
	assert_int_equal(states[KVM_LPAGE_STATE_TABLE] + states[KVM_LPAGE_STATE_LARGE], 20 * S);
	assert_in_range(states[KVM_LPAGE_STATE_TABLE], 12 * S, 12 * S + 10000000);
	assert_int_equal(conversions, 3);
	assert_int_equal(line->conversions[0], 1);
	assert_int_equal(line->conversions[REPORT_COLUMNS / 2], 1); /* at 10 of 20 s */
	assert_int_equal(merges, 2);
	assert_int_equal(merges, got->result.merges);
	assert_int_equal(refused, got->result.fails);
	gathered_free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(numbers_have_suitable_units),
		cmocka_unit_test(ticks_are_at_round_numbers),
		cmocka_unit_test(facts_match_the_trace),
		cmocka_unit_test(policy_never_misses_merges_that_pay_off),
		cmocka_unit_test(threshold_waits_and_merges_wasted),
		cmocka_unit_test(curves_are_averages_of_each_step),
		cmocka_unit_test(interval_lengths_are_counted_by_how_they_end),
		cmocka_unit_test(a_time_line_shows_states_and_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
