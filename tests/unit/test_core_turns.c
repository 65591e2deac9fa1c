// SPDX-License-Identifier: GPL-2.0-or-later
/* How many VMs one turn of the event loop looks at, and what it costs to show the sums of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/remains.h"
#include "daemon/core/sync.h"
#include "daemon/core/vm.h"
#include "daemon/policy/internal.h"
#include "tests/lib/big_link.h"
#include "tests/lib/files.h"

#define FEW		100
#define MANY		3000
#define PER_TURN	256 /* VMs that a walk comes to, the turn included that it begins in */
#define TURNS_TO_SETTLE 1500
#define REPEATS		200

static const char before_text[] = "version: 1\ndefaults: {quiet-time: 5s}\n";
static const char after_text[] = "version: 1\nrules: [{name: all, match: {}, quiet-time: 7s}]\n"
				 "shadow: {quiet-time: 9s}\n";

/* Nothing is merged. */
static const char quiet_text[] = "version: 1\ndefaults: {policy: threshold, quiet-time: 1h}\n";
static const char quiet_shadow_text[] =
	"version: 1\ndefaults: {policy: threshold, quiet-time: 1h}\n"
	"shadow: {quiet-time: 2h}\n";
static const char other_shadow_text[] =
	"version: 1\ndefaults: {policy: threshold, quiet-time: 1h}\n"
	"shadow: {quiet-time: 3h}\n";

struct host {
	struct event_base *base;
	struct big_link big;
	struct lp_manager *manager;
	struct lp_core *core;
	struct lp_log log;
	char *log_text;
	size_t log_size;
	char dir[32];
	char path[64];
	uint64_t began_ns;
};

