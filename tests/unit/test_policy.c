// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine under the policies that do not learn. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/policy/policy.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define VM 7

static const struct config_global global = {
	.cpu_budget_ppm = 50000,
	.merge_rate_per_s = 2000,
};

static const struct config_settings base = {
	.mode = CONFIG_MODE_MANAGED,
	.policy = CONFIG_POLICY_THRESHOLD,
	.quiet_time_ns = 5 * S,
	.merge_rate_per_s = 1000,
	.batch = 32,
	.max_stall_ns = 2 * MS,
	.walk_cost_ns_per_s = 12000,
	.merge_cost_ns = 30000,
	.split_cost_ns = 45000,
	.fail_cost_ns = 12000,
};

/* One region of the host as a link would report it. */
struct fake_region {
	struct policy_observation obs;
};

static struct policy *engine(const struct config_settings *settings)
{
	struct policy *policy = policy_new(&global, 0);

	assert_non_null(policy);
	assert_int_equal(policy_vm_add(policy, VM, settings, 0), 0);
	return policy;
}

static struct fake_region fake(uint64_t rfn)
{
	return (struct fake_region){{.rfn = rfn, .state = POLICY_STATE_UNKNOWN}};
}

static void to_shared(struct policy *policy, struct fake_region *region, uint32_t pages,
		      uint64_t now_ns)
{
	region->obs.to_shared_pages += pages;
	region->obs.last_to_shared_ns = now_ns;
	assert_int_equal(policy_observe(policy, VM, &region->obs, now_ns), 0);
}

static void to_private(struct policy *policy, struct fake_region *region, uint32_t pages,
		       uint64_t now_ns)
{
	region->obs.to_private_pages += pages;
	region->obs.last_to_private_ns = now_ns;
	assert_int_equal(policy_observe(policy, VM, &region->obs, now_ns), 0);
}

/* A page of region @rfn goes to shared and back at @now_ns. */
static struct fake_region convert(struct policy *policy, uint64_t rfn, uint64_t now_ns)
{
	struct fake_region region = fake(rfn);

	to_shared(policy, &region, 1, now_ns);
	to_private(policy, &region, 1, now_ns + MS);
	return region;
}

/* The time at which the next batch comes out when nothing else happens; fills @ret. */
static uint64_t run_until_batch(struct policy *policy, uint64_t now_ns, struct policy_batch *ret)
{
	while (!policy_next_batch(policy, now_ns, ret)) {
		uint64_t next = policy_next_deadline(policy, now_ns);

		assert_true(next > now_ns);
		if (next > 1000 * S)
			return POLICY_NO_DEADLINE;
		now_ns = next;
	}
	return now_ns;
}

static void test_threshold_waits_for_quiet_time(void **state)
{
	struct policy *policy = engine(&base);
	struct policy_batch batch;
	uint64_t at;

	(void)state;
	convert(policy, 3, 10 * S);
	at = run_until_batch(policy, 10 * S, &batch);
	assert_in_range(at, 15 * S + MS, 15 * S + 4 * MS);
	assert_int_equal(batch.vm_id, VM);
	assert_int_equal(batch.nr, 1);
	assert_int_equal(batch.actions[0].rfn, 3);
	assert_int_equal(policy_outcome(policy, VM, 3, LPAGE_REASON_NONE, 30000, at), 0);
	assert_int_equal(run_until_batch(policy, at, &batch), POLICY_NO_DEADLINE);
	policy_free(policy);
}

static void test_conversion_takes_the_deadline_back(void **state)
{
	struct policy *policy = engine(&base);
	struct policy_batch batch;
	struct fake_region region;

	(void)state;
	region = convert(policy, 3, 10 * S);
	to_shared(policy, &region, 1, 14 * S);
	assert_int_equal(run_until_batch(policy, 14 * S, &batch), POLICY_NO_DEADLINE);
	to_private(policy, &region, 1, 2000 * S);
	assert_int_equal(policy_next_batch(policy, 2004 * S, &batch), 0);
	assert_int_equal(policy_next_batch(policy, 2006 * S, &batch), 1);
	policy_free(policy);
}

