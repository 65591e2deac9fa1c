// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager: a second configuration on the same events, against a run of its own and the simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/context.h"
#include "daemon/replay/simulate.h"
#include "tests/lib/core_host.h"
#include "tests/lib/sim_world.h"
#include "tests/lib/tracegen.h"

#define NOTIFY_NS (100 * NS_PER_MS) /* the daemon sees changes that far apart */

static struct lp_shadow_snapshot shadow_of(const struct sim_world *world)
{
	struct lp_shadow_snapshot shadow;

	assert_int_equal(world->core->ops->shadow(world->core, &shadow), 0);
	return shadow;
}

static void print(const char *name, const struct policy_ledger *ledger)
{
	print_message("%-9s %6" PRIu64 " merges %5" PRIu64 " refusals %5" PRIu64
		      " splits, saved %" PRIu64 " spent %" PRIu64 " regret %" PRIu64 "\n",
		      name, ledger->merges, ledger->refusals, ledger->splits, ledger->walk_saved_ns,
		      ledger->spent_ns, ledger->regret_ns);
}

/* Within @percent, and a few. */
static void assert_near(uint64_t value, uint64_t want, unsigned int percent)
{
	uint64_t slack = want * percent / 100 + 3;

	assert_in_range(value, want > slack ? want - slack : 0, want + slack);
}

static void assert_alike(const struct policy_ledger *a, const struct policy_ledger *b,
			 unsigned int percent)
{
	assert_near(a->merges, b->merges, percent);
	assert_near(a->refusals, b->refusals, percent);
	assert_near(a->splits, b->splits, percent);
	assert_near(a->regrets, b->regrets, percent);
	assert_near(a->walk_saved_ns / NS_PER_US, b->walk_saved_ns / NS_PER_US, percent);
	assert_near(a->spent_ns / NS_PER_US, b->spent_ns / NS_PER_US, percent);
	assert_near(a->regret_ns / NS_PER_US, b->regret_ns / NS_PER_US, percent);
}

struct text {
	char *text;
	size_t len;
};

static struct text recorded(const char *name)
{
	char path[512];
	struct text ret = {.text = NULL};
	FILE *f, *out;
	int c;

	snprintf(path, sizeof(path), "%s/tests/traces/recorded/%s.lptrace", getenv("TDX_LPAGE_SRC"),
		 name);
	f = fopen(path, "r");
	assert_non_null(f);
	out = open_memstream(&ret.text, &ret.len);
	while ((c = fgetc(f)) != EOF)
		fputc(c, out);
	fclose(f);
	assert_int_equal(fclose(out), 0);
	return ret;
}

static struct text generated(enum tracegen_kind kind)
{
	struct text ret;

	assert_int_equal(tracegen_buffer(kind, 5, 0.1, &ret.text, &ret.len), 0);
	return ret;
}

/* ---- against a run of its own ---- */

static void run(struct sim_world *world, const struct text *trace, const char *config)
{
	assert_int_equal(sim_world_open(world, trace->text, trace->len, "", config), 0);
	sim_world_run_trace(world);
}

/* The same settings do the same, whether they are carried out or not. */
static void check_equal(struct text trace)
{
	struct lp_shadow_snapshot shadow;
	struct sim_world world;

	run(&world, &trace, "version: 1\nshadow: {}\n");
	shadow = shadow_of(&world);
	print("active", &shadow.active);
	print("shadow", &shadow.shadow);
	assert_true(shadow.active.merges > 5);
	assert_alike(&shadow.shadow, &shadow.active, 2);
	assert_true(shadow.shadow_bytes <= shadow.active_bytes + shadow.active_bytes / 10);
	assert_int_equal(world.spins, 0);
	sim_world_close(&world);
	free(trace.text);
}

static void a_shadow_with_the_same_settings_does_the_same(void **state)
{
	(void)state;
	check_equal(recorded("mixed"));
	check_equal(recorded("once"));
	check_equal(generated(TRACEGEN_WEB));
	check_equal(generated(TRACEGEN_SLOW));
	check_equal(generated(TRACEGEN_WHOLE));
}

#define SETTINGS "policy: threshold, quiet-time: 3s"

