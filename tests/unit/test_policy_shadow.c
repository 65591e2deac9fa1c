// SPDX-License-Identifier: GPL-2.0-or-later
/* A policy beside another one: what it takes over, and what is its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/policy/policy.h"
#include "tests/lib/policy_fixture.h"

/* How long after its first conversion a region is tried. */
static uint64_t wait_ns(struct policy *policy, uint64_t rfn, uint64_t now_ns)
{
	struct policy_batch batch;

	fixture_convert(policy, rfn, now_ns);
	return fixture_until_batch(policy, now_ns, &batch) - now_ns;
}

static void when_to_try_is_planned_by_the_costs_of_the_shadow(void **state)
{
	struct config_settings cheap = policy_fixture_settings, dear;
	struct policy *active, *alone, *shadow;
	uint64_t cheap_ns, dear_ns;

	(void)state;
	cheap.policy = CONFIG_POLICY_EAGER;
	dear = cheap;
	dear.fail_cost_ns = 300000;
	active = fixture_engine(&cheap);
	alone = fixture_engine(&dear);
	cheap_ns = wait_ns(active, 3, 10 * S);
	shadow = policy_new_shadow(&policy_fixture_global, active, 20 * S);
	assert_non_null(shadow);
	assert_int_equal(policy_vm_add(shadow, VM, &dear, 20 * S), 0);
	dear_ns = wait_ns(alone, 4, 30 * S);
	assert_true(dear_ns > cheap_ns);
	assert_int_equal(wait_ns(shadow, 4, 30 * S), dear_ns);
	policy_free(shadow);
	policy_free(alone);
	policy_free(active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_to_try_is_planned_by_the_costs_of_the_shadow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
