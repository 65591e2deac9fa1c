// SPDX-License-Identifier: GPL-2.0-or-later
/* The memory of guests that are gone goes back to the host without malloc_trim(), whatever is left on the heap. */
#include <event2/event.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/core/context.h"
#include "tests/lib/big_link.h"
#include "tests/lib/files.h"

#define MANY	600
#define REGIONS 512		     /* of each of them */
#define HUGE	(UINT64_C(512) << 9) /* regions of 512 GiB */

#define TURNS_TO_SETTLE 1000

/* Less than what a region takes. */
#define TRACKED_BYTES 100

/* What may go back in one turn: 16 arenas. */
#define TURN_BYTES (16 * (UINT64_C(256) << 10))

/* ASan's allocator pads, shadows, and keeps what is free: the resident set is asserted without it only. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static const char config_text[] = "version: 1\n"
				  "global: {dry-run: true}\n"
				  "defaults: {policy: threshold, quiet-time: 1000s}\n";

struct host {
	struct event_base *base;
	struct big_link big;
	struct lp_manager *manager;
	struct lp_log log;
	uint64_t clock_ns;
	int nr_given_back;
};

/* The daemon trims its heap here. */
static void on_give_back(void *ctx)
{
	((struct host *)ctx)->nr_given_back++;
}

static const struct lp_manager_hooks hooks = {.give_back = on_give_back};

static uint64_t clock_ns(void *ctx)
{
	return ((struct host *)ctx)->clock_ns;
}

static void turn(struct host *host)
{
	big_link_pass(&host->big, NS_PER_MS);
	assert_true(event_base_loop(host->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

static void settle(struct host *host)
{
	for (int i = 0; i < TURNS_TO_SETTLE; i++) {
		manager_wake(host->manager);
		turn(host);
	}
	assert_int_equal(host->big.nr, 0);
	assert_true(TAILQ_EMPTY(&host->manager->remains));
}

static void start(struct host *host, uint32_t nr_vms, uint64_t regions)
{
	const struct big_link_options options = {
		.nr_vms = nr_vms, .regions = regions, .converted_ns = NS_PER_S};
	struct lp_manager_options manager = {.link = &host->big.link,
					     .log = &host->log,
					     .config_path = "config",
					     .procfs = "/nonexistent",
					     .hooks = &hooks,
					     .hooks_ctx = host,
					     .clock_ns = clock_ns,
					     .runtime_dir_fd = -1};
	struct config_errors errors = {0};

	*host = (struct host){.log.max_priority = LOG_EMERG, .clock_ns = NS_PER_S};
	host->base = manager.base = event_base_new();
	assert_int_equal(big_link_init(&host->big, host->base, &options), 0);
	assert_int_equal(config_parse_buffer("config", config_text, strlen(config_text),
					     &manager.config, &errors),
			 0);
	config_errors_done(&errors);
	assert_int_equal(lp_manager_new(&manager, &host->manager), 0);
	assert_int_equal(lp_manager_start(host->manager), 0);
	while (host->big.dumped < nr_vms * regions)
		turn(host);
	settle(host);
	assert_int_equal(host->manager->nr_vms, nr_vms);
}

static void stop(struct host *host)
{
	lp_manager_free(host->manager);
	big_link_done(&host->big);
	event_base_free(host->base);
}

static void end_guest(struct host *host, uint32_t id)
{
	host->big.link.events->vm_gone(host->big.link.ctx, id);
}

/* Lies behind all else on the heap, which so does not shrink. */
static void *outlive(void)
{
	void *last = malloc(5000);

	assert_non_null(last);
	memset(last, 1, 5000);
	return last;
}

static void a_huge_guest_leaves_no_memory(void **state)
{
	size_t before = resident_bytes(), grown, left;
	struct host host;
	void *last;

	(void)state;
	start(&host, 1, HUGE);
	last = outlive();
	grown = resident_bytes() - before;
	end_guest(&host, 1);
	settle(&host);
	left = resident_bytes() - before;
	print_message("%zu kB, and %zu kB when it had gone\n", grown / 1024, left / 1024);
	if (!SANITIZED) {
		assert_true(grown > HUGE * TRACKED_BYTES);
		assert_true(left < grown / 20);
	}
	stop(&host);
	free(last);
}

/* Half a minute has passed. Returns in how many turns it went back. */
static int give_back(struct host *host)
{
	size_t before = resident_bytes();
	int turns = 0;

	host->clock_ns += 30 * NS_PER_S;
	for (; !host->nr_given_back; turns++) {
		manager_wake(host->manager);
		turn(host);
		if (!SANITIZED)
			assert_true(before <= resident_bytes() + TURN_BYTES);
		before = resident_bytes();
		assert_true(turns < TURNS_TO_SETTLE);
	}
	assert_int_equal(host->nr_given_back, 1);
	return turns;
}

static void guests_between_others_leave_no_memory(void **state)
{
	size_t before = resident_bytes(), grown, left;
	struct host host;
	int turns;

	(void)state;
	start(&host, MANY, REGIONS);
	grown = resident_bytes() - before;
	for (uint32_t id = 1; id <= MANY; id += 2)
		end_guest(&host, id);
	settle(&host);
	turns = give_back(&host);
	left = resident_bytes() - before;
	print_message("%zu kB, and %zu kB in %d turns when half of them had gone\n", grown / 1024,
		      left / 1024, turns);
	assert_true(turns > 4);
	if (!SANITIZED) {
		assert_true(grown > MANY * REGIONS * TRACKED_BYTES);
		/* What lies in the same page as something else stays. */
		assert_in_range(left, grown / 2, grown * 65 / 100);
	}
	stop(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_huge_guest_leaves_no_memory),
		cmocka_unit_test(guests_between_others_leave_no_memory),
	};

	/* As the daemon does. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
