// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 4 of the rules: what each leaf does to which state, and what it returns. */
#include "tests/tdx-model/lib_world.h"

#define STATE_INCORRECT (TDXM_EPT_ENTRY_STATE_INCORRECT | 1)
#define ALREADY_BLOCKED (TDXM_GPA_RANGE_ALREADY_BLOCKED | 1)

/*
 * Every leaf on every state at 2M, in a TD that isn't finalized: nothing needs to be blocked or tracked. NEXT is
 * the state afterwards; tables are empty.
 */
struct row {
	enum tdxm_leaf_id leaf;
	enum tdxm_state state;
	u64 status;
	enum tdxm_state next;
};

#define FAIL(leaf, state, status)                                                                  \
	{                                                                                          \
		TDXM_L_##leaf, TDXM_S_##state, status, TDXM_S_##state                              \
	}
#define DOES(leaf, state, next)                                                                    \
	{                                                                                          \
		TDXM_L_##leaf, TDXM_S_##state, 0, TDXM_S_##next                                    \
	}

static const struct row rows[] = {
	DOES(SEPT_ADD, FREE, NL_MAPPED),
	FAIL(SEPT_ADD, BLOCKED, STATE_INCORRECT),
	FAIL(SEPT_ADD, PENDING, STATE_INCORRECT),
	FAIL(SEPT_ADD, PENDING_BLOCKED, STATE_INCORRECT),
	FAIL(SEPT_ADD, MAPPED, STATE_INCORRECT),
	FAIL(SEPT_ADD, NL_BLOCKED, STATE_INCORRECT),
	FAIL(SEPT_ADD, NL_MAPPED, STATE_INCORRECT),
	DOES(PAGE_AUG, FREE, PENDING),
	FAIL(PAGE_AUG, BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_AUG, PENDING, STATE_INCORRECT),
	FAIL(PAGE_AUG, PENDING_BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_AUG, MAPPED, STATE_INCORRECT),
	FAIL(PAGE_AUG, NL_BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_AUG, NL_MAPPED, STATE_INCORRECT),
	FAIL(RANGE_BLOCK, FREE, STATE_INCORRECT),
	FAIL(RANGE_BLOCK, BLOCKED, ALREADY_BLOCKED),
	DOES(RANGE_BLOCK, PENDING, PENDING_BLOCKED),
	FAIL(RANGE_BLOCK, PENDING_BLOCKED, ALREADY_BLOCKED),
	DOES(RANGE_BLOCK, MAPPED, BLOCKED),
	FAIL(RANGE_BLOCK, NL_BLOCKED, ALREADY_BLOCKED),
	DOES(RANGE_BLOCK, NL_MAPPED, NL_BLOCKED),
	FAIL(PAGE_DEMOTE, FREE, STATE_INCORRECT),
	DOES(PAGE_DEMOTE, BLOCKED, NL_MAPPED),
	DOES(PAGE_DEMOTE, PENDING, NL_MAPPED),
	DOES(PAGE_DEMOTE, PENDING_BLOCKED, NL_MAPPED),
	DOES(PAGE_DEMOTE, MAPPED, NL_MAPPED),
	FAIL(PAGE_DEMOTE, NL_BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_DEMOTE, NL_MAPPED, STATE_INCORRECT),
	FAIL(PAGE_PROMOTE, FREE, STATE_INCORRECT),
	FAIL(PAGE_PROMOTE, BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_PROMOTE, PENDING, STATE_INCORRECT),
	FAIL(PAGE_PROMOTE, PENDING_BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_PROMOTE, MAPPED, STATE_INCORRECT),
	/* Tables here are empty, so the next check fails. */
	FAIL(PAGE_PROMOTE, NL_BLOCKED, TDXM_EPT_INVALID_PROMOTE_CONDITIONS | 1),
	FAIL(PAGE_PROMOTE, NL_MAPPED, TDXM_EPT_INVALID_PROMOTE_CONDITIONS | 1),
	FAIL(PAGE_REMOVE, FREE, STATE_INCORRECT),
	DOES(PAGE_REMOVE, BLOCKED, FREE),
	DOES(PAGE_REMOVE, PENDING, FREE),
	DOES(PAGE_REMOVE, PENDING_BLOCKED, FREE),
	DOES(PAGE_REMOVE, MAPPED, FREE),
	FAIL(PAGE_REMOVE, NL_BLOCKED, STATE_INCORRECT),
	FAIL(PAGE_REMOVE, NL_MAPPED, STATE_INCORRECT),
	FAIL(SEPT_REMOVE, FREE, STATE_INCORRECT),
	FAIL(SEPT_REMOVE, BLOCKED, STATE_INCORRECT),
	FAIL(SEPT_REMOVE, PENDING, STATE_INCORRECT),
	FAIL(SEPT_REMOVE, PENDING_BLOCKED, STATE_INCORRECT),
	FAIL(SEPT_REMOVE, MAPPED, STATE_INCORRECT),
	DOES(SEPT_REMOVE, NL_BLOCKED, FREE),
	DOES(SEPT_REMOVE, NL_MAPPED, FREE),
	FAIL(RANGE_UNBLOCK, FREE, STATE_INCORRECT),
	DOES(RANGE_UNBLOCK, BLOCKED, MAPPED),
	FAIL(RANGE_UNBLOCK, PENDING, STATE_INCORRECT),
	DOES(RANGE_UNBLOCK, PENDING_BLOCKED, PENDING),
	FAIL(RANGE_UNBLOCK, MAPPED, STATE_INCORRECT),
	DOES(RANGE_UNBLOCK, NL_BLOCKED, NL_MAPPED),
	FAIL(RANGE_UNBLOCK, NL_MAPPED, STATE_INCORRECT),
};

