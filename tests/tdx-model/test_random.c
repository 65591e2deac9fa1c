// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Section 10 of the rules, and everything else, with random operations of two TDs with two vCPUs each.
 *   test_random [SEED [SEQUENCES]]
 * A failure is shrunk to a few operations, which are printed in a form that can be put into replay[].
 */
#include "tests/tdx-model/lib_ref.h"

#define NR_SEQUENCES 1200
#define SEQUENCE     2500
#define CHECK_EVERY  64

static u64 seed = 20260101;
static int nr_sequences = NR_SEQUENCES;

/* Sequences that failed once, or that are worth to be run always */
static const struct op replay[] = {
	{OP_AUG, .level = 1, .page = 0, .hpa = 0},
	{OP_FINALIZE},
	{OP_ENTER},
	{OP_ACCEPT, .level = 1},
	{OP_STORE, .page = 511, .value = 7},
	{OP_SPLIT, .flags = 8, .hpa = 3},
	{OP_ENTER},
	{OP_LOAD, .page = 511},
	{OP_MERGE},
	{OP_ENTER},
	{OP_LOAD, .page = 511},
};

/* Returns the number of operations up to the first that fails; 0: none does. */
static int run(struct ref *ref, int levels, const struct op *ops, int nr, int check_every)
{
	int i, failed = 0;

	ref_new(ref, levels);
	for (i = 0; i < nr && !failed; i++) {
		if (!ref_run(ref, &ops[i]) || (i % check_every == 0 && !ref_check(ref)))
			failed = i + 1;
	}
	if (!failed && !ref_check(ref))
		failed = nr;
	return failed;
}

static bool fails(struct ref *ref, int levels, const struct op *ops, int nr)
{
	bool failed = run(ref, levels, ops, nr, 1);

	ref_free(ref);
	return failed;
}

/* Leaves out what isn't needed to fail, in smaller and smaller pieces. */
static int shrink(struct ref *ref, int levels, struct op *ops, int nr)
{
	struct op *fewer = malloc(nr * sizeof(*ops));
	int chunk, at;

	for (chunk = nr / 2; chunk; chunk = chunk > 1 ? chunk / 2 : 0) {
		for (at = 0; at + chunk <= nr;) {
			memcpy(fewer, ops, at * sizeof(*ops));
			memcpy(fewer + at, ops + at + chunk, (nr - at - chunk) * sizeof(*ops));
			if (fails(ref, levels, fewer, nr - chunk)) {
				nr -= chunk;
				memcpy(ops, fewer, nr * sizeof(*ops));
			} else {
				at += chunk;
			}
		}
	}
	free(fewer);
	return nr;
}

static void report(struct ref *ref, int levels, struct op *ops, int nr, u64 at_seed)
{
	int i;

	print_error("seed %llu: operation %d: %s\n", at_seed, nr, ref->error);
	ref_free(ref);
	nr = shrink(ref, levels, ops, nr);
	run(ref, levels, ops, nr, 1);
	print_error("shrunk to %d, %d levels, %s 1.5.20: %s\n", nr, levels,
		    since_1_5_20() ? "since" : "before", ref->error);
	for (i = 0; i < nr; i++)
		op_print(&ops[i]);
	ref_free(ref);
	fail();
}

struct totals {
	unsigned long ops, calls, worked[NR_OPS], tried[NR_OPS];
};

static void add_up(struct totals *t, const struct ref *ref)
{
	int i;

	t->calls += ref->calls;
	for (i = 0; i < NR_OPS; i++) {
		t->worked[i] += ref->worked[i];
		t->tried[i] += ref->tried[i];
		t->ops += ref->tried[i];
	}
}

static void test_random(void **state)
{
	struct ref *ref = malloc(sizeof(*ref));
	struct op *ops = malloc(SEQUENCE * sizeof(*ops));
	struct totals totals = {};
	u64 random = seed;
	int i, j, failed;

	(void)state;
	print_message("# seed %llu\n", seed);
	for (i = 0; i < nr_sequences; i++) {
		u64 at_seed = random;

		for (j = 0; j < SEQUENCE; j++)
			ops[j] = op_random(&random);
		/* The rest of the sequence is with vCPUs. */
		ops[20 + i % 200].kind = OP_FINALIZE;
		ops[20 + i % 200].td = 0;
		ops[30 + i % 300].kind = OP_FINALIZE;
		ops[30 + i % 300].td = 1;
		world_set_rules(i / 2 % TDX_MODEL_NR_RULES);
		failed = run(ref, 4 + i % 2, ops, SEQUENCE, CHECK_EVERY);
		if (failed)
			report(ref, 4 + i % 2, ops, failed, at_seed);
		add_up(&totals, ref);
		ref_free(ref);
	}
	print_message("# %lu operations, %lu calls\n", totals.ops, totals.calls);
	for (i = 0; i < NR_OPS; i++)
		print_message("# %-12s %8lu tried, %8lu worked\n", op_name(i), totals.tried[i],
			      totals.worked[i]);
	/* Of every leaf, enough calls must get to the end, or this tests nothing. */
	for (i = 0; i <= OP_ADD; i++) {
		if (nr_sequences >= 100)
			assert_true(totals.worked[i] > nr_sequences / 20);
	}
	free(ops);
	free(ref);
}

static void test_replay(void **state)
{
	struct ref *ref = malloc(sizeof(*ref));
	int i, levels;

	(void)state;
	for (i = 0; i < 2 * TDX_MODEL_NR_RULES; i++) {
		levels = 4 + i % 2;
		world_set_rules(i / 2);
		if (run(ref, levels, replay, ARRAY_SIZE(replay), 1)) {
			print_error("%s\n", ref->error);
			fail();
		}
		assert_int_equal(ref->worked[OP_PROMOTE], 1);
		assert_int_equal(ref->worked[OP_LOAD], 2);
		ref_free(ref);
	}
	free(ref);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_random),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		nr_sequences = atoi(argv[2]);
	return cmocka_run_group_tests_name("tdx-model random", tests, NULL, NULL);
}