/* What the shadow would have done is what a daemon with its settings does. */
static void a_shadow_does_what_a_daemon_with_its_settings_does(void **state)
{
	static const char *const traces[] = {"hot", "mixed", "once"};
	struct lp_shadow_snapshot shadow;
	struct policy_ledger own;
	struct sim_world world;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(traces); i++) {
		struct text trace = recorded(traces[i]);

		run(&world, &trace, "version: 1\nshadow: {" SETTINGS "}\n");
		shadow = shadow_of(&world);
		print("active", &shadow.active);
		sim_world_close(&world);
		run(&world, &trace, "version: 1\ndefaults: {" SETTINGS "}\n");
		policy_total_ledger(world.manager->policy, sim_world_now_ns(&world), &own);
		sim_world_close(&world);
		print("shadow", &shadow.shadow);
		print("own", &own);
		assert_alike(&shadow.shadow, &own, 5);
		free(trace.text);
	}
}

/* ---- against the simulation ---- */

static struct simulate_result simulate(const struct text *trace, const char *config)
{
	struct simulate_options options = {.observe_ns = NOTIFY_NS};
	struct config_errors errors;
	struct trace_reader *reader;
	struct simulate_result ret;
	struct config *parsed;

	assert_int_equal(config_parse_buffer("config", config, strlen(config), &parsed, &errors),
			 0);
	config_errors_done(&errors);
	options.config = parsed;
	assert_int_equal(trace_open_buffer("trace", trace->text, trace->len, &reader), 0);
	assert_int_equal(simulate_run(&options, reader, &ret), 0);
	trace_close(reader);
	config_free(parsed);
	return ret;
}

/* What `simulate --config SHADOW --against ACTIVE` compares. */
static void a_shadow_agrees_with_the_simulation(void **state)
{
	static const char *const traces[] = {"hot", "mixed", "once"};
	static const char active_config[] = "version: 1\nshadow: {" SETTINGS "}\n";
	static const char shadow_config[] = "version: 1\ndefaults: {" SETTINGS "}\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(traces); i++) {
		struct text trace = recorded(traces[i]);
		struct simulate_result first = simulate(&trace, shadow_config);
		struct simulate_result second = simulate(&trace, active_config);
		struct lp_shadow_snapshot shadow;
		struct sim_world world;

		run(&world, &trace, active_config);
		shadow = shadow_of(&world);
		print("active", &shadow.active);
		print("simulated", &second.ledger);
		print("shadow", &shadow.shadow);
		print("simulated", &first.ledger);
		assert_alike(&shadow.active, &second.ledger, 5);
		assert_alike(&shadow.shadow, &first.ledger, 5);
		sim_world_close(&world);
		free(trace.text);
	}
}

/* ---- begin and end ---- */

static struct lp_shadow_snapshot shadow_of_core(struct core_host *host)
{
	struct lp_shadow_snapshot shadow;

	assert_int_equal(host->core->ops->shadow(host->core, &shadow), 0);
	return shadow;
}

static void reload(struct core_host *host, const char *text)
{
	core_host_write_config(host, text);
	assert_int_equal(core_host_reload(host, NULL), 0);
	core_host_settle(host);
}

#define LATE "version: 1\ndefaults: {policy: threshold, quiet-time: 5s}\n"

/* What had been merged before is merged for both: they save the same, and its split is of both. */
static void a_shadow_begins_with_what_is_known(void **state)
{
	struct core_host *host = *state;
	struct lp_shadow_snapshot shadow;
	struct lp_region *region;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, core_host_op(host), 0);
	for (int i = 0; i < NR_RFNS; i++)
		host->fake.regions[i].state = KVM_LPAGE_STATE_LARGE;
	core_host_changed(host);
	core_host_settle(host);
	assert_int_equal(host->core->ops->shadow(host->core, &shadow), -ENOENT);
	reload(host, LATE "shadow: {}\n");
	core_host_pass(host, 60 * NS_PER_S);
	core_host_settle(host);
	shadow = shadow_of_core(host);
	assert_int_equal(shadow.shadow.merges, 0);
	assert_true(shadow.active.walk_saved_ns > 0);
	assert_int_equal(shadow.shadow.walk_saved_ns, shadow.active.walk_saved_ns);
	region = &host->fake.regions[0];
	region->state = KVM_LPAGE_STATE_TABLE;
	region->generation = host->fake.vms[0].generation = 11;
	region->to_shared_pages++;
	region->to_private_pages++;
	region->last_to_shared_ns = region->last_to_private_ns = host->fake.now_ns;
	core_host_changed(host);
	core_host_settle(host);
	shadow = shadow_of_core(host);
	assert_int_equal(shadow.active.splits, 1);
	assert_int_equal(shadow.shadow.splits, 1);
}