static void test_same_observation_changes_nothing(void **state)
{
	struct policy *policy = engine(&base);
	struct policy_ledger before;
	struct policy_ledger after;
	struct policy_batch batch;
	struct fake_region region;

	(void)state;
	region = convert(policy, 3, 10 * S);
	policy_vm_ledger(policy, VM, &before);
	for (int i = 0; i < 3; i++)
		assert_int_equal(policy_observe(policy, VM, &region.obs, 14 * S), 0);
	policy_vm_ledger(policy, VM, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(policy_next_batch(policy, 16 * S, &batch), 1);
	policy_free(policy);
}

static void test_large_regions_cost_nothing(void **state)
{
	struct policy *policy = engine(&base);
	size_t before = policy_memory_bytes(policy);
	struct policy_observation obs = {.state = POLICY_STATE_UNKNOWN};

	(void)state;
	for (obs.rfn = 0; obs.rfn < 100000; obs.rfn++)
		assert_int_equal(policy_observe(policy, VM, &obs, S), 0);
	assert_int_equal(policy_memory_bytes(policy), before);
	policy_free(policy);
}

static void test_whole_region_needs_no_merge(void **state)
{
	struct policy *policy = engine(&base);
	struct fake_region region = fake(9);
	struct policy_batch batch;

	(void)state;
	to_shared(policy, &region, 512, S);
	to_private(policy, &region, 512, 2 * S);
	assert_int_equal(run_until_batch(policy, 2 * S, &batch), POLICY_NO_DEADLINE);
	policy_free(policy);
}

static void test_never_and_mode_off(void **state)
{
	struct config_settings settings = base;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;

	(void)state;
	settings.policy = CONFIG_POLICY_NEVER;
	policy = engine(&settings);
	convert(policy, 3, 10 * S);
	assert_int_equal(run_until_batch(policy, 10 * S, &batch), POLICY_NO_DEADLINE);
	assert_int_equal(policy_explain(policy, VM, 3, 20 * S, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_RULE);
	/* The new rule holds for what is there already. */
	assert_int_equal(policy_vm_configure(policy, VM, &base, 20 * S), 0);
	assert_int_equal(policy_next_batch(policy, 20 * S, &batch), 1);
	policy_free(policy);
}

static void test_refusals_back_off(void **state)
{
	struct policy *policy = engine(&base);
	struct policy_batch batch;
	struct policy_explanation why;
	uint64_t at = 10 * S;
	uint64_t wait = 0;

	(void)state;
	convert(policy, 3, at);
	for (int i = 0; i < 6; i++) {
		uint64_t next = run_until_batch(policy, at, &batch);

		assert_true(next - at > wait);
		if (i > 0)
			wait = next - at;
		at = next;
		policy_outcome(policy, VM, 3, LPAGE_REASON_BUSY, 12000, at);
	}
	assert_int_equal(policy_explain(policy, VM, 3, at, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_BACKOFF);
	assert_int_equal(why.last_refusal, LPAGE_REASON_BUSY);
	assert_int_equal(why.retries, 6);
	policy_free(policy);
}

static void test_lost_answer_is_asked_again(void **state)
{
	struct policy *policy = engine(&base);
	struct policy_batch batch;
	uint64_t at;

	(void)state;
	convert(policy, 3, S);
	at = run_until_batch(policy, S, &batch);
	assert_in_range(run_until_batch(policy, at, &batch) - at, 10 * S, 11 * S);
	policy_free(policy);
}

static void test_rate_limits_and_order(void **state)
{
	struct config_settings settings = base;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;
	unsigned int nr = 0;

	(void)state;
	settings.merge_rate_per_s = 1; /* ten at once */
	policy = engine(&settings);
	for (uint64_t rfn = 0; rfn < 20; rfn++)
		convert(policy, rfn, 10 * S);
	while (policy_next_batch(policy, 16 * S, &batch))
		nr += batch.nr;
	assert_int_equal(nr, 10);
	assert_int_equal(policy_explain(policy, VM, 19, 16 * S, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_VM_RATE);
	assert_in_range(why.need, 1, S);
	assert_in_range(policy_next_deadline(policy, 16 * S), 16 * S + 1, 17 * S);
	assert_int_equal(policy_next_batch(policy, 17 * S, &batch), 1);
	assert_int_equal(batch.nr, 1);
	policy_free(policy);
}

static void test_pause_and_dry_run(void **state)
{
	struct config_settings settings = base;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;

	(void)state;
	settings.dry_run = true;
	policy = engine(&settings);
	convert(policy, 3, S);
	policy_pause_all(policy, true, S);
	assert_int_equal(run_until_batch(policy, S, &batch), POLICY_NO_DEADLINE);
	policy_explain(policy, VM, 3, 10 * S, &why);
	assert_int_equal(why.reason, LPAGE_REASON_PAUSED);
	policy_pause_all(policy, false, 1000 * S);
	assert_true(policy_next_deadline(policy, 1000 * S) <= 1000 * S);
	assert_int_equal(policy_next_batch(policy, 1000 * S, &batch), 1);
	assert_int_equal(batch.gate, LPAGE_REASON_DRY_RUN);
	assert_int_equal(policy_next_batch(policy, 1100 * S, &batch), 0);
	policy_explain(policy, VM, 3, 1100 * S, &why);
	assert_int_equal(why.reason, LPAGE_REASON_DRY_RUN);
	policy_free(policy);
}

static void test_bad_arguments(void **state)
{
	struct policy *policy = engine(&base);
	struct policy_observation obs = {.rfn = POLICY_RFN_MAX + 1, .to_shared_pages = 1};

	(void)state;
	assert_int_equal(policy_vm_add(policy, VM, &base, 0), -EEXIST);
	assert_int_equal(policy_vm_remove(policy, VM + 1, 0), -ENOENT);
	assert_int_equal(policy_observe(policy, VM + 1, &obs, 0), -ENOENT);
	assert_int_equal(policy_observe(policy, VM, &obs, 0), -ERANGE);
	obs.rfn = POLICY_RFN_MAX;
	assert_int_equal(policy_observe(policy, VM, &obs, 0), 0);
	assert_int_equal(policy_vm_remove(policy, VM, 0), 0);
	assert_null(policy_free(policy));
	assert_null(policy_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold_waits_for_quiet_time),
		cmocka_unit_test(test_conversion_takes_the_deadline_back),
		cmocka_unit_test(test_same_observation_changes_nothing),
		cmocka_unit_test(test_large_regions_cost_nothing),
		cmocka_unit_test(test_whole_region_needs_no_merge),
		cmocka_unit_test(test_never_and_mode_off),
		cmocka_unit_test(test_refusals_back_off),
		cmocka_unit_test(test_lost_answer_is_asked_again),
		cmocka_unit_test(test_rate_limits_and_order),
		cmocka_unit_test(test_pause_and_dry_run),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
