// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/policy_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const struct config_global policy_fixture_global = {
	.cpu_budget_ppm = 50000,
	.merge_rate_per_s = 2000,
};

const struct config_settings policy_fixture_settings = {
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

struct policy *fixture_engine(const struct config_settings *settings)
{
	struct policy *policy = policy_new(&policy_fixture_global, 0);

	assert_non_null(policy);
	assert_int_equal(policy_vm_add(policy, VM, settings, 0), 0);
	return policy;
}

struct fake_region fixture_fake(uint64_t rfn)
{
	return (struct fake_region){{.rfn = rfn, .state = POLICY_STATE_UNKNOWN}};
}

void fixture_to_shared(struct policy *policy, struct fake_region *region, uint32_t pages,
		       uint64_t now_ns)
{
	region->obs.to_shared_pages += pages;
	region->obs.last_to_shared_ns = now_ns;
	assert_int_equal(policy_observe(policy, VM, &region->obs, now_ns), 0);
}

void fixture_to_private(struct policy *policy, struct fake_region *region, uint32_t pages,
			uint64_t now_ns)
{
	region->obs.to_private_pages += pages;
	region->obs.last_to_private_ns = now_ns;
	assert_int_equal(policy_observe(policy, VM, &region->obs, now_ns), 0);
}

struct fake_region fixture_convert(struct policy *policy, uint64_t rfn, uint64_t now_ns)
{
	struct fake_region region = fixture_fake(rfn);

	fixture_to_shared(policy, &region, 1, now_ns);
	fixture_to_private(policy, &region, 1, now_ns + MS);
	return region;
}

uint64_t fixture_until_batch(struct policy *policy, uint64_t now_ns, struct policy_batch *ret)
{
	while (!policy_next_batch(policy, now_ns, ret)) {
		uint64_t next = policy_next_deadline(policy);

		assert_true(next > now_ns);
		if (next > 1000 * S)
			return POLICY_NO_DEADLINE;
		now_ns = next;
	}
	return now_ns;
}