static void a_reload_begins_anew_only_if_the_shadow_is_another(void **state)
{
	struct core_host *host = *state;
	struct lp_shadow_snapshot shadow;

	core_host_one_vm_fixture(host);
	reload(host, LATE "shadow: {policy: eager}\n");
	core_host_pass(host, NS_PER_S);
	assert_int_equal(shadow_of_core(host).shadow.merges, NR_RFNS);
	assert_int_equal(shadow_of_core(host).assumed, NR_RFNS);
	/* The request in the kernel is that of nobody. */
	assert_null(core_host_op(host));
	assert_string_equal(shadow_of_core(host).settings, "policy eager");
	reload(host, LATE "global: {cpu-budget: 4%}\nshadow:\n  policy: eager\n");
	assert_int_equal(shadow_of_core(host).shadow.merges, NR_RFNS);
	reload(host, "version: 1\nshadow: {policy: never}\n");
	core_host_pass(host, NS_PER_S);
	assert_int_equal(shadow_of_core(host).shadow.merges, 0);
	reload(host, "version: 1\n");
	assert_int_equal(host->core->ops->shadow(host->core, &shadow), -ENOENT);
}

/* A split that no conversion tells of leaves the shadow behind, until a try is refused. */
static void what_the_shadow_never_merged_is_not_taken_back(void **state)
{
	struct core_host *host = *state;
	struct lp_shadow_snapshot shadow;

	core_host_one_vm_fixture(host);
	core_host_pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, core_host_op(host), 0);
	core_host_run(host);
	reload(host, LATE "shadow: {policy: threshold, quiet-time: 1h}\n");
	for (int i = 0; i < NR_RFNS; i++) {
		host->fake.regions[i].state = KVM_LPAGE_STATE_TABLE;
		host->fake.regions[i].generation = 11;
	}
	host->fake.vms[0].generation = 11;
	core_host_changed(host);
	core_host_settle(host);
	core_host_pass(host, 6 * NS_PER_S);
	assert_non_null(core_host_op(host));
	fake_link_finish(&host->fake, core_host_op(host), KVM_LPAGE_REASON_NOT_ACCEPTED);
	core_host_run(host);
	shadow = shadow_of_core(host);
	assert_int_equal(shadow.disproved, NR_RFNS);
	assert_int_equal(shadow.shadow.merges, 0);
	assert_int_equal(shadow.shadow.refusals, NR_RFNS);
}

/* A pause and a hold of the VM are there for both. */
static void a_shadow_waits_at_the_same_gates(void **state)
{
	struct core_host *host = *state;

	core_host_write_config(host, "version: 1\nshadow: {policy: eager}\n");
	assert_int_equal(core_host_reload(host, NULL), 0);
	assert_int_equal(core_host_set_paused(host, VM_ALL, true), 0);
	core_host_one_vm_fixture(host);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(shadow_of_core(host).shadow.merges, 0);
	assert_int_equal(core_host_hold(host, VM_WEB, "backup", 0), 0);
	assert_int_equal(core_host_set_paused(host, VM_ALL, false), 0);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(shadow_of_core(host).shadow.merges, 0);
	assert_int_equal(core_host_release(host, VM_WEB, "backup"), 1);
	core_host_pass(host, NS_PER_S);
	assert_int_equal(shadow_of_core(host).shadow.merges, NR_RFNS);
	core_host_vm_gone(host);
	core_host_run(host);
	assert_int_equal(shadow_of_core(host).shadow.merges, NR_RFNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shadow_with_the_same_settings_does_the_same),
		cmocka_unit_test(a_shadow_does_what_a_daemon_with_its_settings_does),
		cmocka_unit_test(a_shadow_agrees_with_the_simulation),
		CORE_HOST_TEST(a_shadow_begins_with_what_is_known),
		CORE_HOST_TEST(a_reload_begins_anew_only_if_the_shadow_is_another),
		CORE_HOST_TEST(what_the_shadow_never_merged_is_not_taken_back),
		CORE_HOST_TEST(a_shadow_waits_at_the_same_gates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