/* What CHLDCNT changes by when a leaf works on a 2M page or a table */
static int child_delta(enum tdxm_leaf_id leaf)
{
	switch (leaf) {
	case TDXM_L_SEPT_ADD:
	case TDXM_L_PAGE_DEMOTE:
		return 1;
	case TDXM_L_PAGE_AUG:
		return 512;
	case TDXM_L_PAGE_REMOVE:
		return -512;
	case TDXM_L_SEPT_REMOVE:
		return -1;
	default:
		return 0;
	}
}

static void check_outputs(const struct row *row, const struct result *r, u64 page, u64 before_rcx)
{
	bool taken = row->leaf == TDXM_L_PAGE_REMOVE || row->leaf == TDXM_L_SEPT_REMOVE;

	if (!row->status) {
		assert_int_equal(r->r.rcx, taken ? page : 0);
		assert_int_equal(r->r.rdx, 0);
	} else {
		assert_int_equal(r->r.rcx, before_rcx);
		assert_int_equal(r->r.rdx, RDX(1, tdxm_states[row->state].arch));
	}
}

static void try_row(const struct row *row)
{
	bool is_table = row->state == TDXM_S_NL_MAPPED || row->state == TDXM_S_NL_BLOCKED;
	struct world *w = world_new(4, false);
	u64 page = is_table ? world_table(w) : DATA(0), r8 = SPARE(0), children, rcx;
	struct result r;

	make_state(w, GPA(1), 1, row->state, page);
	rcx = sept_rd(w, GPA(1), 1).r.rcx;
	children = tdx_model_td_chldcnt(w->td[0]);
	if (row->leaf == TDXM_L_PAGE_AUG)
		r8 = DATA(1);
	r = FAILS(row->status,
		  seamcall(w, tdxm_leaves[row->leaf].number, GPA(1) | 1, TDR(0), r8, NULL_PA));
	check_outputs(row, &r, page, rcx);
	if (!row->status)
		children += child_delta(row->leaf);
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children);
	assert_state(w, GPA(1), 1, row->next, __FILE__, __LINE__);
	world_check(w);
	world_free(w);
}

static void test_states(void **state)
{
	int i;

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), 8 * TDXM_NR_STATES);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		try_row(&rows[i]);
}

