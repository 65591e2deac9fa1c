// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `adaptive` takes from the rest of the guest: where all regions fall quiet together, a region
 * that is as old as the quiet is merged sooner than one whose neighbours are still busy. And what it makes of the
 * costs: all times are relative to the break-even time, but for the life of a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/policy/adaptive.h"

#define REGIONS	    40
#define PHASES	    6
#define TICKS_PER_S ((UINT64_C(1) << 30) >> TICK_SHIFT) /* of 2^30 ns */

/* The idle phases of the lessons hold a merge, or the debts would decide. */
#define MERGED_AFTER (5 * TICKS_PER_S)

static struct policy_costs costs_times(uint64_t factor)
{
	return (struct policy_costs){
		.merge_ns = 30000 * factor,
		.split_ns = 45000 * factor,
		.fail_ns = 12000 * factor,
		.walk_ns_per_s = 12000,
	};
}

struct guest {
	struct adaptive *adaptive;
	struct region regions[REGIONS];
	uint64_t next[REGIONS]; /* when it is converted */
	uint64_t rng;
	uint64_t now;
	uint64_t slow; /* times and costs are that many times as large */
	struct policy_costs costs;
};

/* From 0.1 to 1.6 s, short ones more often. */
static uint64_t pause_ticks(struct guest *guest)
{
	guest->rng = guest->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return guest->slow * ((TICKS_PER_S / 10) << ((guest->rng >> 33) % 5));
}

static uint64_t age_of(const struct guest *guest, unsigned int i)
{
	return guest->now - guest->regions[i].stamp;
}

static void convert(struct guest *guest, unsigned int i)
{
	struct region *region = &guest->regions[i];

	if (region->stamp) {
		uint64_t age = age_of(guest, i);
		bool merged = age >= guest->slow * MERGED_AFTER;

		if (merged)
			rental_add_merge(region, guest->slow * MERGED_AFTER, &guest->costs);
		adaptive_note_end(guest->adaptive, region, age, merged, false, &guest->costs);
	}
	adaptive_note_busy(guest->adaptive, guest->now, 0);
	region->stamp = (uint32_t)guest->now;
	adaptive_note_start(guest->adaptive, region, 0, 1);
	guest->next[i] = guest->now + pause_ticks(guest);
}

static void pass(struct guest *guest, uint64_t ticks, bool busy)
{
	uint64_t end = guest->now + guest->slow * ticks;

	for (; guest->now < end; guest->now += guest->slow) {
		for (unsigned int i = 0; i < REGIONS; i++) {
			struct region *region = &guest->regions[i];

			if (busy && guest->now >= guest->next[i])
				convert(guest, i);
			else if (region->stamp &&
				 age_of(guest, i) >=
					 adaptive_next_look_tick(guest->adaptive, region))
				adaptive_note_age(guest->adaptive, region, age_of(guest, i));
		}
	}
}

static void guest_init(struct guest *guest, uint64_t slow)
{
	*guest = (struct guest){.now = slow, .slow = slow, .costs = costs_times(slow)};
	guest->adaptive = adaptive_new(NULL, adaptive_unit(&guest->costs), 0);
	assert_non_null(guest->adaptive);
}

/* Busy and idle in turn, then idle for a second: when is the last region that was converted merged? */
static struct region *play(struct guest *guest)
{
	struct region *region = &guest->regions[0];

	for (unsigned int i = 0; i < PHASES; i++) {
		pass(guest, 20 * TICKS_PER_S, true);
		pass(guest, 40 * TICKS_PER_S, false);
	}
	pass(guest, 20 * TICKS_PER_S, true);
	for (unsigned int i = 0; i < REGIONS; i++)
		if (guest->regions[i].stamp > region->stamp)
			region = &guest->regions[i];
	pass(guest, TICKS_PER_S, false);
	return region;
}

