// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/blocks.h>

#define BLOCKS 3000
#define STEPS  40000

static const size_t sizes[] = {8, 120, 176, 7680, 57344};

struct kept {
	unsigned char *at;
	size_t size;
	unsigned char fill;
};

static uint64_t random_of(uint64_t *rng, uint64_t end)
{
	*rng = *rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*rng >> 33) % end;
}

static void take(struct blocks *blocks, struct kept *kept, uint64_t *rng)
{
	kept->size = sizes[random_of(rng, ARRAY_SIZE(sizes))];
	kept->fill = (unsigned char)random_of(rng, 256);
	kept->at = blocks_get(blocks, kept->size);
	assert_non_null(kept->at);
	assert_int_equal((uintptr_t)kept->at % 8, 0);
	memset(kept->at, kept->fill, kept->size);
}

/* Nobody else has written to it. */
static void check(const struct kept *kept)
{
	for (size_t i = 0; i < kept->size; i++)
		assert_int_equal(kept->at[i], kept->fill);
}

static void give(struct blocks *blocks, struct kept *kept)
{
	check(kept);
	blocks_put(blocks, kept->at, kept->size);
	kept->at = NULL;
}

static void blocks_keep_what_is_in_them(void **state)
{
	static struct kept kept[BLOCKS];
	struct blocks blocks = {0};
	size_t used = 0;
	uint64_t rng = 1;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		struct kept *one = &kept[random_of(&rng, BLOCKS)];

		used -= one->at ? one->size : 0;
		if (one->at)
			give(&blocks, one);
		else
			take(&blocks, one, &rng);
		used += one->at ? one->size : 0;
		assert_int_equal(blocks.used_bytes, used);
		assert_true(blocks.held_bytes >= used);
		if (step % 64 == 0)
			(void)blocks_give_back(&blocks, &(unsigned int){3});
	}
	for (size_t i = 0; i < BLOCKS; i++)
		if (kept[i].at)
			give(&blocks, &kept[i]);
	while (blocks_give_back(&blocks, &(unsigned int){1}))
		;
	assert_int_equal(blocks.used_bytes, 0);
	assert_int_equal(blocks.held_bytes, 0);
	blocks_done(&blocks);
}

static void an_arena_goes_when_it_is_empty_but_for_one(void **state)
{
	struct blocks blocks = {0};
	void *other = blocks_get(&blocks, 8);
	void *block[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(block); i++)
		block[i] = blocks_get(&blocks, 57344);
	assert_int_equal(blocks.held_bytes, 5 * BLOCKS_ARENA_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(block); i++)
		blocks_put(&blocks, block[i], 57344);
	assert_int_equal(blocks.held_bytes, 2 * BLOCKS_ARENA_BYTES);
	block[0] = blocks_get(&blocks, 57344);
	assert_int_equal(blocks.held_bytes, 2 * BLOCKS_ARENA_BYTES);
	blocks_put(&blocks, block[0], 57344);
	assert_int_equal(blocks.held_bytes, 2 * BLOCKS_ARENA_BYTES);
	blocks_put(&blocks, other, 8);
	assert_int_equal(blocks.held_bytes, 0);
	blocks_done(&blocks);
}

static void a_block_can_be_zeroed(void **state)
{
	struct blocks blocks = {0};
	unsigned char *block = blocks_get(&blocks, 120);
	void *other = blocks_get(&blocks, 120);
	static const unsigned char zeroes[120];

	(void)state;
	assert_non_null(other);
	memset(block, 1, 120);
	blocks_put(&blocks, block, 120);
	assert_ptr_equal(blocks_get_zeroed(&blocks, 120), block);
	assert_memory_equal(block, zeroes, 120);
	blocks_done(&blocks);
}

#ifdef __SANITIZE_ADDRESS__
int __asan_address_is_poisoned(const volatile void *at);

/* Use after free is found, as in memory of malloc(). */
static void what_is_not_given_out_is_poisoned(void **state)
{
	struct blocks blocks = {0};
	unsigned char *first = blocks_get(&blocks, 120), *second = blocks_get(&blocks, 120);

	(void)state;
	assert_true(second == first + 120);
	assert_false(__asan_address_is_poisoned(second));
	assert_false(__asan_address_is_poisoned(second + 119));
	assert_true(__asan_address_is_poisoned(second + 120));
	blocks_put(&blocks, first, 120);
	assert_true(__asan_address_is_poisoned(first));
	assert_true(__asan_address_is_poisoned(first + 119));
	assert_false(__asan_address_is_poisoned(second));
	blocks_done(&blocks);
}
#endif

static void what_is_too_large_is_refused(void **state)
{
	struct blocks blocks = {0};

	(void)state;
	assert_null(blocks_get(&blocks, BLOCKS_LARGEST + 8));
	blocks_put(&blocks, NULL, 0);
	assert_int_equal(blocks.held_bytes, 0);
	blocks_done(&blocks);
}

/* Pages of the arena of @block that are in memory. */
static size_t resident(const void *block)
{
	uintptr_t page = (uintptr_t)block & ~(uintptr_t)4095;
	unsigned char there[32];
	size_t nr = 0;

	assert_int_equal(mincore((void *)page, sizeof(there) * 4096, there), 0);
	for (size_t i = 0; i < sizeof(there); i++)
		nr += there[i] & 1;
	return nr;
}

/* Every second of 16 pages each: what is left keeps 8 blocks of them in memory, and a page at each end. */
static void holes_are_given_back(void **state)
{
	struct blocks blocks = {0};
	struct kept kept[4];
	uint64_t rng = 1;
	unsigned int steps = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		kept[i] = (struct kept){blocks_get(&blocks, 57344), 57344,
					(unsigned char)random_of(&rng, 256)};
		memset(kept[i].at, kept[i].fill, kept[i].size);
	}
	assert_int_equal(resident(kept[0].at), 32);
	blocks_put(&blocks, kept[1].at, kept[1].size);
	blocks_put(&blocks, kept[2].at, kept[2].size);
	assert_false(blocks_give_back(&blocks, &steps));
	assert_int_equal(steps, 0);
	assert_in_range(resident(kept[0].at), 14, 16);
	check(&kept[0]);
	check(&kept[3]);
	steps = 1;
	assert_false(blocks_give_back(&blocks, &steps));
	assert_int_equal(steps, 1);
	blocks_done(&blocks);
}

static void it_takes_a_step_for_each_arena_with_holes(void **state)
{
	struct blocks blocks = {0};
	void *block[40];
	unsigned int calls = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(block); i++)
		block[i] = blocks_get(&blocks, 57344);
	for (size_t i = 0; i < ARRAY_SIZE(block); i += 4)
		blocks_put(&blocks, block[i], 57344);
	for (; blocks_give_back(&blocks, &(unsigned int){3}); calls++)
		;
	assert_int_equal(calls, 4);
	blocks_done(&blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_keep_what_is_in_them),
		cmocka_unit_test(an_arena_goes_when_it_is_empty_but_for_one),
		cmocka_unit_test(a_block_can_be_zeroed),
#ifdef __SANITIZE_ADDRESS__
		cmocka_unit_test(what_is_not_given_out_is_poisoned),
#endif
		cmocka_unit_test(what_is_too_large_is_refused),
		cmocka_unit_test(holes_are_given_back),
		cmocka_unit_test(it_takes_a_step_for_each_arena_with_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
