// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager on hosts with many regions and many VMs, by counts: what one turn of the event loop does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/context.h"
#include "daemon/core/vm.h"
#include "daemon/policy/internal.h"
#include "tests/lib/big_link.h"

#define REGIONS (UINT64_C(1) << 16) /* 128 GiB */
#define RATE	10000		    /* merges per second */

/* Of one turn: four batches, each with a slice of at most 2047 decisions. */
#define DECISIONS_PER_TURN (4 * 2047)

static const char config_text[] = "version: 1\n"
				  "global: {cpu-budget: 100%, merge-rate: 10000/s}\n"
				  "defaults: {policy: threshold, quiet-time: 5s, batch: 64,"
				  " merge-rate: 10000/s, merge-cost: 1us}\n";

struct host {
	struct event_base *base;
	struct big_link big;
	struct lp_manager *manager;
	struct lp_log log;
	char *log_text;
	size_t log_size;
	struct event *service; /* what has to be served beside the manager */
	uint64_t services;
	uint64_t wakeups;      /* of the manager at the last service */
	uint64_t decisions;    /* of the policy then */
	uint64_t most_wakeups; /* between two services */
	uint64_t most_decisions;
};

static void on_service(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval now = {0, 0};
	struct host *host = ctx;
	uint64_t wakeups = host->manager->wakeups - host->wakeups;
	uint64_t decisions = host->manager->policy->decisions - host->decisions;

	(void)fd;
	(void)what;
	host->services++;
	host->wakeups += wakeups;
	host->decisions += decisions;
	if (wakeups > host->most_wakeups)
		host->most_wakeups = wakeups;
	if (decisions > host->most_decisions)
		host->most_decisions = decisions;
	event_add(host->service, &now);
}

static void start(struct host *host, const struct big_link_options *options, bool dry_run)
{
	static const struct timeval now = {0, 0};
	struct lp_manager_options manager = {.base = NULL,
					     .config_path = "config",
					     .procfs = "/nonexistent",
					     .runtime_dir_fd = -1,
					     .dry_run = dry_run};
	struct config_errors errors = {0};

	*host = (struct host){.base = event_base_new()};
	host->log.file = open_memstream(&host->log_text, &host->log_size);
	host->log.max_priority = LOG_INFO;
	assert_int_equal(big_link_init(&host->big, host->base, options), 0);
	assert_int_equal(config_parse_buffer("config", config_text, strlen(config_text),
					     &manager.config, &errors),
			 0);
	config_errors_done(&errors);
	manager.base = host->base;
	manager.link = &host->big.link;
	manager.log = &host->log;
	assert_int_equal(lp_manager_new(&manager, &host->manager), 0);
	assert_int_equal(lp_manager_start(host->manager), 0);
	host->service = evtimer_new(host->base, on_service, host);
	event_add(host->service, &now);
}

static void stop(struct host *host)
{
	event_free(host->service);
	lp_manager_free(host->manager);
	big_link_done(&host->big);
	event_base_free(host->base);
	fclose(host->log.file);
	free(host->log_text);
}