static void a_quiet_guest_merges_sooner(void **state)
{
	struct guest guest;
	struct region *region;
	uint64_t quiet;
	uint64_t busy;

	(void)state;
	guest_init(&guest, 1);
	region = play(&guest);
	quiet = adaptive_merge_age_tick(guest.adaptive, region, &guest.costs);
	/* The same moment, had another region just been converted. */
	adaptive_note_busy(guest.adaptive, guest.now, 0);
	busy = adaptive_merge_age_tick(guest.adaptive, region, &guest.costs);
	print_message("merged at %.2f s, among busy ones at %.2f s\n", (double)quiet / TICKS_PER_S,
		      (double)busy / TICKS_PER_S);
	assert_true(quiet < busy);
	/* Within the longest pause of a busy region. */
	assert_true(quiet < TICKS_PER_S * 16 / 10);
	free(guest.adaptive);
}

static uint64_t merge_age(uint64_t slow)
{
	struct guest guest;
	struct region *region;
	uint64_t age;

	guest_init(&guest, slow);
	region = play(&guest);
	adaptive_note_busy(guest.adaptive, guest.now, 0);
	age = adaptive_merge_age_tick(guest.adaptive, region, &guest.costs);
	free(guest.adaptive);
	return age;
}

/* Nothing is cut off where the break-even time is minutes. */
static void ages_scale_with_the_costs(void **state)
{
	uint64_t age = merge_age(1);
	uint64_t slow_age = merge_age(64);

	(void)state;
	print_message("%lu and %lu ticks\n", (unsigned long)age, (unsigned long)slow_age);
	assert_true(slow_age > 32 * age);
	assert_true(slow_age < 128 * age);
}

/* First intervals of a guest that has lived for @life_tick, at a hundredth of the walk cost. */
static uint64_t first_age(uint64_t life_tick)
{
	struct policy_costs cheap = costs_times(1);
	struct region region = {0};
	struct adaptive *adaptive;
	uint64_t age;

	cheap.walk_ns_per_s /= 100;
	adaptive = adaptive_new(NULL, adaptive_unit(&cheap), 0);
	assert_non_null(adaptive);
	adaptive_note_busy(adaptive, life_tick, 0);
	age = adaptive_merge_age_tick(adaptive, &region, &cheap);
	free(adaptive);
	return age;
}

static void an_old_guest_is_merged_sooner_than_one_that_may_soon_be_gone(void **state)
{
	uint64_t young = first_age(TICKS_PER_S);
	uint64_t old = first_age(100000 * TICKS_PER_S);

	(void)state;
	print_message("%lu and %lu ticks\n", (unsigned long)young, (unsigned long)old);
	assert_true(old < young / 4);
}

/* Intervals of three quarters of the break-even time, longer than a merge alone takes to pay. */
static uint64_t age_among_ends(bool whole)
{
	struct policy_costs costs = costs_times(1);
	uint64_t length = (uint64_t)(0.75 * rental_break_even_tick(&costs));
	struct adaptive *adaptive = adaptive_new(NULL, adaptive_unit(&costs), 0);
	struct region region = {0};
	uint64_t age;

	assert_non_null(adaptive);
	for (unsigned int i = 0; i < 200; i++) {
		adaptive_note_start(adaptive, &region, 0, 1);
		adaptive_note_end(adaptive, &region, length, false, whole, &costs);
	}
	adaptive_note_start(adaptive, &region, 0, 1);
	age = adaptive_merge_age_tick(adaptive, &region, &costs);
	free(adaptive);
	return age;
}

static void what_will_not_be_split_is_merged_sooner(void **state)
{
	struct policy_costs costs = costs_times(1);
	uint64_t partial = age_among_ends(false);
	uint64_t whole = age_among_ends(true);

	(void)state;
	print_message("%lu and %lu ticks\n", (unsigned long)partial, (unsigned long)whole);
	assert_true((double)partial > 0.75 * rental_break_even_tick(&costs));
	assert_true((double)whole < 0.1 * rental_break_even_tick(&costs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_guest_merges_sooner),
		cmocka_unit_test(ages_scale_with_the_costs),
		cmocka_unit_test(an_old_guest_is_merged_sooner_than_one_that_may_soon_be_gone),
		cmocka_unit_test(what_will_not_be_split_is_merged_sooner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
