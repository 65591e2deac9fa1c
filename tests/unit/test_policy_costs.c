// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine: what it learns of costs, and what it accounts for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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
	/* Private for 7 s, where 12.5 s would have paid. */
	assert_in_range(ledger.regret_ns, 75000 - 42000 - 100, 75000 - 42000 + 100);
	/* A time in the past is not counted twice. */
	policy_vm_ledger(policy, VM, at, &ledger);
	assert_int_equal(ledger.walk_saved_ns, 12000);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_costs_are_learnt_anew),
		cmocka_unit_test(costs_are_learnt_within_limits),
		cmocka_unit_test(the_ledger_is_up_to_date_without_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
