// SPDX-License-Identifier: GPL-2.0-or-later
/* More regions are due at once than the queue holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/policy.h"
#include "tests/lib/policy_fixture.h"

#define BURST (5 * QUEUE_CAPACITY)

/* As many regions as fill the queue five times are due at 16 s. */
static struct policy *burst(const struct config_settings *settings)
{
	struct policy *policy = fixture_engine(settings);

	policy_set_global(
		policy,
		&(struct config_global){.cpu_budget_ppm = 1000000, .merge_rate_per_s = 1000000}, 0);
	for (uint64_t rfn = 0; rfn < BURST; rfn++)
		fixture_convert(policy, rfn, 10 * S);
	return policy;
}

/* Merges whatever is handed out until @until_ns. Returns how many regions. */
static unsigned int merge_until(struct policy *policy, uint64_t now_ns, uint64_t until_ns)
{
	struct policy_batch batch;
	unsigned int nr = 0;

	for (; now_ns < until_ns; now_ns += MS) {
		while (policy_next_batch(policy, now_ns, &batch)) {
			nr += batch.nr;
			for (unsigned int i = 0; i < batch.nr && !batch.gate; i++)
				policy_outcome(policy, VM, batch.actions[i].rfn, LPAGE_REASON_NONE,
					       30000, now_ns);
		}
	}
	return nr;
}

/* One call must not keep the caller from everything else. */
static void a_burst_is_decided_in_slices(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_batch batch;
	struct policy *policy;
	uint64_t calls = 0;

	(void)state;
	settings.merge_rate_per_s = 1;
	policy = burst(&settings);
	do {
		uint64_t before = policy->decisions;

		policy_next_batch(policy, 16 * S, &batch);
		assert_true(policy->decisions - before < 2048);
		calls++;
	} while (policy_next_deadline(policy) <= 16 * S);
	assert_true(calls >= BURST / 2048);
	assert_true(policy->decisions >= BURST);
	policy_free(policy);
}

/* It must not cost anything to wait for a place in the queue, however long. */
static void a_region_without_a_place_in_the_queue_is_not_decided_again(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_ledger ledger;
	struct policy_explanation why;
	struct policy *policy;

	(void)state;
	settings.merge_rate_per_s = 1;
	policy = burst(&settings);
	assert_in_range(merge_until(policy, 16 * S, 100 * S), 50, 100);
	assert_in_range(policy->decisions, BURST, BURST + BURST / 100);
	policy_vm_ledger(policy, VM, 100 * S, &ledger);
	assert_in_range(ledger.queued_regions, BURST - 100, BURST);
	assert_int_equal(policy_explain(policy, VM, BURST - 1, 100 * S - MS, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_VM_RATE);
	policy_free(policy);
}

/* All of a burst is merged, each region after few decisions; in dry-run, too. */
static void a_burst_is_merged_to_the_last_region(void **state)
{
	struct config_settings settings = policy_fixture_settings;

	(void)state;
	settings.merge_rate_per_s = 1000;
	for (int dry_run = 0; dry_run <= 1; dry_run++) {
		struct policy *policy;

		settings.dry_run = dry_run;
		policy = burst(&settings);
		assert_int_equal(merge_until(policy, 16 * S, 40 * S), BURST);
		assert_true(policy->decisions <= 3 * BURST);
		assert_true(policy_next_deadline(policy) > 40 * S);
		policy_free(policy);
	}
}

/* What is converted while it waits is due later, and is not lost. */
static void a_region_that_waits_for_a_place_may_be_converted(void **state)
{
	struct fake_region region = fixture_fake(BURST - 1);
	struct policy *policy;

	(void)state;
	policy = burst(&policy_fixture_settings);
	region.obs.to_shared_pages = region.obs.to_private_pages = 1;
	assert_true(merge_until(policy, 16 * S, 16 * S + 2 * MS) > 0);
	fixture_to_shared(policy, &region, 1, 16 * S + 3 * MS);
	assert_true(merge_until(policy, 16 * S + 4 * MS, 30 * S) > 0);
	assert_int_equal(policy->vms[0]->own.ledger.merges, BURST - 1);
	fixture_to_private(policy, &region, 1, 30 * S);
	assert_int_equal(merge_until(policy, 30 * S, 40 * S), 1);
	policy_free(policy);
}

/* New settings reach each of many regions, a slice at a time. */
static void new_settings_reach_all_regions_in_slices(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_batch batch;
	struct policy *policy;
	unsigned int calls = 0;

	(void)state;
	policy = burst(&policy_fixture_settings);
	settings.policy = CONFIG_POLICY_NEVER;
	policy_vm_configure(policy, VM, &settings, 12 * S);
	for (; policy_next_deadline(policy) <= 12 * S; calls++)
		assert_int_equal(policy_next_batch(policy, 12 * S, &batch), 0);
	assert_in_range(calls, BURST / 2048, BURST / 512);
	assert_int_equal(policy->vms[0]->own.phases[PHASE_SETTLED], BURST);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_decided_in_slices),
		cmocka_unit_test(a_region_without_a_place_in_the_queue_is_not_decided_again),
		cmocka_unit_test(a_burst_is_merged_to_the_last_region),
		cmocka_unit_test(a_region_that_waits_for_a_place_may_be_converted),
		cmocka_unit_test(new_settings_reach_all_regions_in_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