static void test_page_add(void **state)
{
	struct world *w = *state;
	struct result r;
	struct guest g;
	u64 value;

	assert_int_equal(tdx_model_host_write(w->m, SPARE(1), 4711), 0);
	assert_int_equal(tdx_model_host_clflush(w->m, SPARE(1), KIB(4)), 0);
	FAILS_WITH(TDXM_EPT_WALK_FAILED | 1, RCX_FREE, RDX(1, ARCH_FREE),
		   add(w, GPA(1), SPARE(0), SPARE(1)));
	OK(sept_add(w, GPA(1), 1, world_table(w)));
	r = OK(add(w, GPA(1), SPARE(0), SPARE(1)));
	assert_int_equal(r.r.rcx, 0);
	assert_int_equal(r.r.rdx, 0);
	IS(GPA(1), 0, MAPPED);
	FAILS_WITH(STATE_INCORRECT, RCX_MAPPED(SPARE(0)), RDX(0, ARCH_MAPPED),
		   add(w, GPA(1), SPARE(2), SPARE(1)));
	world_run(w);
	FAILS(op_state_incorrect(TDXM_OPS_RUNNABLE), add(w, GPA(1) + KIB(4), SPARE(2), SPARE(1)));
	enter(w);
	g = load(w, GPA(1), &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(value, 4711);
	leave(w);
	world_check(w);
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
}

/* The source may be anywhere, with any shared key, but not in SEAMRR. */
static void test_page_add_source(void **state)
{
	struct tdx_model_config config = {.seamrr_base = SPARE(8), .seamrr_size = KIB(8)};
	struct world *w = *state;

	w->m->config.seamrr_base = config.seamrr_base;
	w->m->config.seamrr_size = config.seamrr_size;
	OK(sept_add(w, GPA(1), 1, world_table(w)));
	FAILS(TDXM_OPERAND_INVALID | 9, add(w, GPA(1), SPARE(0), SPARE(8)));
	FAILS(TDXM_OPERAND_INVALID | 9, add(w, GPA(1), SPARE(0), SPARE(9)));
	FAILS(TDXM_OPERAND_INVALID | 9, add(w, GPA(1), SPARE(0), 32ULL << 46));
	FAILS(TDXM_OPERAND_INVALID | 9, add(w, GPA(1), SPARE(0), BIT_ULL(52)));
	OK(add(w, GPA(1), SPARE(0), SPARE(10)));
	OK(add(w, GPA(1) + KIB(4), SPARE(1), 31ULL << 46 | SPARE(10)));
	OK(add(w, GPA(1) + KIB(8), SPARE(2), NO_TDMR));
}

/* Version 0 says nothing of R8; version 1 says what became of the page. */
static void test_sept_add_versions(void **state)
{
	struct world *w = *state;
	u64 rcx = GPA(1) | 1, existing = TDR(0) | 1, children;
	struct result r;

	r = FAILS(TDXM_OPERAND_INVALID | 8, seamcall(w, 3, rcx, TDR(0), NULL_PA, 0));
	r = FAILS(STATE_INCORRECT, seamcall(w, 0x10003, rcx, TDR(0), NULL_PA, NULL_PA));
	assert_int_equal(r.r.rcx, RCX_FREE);
	/* Bit 63 doesn't matter. */
	r = OK(seamcall(w, 0x10003, rcx, TDR(0), SPARE(0) | BIT_ULL(63), NULL_PA));
	assert_int_equal(r.r.r8, NULL_PA);
	assert_int_equal(r.r.r9, NULL_PA);
	children = tdx_model_td_chldcnt(w->td[0]);

	FAILS_WITH(STATE_INCORRECT, RCX_TABLE, RDX(1, ARCH_NL_MAPPED),
		   seamcall(w, 3, rcx, TDR(0), SPARE(1), 0));
	r = FAILS(STATE_INCORRECT, seamcall(w, 0x10003, rcx, TDR(0), SPARE(1), NULL_PA));
	assert_int_equal(r.r.r8, SPARE(1));
	r = OK(seamcall(w, 3, rcx, existing, SPARE(1), 0));
	assert_int_equal(r.r.r8, SPARE(1));
	r = OK(seamcall(w, 0x10003, rcx, existing, SPARE(1), NULL_PA));
	assert_int_equal(r.r.r8, SPARE(1) | BIT_ULL(63));
	r = OK(seamcall(w, 0x10003, rcx, existing, NULL_PA, NULL_PA));
	assert_int_equal(r.r.r8, NULL_PA);
	FAILS(TDXM_OPERAND_INVALID | 9, seamcall(w, 0x10003, rcx, existing, SPARE(1), SPARE(2)));
	/* The page that wasn't needed is still the host's. */
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(1), 0)->type, TDXM_PT_NDA);
	/* Bit 63 is an output in all four, and clear if a page was neither used nor unneeded. */
	r = FAILS(TDXM_OPERAND_INVALID | 9,
		  seamcall(w, 0x10003, rcx, existing, SPARE(1), SPARE(2) | BIT_ULL(63)));
	assert_int_equal(r.r.r8, SPARE(1) | BIT_ULL(63));
	assert_int_equal(r.r.r9, SPARE(2));
	assert_int_equal(r.r.r10, NULL_PA);
	r = FAILS(TDXM_OPERAND_INVALID | 2,
		  seamcall(w, 0x10003, rcx, TDR(0) | 2, SPARE(1), SPARE(2) | BIT_ULL(63)));
	assert_int_equal(r.r.r9, SPARE(2));
	r = FAILS(STATE_INCORRECT, seamcall(w, 3, rcx, TDR(0), SPARE(1), BIT_ULL(63)));
	assert_int_equal(r.r.r9, BIT_ULL(63));
	/* NL_BLOCKED isn't "existing". */
	OK(block(w, GPA(1), 1));
	FAILS(STATE_INCORRECT, seamcall(w, 3, rcx, existing, SPARE(1), 0));
	world_check(w);
}

