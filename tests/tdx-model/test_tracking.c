// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 6 of the rules: epochs, and what can be done before and after TRACK. */
#include "tests/tdx-model/lib_world.h"

#define NOT_DONE    (TDXM_TLB_TRACKING_NOT_DONE | 1)
#define NOT_BLOCKED (TDXM_GPA_RANGE_NOT_BLOCKED | 1)

/* Something blocked in epoch @bepoch of a TD in epoch 10, with those counts of vCPUs */
static void test_rule(void **state)
{
	static const struct {
		u64 bepoch;
		u16 even, odd;
		bool tracked;
	} rows[] = {
		{10, 0, 0, false},
		{11, 0, 0, false},
		{9, 0, 0, true},
		{9, 0, 1, false},
		{9, 1, 0, true},
		{8, 0, 0, true},
		{8, 1, 1, true},
		{0, 3, 3, true},
		{BIT_ULL(63), 0, 0, false},
		{BIT_ULL(63) | 1, 0, 0, false},
		{~0ULL, 0, 0, false},
	};
	struct world *w = *state;
	int i;

	w->td[0]->epoch = 10;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		w->td[0]->refcount[0] = rows[i].even;
		w->td[0]->refcount[1] = rows[i].odd;
		assert_int_equal(tdxm_tracked(w->td[0], rows[i].bepoch), rows[i].tracked);
	}
}

/* The five leaves that need tracking, at each step of BLOCK, TRACK and exits */
struct five {
	struct result (*call)(struct world *w);
};

static struct result do_remove(struct world *w)
{
	return remove_page(w, GPA(1), 1);
}

static struct result do_demote(struct world *w)
{
	return demote(w, GPA(1), 1, SPARE(1));
}

static struct result do_sept_remove(struct world *w)
{
	return sept_remove(w, GPA(2), 1);
}

static struct result do_promote(struct world *w)
{
	return promote(w, GPA(3), 1);
}

static struct result do_unblock(struct world *w)
{
	return unblock(w, GPA(1), 1);
}

static void prepare(struct world *w)
{
	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(sept_add(w, GPA(3), 1, SPARE(2)));
	aug_4k(w, GPA(3), DATA(1), 512);
}

static void block_all(struct world *w)
{
	int i;

	for (i = 1; i < 4; i++)
		OK(block(w, GPA(i), 1));
}

static void try_leaf(struct result (*call)(struct world *w), bool unblock_leaf)
{
	struct world *w = world_new(4, false);
	struct result r;

	prepare(w);
	world_run(w);
	FAILS(unblock_leaf ? TDXM_EPT_ENTRY_STATE_INCORRECT | 1 : NOT_BLOCKED, call(w));
	enter(w);
	block_all(w);
	r = FAILS(NOT_DONE, call(w));
	assert_int_equal(r.r.rcx, 0);
	assert_int_equal(r.r.rdx, 0);
	OK(track(w));
	/* A vCPU that was inside before TRACK */
	FAILS(NOT_DONE, call(w));
	leave(w);
	/* It may come back: that is another epoch. */
	enter(w);
	OK(call(w));
	leave(w);
	world_check(w);
	world_free(w);
}

static void test_all_five(void **state)
{
	(void)state;
	try_leaf(do_remove, false);
	try_leaf(do_demote, false);
	try_leaf(do_sept_remove, false);
	try_leaf(do_promote, false);
	try_leaf(do_unblock, true);
}

/* None of that before the TD is finalized */
static void test_initialized(void **state)
{
	struct world *w = *state;

	prepare(w);
	OK(do_remove(w));
	OK(do_sept_remove(w));
	OK(do_promote(w));
	OK(demote(w, GPA(3), 1, SPARE(1)));
	OK(block(w, GPA(3), 1));
	OK(unblock(w, GPA(3), 1));
	world_check(w);
}

/* One TRACK is enough for all that was blocked before; it is needed without vCPUs, too. */
static void test_one_track(void **state)
{
	struct world *w = *state;

	prepare(w);
	world_run(w);
	block_all(w);
	FAILS(NOT_DONE, do_remove(w));
	OK(track(w));
	OK(do_remove(w));
	OK(do_sept_remove(w));
	OK(do_promote(w));
	world_check(w);
}

/* Blocked again is blocked since the first time. */
static void test_block_twice(void **state)
{
	struct world *w = *state;

	prepare(w);
	world_run(w);
	OK(block(w, GPA(1), 1));
	OK(track(w));
	FAILS(TDXM_GPA_RANGE_ALREADY_BLOCKED | 1, block(w, GPA(1), 1));
	OK(do_remove(w));
}

