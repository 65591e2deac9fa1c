// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine under the policies that do not learn. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/policy/internal.h"
#include "daemon/policy/policy.h"
#include "tests/lib/policy_fixture.h"

static void threshold_waits_for_quiet_time(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_batch batch;
	uint64_t at;

	(void)state;
	fixture_convert(policy, 3, 10 * S);
	at = fixture_until_batch(policy, 10 * S, &batch);
	assert_in_range(at, 15 * S + MS, 15 * S + 4 * MS);
	assert_int_equal(batch.vm_id, VM);
	assert_int_equal(batch.nr, 1);
	assert_int_equal(batch.actions[0].rfn, 3);
	assert_int_equal(policy_outcome(policy, VM, 3, LPAGE_REASON_NONE, 30000, at), 0);
	assert_int_equal(fixture_until_batch(policy, at, &batch), POLICY_NO_DEADLINE);
	policy_free(policy);
}

static void a_conversion_takes_the_deadline_back(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_batch batch;
	struct fake_region region;

	(void)state;
	region = fixture_convert(policy, 3, 10 * S);
	fixture_to_shared(policy, &region, 1, 14 * S);
	assert_int_equal(fixture_until_batch(policy, 14 * S, &batch), POLICY_NO_DEADLINE);
	fixture_to_private(policy, &region, 1, 2000 * S);
	assert_int_equal(policy_next_batch(policy, 2004 * S, &batch), 0);
	assert_int_equal(policy_next_batch(policy, 2006 * S, &batch), 1);
	policy_free(policy);
}