/* A new table is free all over, whatever the page held. */
static void test_sept_add_fills(void **state)
{
	struct world *w = *state;
	struct tdx_model_pamt pamt;
	int i;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	aug_4k(w, GPA(1), DATA(0), 3);
	OK(block(w, GPA(1) + KIB(4), 0));
	for (i = 0; i < 3; i++)
		OK(remove_page(w, GPA(1) + KIB(4) * i, 0));
	OK(block(w, GPA(1), 1));
	OK(sept_remove(w, GPA(1), 1));
	tdxm_page(w->m, SPARE(0))->sept[7] = 0x1234;
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	for (i = 0; i < 512; i++)
		IS(GPA(2) + KIB(4) * i, 0, FREE);
	assert_int_equal(tdx_model_pamt(w->m, SPARE(0), &pamt), 0);
	assert_int_equal(pamt.type, TDXM_PT_EPT);
	assert_int_equal(pamt.owner, TDR(0));
	assert_int_equal(pamt.bepoch, 0);
	world_check(w);
}

static void test_removes_v1(void **state)
{
	struct world *w = *state;
	struct result r;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	r = OK(seamcall(w, 0x1001e, GPA(1) | 1, TDR(0), 5, 6));
	assert_int_equal(r.r.rcx, SPARE(0));
	assert_int_equal(r.r.r8, 5);
	assert_int_equal(r.r.r9, NULL_PA);
	assert_int_equal(r.r.r10, NULL_PA);
	assert_int_equal(r.r.r11, NULL_PA);
	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	r = OK(seamcall(w, 30, GPA(1) | 1, TDR(0), 5, 6));
	assert_int_equal(r.r.r9, 6);
}

static void test_sept_remove_not_free(void **state)
{
	struct world *w = *state;
	int i;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	for (i = 0; i < 512; i += 73) {
		OK(aug(w, GPA(1) + KIB(4) * i, 0, SPARE(1)));
		FAILS_WITH(TDXM_EPT_PAGE_NOT_FREE | 1, RCX_TABLE, RDX(1, ARCH_NL_MAPPED),
			   sept_remove(w, GPA(1), 1));
		OK(remove_page(w, GPA(1) + KIB(4) * i, 0));
	}
	OK(sept_remove(w, GPA(1), 1));
}

static void test_remove_4k(void **state)
{
	struct world *w = *state;
	u64 children;
	struct result r;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	children = tdx_model_td_chldcnt(w->td[0]);
	OK(aug(w, GPA(1), 0, SPARE(1)));
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children + 1);
	r = OK(remove_page(w, GPA(1), 0));
	assert_int_equal(r.r.rcx, SPARE(1));
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children);
	world_check(w);
}

