// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine: what it learns of costs, and what it accounts for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/kvm_lpage.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/policy.h"
#include "tests/lib/policy_fixture.h"

static void other_costs_are_learnt_anew(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_explanation why;
	struct policy *policy;

	(void)state;
	settings.policy = CONFIG_POLICY_ADAPTIVE;
	policy = fixture_engine(&settings);
	for (uint64_t i = 1; i <= 4; i++)
		fixture_convert(policy, 3, i * S);
	settings.split_cost_ns += 1000;
	assert_int_equal(policy_vm_configure(policy, VM, &settings, 5 * S), 0);
	assert_int_equal(policy_explain(policy, VM, 3, 5 * S, &why), 0);
	assert_int_equal(why.intervals, 3);
	settings.walk_cost_ns_per_s *= 50;
	assert_int_equal(policy_vm_configure(policy, VM, &settings, 5 * S), 0);
	assert_int_equal(policy_explain(policy, VM, 3, 5 * S, &why), 0);
	assert_int_equal(why.intervals, 0);
	assert_true(why.due_ns < 100 * S);
	policy_free(policy);
}

static void costs_are_learnt_within_limits(void **state)
{
	struct policy_batch_cost cost = {.regions = 10, .merged = 10, .regions_ns = 10 * 20000};
	struct config_settings settings = policy_fixture_settings;
	struct policy_costs costs;
	struct policy *policy;

	(void)state;
	settings.learn_costs = true;
	policy = fixture_engine(&settings);
	for (int i = 0; i < 20; i++)
		policy_batch_done(policy, VM, &cost, S);
	policy_vm_costs(policy, VM, &costs);
	assert_int_equal(costs.merge_ns, 20000);
	cost.regions_ns = 10 * 20000000;
	for (int i = 0; i < 20; i++) {
		policy_batch_done(policy, VM, &cost, S);
		policy_split_cost(policy, VM, 2, 2);
	}
	policy_vm_costs(policy, VM, &costs);
	assert_int_equal(costs.merge_ns, 4 * 30000);
	assert_int_equal(costs.split_ns, 45000 / 4);
	policy_free(policy);
}

/* What a merge saves grows while nothing happens; a split costs, and says whether the merge had paid. */
static void the_ledger_is_up_to_date_without_events(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_ledger ledger;
	struct policy_batch batch;
	struct fake_region region;
	struct policy *policy;
	uint64_t at;

	(void)state;
	settings.walk_cost_ns_per_s = 6000;
	policy = fixture_engine(&settings);
	region = fixture_convert(policy, 3, 10 * S);
	at = fixture_until_batch(policy, 10 * S, &batch);
	policy_outcome(policy, VM, 3, LPAGE_REASON_NONE, 30000, at);
	assert_int_equal(policy_vm_ledger(policy, VM, at, &ledger), 0);
	assert_int_equal(ledger.walk_saved_ns, 0);
	policy_total_ledger(policy, at + S, &ledger);
	assert_int_equal(ledger.walk_saved_ns, 6000);
	assert_int_equal(ledger.spent_ns, 30000);
	assert_int_equal(ledger.split_ns, 0);
	fixture_to_shared(policy, &region, 1, at + 2 * S);
	policy_vm_ledger(policy, VM, at + 3 * S, &ledger);
	assert_int_equal(ledger.walk_saved_ns, 12000);
	assert_int_equal(ledger.splits, 1);
	assert_int_equal(ledger.split_ns, 45000);
	assert_int_equal(ledger.regrets, 1);
	/* Merged for 2 s, where 12.5 s would have paid. */
	assert_in_range(ledger.regret_ns, 75000 - 12000 - 500, 75000 - 12000 + 500);
	/* A time in the past is not counted twice. */
	policy_vm_ledger(policy, VM, at, &ledger);
	assert_int_equal(ledger.walk_saved_ns, 12000);
	policy_free(policy);
}

/* Merges region 3 at 10 s + @age_ns; returns when. */
static uint64_t merge_at_age(struct policy *policy, uint64_t age_ns, struct fake_region *region)
{
	struct policy_batch batch;
	uint64_t at;

	*region = fixture_convert(policy, 3, 10 * S);
	at = fixture_until_batch(policy, 10 * S, &batch);
	assert_in_range(at, 10 * S + age_ns, 10 * S + age_ns + 10 * MS);
	policy_outcome(policy, VM, 3, LPAGE_REASON_NONE, 30000, at);
	return at;
}