static void test_track(void **state)
{
	struct world *w = *state;
	struct tdx_model_exit exit;

	world_run(w);
	assert_int_equal(tdx_model_td_epoch(w->td[0]), 1);
	enter(w);
	assert_int_equal(tdx_model_td_refcount(w->td[0], 1), 1);
	OK(track(w));
	assert_int_equal(tdx_model_td_epoch(w->td[0]), 2);
	FAILS(TDXM_PREVIOUS_TLB_EPOCH_BUSY, track(w));
	assert_int_equal(tdx_model_td_epoch(w->td[0]), 2);
	/* Another one that enters now doesn't change that. */
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][1], &exit), 0);
	assert_int_equal(tdx_model_td_refcount(w->td[0], 0), 1);
	FAILS(TDXM_PREVIOUS_TLB_EPOCH_BUSY, track(w));
	leave(w);
	OK(track(w));
	FAILS(TDXM_PREVIOUS_TLB_EPOCH_BUSY, track(w));
	assert_int_equal(tdx_model_vp_exit(w->vcpu[0][1], &exit), 0);
	OK(track(w));
	OK(track(w));
	assert_int_equal(tdx_model_td_epoch(w->td[0]), 5);
	/* The other TD has its own. */
	assert_int_equal(tdx_model_td_epoch(w->td[1]), 1);
	world_check(w);
}

/* A translation lives until the vCPU enters in another epoch. */
static void test_tlb(void **state)
{
	struct world *w = *state;
	struct guest g;
	u64 value;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	accepted(w, GPA(1), 1);
	enter(w);
	g = store(w, GPA(1) + KIB(8), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	OK(block(w, GPA(1), 1));
	g = store(w, GPA(1) + KIB(8), 2);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	leave(w);
	/* Not tracked: the same epoch, the same translation */
	enter(w);
	g = load(w, GPA(1) + KIB(8), &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(value, 2);
	leave(w);
	OK(track(w));
	enter(w);
	g = load(w, GPA(1) + KIB(8), &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(g.exit.rax, 48);
	world_check(w);
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
}

static void test_vp_flush(void **state)
{
	struct world *w = *state;
	struct guest g;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	accepted(w, GPA(1), 1);
	enter(w);
	g = store(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(tdx_model_vp_flush(w->vcpu[0][0]), -EBUSY);
	leave(w);
	OK(block(w, GPA(1), 1));
	assert_int_equal(tdx_model_vp_flush(w->vcpu[0][0]), 0);
	enter(w);
	g = store(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
}

/* A module that didn't wait for vCPUs would let them use pages of others. */
static void test_stale(void **state)
{
	struct world *w = *state;
	struct guest g;
	u64 value;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(aug(w, GPA(2), 0, SPARE(1)));
	OK(aug(w, GPA(2) + KIB(4), 0, SPARE(2)));
	world_run(w);
	accepted(w, GPA(1), 1);
	accepted(w, GPA(2), 0);
	accepted(w, GPA(2) + KIB(4), 0);
	enter(w);
	g = store(w, GPA(1), 1);
	g = store(w, GPA(2), 1);
	/* What the module wouldn't do */
	w->td[0]->op_state = TDXM_OPS_INITIALIZED;
	OK(remove_page(w, GPA(1), 1));
	OK(remove_page(w, GPA(2), 0));
	assert_int_equal(tdx_model_check(w->m, NULL), 2);
	g = load(w, GPA(1), &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(tdx_model_hazards(w->m, TDX_MODEL_HZ_TD_STALE), 1);
	assert_int_equal(tdx_model_hazard_hpa(w->m), DATA(0));
	OK(remove_page(w, GPA(2) + KIB(4), 0));
	OK(sept_remove(w, GPA(2), 1));
	assert_int_equal(tdx_model_check(w->m, NULL), 3);
	g = load(w, GPA(2) + KIB(8), &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(tdx_model_hazards(w->m, TDX_MODEL_HZ_TD_STALE_TABLE), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rule),	     cmocka_unit_test(test_all_five),
		T(test_initialized), T(test_one_track),
		T(test_block_twice), T(test_track),
		T(test_tlb),	     T(test_vp_flush),
		T(test_stale),
	};

	return WORLD_MAIN("tdx-model tracking", tests);
}
