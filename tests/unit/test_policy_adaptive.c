// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `adaptive` takes from the rest of the guest: where all regions fall quiet together, a region
 * that is as old as the quiet is merged sooner than one whose neighbours are still busy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/policy/adaptive.h"

#define REGIONS	    40
#define PHASES	    6
#define TICKS_PER_S ((UINT64_C(1) << 30) >> TICK_SHIFT) /* of 2^30 ns */

/* The idle phases of the lessons hold a merge, or the debts would decide. */
#define MERGED_AFTER (5 * TICKS_PER_S)

static const struct policy_costs costs = {
	.merge_ns = 30000, .split_ns = 45000, .fail_ns = 12000, .walk_ns_per_s = 12000};

struct guest {
	struct adaptive *adaptive;
	struct region regions[REGIONS];
	uint64_t next[REGIONS]; /* when it is converted */
	uint64_t rng;
	uint64_t now;
};

/* From 0.1 to 1.6 s, short ones more often. */
static uint64_t pause_ticks(struct guest *guest)
{
	guest->rng = guest->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (TICKS_PER_S / 10) << ((guest->rng >> 33) % 5);
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
		bool merged = age >= MERGED_AFTER;

		if (merged)
			adaptive_note_merge(region, MERGED_AFTER, &costs);
		adaptive_note_end(guest->adaptive, region, age, merged, &costs);
	}
	adaptive_note_busy(guest->adaptive, guest->now, 0);
	region->stamp = (uint32_t)guest->now;
	adaptive_note_start(region);
	guest->next[i] = guest->now + pause_ticks(guest);
}

static void pass(struct guest *guest, uint64_t ticks, bool busy)
{
	for (uint64_t end = guest->now + ticks; guest->now < end; guest->now++) {
		for (unsigned int i = 0; i < REGIONS; i++) {
			struct region *region = &guest->regions[i];

			if (busy && guest->now >= guest->next[i])
				convert(guest, i);
			else if (region->stamp &&
				 age_of(guest, i) >= adaptive_next_look_tick(region))
				adaptive_note_age(guest->adaptive, region, age_of(guest, i));
		}
	}
}

static void a_quiet_guest_merges_sooner(void **state)
{
	struct guest guest = {.adaptive = adaptive_new(NULL), .now = 1};
	struct region *region = &guest.regions[0];
	uint64_t quiet;
	uint64_t busy;

	(void)state;
	assert_non_null(guest.adaptive);
	for (unsigned int i = 0; i < PHASES; i++) {
		pass(&guest, 20 * TICKS_PER_S, true);
		pass(&guest, 40 * TICKS_PER_S, false);
	}
	pass(&guest, 20 * TICKS_PER_S, true);
	for (unsigned int i = 0; i < REGIONS; i++)
		if (guest.regions[i].stamp > region->stamp)
			region = &guest.regions[i];
	pass(&guest, TICKS_PER_S, false);
	quiet = adaptive_merge_age_tick(guest.adaptive, region, &costs);
	/* The same moment, had another region just been converted. */
	adaptive_note_busy(guest.adaptive, guest.now, 0);
	busy = adaptive_merge_age_tick(guest.adaptive, region, &costs);
	print_message("merged at %.2f s, among busy ones at %.2f s\n", (double)quiet / TICKS_PER_S,
		      (double)busy / TICKS_PER_S);
	assert_true(quiet < busy);
	/* Within the longest pause of a busy region. */
	assert_true(quiet < TICKS_PER_S * 16 / 10);
	adaptive_free(guest.adaptive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_quiet_guest_merges_sooner)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