static void the_same_observation_changes_nothing(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_ledger before;
	struct policy_ledger after;
	struct policy_batch batch;
	struct fake_region region;

	(void)state;
	region = fixture_convert(policy, 3, 10 * S);
	policy_vm_ledger(policy, VM, 14 * S, &before);
	for (int i = 0; i < 3; i++)
		assert_int_equal(policy_observe(policy, VM, &region.obs, 14 * S), 0);
	policy_vm_ledger(policy, VM, 14 * S, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(policy_next_batch(policy, 16 * S, &batch), 1);
	policy_free(policy);
}

static void large_regions_cost_nothing(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	size_t before = policy_memory_bytes(policy);
	struct policy_observation obs = {.state = POLICY_STATE_UNKNOWN};

	(void)state;
	for (obs.rfn = 0; obs.rfn < 100000; obs.rfn++)
		assert_int_equal(policy_observe(policy, VM, &obs, S), 0);
	assert_int_equal(policy_memory_bytes(policy), before);
	policy_free(policy);
}

static void a_region_converted_as_a_whole_needs_no_merge(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct fake_region region = fixture_fake(9);
	struct policy_batch batch;

	(void)state;
	fixture_to_shared(policy, &region, 512, S);
	fixture_to_private(policy, &region, 512, 2 * S);
	assert_int_equal(fixture_until_batch(policy, 2 * S, &batch), POLICY_NO_DEADLINE);
	policy_free(policy);
}

static void never_and_mode_off_merge_nothing(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;

	(void)state;
	settings.policy = CONFIG_POLICY_NEVER;
	policy = fixture_engine(&settings);
	fixture_convert(policy, 3, 10 * S);
	assert_int_equal(fixture_until_batch(policy, 10 * S, &batch), POLICY_NO_DEADLINE);
	assert_int_equal(policy_explain(policy, VM, 3, 20 * S, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_RULE);
	/* The new rule holds for what is there already. */
	assert_int_equal(policy_vm_configure(policy, VM, &policy_fixture_settings, 20 * S), 0);
	assert_int_equal(policy_next_batch(policy, 20 * S, &batch), 1);
	policy_free(policy);
}

static void refusals_back_off(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_batch batch;
	struct policy_explanation why;
	uint64_t at = 10 * S;
	uint64_t wait = 0;

	(void)state;
	fixture_convert(policy, 3, at);
	for (int i = 0; i < 6; i++) {
		uint64_t next = fixture_until_batch(policy, at, &batch);

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

static void check_explained_as_other(unsigned int reason)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_explanation why;
	struct policy_ledger ledger;
	struct policy_batch batch;
	uint64_t at;

	fixture_convert(policy, 3, 10 * S);
	at = fixture_until_batch(policy, 10 * S, &batch);
	policy_outcome(policy, VM, 3, (enum lpage_reason)reason, 12000, at);
	assert_int_equal(policy_explain(policy, VM, 3, at, &why), 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_OTHER);
	assert_int_equal(policy_vm_ledger(policy, VM, at, &ledger), 0);
	assert_int_equal(ledger.reasons[LPAGE_REASON_OTHER], 1);
	policy_free(policy);
}

static void reasons_of_a_newer_kernel_are_explained_as_other(void **state)
{
	(void)state;
	for (unsigned int reason = LPAGE_REASON_KERNEL_END; reason < LPAGE_REASON_DAEMON_BASE;
	     reason++)
		check_explained_as_other(reason);
}

/* Only a merge ends it, and there is no event when the guest has taken the last page. */
static void an_inhibited_region_is_tried_again(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_batch batch;
	struct policy_explanation why;
	uint64_t at;

	(void)state;
	fixture_convert(policy, 3, 10 * S);
	at = fixture_until_batch(policy, 10 * S, &batch);
	policy_outcome(policy, VM, 3, LPAGE_REASON_INHIBITED, 12000, at);
	assert_int_equal(policy_explain(policy, VM, 3, at, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_BACKOFF);
	assert_true(fixture_until_batch(policy, at, &batch) > at);
	policy_free(policy);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_batch batch;
	uint64_t at;

	(void)state;
	fixture_convert(policy, 3, S);
	at = fixture_until_batch(policy, S, &batch);
	assert_in_range(fixture_until_batch(policy, at, &batch) - at, 10 * S, 11 * S);
	policy_free(policy);
}

static void rate_limits_hold_and_keep_the_order(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;
	unsigned int nr = 0;

	(void)state;
	settings.merge_rate_per_s = 1; /* ten at once */
	policy = fixture_engine(&settings);
	for (uint64_t rfn = 0; rfn < 20; rfn++)
		fixture_convert(policy, rfn, 10 * S);
	while (policy_next_batch(policy, 16 * S, &batch))
		nr += batch.nr;
	assert_int_equal(nr, 10);
	assert_int_equal(policy_explain(policy, VM, 19, 16 * S, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_VM_RATE);
	assert_in_range(why.need, 1, S);
	assert_in_range(policy_next_deadline(policy), 16 * S + 1, 17 * S);
	assert_int_equal(policy_next_batch(policy, 17 * S, &batch), 1);
	assert_int_equal(batch.nr, 1);
	policy_free(policy);
}

/* A client that asks often must not shift what is handed out, and when. */
static void explaining_a_region_changes_nothing(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;
	struct policy_vm *vm, vm_before;
	struct policy before;

	(void)state;
	settings.merge_rate_per_s = 1;
	policy = fixture_engine(&settings);
	for (uint64_t rfn = 0; rfn < 20; rfn++)
		fixture_convert(policy, rfn, 10 * S);
	while (policy_next_batch(policy, 16 * S, &batch))
		continue;
	vm = policy_vm_find(policy, VM);
	before = *policy;
	vm_before = *vm;
	assert_int_equal(policy_explain(policy, VM, 19, 21 * S, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_QUEUED);
	assert_memory_equal(policy, &before, sizeof(before));
	assert_memory_equal(vm, &vm_before, sizeof(vm_before));
	policy_free(policy);
}

static void pause_and_dry_run_hold_merges_back(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy;

	(void)state;
	settings.dry_run = true;
	policy = fixture_engine(&settings);
	fixture_convert(policy, 3, S);
	policy_pause_all(policy, true, S);
	assert_int_equal(fixture_until_batch(policy, S, &batch), POLICY_NO_DEADLINE);
	policy_explain(policy, VM, 3, 10 * S, &why);
	assert_int_equal(why.reason, LPAGE_REASON_PAUSED);
	policy_pause_all(policy, false, 1000 * S);
	assert_true(policy_next_deadline(policy) <= 1000 * S);
	assert_int_equal(policy_next_batch(policy, 1000 * S, &batch), 1);
	assert_int_equal(batch.gate, LPAGE_REASON_DRY_RUN);
	assert_int_equal(policy_next_batch(policy, 1100 * S, &batch), 0);
	policy_explain(policy, VM, 3, 1100 * S, &why);
	assert_int_equal(why.reason, LPAGE_REASON_DRY_RUN);
	policy_free(policy);
}

/* Converts a region of @vm_id, not of VM. */
static void convert_of(struct policy *policy, uint32_t vm_id, uint64_t rfn, uint64_t now_ns)
{
	struct policy_observation obs = {
		.rfn = rfn,
		.state = POLICY_STATE_UNKNOWN,
		.to_shared_pages = 1,
		.last_to_shared_ns = now_ns,
	};

	assert_int_equal(policy_observe(policy, vm_id, &obs, now_ns), 0);
	obs.to_private_pages = 1;
	obs.last_to_private_ns = now_ns + MS;
	assert_int_equal(policy_observe(policy, vm_id, &obs, now_ns + MS), 0);
}

/* Merges all that comes out now; counts per VM. */
static void merge_all(struct policy *policy, uint64_t now_ns, unsigned int *merged)
{
	struct policy_batch batch;

	while (policy_next_batch(policy, now_ns, &batch)) {
		merged[batch.vm_id] += batch.nr;
		for (unsigned int i = 0; i < batch.nr; i++)
			policy_outcome(policy, batch.vm_id, batch.actions[i].rfn, LPAGE_REASON_NONE,
				       0, now_ns);
	}
}

/* One VM converts a hundred times as much as each of nine others, which wait no longer for it. */
static void a_greedy_vm_costs_others_nothing(void **state)
{
	struct config_global tight = policy_fixture_global;
	struct config_settings settings = policy_fixture_settings;
	unsigned int merged[11] = {0};
	struct policy *policy;

	(void)state;
	tight.merge_rate_per_s = 20; /* 200 at once */
	settings.policy = CONFIG_POLICY_EAGER;
	policy = policy_new(&tight, 0);
	for (uint32_t vm = 1; vm <= 10; vm++)
		assert_int_equal(policy_vm_add(policy, vm, &settings, 0), 0);
	for (uint64_t rfn = 0; rfn < 1000; rfn++)
		convert_of(policy, 1, rfn, S);
	merge_all(policy, 2 * S, merged);
	/* The greedy one left half of the bucket. */
	assert_in_range(merged[1], 50, 110);
	for (uint32_t vm = 2; vm <= 10; vm++)
		for (uint64_t rfn = 0; rfn < 10; rfn++)
			convert_of(policy, vm, rfn, 2 * S);
	merge_all(policy, 2 * S + 10 * MS, merged);
	for (uint32_t vm = 2; vm <= 10; vm++)
		assert_int_equal(merged[vm], 10);
	/* And it gets what nobody else wants. */
	merge_all(policy, 100 * S, merged);
	assert_true(merged[1] > 150);
	policy_free(policy);
}

/* Under a tight budget the regions that save most per cost go first. */
static void the_best_region_is_merged_first(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_batch batch;
	struct policy *policy;

	(void)state;
	settings.quiet_time_ns = 0;
	settings.policy = CONFIG_POLICY_EAGER;
	settings.merge_rate_per_s = 1;
	policy = fixture_engine(&settings);
	policy_pause_all(policy, true, 0);
	/* Quiet for 1 to 300 s; without experience that is how long more it is expected to be. */
	for (uint64_t rfn = 0; rfn < 300; rfn++)
		fixture_convert(policy, rfn, (1 + rfn) * S);
	policy_pause_all(policy, false, 301 * S);
	assert_int_equal(policy_next_batch(policy, 301 * S, &batch), 1);
	assert_int_equal(batch.nr, 10);
	for (unsigned int i = 0; i < batch.nr; i++)
		assert_true(batch.actions[i].rfn < 60);
	policy_free(policy);
}

static void the_latency_guard_suspends_merges(void **state)
{
	struct policy_batch_cost slow = {.regions = 8, .merged = 8, .stall_ns = 5 * MS};
	struct policy_explanation why;
	struct policy_batch batch;
	struct policy *policy = fixture_engine(&policy_fixture_settings);

	(void)state;
	for (uint64_t rfn = 0; rfn < 8; rfn++)
		fixture_convert(policy, rfn, S);
	assert_int_equal(policy_next_batch(policy, 10 * S, &batch), 1);
	assert_int_equal(policy_batch_done(policy, VM, &slow, 10 * S), 0);
	for (uint64_t rfn = 10; rfn < 20; rfn++)
		fixture_convert(policy, rfn, 4 * S);
	assert_int_equal(policy_next_batch(policy, 10 * S + MS, &batch), 0);
	assert_int_equal(policy_explain(policy, VM, 12, 10 * S + MS, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_LATENCY_GUARD);
	assert_int_equal(policy_next_batch(policy, 10 * S + 200 * MS, &batch), 1);
	assert_int_equal(batch.nr, 4);
	policy_free(policy);
}

/* Doubling ends: a VM whose batches always stall it is tried once a minute. */
static void latency_guard_pauses_a_minute_at_most(void **state)
{
	struct policy_batch_cost slow = {.regions = 8, .merged = 8, .stall_ns = 5 * MS};
	struct policy_explanation why;
	struct policy *policy = fixture_engine(&policy_fixture_settings);

	(void)state;
	fixture_convert(policy, 0, S);
	for (unsigned int i = 0; i < 30; i++)
		assert_int_equal(policy_batch_done(policy, VM, &slow, 10 * S), 0);
	assert_int_equal(policy_next_batch(policy, 10 * S, &(struct policy_batch){0}), 0);
	assert_int_equal(policy_explain(policy, VM, 0, 10 * S, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_LATENCY_GUARD);
	assert_int_equal(why.need, 60 * S);
	policy_free(policy);
}

/* hold-after: 3/60s. The fourth conversion within that time asks for a hold, once. */
static void hot_regions_are_held(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy_ledger ledger;
	struct policy_batch batch;
	struct fake_region region;
	struct policy *policy;
	uint64_t at;

	(void)state;
	settings.hold_after = (struct config_count_per){3, 60 * S};
	settings.hold_for_ns = 30 * S;
	policy = fixture_engine(&settings);
	region = fixture_convert(policy, 3, 10 * S);
	for (int i = 1; i < 4; i++) {
		assert_int_equal(policy_next_batch(policy, (10 + i) * S, &batch), 0);
		fixture_to_shared(policy, &region, 1, (10 + i) * S);
		fixture_to_private(policy, &region, 1, (10 + i) * S + MS);
	}
	assert_true(policy_next_deadline(policy) <= 14 * S);
	assert_int_equal(policy_next_batch(policy, 14 * S, &batch), 1);
	assert_int_equal(batch.op, POLICY_OP_HOLD);
	assert_int_equal(batch.hold_ns, 30 * S);
	assert_int_equal(batch.actions[0].rfn, 3);
	at = fixture_until_batch(policy, 14 * S, &batch);
	assert_int_equal(batch.op, POLICY_OP_MERGE);
	assert_in_range(at, 43 * S, 44 * S);
	policy_vm_ledger(policy, VM, at, &ledger);
	assert_int_equal(ledger.holds, 1);
	policy_free(policy);
}

static void bad_arguments_are_refused(void **state)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);
	struct policy_observation obs = {.rfn = POLICY_RFN_MAX + 1, .to_shared_pages = 1};

	(void)state;
	assert_int_equal(policy_vm_add(policy, VM, &policy_fixture_settings, 0), -EEXIST);
	assert_int_equal(policy_vm_remove(policy, VM + 1, 0), -ENOENT);
	assert_int_equal(policy_observe(policy, VM + 1, &obs, 0), -ENOENT);
	assert_int_equal(policy_observe(policy, VM, &obs, 0), -ERANGE);
	obs.rfn = POLICY_RFN_MAX;
	assert_int_equal(policy_observe(policy, VM, &obs, 0), 0);
	assert_int_equal(policy_vm_remove(policy, VM, 0), 0);
	assert_null(policy_free(policy));
	assert_null(policy_free(NULL));
}

/* Many at once are as one by one; a bad one among them does not hide the others. */
static void many_observations_equal_single_ones(void **state)
{
	struct policy *one = fixture_engine(&policy_fixture_settings);
	struct policy *all = fixture_engine(&policy_fixture_settings);
	struct policy_observation obs[40];
	struct policy_ledger a, b;

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		obs[i] = (struct policy_observation){.rfn = i * i * 100,
						     .state = POLICY_STATE_UNKNOWN,
						     .to_shared_pages = 1,
						     .to_private_pages = i % 2 ? 1 : 0,
						     .last_to_shared_ns = S,
						     .last_to_private_ns = i % 2 ? S + MS : 0};
	obs[7].rfn = POLICY_RFN_MAX + 1;
	assert_int_equal(policy_observe_all(all, VM, obs, 40, 2 * S), -ERANGE);
	assert_int_equal(policy_observe_all(all, VM + 1, obs, 40, 2 * S), -ENOENT);
	assert_int_equal(policy_observe_all(all, VM, obs, 0, 2 * S), 0);
	for (int i = 0; i < 40; i++)
		(void)policy_observe(one, VM, &obs[i], 2 * S);
	policy_total_ledger(one, 2 * S, &a);
	policy_total_ledger(all, 2 * S, &b);
	assert_int_equal(b.tracked_regions, 39);
	assert_int_equal(b.waiting_regions, 19);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(policy_next_deadline(one), policy_next_deadline(all));
	policy_free(one);
	policy_free(all);
}

/* ---- VMs that are removed ---- */

#define GIB 300 /* of which one region each is converted: more than is freed at a time */

static struct policy *policy_of_gibs(void)
{
	struct policy *policy = fixture_engine(&policy_fixture_settings);

	for (uint64_t i = 0; i < GIB; i++)
		fixture_convert(policy, i * CHUNK_REGIONS, 10 * S);
	return policy;
}

static void a_removed_vm_gives_its_memory_back_bit_by_bit(void **state)
{
	struct policy *policy = policy_of_gibs();
	size_t bytes = policy->vm_bytes;
	unsigned int slices = 0;
	bool more = true;

	(void)state;
	assert_int_equal(policy_vm_remove(policy, VM, 11 * S), 0);
	assert_int_equal(policy->vm_bytes, bytes);
	for (; more; slices++) {
		size_t nr = policy->heap.nr;

		more = policy_clear(policy);
		assert_true(nr - policy->heap.nr <= 64);
		/* It counts what it still has, to the byte but for the list of directories. */
		assert_true(policy->vm_bytes >= policy->heap.nr * sizeof(struct chunk));
		assert_true(policy->vm_bytes <= bytes);
		bytes = policy->vm_bytes;
	}
	assert_in_range(slices, GIB / 64, 2 * GIB / 64);
	assert_int_equal(policy->vm_bytes, 0);
	assert_int_equal(policy->heap.nr, 0);
	policy_free(policy);
}

/* They count for nothing at once, and are freed later; one of the same id begins anew. */
static void vms_that_are_lost_count_no_more(void **state)
{
	struct policy *policy = policy_of_gibs();
	struct policy_ledger ledger;
	struct policy_batch batch;
	struct policy_group group = {0};

	(void)state;
	assert_int_equal(policy_vm_group(policy, VM, &group, 11 * S), 0);
	policy_lose_all(policy, 11 * S);
	policy_group_clear(policy, &group, 11 * S);
	policy_total_ledger(policy, 12 * S, &ledger);
	assert_int_equal(ledger.tracked_regions, 0);
	assert_int_equal(ledger.waiting_regions, 0);
	policy_group_ledger(policy, &group, 12 * S, &ledger);
	assert_int_equal(ledger.tracked_regions, 0);
	assert_int_equal(policy_vm_ledger(policy, VM, 12 * S, &ledger), 0);
	assert_int_equal(ledger.tracked_regions, GIB);
	/* Nothing is decided for them. */
	assert_int_equal(policy_outcome(policy, VM, 0, LPAGE_REASON_NONE, 0, 12 * S), -ENOENT);
	assert_int_equal(policy_next_deadline(policy), POLICY_NO_DEADLINE);
	assert_int_equal(policy_next_batch(policy, 100 * S, &batch), 0);
	assert_int_equal(policy_vm_add(policy, VM, &policy_fixture_settings, 100 * S), -EEXIST);
	assert_int_equal(policy_vm_remove(policy, VM, 100 * S), 0);
	while (policy_clear(policy))
		;
	assert_int_equal(policy_vm_add(policy, VM, &policy_fixture_settings, 100 * S), 0);
	fixture_convert(policy, 5, 100 * S);
	policy_total_ledger(policy, 101 * S, &ledger);
	assert_int_equal(ledger.tracked_regions, 1);
	assert_int_equal(policy_next_batch(policy, 200 * S, &batch), 1);
	policy_free(policy);
}

static void regions_of_a_removed_vm_are_not_decided(void **state)
{
	struct policy *policy = policy_of_gibs();
	struct policy_ledger ledger;
	struct policy_batch batch;

	(void)state;
	assert_int_equal(policy_vm_remove(policy, VM, 11 * S), 0);
	assert_true(policy_clear(policy));
	/* Their deadlines pass. */
	assert_int_equal(fixture_until_batch(policy, 12 * S, &batch), POLICY_NO_DEADLINE);
	assert_int_equal(policy->decisions, 0);
	policy_total_ledger(policy, 20 * S, &ledger);
	assert_int_equal(ledger.tracked_regions, 0);
	assert_int_equal(ledger.queued_regions, 0);
	policy_free(policy);
}

static void a_new_vm_may_have_the_id_of_one_that_was_removed(void **state)
{
	struct policy *policy = policy_of_gibs();
	struct policy_ledger ledger;
	struct policy_batch batch;

	(void)state;
	assert_int_equal(policy_vm_remove(policy, VM, 11 * S), 0);
	assert_int_equal(policy_vm_add(policy, VM, &policy_fixture_settings, 11 * S), 0);
	fixture_convert(policy, 3, 12 * S);
	while (policy_clear(policy))
		;
	assert_in_range(fixture_until_batch(policy, 12 * S, &batch), 17 * S, 18 * S);
	assert_int_equal(batch.nr, 1);
	assert_int_equal(batch.actions[0].rfn, 3);
	policy_vm_ledger(policy, VM, 18 * S, &ledger);
	assert_int_equal(ledger.tracked_regions, 1);
	policy_free(policy);
}

static void a_policy_is_freed_bit_by_bit(void **state)
{
	struct policy *policy = policy_of_gibs();
	unsigned int slices = 1;

	(void)state;
	for (uint32_t id = 1000; id < 1400; id++)
		assert_int_equal(policy_vm_add(policy, id, &policy_fixture_settings, S), 0);
	while ((policy = policy_shrink(policy)))
		slices++;
	assert_in_range(slices, (GIB + 400) / 64, 2 * (GIB + 400) / 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threshold_waits_for_quiet_time),
		cmocka_unit_test(a_conversion_takes_the_deadline_back),
		cmocka_unit_test(the_same_observation_changes_nothing),
		cmocka_unit_test(large_regions_cost_nothing),
		cmocka_unit_test(a_region_converted_as_a_whole_needs_no_merge),
		cmocka_unit_test(never_and_mode_off_merge_nothing),
		cmocka_unit_test(refusals_back_off),
		cmocka_unit_test(reasons_of_a_newer_kernel_are_explained_as_other),
		cmocka_unit_test(an_inhibited_region_is_tried_again),
		cmocka_unit_test(a_lost_answer_is_asked_for_again),
		cmocka_unit_test(rate_limits_hold_and_keep_the_order),
		cmocka_unit_test(explaining_a_region_changes_nothing),
		cmocka_unit_test(pause_and_dry_run_hold_merges_back),
		cmocka_unit_test(a_greedy_vm_costs_others_nothing),
		cmocka_unit_test(the_best_region_is_merged_first),
		cmocka_unit_test(the_latency_guard_suspends_merges),
		cmocka_unit_test(latency_guard_pauses_a_minute_at_most),
		cmocka_unit_test(hot_regions_are_held),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(many_observations_equal_single_ones),
		cmocka_unit_test(a_removed_vm_gives_its_memory_back_bit_by_bit),
		cmocka_unit_test(vms_that_are_lost_count_no_more),
		cmocka_unit_test(regions_of_a_removed_vm_are_not_decided),
		cmocka_unit_test(a_new_vm_may_have_the_id_of_one_that_was_removed),
		cmocka_unit_test(a_policy_is_freed_bit_by_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