/* One turn of the event loop, in which a millisecond passes: the manager's timer resolves no less. */
static void turn(struct host *host)
{
	uint64_t services = host->services;

	big_link_pass(&host->big, NS_PER_MS);
	manager_wake(host->manager);
	assert_true(event_base_loop(host->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	assert_true(host->services > services);
}

static uint64_t handled(struct host *host, bool dry_run)
{
	struct policy_ledger ledger;

	policy_total_ledger(host->manager->policy, 0, &ledger);
	return dry_run ? ledger.dry_run_merges : ledger.merges;
}

/* Returns how many turns it took until all regions were handled. */
static uint64_t handle_all(struct host *host, bool dry_run)
{
	uint64_t turns = 0;

	/* Five seconds pass until they are due; the rate lets them pass after that. */
	for (; handled(host, dry_run) < REGIONS; turns++) {
		assert_true(turns < 5000 + 1000 * 2 * REGIONS / RATE);
		turn(host);
	}
	return turns;
}

static void check_burst(bool dry_run)
{
	const struct big_link_options options = {
		.nr_vms = 1, .regions = REGIONS, .merge_ns = 1000, .converted_ns = 999 * NS_PER_S};
	struct host host;

	start(&host, &options, dry_run);
	handle_all(&host, dry_run);
	/* Clients and signals are served in between, */
	assert_true(host.most_wakeups <= 2);
	assert_in_range(host.most_decisions, 1, 2 * DECISIONS_PER_TURN);
	/* nothing is decided again and again, */
	assert_true(host.manager->policy->decisions <= 3 * REGIONS);
	assert_int_equal(big_link_all_large(&host.big), !dry_run);
	/* and then it is quiet. */
	for (int i = 0; i < 3000; i++)
		turn(&host);
	host.most_decisions = 0;
	for (int i = 0; i < 3000; i++)
		turn(&host);
	assert_int_equal(host.most_decisions, 0);
	stop(&host);
}

static void a_burst_of_a_large_guest_is_merged_in_short_turns(void **state)
{
	(void)state;
	check_burst(false);
}

static void a_burst_is_decided_in_short_turns_in_dry_run(void **state)
{
	(void)state;
	check_burst(true);
}

#define FLEET 3000

static size_t failed_requests(const struct host *host)
{
	size_t failed = 0;

	for (size_t i = 0; i < host->manager->nr_vms; i++)
		failed += host->manager->vms[i]->tally.failed_requests;
	return failed;
}

/* Bytes that the daemon keeps for a VM of which no region was converted. */
static size_t bytes_per_vm(const struct host *host)
{
	const struct vm_entry *vm = host->manager->vms[0];

	return sizeof(*vm) + vm->regions.capacity * sizeof(*vm->regions.chunks) +
	       policy_memory_bytes(host->manager->policy) / FLEET;
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* More requests than the link takes at once: those that do not fit are put off, which is no failure. */
static void thousands_of_vms_appear_at_once(void **state)
{
	const struct big_link_options options = {.nr_vms = FLEET};
	struct lp_log_cap cap = {0};
	struct host host;
	int turns = 0;

	(void)state;
	start(&host, &options, false);
	host.log.cap = &cap;
	for (; !host.manager->ready; turns++) {
		assert_true(turns < 10000);
		turn(&host);
	}
	assert_int_equal(host.manager->nr_vms, FLEET);
	assert_true(host.big.refused > 0);
	assert_int_equal(failed_requests(&host), 0);
	assert_null(strstr(host.log_text, "failed"));
	/* The list, and limits, regions and at most two statistics of each. */
	assert_in_range(host.big.requests, 2 * FLEET, 4 * FLEET + 1);
	assert_true(bytes_per_vm(&host) <= 30 * 1000);
	/* Within two seconds at most, for a machine that is slow. */
	assert_in_range(lines_of(host.log_text) + cap.suppressed, 1,
			FLEET + 10 + 2 * (LP_LOG_LINES_PER_S + 1));
	stop(&host);
}

/* A full link does not lose what a client or the policy asked for. */
static void an_operation_waits_for_room_in_the_link(void **state)
{
	const struct big_link_options options = {
		.nr_vms = 1, .regions = 64, .merge_ns = 1000, .converted_ns = 999 * NS_PER_S};
	struct host host;
	uint64_t tag;

	(void)state;
	start(&host, &options, false);
	while (!host.manager->ready)
		turn(&host);
	big_link_pass(&host.big, 10 * NS_PER_S);
	/* Fills the queue before the manager gets to it. */
	while (host.big.link.ops->dump_vms(&host.big.link, 1, &tag) == 0)
		continue;
	for (int i = 0; !big_link_all_large(&host.big); i++) {
		assert_true(i < 1000);
		turn(&host);
	}
	assert_true(host.big.refused > 1);
	assert_int_equal(failed_requests(&host), 0);
	stop(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_of_a_large_guest_is_merged_in_short_turns),
		cmocka_unit_test(a_burst_is_decided_in_short_turns_in_dry_run),
		cmocka_unit_test(thousands_of_vms_appear_at_once),
		cmocka_unit_test(an_operation_waits_for_room_in_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
