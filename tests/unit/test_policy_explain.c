// SPDX-License-Identifier: GPL-2.0-or-later
/* Who asks for explanations learns of decisions, and has no part in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/policy/policy.h"
#include "tests/lib/policy_fixture.h"

/* The last lessons of a group are refusals, and none of them makes a new plan by itself. */
#define GROUP	 48
#define ACCEPTED 41

/* New regions are converted at once, and tried at once. Some are refused. Returns how long after the first try came. */
static uint64_t group_ns(struct policy *policy, unsigned int group, bool ask)
{
	uint64_t begin_ns = (group + 1) * 20 * S;
	struct fake_region regions[GROUP];
	struct policy_explanation why;
	struct policy_batch batch;
	uint64_t try_ns;

	for (unsigned int i = 0; i < GROUP; i++)
		regions[i] = fixture_convert(policy, group * GROUP + i, begin_ns);
	try_ns = fixture_until_batch(policy, begin_ns, &batch);
	assert_int_equal(batch.nr, GROUP);
	for (unsigned int i = 0; i < GROUP; i++) {
		enum lpage_reason reason = i < ACCEPTED ? LPAGE_REASON_NONE :
							  LPAGE_REASON_NOT_ACCEPTED;

		if (ask)
			assert_int_equal(policy_explain(policy, VM, batch.actions[GROUP - 1].rfn,
							try_ns, &why),
					 0);
		assert_int_equal(
			policy_outcome(policy, VM, batch.actions[i].rfn, reason, 0, try_ns), 0);
	}
	/* What was refused is not tried again. */
	for (unsigned int i = 0; i < GROUP; i++)
		fixture_to_shared(policy, &regions[i], 1, try_ns);
	return try_ns - begin_ns;
}

static void who_asks_changes_no_decision(void **state)
{
	struct config_settings settings = policy_fixture_settings;
	struct policy *asked, *alone;

	(void)state;
	settings.policy = CONFIG_POLICY_EAGER;
	settings.fail_cost_ns = 3 * MS;
	settings.batch = 64;
	asked = fixture_engine(&settings);
	alone = fixture_engine(&settings);
	for (unsigned int group = 0; group < 4; group++)
		assert_int_equal(group_ns(asked, group, true), group_ns(alone, group, false));
	policy_free(asked);
	policy_free(alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_changes_no_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
