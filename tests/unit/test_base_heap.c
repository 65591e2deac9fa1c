// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <tdx-lpage/heap.h>

#define THINGS 300
#define STEPS  20000

/* The item is not the first member. */
struct thing {
	bool inside;
	uint64_t turn; /* of the key, by this test's own count */
	struct heap_item item;
};

struct world {
	struct heap heap;
	struct thing things[THINGS];
	uint64_t turns;
	uint64_t rng;
};

static struct thing *thing_of(struct heap_item *item)
{
	return HEAP_ENTRY(item, struct thing, item);
}

static uint64_t random_of(struct world *w, uint64_t end)
{
	w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->rng >> 33) % end;
}

static void set(struct world *w, struct thing *thing, uint64_t key)
{
	if (thing->inside)
		heap_set(&w->heap, &thing->item, key);
	else
		heap_insert(&w->heap, &thing->item, key);
	assert_int_equal(thing->item.key, key);
	thing->inside = true;
	thing->turn = w->turns++;
}

static void take_out(struct world *w, struct thing *thing)
{
	heap_remove(&w->heap, &thing->item);
	thing->inside = false;
}

static struct thing *expected_first(struct world *w)
{
	struct thing *first = NULL;

	for (size_t i = 0; i < THINGS; i++) {
		struct thing *thing = &w->things[i];

		if (thing->inside &&
		    (!first || thing->item.key < first->item.key ||
		     (thing->item.key == first->item.key && thing->turn < first->turn)))
			first = thing;
	}
	return first;
}

static void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->rng = seed;
	assert_int_equal(heap_reserve(&w->heap, THINGS), 0);
}

static void the_first_item_is_right_whatever_was_done_before(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	for (int step = 0; step < STEPS; step++) {
		struct thing *thing = &w.things[random_of(&w, THINGS)];

		/* Few keys, so that many are equal. */
		if (random_of(&w, 3) > 0)
			set(&w, thing, random_of(&w, 50));
		else if (thing->inside)
			take_out(&w, thing);
		if (w.heap.nr)
			assert_ptr_equal(thing_of(heap_first(&w.heap)), expected_first(&w));
		else
			assert_null(expected_first(&w));
	}
	heap_done(&w.heap);
}

static void items_leave_in_the_order_of_their_keys(void **state)
{
	uint64_t last = 0;
	struct world w;

	(void)state;
	world_init(&w, 2);
	for (size_t i = 0; i < THINGS; i++)
		set(&w, &w.things[i], random_of(&w, UINT64_MAX));
	for (size_t left = THINGS; left > 0; left--) {
		struct thing *thing = thing_of(heap_first(&w.heap));

		assert_int_equal(w.heap.nr, left);
		assert_true(thing->item.key >= last);
		last = thing->item.key;
		take_out(&w, thing);
	}
	assert_null(heap_first(&w.heap));
	heap_done(&w.heap);
}

static void of_equal_keys_the_one_that_was_set_first_leaves_first(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	for (size_t i = 0; i < THINGS; i++)
		set(&w, &w.things[i], 7);
	/* The same key once more counts as set. */
	set(&w, &w.things[0], 7);
	for (size_t i = 1; i <= THINGS; i++) {
		struct thing *thing = &w.things[i % THINGS];

		assert_ptr_equal(thing_of(heap_first(&w.heap)), thing);
		take_out(&w, thing);
	}
	heap_done(&w.heap);
}

static void the_first_item_stays_first_when_its_key_is_lowered_in_place(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	for (size_t i = 0; i < THINGS; i++)
		set(&w, &w.things[i], i + 1);
	w.things[0].item.key = 0;
	set(&w, &w.things[9], 1);
	assert_ptr_equal(thing_of(heap_first(&w.heap)), &w.things[0]);
	set(&w, &w.things[0], THINGS + 1);
	assert_ptr_equal(thing_of(heap_first(&w.heap)), &w.things[9]);
	heap_done(&w.heap);
}

static void room_is_kept_until_the_heap_is_done_with(void **state)
{
	struct heap_item item;
	struct heap heap = {0};

	(void)state;
	assert_int_equal(heap_reserve(&heap, 1), 0);
	heap_insert(&heap, &item, UINT64_MAX);
	heap_remove(&heap, &item);
	assert_true(heap.capacity >= 1);
	assert_non_null(heap.items);
	heap_done(&heap);
	assert_int_equal(heap.capacity, 0);
	assert_null(heap.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_item_is_right_whatever_was_done_before),
		cmocka_unit_test(items_leave_in_the_order_of_their_keys),
		cmocka_unit_test(of_equal_keys_the_one_that_was_set_first_leaves_first),
		cmocka_unit_test(the_first_item_stays_first_when_its_key_is_lowered_in_place),
		cmocka_unit_test(room_is_kept_until_the_heap_is_done_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
