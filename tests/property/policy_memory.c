// SPDX-License-Identifier: GPL-2.0-or-later
/* What a tracked region costs, by the growth of the resident set; and that what is counted is what is there. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/policy/internal.h"
#include "tests/lib/files.h"

#define S	UINT64_C(1000000000)
#define REGIONS (UINT64_C(1) << 20)

/* ASan's allocator pads and shadows: the resident set is asserted without it only. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
/* Of libasan, whose headers come with clang only. */
size_t __sanitizer_get_current_allocated_bytes(void);
#else
#define SANITIZED 0
#endif

static const struct config_global global = {.cpu_budget_ppm = 50000, .merge_rate_per_s = 2000};

static const struct config_settings settings = {
	.mode = CONFIG_MODE_MANAGED,
	.policy = CONFIG_POLICY_ADAPTIVE,
	.merge_rate_per_s = 1000,
	.batch = 32,
	.walk_cost_ns_per_s = 12000,
	.merge_cost_ns = 30000,
	.split_cost_ns = 45000,
	.fail_cost_ns = 12000,
};

static void track(struct policy *policy, uint32_t vm_id, uint64_t rfn)
{
	struct policy_observation obs = {
		.rfn = rfn,
		.state = POLICY_STATE_UNKNOWN,
		.to_shared_pages = 1,
		.last_to_shared_ns = S,
	};

	assert_int_equal(policy_observe(policy, vm_id, &obs, S), 0);
}

/* Bytes per region when @nr of them follow those that are there, one in @sparsity. */
static double slope(unsigned int sparsity, bool resident)
{
	struct policy *policy = policy_new(&global, 0);
	uint64_t rng = 1;
	uint64_t nr = 0;
	size_t before = 0;
	size_t after;

	/* What was freed before must not be there to be used again. */
	malloc_trim(0);
	assert_int_equal(policy_vm_add(policy, 1, &settings, 0), 0);
	for (uint64_t rfn = 0; rfn < 2 * REGIONS; rfn++) {
		rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		if (rfn == REGIONS) {
			before = resident ? resident_bytes() : policy_memory_bytes(policy);
			nr = 0;
		}
		if ((rng >> 33) % sparsity)
			continue;
		track(policy, 1, rfn);
		nr++;
	}
	after = resident ? resident_bytes() : policy_memory_bytes(policy);
	policy_free(policy);
	return (double)(after - before) / (double)nr;
}

static void check(unsigned int sparsity, double limit)
{
	double counted = slope(sparsity, false);

	print_message("1 in %u: %.2f bytes counted per region\n", sparsity, counted);
	assert_true(counted > 11);
	assert_true(counted <= limit);
	if (!SANITIZED) {
		double resident = slope(sparsity, true);

		print_message("1 in %u: %.2f bytes resident per region\n", sparsity, resident);
		assert_true(resident <= limit);
	}
}

static void dense_regions_take_16_bytes_at_most(void **state)
{
	(void)state;
	check(1, 16);
}

static void sparse_regions_take_little_memory(void **state)
{
	(void)state;
	check(10, 64);
}

#if SANITIZED

#define STEPS 20000
/* Many directories of chunks; and a chunk and a half that fill up. */
#define RFNS	(UINT64_C(1) << 22)
#define CROWDED 768

/* The region has come back, and is due. */
static void take_back(struct policy *policy, uint32_t vm_id, uint64_t rfn)
{
	struct policy_observation obs = {
		.rfn = rfn,
		.state = POLICY_STATE_UNKNOWN,
		.to_shared_pages = 1,
		.to_private_pages = 1,
		.last_to_shared_ns = S,
		.last_to_private_ns = 2 * S,
	};

	assert_int_equal(policy_observe(policy, vm_id, &obs, 3 * S), 0);
}

/* Whatever takes or frees memory. Errors, of VMs that are there or are not, do not matter. */
static void step(struct policy *policy, uint32_t vm_id, uint64_t what, uint64_t rfn)
{
	struct config_settings cheap = settings;
	struct policy_batch batch;

	cheap.walk_cost_ns_per_s = 120;
	switch (what) {
	case 0:
		if (policy_vm_add(policy, vm_id, &settings, 0) == -EEXIST)
			(void)policy_vm_configure(policy, vm_id, &cheap, 0);
		break;
	case 1:
		if (rfn % 16 == 0)
			(void)policy_vm_remove(policy, vm_id, 0);
		break;
	case 2:
		(void)policy_forget(policy, vm_id, rfn % CROWDED);
		break;
	case 3:
		(void)policy_next_batch(policy, 100 * S, &batch);
		break;
	case 4:
		if (policy_vm_ledger(policy, vm_id, S, &(struct policy_ledger){0}) == 0)
			track(policy, vm_id, rfn);
		break;
	default:
		if (policy_vm_ledger(policy, vm_id, S, &(struct policy_ledger){0}) == 0)
			take_back(policy, vm_id, rfn % CROWDED);
	}
}

static void memory_is_counted_to_the_byte(void **state)
{
	size_t before = __sanitizer_get_current_allocated_bytes();
	struct policy *policy = policy_new(&global, 0);
	uint64_t rng = 1;

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		step(policy, rng >> 61 & 3, (rng >> 40) % 16, (rng >> 16) % RFNS);
		assert_int_equal(policy_memory_bytes(policy) + blocks_slack_bytes(&policy->blocks),
				 __sanitizer_get_current_allocated_bytes() - before);
	}
	policy_free(policy);
	assert_int_equal(__sanitizer_get_current_allocated_bytes(), before);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sparse_regions_take_little_memory),
		cmocka_unit_test(dense_regions_take_16_bytes_at_most),
#if SANITIZED
		cmocka_unit_test(memory_is_counted_to_the_byte),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
