// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: what merges cost and saved, by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <string.h>

#include "tests/lib/core_host.h"

#define RULES 8

/* The rules that are shown; the sum of their ledgers is that of the host. */
static size_t rules_of(struct core_host *host, struct lp_rule_snapshot ret[static RULES])
{
	struct policy_ledger total = core_host_status(host).ledger, sum = {0};
	size_t nr = host->core->ops->rules(host->core, ret, RULES);

	for (size_t i = 0; i < nr; i++)
		policy_ledger_add(&sum, &ret[i].ledger);
	assert_memory_equal(&sum, &total, sizeof(sum));
	return nr;
}

static const struct lp_rule_snapshot *find(const struct lp_rule_snapshot *rules, size_t nr,
					   const char *rule)
{
	for (size_t i = 0; i < nr; i++) {
		if (!strcmp(rules[i].rule, rule))
			return &rules[i];
	}
	return NULL;
}

static void merge_all(struct core_host *host)
{
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
	fake_link_finish(&host->fake, core_host_op(host), 0);
	core_host_run(host);
}

static void reload(struct core_host *host, const char *text)
{
	core_host_write_config(host, text);
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_settle(host);
}

#define WEB_RULE "version: 1\nrules: [{name: web, match: {vm-name: web-*}}]\n"

static void merges_are_charged_to_the_rule_of_their_time(void **state)
{
	struct core_host *host = *state;
	struct lp_rule_snapshot rules[RULES];
	uint64_t saved_ns;
	size_t nr;

	core_host_one_vm_fixture(host);
	merge_all(host);
	nr = rules_of(host, rules);
	assert_int_equal(nr, 1);
	assert_string_equal(rules[0].rule, LP_RULE_DEFAULTS);
	assert_int_equal(rules[0].nr_vms, 1);
	assert_int_equal(rules[0].ledger.merges, NR_RFNS);
	assert_true(rules[0].ledger.spent_ns > 0);
	core_host_pass(host, NS_PER_S);
	reload(host, WEB_RULE);
	nr = rules_of(host, rules);
	assert_int_equal(nr, 2);
	assert_string_equal(rules[0].rule, "web");
	assert_int_equal(rules[0].nr_vms, 1);
	assert_int_equal(rules[0].ledger.merges, 0);
	assert_int_equal(rules[1].ledger.merges, NR_RFNS);
	assert_int_equal(rules[1].nr_vms, 0);
	/* What merged regions save from now on is the new rule's. */
	saved_ns = rules[1].ledger.walk_saved_ns;
	assert_true(saved_ns > 0);
	core_host_pass(host, NS_PER_S);
	nr = rules_of(host, rules);
	assert_true(rules[0].ledger.walk_saved_ns > 0);
	assert_int_equal(rules[1].ledger.walk_saved_ns, saved_ns);
	assert_int_equal(nr, 2);
}

static void what_vms_that_are_gone_cost_stays_with_their_rule(void **state)
{
	struct core_host *host = *state;
	struct lp_rule_snapshot rules[RULES];
	size_t nr;

	core_host_write_config(host, WEB_RULE);
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_one_vm_fixture(host);
	for (int i = 0; i < 600 && !core_host_op(host); i++)
		core_host_pass(host, NS_PER_S);
	merge_all(host);
	core_host_vm_gone(host);
	core_host_run(host);
	nr = rules_of(host, rules);
	assert_int_equal(find(rules, nr, "web")->ledger.merges, NR_RFNS);
	assert_int_equal(find(rules, nr, "web")->nr_vms, 0);
	/* The figures of now are those of VMs that are there. */
	assert_int_equal(find(rules, nr, "web")->ledger.tracked_regions, 0);
}

static void rules_that_are_gone_are_summed_up(void **state)
{
	struct core_host *host = *state;
	struct lp_rule_snapshot rules[RULES];
	size_t nr;

	core_host_one_vm_fixture(host);
	reload(host, WEB_RULE);
	for (int i = 0; i < 600 && !core_host_op(host); i++)
		core_host_pass(host, NS_PER_S);
	merge_all(host);
	reload(host, "version: 1\nrules: [{name: other, match: {vm-name: web-*}}]\n");
	nr = rules_of(host, rules);
	assert_null(find(rules, nr, "web"));
	assert_int_equal(find(rules, nr, "other")->nr_vms, 1);
	assert_int_equal(find(rules, nr, LP_RULE_REMOVED)->ledger.merges, NR_RFNS);
	/* However many names there were. */
	reload(host, "version: 1\nrules: [{name: third, match: {vm-name: web-*}}]\n");
	nr = rules_of(host, rules);
	assert_int_equal(nr, 3);
	assert_non_null(find(rules, nr, "third"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_HOST_TEST(merges_are_charged_to_the_rule_of_their_time),
		CORE_HOST_TEST(what_vms_that_are_gone_cost_stays_with_their_rule),
		CORE_HOST_TEST(rules_that_are_gone_are_summed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
