// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of regions and its deadlines, against plain arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/policy/table.h"

#define RFNS  (4 * CHUNK_REGIONS)
#define STEPS 200000

/* What the table ought to know. */
static struct {
	bool there;
	uint32_t mark;
	uint64_t due_tick;
} want[RFNS];

static uint64_t expired;

static uint64_t random_of(uint64_t *state, uint64_t end)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % end;
}

static void on_expired(struct policy_vm *vm, struct region_ref *ref, uint64_t now_tick)
{
	uint32_t rfn = region_rfn(ref);

	assert_null(vm);
	assert_true(want[rfn].there);
	assert_int_equal(ref->region->stamp, want[rfn].mark);
	assert_true(want[rfn].due_tick <= now_tick);
	want[rfn].due_tick = NO_TICK;
	expired++;
}

static void change(struct table *table, struct heap *heap, uint32_t rfn, uint64_t now_tick,
		   uint64_t rng)
{
	struct region_ref ref;

	table_prefetch(table, rfn);
	table_find(table, rfn, &ref);
	assert_int_equal(ref.region != NULL, want[rfn].there);
	if (!ref.region) {
		assert_int_equal(table_get(NULL, table, heap, rfn, now_tick, &ref), 0);
		want[rfn].there = true;
		want[rfn].due_tick = NO_TICK;
		want[rfn].mark = ref.region->stamp = (uint32_t)now_tick;
	}
	assert_int_equal(ref.region->stamp, want[rfn].mark);
	assert_int_equal(region_rfn(&ref), rfn);
	assert_int_equal(region_due_tick(&ref, now_tick), want[rfn].due_tick);
	switch (rng % 8) {
	case 0:
		table_drop(table, &ref);
		want[rfn].there = false;
		want[rfn].due_tick = NO_TICK;
		break;
	case 1:
		region_disarm(&ref);
		want[rfn].due_tick = NO_TICK;
		break;
	default:
		want[rfn].due_tick = now_tick + (rng >> 8) % 100;
		/* One value of 32 bits stands for none. */
		want[rfn].due_tick += (uint32_t)want[rfn].due_tick == UINT32_MAX;
		region_arm(heap, &ref, want[rfn].due_tick, now_tick);
	}
}

static void check_all(const struct table *table)
{
	struct region_ref ref;
	uint32_t rfn = 0;

	while (table_from(table, rfn, &ref)) {
		for (; !want[rfn].there; rfn++)
			;
		assert_int_equal(region_rfn(&ref), rfn);
		rfn++;
	}
	for (; rfn < RFNS; rfn++)
		assert_false(want[rfn].there);
}

static uint64_t earliest_of_all(void)
{
	uint64_t earliest_tick = NO_TICK;

	for (uint32_t rfn = 0; rfn < RFNS; rfn++)
		if (want[rfn].there && want[rfn].due_tick < earliest_tick)
			earliest_tick = want[rfn].due_tick;
	return earliest_tick;
}

/* @spread: how many regions of the table are in use. Stamps of 32 bits overflow on the way. */
static void play(uint32_t spread, uint64_t now_tick)
{
	struct blocks blocks = {0};
	struct table table = {.blocks = &blocks};
	struct heap heap = {0};
	uint64_t rng = spread;

	memset(want, 0, sizeof(want));
	expired = 0;
	for (int step = 0; step < STEPS; step++) {
		uint32_t rfn = (uint32_t)(random_of(&rng, spread) * RFNS / spread);

		change(&table, &heap, rfn, now_tick, random_of(&rng, UINT32_MAX));
		if (step % 16)
			continue;
		now_tick++;
		while (chunks_due_tick(&heap) <= now_tick)
			chunks_expire_first(&heap, now_tick, on_expired);
		/* Nothing that is due was left out, and what comes next is not overslept. */
		if (step % 1024)
			continue;
		assert_true(earliest_of_all() > now_tick);
		assert_true(chunks_due_tick(&heap) <= earliest_of_all());
		check_all(&table);
	}
	assert_true(expired > STEPS / 100);
	while (table_shrink(&table, &heap, &(unsigned int){8}))
		;
	assert_int_equal(heap.nr, 0);
	assert_int_equal(blocks.used_bytes, 0);
	blocks_done(&blocks);
	heap_done(&heap);
}

static void sparse_regions_are_found_and_expire(void **state)
{
	(void)state;
	play(40, 1000);
	play(300, UINT32_MAX - 5000);
}

static void dense_regions_are_found_and_expire(void **state)
{
	(void)state;
	play(RFNS, 1000);
	play(RFNS, UINT32_MAX - 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sparse_regions_are_found_and_expire),
		cmocka_unit_test(dense_regions_are_found_and_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