static void turn(struct host *host)
{
	big_link_pass(&host->big, NS_PER_MS);
	assert_true(event_base_loop(host->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

/* Time passes, and all that the manager wants of the host is answered. */
static void settle(struct host *host)
{
	for (int i = 0; i < TURNS_TO_SETTLE; i++) {
		manager_wake(host->manager);
		turn(host);
	}
	assert_int_equal(host->big.nr, 0);
}

static void start_with(struct host *host, const char *text, uint32_t nr_vms, uint64_t regions)
{
	const struct big_link_options options = {
		.nr_vms = nr_vms, .regions = regions, .converted_ns = 1000 * NS_PER_S};
	struct lp_manager_options manager = {.procfs = "/nonexistent", .runtime_dir_fd = -1};
	struct config_errors errors = {0};

	*host = (struct host){.base = event_base_new(), .dir = "/tmp/turns-XXXXXX"};
	assert_non_null(mkdtemp(host->dir));
	snprintf(host->path, sizeof(host->path), "%s/config.yaml", host->dir);
	file_put(host->path, text);
	host->log.file = open_memstream(&host->log_text, &host->log_size);
	host->log.max_priority = LOG_INFO;
	assert_int_equal(big_link_init(&host->big, host->base, &options), 0);
	assert_int_equal(config_load(host->path, true, &manager.config, &errors), 0);
	config_errors_done(&errors);
	manager.base = host->base;
	manager.link = &host->big.link;
	manager.log = &host->log;
	manager.config_path = host->path;
	assert_int_equal(lp_manager_new(&manager, &host->manager), 0);
	host->core = lp_manager_core(host->manager);
	assert_int_equal(lp_manager_start(host->manager), 0);
	settle(host);
	assert_int_equal(host->manager->nr_vms, nr_vms);
}

static void start(struct host *host, uint32_t nr_vms)
{
	start_with(host, before_text, nr_vms, 1);
}

static void stop(struct host *host)
{
	lp_manager_free(host->manager);
	big_link_done(&host->big);
	event_base_free(host->base);
	fclose(host->log.file);
	free(host->log_text);
	unlink(host->path);
	rmdir(host->dir);
}

/* ---- what comes to every VM ---- */

static void lose_events(struct host *host)
{
	sync_loss(host->manager, LP_LOSS_OVERRUN);
}

static bool is_stale(const struct host *host, const struct vm_entry *vm)
{
	(void)host;
	return vm->stale;
}

static void fall_behind(struct host *host)
{
	sync_behind(host->manager);
}

/* Or was, and has been read since. */
static bool is_behind(const struct host *host, const struct vm_entry *vm)
{
	return vm->sync.behind_ns || vm->sync.regions_fresh_ns >= host->began_ns;
}

static void on_refreshed(void *ctx, int error)
{
	(void)ctx;
	(void)error;
}

static void refresh(struct host *host)
{
	assert_int_equal(host->core->ops->refresh(host->core, 0, on_refreshed, host), 0);
}

/* The same. */
static bool is_hurried(const struct host *host, const struct vm_entry *vm)
{
	return vm->sync.hurry_stats || vm->sync.stats_asked_ns >= host->began_ns;
}

static void take_config(struct host *host, const char *text)
{
	file_put(host->path, text);
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
}

static void reload(struct host *host)
{
	take_config(host, after_text);
}

static bool has_new_rule(const struct host *host, const struct vm_entry *vm)
{
	(void)host;
	return !strcmp(vm->rule, "all") && vm->settings->quiet_time_ns == 7 * NS_PER_S;
}

static void change_tallies(struct host *host)
{
	for (size_t i = 0; i < host->manager->nr_vms; i++)
		host->manager->vms[i]->tally.holds++;
}

static void sum_up(struct host *host)
{
	host->manager->summary_due_ns = 1;
	manager_wake(host->manager);
	turn(host);
}

static bool is_summed_up(const struct host *host, const struct vm_entry *vm)
{
	(void)host;
	return vm->logged.holds == vm->tally.holds;
}

/* What comes to all VMs, but to few of them at a time. */
static const struct walk_case {
	const char *name;
	void (*prepare)(struct host *host);
	void (*begin)(struct host *host);
	/* Has it come to the VM? */
	bool (*seen)(const struct host *host, const struct vm_entry *vm);
	bool stands; /* nothing is merged until it has come to all */
} walk_cases[] = {
	{"a loss of events is told in slices", NULL, lose_events, is_stale, true},
	{"a late timer is told in slices", NULL, fall_behind, is_behind, true},
	{"all VMs are refreshed in slices", NULL, refresh, is_hurried, false},
	{"a configuration comes into force in slices", NULL, reload, has_new_rule, false},
	{"summaries are logged in slices", change_tallies, sum_up, is_summed_up, false},
};

static size_t count_seen(const struct host *host, const struct walk_case *c)
{
	size_t nr = 0;

	for (size_t i = 0; i < host->manager->nr_vms; i++)
		nr += c->seen(host, host->manager->vms[i]);
	return nr;
}

static void a_walk_goes_in_slices(void **state)
{
	const struct walk_case *c = *state;
	size_t before, now, turns = 0;
	struct host host;

	start(&host, MANY);
	host.began_ns = host.big.now_ns;
	if (c->prepare)
		c->prepare(&host);
	before = count_seen(&host, c);
	c->begin(&host);
	for (now = count_seen(&host, c); now < MANY; now = count_seen(&host, c)) {
		assert_in_range(now - before, 1, PER_TURN);
		assert_int_equal(host.manager->policy && manager_stands_still(host.manager),
				 c->stands);
		before = now;
		assert_true(++turns < MANY);
		turn(&host);
	}
	assert_true(now - before <= PER_TURN);
	assert_in_range(turns, MANY / PER_TURN - 1, 2 * MANY / PER_TURN + 2);
	assert_false(manager_stands_still(host.manager));
	stop(&host);
}

/* ---- what ends ---- */

static void lose_family(struct host *host)
{
	host->big.link.events->family(host->big.link.ctx, false, "kvm is gone");
}

static void find_family(struct host *host)
{
	host->big.link.events->family(host->big.link.ctx, true, "big");
}

/* Tracked regions of all VMs that are shown, also by rule. */
static uint64_t shown_regions(const struct host *host)
{
	struct lp_status status;
	struct lp_rule_snapshot rules[4];
	size_t nr = host->core->ops->rules(host->core, rules, ARRAY_SIZE(rules));
	uint64_t of_rules = 0, vms_of_rules = 0;

	host->core->ops->status(host->core, &status);
	for (size_t i = 0; i < nr; i++) {
		of_rules += rules[i].ledger.tracked_regions;
		vms_of_rules += rules[i].nr_vms;
	}
	assert_int_equal(of_rules, status.ledger.tracked_regions);
	assert_int_equal(vms_of_rules, status.nr_vms);
	return of_rules;
}

/* None of those that are left is shown. */
static void check_nothing_is_shown(struct host *host)
{
	struct lp_status status;
	struct lp_rule_snapshot rules[4];
	struct lp_shadow_snapshot shadow;
	struct lp_vm_snapshot vm;
	size_t nr = host->core->ops->rules(host->core, rules, ARRAY_SIZE(rules));
	uint32_t id;

	host->core->ops->status(host->core, &status);
	assert_int_equal(status.nr_vms, 0);
	assert_int_equal(status.large + status.table + status.mixed + status.unmapped, 0);
	assert_int_equal(status.capable, 0);
	assert_int_equal(status.ledger.tracked_regions, 0);
	assert_int_equal(status.ledger.waiting_regions, 0);
	assert_true(status.stats_age_ns == LP_AGE_NEVER);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(rules[i].nr_vms, 0);
		assert_int_equal(rules[i].large + rules[i].table, 0);
		assert_int_equal(rules[i].ledger.tracked_regions, 0);
	}
	assert_int_equal(host->core->ops->shadow(host->core, &shadow), 0);
	assert_int_equal(shadow.nr_vms, 0);
	assert_int_equal(shadow.active.tracked_regions + shadow.shadow.tracked_regions, 0);
	assert_int_equal(host->core->ops->vm_ids(host->core, 0, &id, 1), 0);
	assert_int_equal(host->core->ops->vms_named(host->core, "vm-90", &id, 1), 0);
	assert_int_equal(host->core->ops->vm(host->core, MANY, &vm), -ESRCH);
}

/* And none of them is shown any more, from the beginning. */
static void vms_of_a_family_that_is_gone_are_removed_in_slices(void **state)
{
	size_t before = MANY, turns = 0;
	struct host host;

	(void)state;
	start(&host, MANY);
	take_config(&host, after_text);
	settle(&host);
	assert_int_equal(shown_regions(&host), MANY);
	lose_family(&host);
	assert_true(host.manager->nr_vms > 0);
	for (; host.manager->nr_vms; turns++) {
		assert_in_range(before - host.manager->nr_vms, 1, PER_TURN);
		before = host.manager->nr_vms;
		check_nothing_is_shown(&host);
		assert_true(turns < MANY);
		turn(&host);
	}
	check_nothing_is_shown(&host);
	assert_in_range(turns, MANY / PER_TURN - 1, 2 * MANY / PER_TURN + 2);
	/* And are there again: sums begin at nothing. */
	find_family(&host);
	settle(&host);
	assert_int_equal(shown_regions(&host), MANY);
	stop(&host);
}

/* Ids begin anew: those of the first family are not taken for them. */
static void a_family_that_returns_meanwhile_has_vms_of_its_own(void **state)
{
	struct lp_vm_snapshot vm;
	struct host host;
	uint32_t id;

	(void)state;
	start(&host, MANY);
	big_link_pass(&host.big, NS_PER_S);
	host.began_ns = host.big.now_ns;
	lose_family(&host);
	assert_in_range(host.manager->nr_vms, MANY / 2, MANY - 1);
	host.big.options.nr_vms = MANY - 1;
	find_family(&host);
	assert_int_equal(host.core->ops->vm(host.core, MANY - 1, &vm), -ESRCH);
	/* One is told of before the others of its id are gone. */
	host.big.link.events->vm(host.big.link.ctx, &(struct lp_vm){.id = MANY - 2}, true);
	assert_int_equal(host.core->ops->vm(host.core, MANY - 2, &vm), 0);
	assert_int_equal(host.core->ops->vm_ids(host.core, 0, &id, 1), 1);
	assert_int_equal(id, MANY - 2);
	settle(&host);
	assert_int_equal(host.manager->nr_vms, MANY - 1);
	assert_int_equal(shown_regions(&host), MANY - 1);
	for (size_t i = 0; i < host.manager->nr_vms; i++) {
		assert_true(host.manager->vms[i]->seen_ns >= host.began_ns);
		assert_true(host.manager->vms[i]->sync.regions_ns >= host.began_ns);
	}
	stop(&host);
}

/* A listing that the others are not in: their events were lost. */
static void vms_that_are_not_listed_any_more_are_removed_in_slices(void **state)
{
	size_t before = MANY, turns = 0;
	struct host host;

	(void)state;
	start(&host, MANY);
	host.big.options.nr_vms = 1;
	lose_events(&host);
	while (host.manager->nr_vms > 1) {
		manager_wake(host.manager);
		turn(&host);
		assert_true(before - host.manager->nr_vms <= PER_TURN);
		before = host.manager->nr_vms;
		assert_true(++turns < MANY);
	}
	stop(&host);
}

#define HUGE_REGIONS (UINT64_C(512) << 9) /* of a VM of 512 GiB */
#define GIB_PER_TURN 64
#define CHUNK_BYTES  8192 /* of a policy, for the regions of a GiB */

static size_t policy_bytes(const struct host *host)
{
	return policy_memory_bytes(host->manager->policy);
}

/* Regions of VMs that are gone, whose memory is not free yet. */
static uint64_t regions_left(const struct host *host)
{
	const struct vm_entry *vm;
	uint64_t nr = 0;

	TAILQ_FOREACH(vm, &host->manager->remains, by_stats)
		nr += vm->regions.count;
	return nr;
}

/* Returns how many turns it took until no memory was freed any more. */
static size_t check_freeing(struct host *host, size_t at_most)
{
	size_t bytes = policy_bytes(host), turns = 0;
	uint64_t regions = regions_left(host);

	assert_true(regions > 0);
	while (regions) {
		turn(host);
		assert_true(bytes - policy_bytes(host) <= at_most);
		assert_true(regions - regions_left(host) <= GIB_PER_TURN * REGION_PAGES);
		bytes = policy_bytes(host);
		regions = regions_left(host);
		assert_true(++turns < MANY);
	}
	return turns;
}

static void a_huge_vm_that_is_gone_is_freed_in_slices(void **state)
{
	struct host host;
	size_t turns;

	(void)state;
	start_with(&host, quiet_text, 1, HUGE_REGIONS);
	assert_true(policy_bytes(&host) > HUGE_REGIONS * 15);
	host.big.options.nr_vms = 0;
	host.big.link.events->vm_gone(host.big.link.ctx, 1);
	assert_int_equal(host.manager->nr_vms, 0);
	assert_true(policy_bytes(&host) > HUGE_REGIONS * 15);
	turns = check_freeing(&host, GIB_PER_TURN * CHUNK_BYTES);
	assert_in_range(turns, 512 / GIB_PER_TURN, 2 * 512 / GIB_PER_TURN);
	settle(&host);
	assert_int_equal(host.manager->policy->vm_bytes, 0);
	assert_int_equal(host.manager->policy->heap.nr, 0);
	stop(&host);
}

static void a_new_vm_has_the_id_of_one_that_is_being_freed(void **state)
{
	struct lp_vm_snapshot vm;
	struct host host;
	size_t before;

	(void)state;
	start_with(&host, quiet_text, 1, HUGE_REGIONS);
	before = policy_bytes(&host);
	host.big.link.events->vm_gone(host.big.link.ctx, 1);
	host.big.link.events->vm(host.big.link.ctx, &(struct lp_vm){.id = 1, .running = true},
				 false);
	assert_int_equal(host.core->ops->vm(host.core, 1, &vm), 0);
	assert_int_equal(vm.tracked_regions, 0);
	assert_int_equal(vm.ledger.tracked_regions, 0);
	settle(&host);
	assert_int_equal(host.core->ops->vm(host.core, 1, &vm), 0);
	assert_int_equal(vm.tracked_regions, HUGE_REGIONS);
	assert_int_equal(vm.ledger.tracked_regions, HUGE_REGIONS);
	assert_int_equal(policy_bytes(&host), before);
	stop(&host);
}

static void a_host_stops_while_a_huge_vm_is_being_freed(void **state)
{
	struct host host;

	(void)state;
	start_with(&host, quiet_text, 1, HUGE_REGIONS);
	take_config(&host, quiet_shadow_text);
	settle(&host);
	host.big.link.events->vm_gone(host.big.link.ctx, 1);
	turn(&host);
	assert_true(regions_left(&host) > 0);
	stop(&host);
}

static uint64_t shown_bytes(const struct host *host)
{
	struct lp_shadow_snapshot shadow;

	assert_int_equal(host->core->ops->shadow(host->core, &shadow), 0);
	return shadow.shadow_bytes;
}

/* One that takes its place is shown to take the memory of both, as long as they do. */
static void a_shadow_that_ends_counts_until_it_is_freed(void **state)
{
	struct host host;
	uint64_t bytes;

	(void)state;
	start_with(&host, quiet_text, 1, HUGE_REGIONS);
	take_config(&host, quiet_shadow_text);
	settle(&host);
	bytes = shown_bytes(&host);
	assert_int_equal(bytes, policy_memory_bytes(host.manager->shadow.policy));
	assert_true(bytes > HUGE_REGIONS * 15);
	take_config(&host, other_shadow_text);
	assert_true(shown_bytes(&host) > bytes);
	settle(&host);
	assert_int_equal(shown_bytes(&host), bytes);
	assert_int_equal(shown_bytes(&host), policy_memory_bytes(host.manager->shadow.policy));
	stop(&host);
}

/* What is left of it after each turn. */
static size_t old_policy_bytes(const struct host *host)
{
	return remains_policy_bytes(host->manager);
}

static void a_shadow_that_ends_is_freed_in_slices(void **state)
{
	struct host host;
	size_t before, left, turns = 0;

	(void)state;
	start_with(&host, quiet_text, 1, HUGE_REGIONS);
	take_config(&host, quiet_shadow_text);
	settle(&host);
	before = policy_memory_bytes(host.manager->shadow.policy);
	assert_true(before > HUGE_REGIONS * 15);
	take_config(&host, quiet_text);
	assert_null(host.manager->shadow.policy);
	for (; (left = old_policy_bytes(&host)); turns++) {
		assert_true(before - left <= GIB_PER_TURN * CHUNK_BYTES);
		before = left;
		turn(&host);
		assert_true(turns < MANY);
	}
	assert_in_range(turns, 512 / GIB_PER_TURN, 2 * 512 / GIB_PER_TURN);
	stop(&host);
}

/* ---- what a client asks for, and what happens to one VM ---- */

static void show_status(struct host *host)
{
	struct lp_status status;

	host->core->ops->status(host->core, &status);
	assert_int_equal(status.nr_vms, host->manager->nr_vms);
}

static void show_status_text(struct host *host)
{
	char text[192];

	lp_manager_status_text(host->manager, text, sizeof(text));
}

static void show_rules(struct host *host)
{
	struct lp_rule_snapshot rules[4];

	assert_int_equal(host->core->ops->rules(host->core, rules, 4), 2);
	assert_int_equal(rules[0].nr_vms + rules[1].nr_vms, host->manager->nr_vms);
}

static void show_shadow(struct host *host)
{
	struct lp_shadow_snapshot shadow;

	assert_int_equal(host->core->ops->shadow(host->core, &shadow), 0);
}

static void find_by_name(struct host *host)
{
	uint32_t id;

	assert_int_equal(host->core->ops->vms_named(host->core, "vm-90", &id, 1), 1);
	assert_int_equal(id, 90);
}

/* The last one, which is found no later than the first. */
static void find_by_id(struct host *host)
{
	uint32_t last = (uint32_t)host->manager->nr_vms, id;

	assert_int_equal(host->core->ops->vm_ids(host->core, last, &id, 1), 1);
	assert_int_equal(id, last);
}

/* A turn in which something is to be done for one VM, or for none. */
static void change_one(struct host *host)
{
	sync_changed(host->manager, 1);
	turn(host);
}

static void wake(struct host *host)
{
	manager_wake(host->manager);
	turn(host);
}

static const struct {
	const char *name;
	void (*call)(struct host *host);
} calls[] = {
	{"status", show_status},       {"status text", show_status_text},
	{"rules", show_rules},	       {"shadow", show_shadow},
	{"name", find_by_name},	       {"id", find_by_id},
	{"change of one", change_one}, {"nothing", wake},
};

/* The least of many times, in ns. */
static uint64_t cost(struct host *host, void (*call)(struct host *host))
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < REPEATS; i++) {
		uint64_t begin_ns = monotonic_ns(), ns;

		call(host);
		ns = monotonic_ns() - begin_ns;
		least = ns < least ? ns : least;
	}
	return least;
}