/* The leaf is dropped: only the merge was for nothing. */
static void a_conversion_of_the_whole_region_splits_nothing(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_ledger ledger;
	struct fake_region region;
	struct policy *policy;
	uint64_t at;

	(void)state;
	settings.walk_cost_ns_per_s = 6000;
	policy = fixture_engine(&settings);
	at = merge_at_age(policy, settings.quiet_time_ns, &region);
	fixture_to_shared(policy, &region, REGION_PAGES, at + 2 * S);
	policy_vm_ledger(policy, VM, at + 3 * S, &ledger);
	assert_int_equal(ledger.splits, 0);
	assert_int_equal(ledger.split_ns, 0);
	assert_int_equal(ledger.regrets, 1);
	assert_in_range(ledger.regret_ns, 30000 - 12000 - 500, 30000 - 12000 + 500);
	policy_free(policy);
}

/* Walks are saved from the merge on: how long the region was small before does not make it pay. */
static void a_late_merge_has_to_pay_as_well(void **state)
{
	static const uint64_t ages_ns[] = {0, 100 * MS, 5 * S, 11 * S, 60 * S, 900 * S};
	/* The break-even time is 12.5 s; the age at the merge is known to 3 %. */
	static const uint64_t merged_ns[] = {1 * S, 11 * S, 14 * S, 200 * S};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ages_ns) * ARRAY_SIZE(merged_ns); i++) {
		uint64_t age_ns = ages_ns[i % ARRAY_SIZE(ages_ns)];
		uint64_t stays_ns = merged_ns[i / ARRAY_SIZE(ages_ns)];
		struct config_settings settings = policy_fixture_settings;
		struct policy_ledger ledger;
		struct fake_region region;
		struct policy *policy;
		uint64_t at, error_ns, lost_ns;

		settings.walk_cost_ns_per_s = 6000;
		settings.quiet_time_ns = age_ns;
		policy = fixture_engine(&settings);
		at = merge_at_age(policy, age_ns, &region);
		fixture_to_shared(policy, &region, 1, at + stays_ns);
		policy_vm_ledger(policy, VM, at + stays_ns, &ledger);
		assert_int_equal(ledger.splits, 1);
		error_ns = 200 * MS + age_ns * 33 / 1000;
		lost_ns = stays_ns < 12500 * MS ? 75000 - stays_ns * 6 / MS : 0;
		assert_in_range(ledger.regret_ns + error_ns * 6 / MS, lost_ns,
				lost_ns + 2 * error_ns * 6 / MS);
		if (stays_ns + error_ns < 12500 * MS || stays_ns > 12500 * MS + error_ns)
			assert_int_equal(ledger.regrets, stays_ns < 12500 * MS);
		policy_free(policy);
	}
}

/*
 * Unmapped after its conversion as a whole, then mapped at 4 KiB: it was not merged before, and what
 * another one saves goes on.
 */
static void a_region_that_was_never_merged_undoes_no_saving(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct fake_region merged, region = fixture_fake(4);
	uint64_t at = merge_at_age(policy, 5 * S, &merged);
	struct policy_ledger before, after;

	(void)state;
	fixture_to_shared(policy, &region, 512, at);
	region.obs.state = KVM_LPAGE_STATE_UNMAPPED;
	fixture_to_private(policy, &region, 512, at + S);
	region.obs.state = KVM_LPAGE_STATE_TABLE;
	assert_int_equal(policy_observe(policy, VM, &region.obs, at + 2 * S), 0);
	policy_vm_ledger(policy, VM, at + 2 * S, &before);
	policy_vm_ledger(policy, VM, at + 4 * S, &after);
	assert_int_equal(after.waiting_regions, 1);
	assert_int_equal(before.walk_saved_ns, 2 * policy_fixture_settings.walk_cost_ns_per_s);
	assert_int_equal(after.walk_saved_ns, 2 * before.walk_saved_ns);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_costs_are_learnt_anew),
		cmocka_unit_test(costs_are_learnt_within_limits),
		cmocka_unit_test(the_ledger_is_up_to_date_without_events),
		cmocka_unit_test(a_conversion_of_the_whole_region_splits_nothing),
		cmocka_unit_test(a_late_merge_has_to_pay_as_well),
		cmocka_unit_test(a_region_that_was_never_merged_undoes_no_saving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
