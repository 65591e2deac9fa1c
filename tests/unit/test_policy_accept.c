// SPDX-License-Identifier: GPL-2.0-or-later
/* What `adaptive` learns of how late a guest accepts: per region, per VM, and by what a refusal costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/accept.h"

#define TICKS_PER_S UINT64_C(954)

static const struct policy_costs costs = {
	.merge_ns = 30000, .split_ns = 45000, .fail_ns = 12000, .walk_ns_per_s = 12000};

struct guest {
	struct accept accept;
	const struct policy_costs *costs;
};

static void guest_init(struct guest *guest, struct accept *host, const struct policy_costs *c)
{
	*guest = (struct guest){.accept.host = host, .costs = c};
	accept_plan(&guest->accept);
}

static uint64_t first_tick(struct guest *guest, const struct region *region)
{
	return accept_try_tick(&guest->accept, region, 0, false, guest->costs);
}

/* Tries until the region is accepted, at the age of @late_tick. Returns the number of refusals. */
static unsigned int merge(struct guest *guest, struct region *region, uint64_t late_tick)
{
	uint64_t age_tick = first_tick(guest, region);
	unsigned int refusals = 0;

	for (; age_tick < late_tick; refusals++) {
		uint64_t again_tick;

		accept_note(&guest->accept, region, age_tick, refusals > 0, false);
		again_tick = accept_try_tick(&guest->accept, region, age_tick, true, guest->costs);
		assert_true(again_tick > age_tick);
		age_tick = again_tick;
	}
	accept_note(&guest->accept, region, age_tick, refusals > 0, true);
	return refusals;
}

static void a_late_region_delays_no_prompt_one(void **state)
{
	struct region late = {0};
	struct region prompt = {0};
	struct accept host = {0};
	unsigned int refusals[2] = {0, 0};
	struct guest guest;

	(void)state;
	guest_init(&guest, &host, &costs);
	for (int i = 0; i < 40; i++) {
		refusals[i / 20] += merge(&guest, &late, 10 * TICKS_PER_S);
		assert_int_equal(merge(&guest, &prompt, 0), 0);
	}
	assert_true(first_tick(&guest, &prompt) <= TICKS_PER_S / 100);
	assert_true(first_tick(&guest, &late) > TICKS_PER_S);
	assert_true(refusals[1] <= refusals[0]);
}

static void a_lazy_guest_is_refused_less_and_less(void **state)
{
	struct accept host = {0};
	struct guest guest;
	unsigned int first = 0;
	unsigned int later = 0;

	(void)state;
	guest_init(&guest, &host, &costs);
	for (int i = 0; i < 200; i++) {
		struct region region = {0};
		unsigned int refusals = merge(&guest, &region, TICKS_PER_S / 25);

		*(i < 100 ? &first : &later) += refusals;
	}
	assert_true(first > 0);
	assert_true(later < first);
}

/* Whole regions that a lazy driver had for long, and single pages that a prompt one had for a moment. */
static void new_regions_go_by_what_they_were_shared_for(void **state)
{
	struct accept host = {0};
	unsigned int refusals[2] = {0, 0};
	struct guest guest;
	struct region lazy;
	struct region prompt;

	(void)state;
	guest_init(&guest, &host, &costs);
	for (int i = 0; i < 200; i++) {
		lazy = (struct region){0};
		prompt = (struct region){0};
		past_first(&lazy, 10000, 512);
		past_first(&prompt, 0, 1);
		refusals[i / 100] += merge(&guest, &lazy, 10 * TICKS_PER_S);
		assert_int_equal(merge(&guest, &prompt, 0), 0);
	}
	lazy = (struct region){0};
	prompt = (struct region){0};
	past_first(&lazy, 10000, 512);
	past_first(&prompt, 0, 1);
	assert_true(first_tick(&guest, &prompt) < TICKS_PER_S / 10);
	assert_true(first_tick(&guest, &lazy) > TICKS_PER_S);
	assert_true(refusals[1] < refusals[0]);
}

static void all_guests_teach_a_new_one(void **state)
{
	struct accept host = {0};
	struct guest guest;
	struct region region = {0};

	(void)state;
	guest_init(&guest, &host, &costs);
	for (int i = 0; i < 200; i++) {
		struct region new = {0};

		merge(&guest, &new, TICKS_PER_S / 25);
	}
	guest_init(&guest, &host, &costs);
	assert_int_equal(merge(&guest, &region, TICKS_PER_S / 25), 0);
}

static void dear_refusals_make_tries_wait(void **state)
{
	struct policy_costs dear = costs;
	struct region region = {0};
	struct accept host = {0};
	struct guest cheap;
	struct guest guest;

	(void)state;
	dear.fail_ns = 300000;
	guest_init(&cheap, &host, &costs);
	guest_init(&guest, &host, &dear);
	assert_true(first_tick(&guest, &region) > first_tick(&cheap, &region));
}

/* What is due later than it takes to accept is tried when it is due. */
static void an_age_beyond_acceptance_is_kept(void **state)
{
	const uint64_t ages_tick[] = {5 * TICKS_PER_S + 1, 7 * TICKS_PER_S, 2000 * TICKS_PER_S};
	struct region region = {0};
	struct accept host = {0};
	struct guest guest;

	(void)state;
	guest_init(&guest, &host, &costs);
	for (size_t i = 0; i < ARRAY_SIZE(ages_tick); i++)
		assert_int_equal(accept_try_tick(&guest.accept, &region, ages_tick[i], false,
						 &costs),
				 ages_tick[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_region_delays_no_prompt_one),
		cmocka_unit_test(a_lazy_guest_is_refused_less_and_less),
		cmocka_unit_test(new_regions_go_by_what_they_were_shared_for),
		cmocka_unit_test(all_guests_teach_a_new_one),
		cmocka_unit_test(dear_refusals_make_tries_wait),
		cmocka_unit_test(an_age_beyond_acceptance_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