/* Thirty times as many VMs: a ratio of one run, as both hosts are slowed down by what else runs. */
static void what_is_shown_costs_the_same_for_any_number_of_vms(void **state)
{
	struct host few, many;

	(void)state;
	start(&few, FEW);
	start(&many, MANY);
	reload(&few);
	reload(&many);
	settle(&few);
	settle(&many);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		uint64_t few_ns = cost(&few, calls[i].call);
		uint64_t many_ns = cost(&many, calls[i].call);

		print_message("# %s: %llu ns for %d VMs, %llu ns for %d\n", calls[i].name,
			      (unsigned long long)few_ns, FEW, (unsigned long long)many_ns, MANY);
		assert_true(many_ns < 4 * few_ns);
	}
	stop(&few);
	stop(&many);
}

#define OTHERS 8 /* tests */

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(walk_cases) + OTHERS] = {
		cmocka_unit_test(vms_of_a_family_that_is_gone_are_removed_in_slices),
		cmocka_unit_test(a_family_that_returns_meanwhile_has_vms_of_its_own),
		cmocka_unit_test(vms_that_are_not_listed_any_more_are_removed_in_slices),
		cmocka_unit_test(a_huge_vm_that_is_gone_is_freed_in_slices),
		cmocka_unit_test(a_new_vm_has_the_id_of_one_that_is_being_freed),
		cmocka_unit_test(a_host_stops_while_a_huge_vm_is_being_freed),
		cmocka_unit_test(a_shadow_that_ends_is_freed_in_slices),
		cmocka_unit_test(a_shadow_that_ends_counts_until_it_is_freed),
		cmocka_unit_test(what_is_shown_costs_the_same_for_any_number_of_vms),
	};

	for (size_t i = 0; i < ARRAY_SIZE(walk_cases); i++)
		tests[OTHERS + i] = (struct CMUnitTest){.name = walk_cases[i].name,
							.test_func = a_walk_goes_in_slices,
							.initial_state = (void *)&walk_cases[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