/* A large page needs 2M of unused memory, all of it. */
static void test_aug_2m_pamt(void **state)
{
	struct world *w = *state;
	int i;

	FAILS(TDXM_OPERAND_INVALID | 8, aug(w, GPA(1), 1, DATA(0) + KIB(4)));
	OK(sept_add(w, GPA(2), 1, world_table(w)));
	for (i = 0; i < 512; i += 73) {
		OK(aug(w, GPA(2), 0, DATA(0) + KIB(4) * i));
		FAILS(TDXM_PAGE_METADATA_INCORRECT | 8, aug(w, GPA(1), 1, DATA(0)));
		OK(remove_page(w, GPA(2), 0));
	}
	assert_int_equal(tdx_model_reserve(w->m, DATA(0) + KIB(8), KIB(4)), 0);
	FAILS(TDXM_PAGE_METADATA_INCORRECT | 8, aug(w, GPA(1), 1, DATA(0)));
	OK(aug(w, GPA(1), 1, DATA(1)));
	FAILS(TDXM_PAGE_METADATA_INCORRECT | 8, aug(w, GPA(3), 1, DATA(1)));
	FAILS(TDXM_PAGE_METADATA_INCORRECT | 8, aug(w, GPA(2), 0, DATA(1) + KIB(4)));
	/* The TDR is share-locked, so its 2M can't be locked alone. */
	FAILS(TDXM_OPERAND_BUSY | 8, aug(w, GPA(3), 1, BASE));
	world_check(w);
}

/* BLOCK keeps BEPOCH, on the page of a leaf and on the table of a non-leaf. */
static void test_block_epochs(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(aug(w, GPA(2), 0, SPARE(1)));
	world_run(w);
	OK(track(w));
	OK(track(w));
	OK(block(w, GPA(1), 1));
	OK(block(w, GPA(2), 1));
	assert_int_equal(tdxm_pamt_at(w->m, DATA(0), 1)->bepoch, 3);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->bepoch, 3);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(1), 0)->bepoch, 0);
	/* Children aren't changed, and can't be reached. */
	assert_int_equal(tdxm_page(w->m, SPARE(0))->sept[0],
			 tdxm_make_entry(TDXM_S_PENDING, SPARE(1)));
	FAILS_WITH(TDXM_EPT_WALK_FAILED | 1, 0, RDX(1, ARCH_NL_BLOCKED), sept_rd(w, GPA(2), 0));
	OK(track(w));
	FAILS(ALREADY_BLOCKED, block(w, GPA(1), 1));
	assert_int_equal(tdxm_pamt_at(w->m, DATA(0), 1)->bepoch, 3);
	world_check(w);
}

static void test_upper_levels(void **state)
{
	struct world *w = *state;

	/* The root's entry */
	OK(block(w, 0, 3));
	FAILS_WITH(TDXM_EPT_WALK_FAILED | 1, 0, RDX(3, ARCH_NL_BLOCKED), sept_rd(w, GPA(1), 1));
	OK(unblock(w, 0, 3));
	FAILS(TDXM_EPT_PAGE_NOT_FREE | 1, sept_remove(w, 0, 3));
	OK(sept_remove(w, GPA(0), 2));
	OK(sept_remove(w, 0, 3));
	IS(0, 3, FREE);
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), 6 + 2);
	world_check(w);
}

/* SEPT.RD: bit 0 of RDX is for debuggers. */
static void test_sept_rd_debug(void **state)
{
	struct world *w = *state;
	struct result r;

	FAILS(TDXM_OPERAND_INVALID | 2, seamcall(w, 25, GPA(1) | 1, TDR(0) | 1, 0, 0));
	w->td[0]->debug = true;
	r = OK(seamcall(w, 25, GPA(1) | 1, TDR(0) | 1, 8, 9));
	assert_int_equal(r.r.r8, 0);
	r = OK(seamcall(w, 25, GPA(1) | 1, TDR(0), 8, 9));
	assert_int_equal(r.r.r8, 8);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states), T(test_page_add),       T(test_page_add_source),
		T(test_sept_add_versions),     T(test_sept_add_fills), T(test_removes_v1),
		T(test_sept_remove_not_free),  T(test_remove_4k),      T(test_aug_2m_pamt),
		T(test_block_epochs),	       T(test_upper_levels),   T(test_sept_rd_debug),
	};

	return WORLD_MAIN("tdx-model leaves", tests);
}
