// SPDX-License-Identifier: GPL-2.0-or-later
/* Sections 1 and 2 of the rules: entries, details, status codes. */
#include "tests/tdx-model/lib_world.h"

/* State, number that the host sees, bits of the entry that make it, RWX, leaf */
static const struct {
	enum tdxm_state state;
	u8 arch;
	u64 bits;
	u64 rwx;
	bool leaf;
} states[] = {
	{TDXM_S_FREE, 0, BIT_ULL(53) | BIT_ULL(54) | BIT_ULL(55), 0, false},
	{TDXM_S_BLOCKED, 1, BIT_ULL(6) | BIT_ULL(7) | BIT_ULL(55), 0, true},
	{TDXM_S_PENDING, 2, BIT_ULL(6) | BIT_ULL(7) | BIT_ULL(56), 0, true},
	{TDXM_S_PENDING_BLOCKED, 3, BIT_ULL(6) | BIT_ULL(7) | BIT_ULL(55) | BIT_ULL(56), 0, true},
	{TDXM_S_MAPPED, 4, BIT_ULL(6) | BIT_ULL(7), 7, true},
	{TDXM_S_NL_BLOCKED, 129, BIT_ULL(55), 0, false},
	{TDXM_S_NL_MAPPED, 132, 0, 7, false},
};

static void test_states(void **state)
{
	u64 raw, hpa = 0x123456789000ULL;
	int i;

	(void)state;
	assert_int_equal(ARRAY_SIZE(states), TDXM_NR_STATES);
	for (i = 0; i < TDXM_NR_STATES; i++) {
		raw = tdxm_make_entry(states[i].state, hpa);
		assert_int_equal(raw, hpa | states[i].bits | states[i].rwx | BIT_ULL(63) |
					      (states[i].leaf ? 6ULL << 3 : 0));
		assert_int_equal(tdxm_state(raw), states[i].state);
		assert_int_equal(tdxm_state(raw | TDXM_TDEL | TDXM_TDHP), states[i].state);
		assert_int_equal(tdxm_states[states[i].state].arch, states[i].arch);
	}
}

/* Details of each state, at 4K and 2M, as SEPT.RD gives them */
static void details_of(int level, enum tdxm_state state, u64 rcx, u64 rdx)
{
	struct world *w = world_new(4, false);
	struct result r;

	make_state(w, GPA(2), level, state, DATA(0));
	r = OK(sept_rd(w, GPA(2), level));
	assert_int_equal(r.r.rcx, rcx);
	assert_int_equal(r.r.rdx, rdx);
	world_check(w);
	world_free(w);
}

static void test_details(void **state)
{
	int level;

	(void)state;
	for (level = 0; level < 2; level++) {
		details_of(level, TDXM_S_FREE, RCX_FREE, RDX(level, 0));
		details_of(level, TDXM_S_BLOCKED, RCX_LEAF(DATA(0)), RDX(level, 1));
		details_of(level, TDXM_S_PENDING, RCX_LEAF(DATA(0)), RDX(level, 2));
		details_of(level, TDXM_S_PENDING_BLOCKED, RCX_LEAF(DATA(0)), RDX(level, 3));
		details_of(level, TDXM_S_MAPPED, RCX_MAPPED(DATA(0)), RDX(level, 4));
	}
	/* The page of a table is never shown. */
	details_of(1, TDXM_S_NL_MAPPED, RCX_TABLE, RDX(1, 132));
	details_of(1, TDXM_S_NL_BLOCKED, 0, RDX(1, 129));
}

/* The counter of an interrupted ACCEPT shows in RCX bits 20:12. */
static void test_details_accept_counter(void **state)
{
	struct world *w = *state;
	struct result r;
	struct guest g;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	enter(w);
	assert_int_equal(
		tdx_model_inject(w->m, &(struct tdx_model_injection){TDXM_L_ACCEPT,
								     TDX_MODEL_AT_INTERRUPT, 4, 1}),
		0);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_AGAIN);
	leave(w);
	r = OK(sept_rd(w, GPA(1), 1));
	assert_int_equal(r.r.rcx, RCX_LEAF(DATA(0)) | 5 << 12);
	assert_int_equal(r.r.rdx, RDX(1, ARCH_PENDING));
	world_check(w);
}

static void test_status_codes(void **state)
{
	static const struct {
		u64 is, wanted;
	} codes[] = {
		{TDXM_SUCCESS, 0},
		{TDXM_INTERRUPTED_RESUMABLE, 0x8000000300000000},
		{TDXM_INTERRUPTED_RESTARTABLE, 0x8000000400000000},
		{TDXM_OPERAND_INVALID, 0xC000010000000000},
		{TDXM_OPERAND_ADDR_RANGE_ERROR, 0xC000010100000000},
		{TDXM_OPERAND_BUSY, 0x8000020000000000},
		{TDXM_PREVIOUS_TLB_EPOCH_BUSY, 0x8000020100000000},
		{TDXM_OPERAND_BUSY_HOST_PRIORITY, 0x8000020400000000},
		{TDXM_HOST_PRIORITY_BUSY_TIMEOUT, 0x9000020500000000},
		{TDXM_INTERRUPTED_BUSY, 0x8000020600000000},
		{TDXM_PAGE_METADATA_INCORRECT, 0xC000030000000000},
		{TDXM_TD_ASSOCIATED_PAGES_EXIST, 0xC000040000000000},
		{TDXM_SYS_NOT_READY, 0xC000050500000000},
		{TDXM_SYS_SHUTDOWN, 0xC000050600000000},
		{TDXM_EPT_WALK_FAILED, 0xC0000B0000000000},
		{TDXM_GPA_RANGE_NOT_BLOCKED, 0xC0000B0600000000},
		{TDXM_GPA_RANGE_ALREADY_BLOCKED, 0x00000B0700000000},
		{TDXM_TLB_TRACKING_NOT_DONE, 0xC0000B0800000000},
		{TDXM_EPT_INVALID_PROMOTE_CONDITIONS, 0xC0000B0900000000},
		{TDXM_PAGE_ALREADY_ACCEPTED, 0x00000B0A00000000},
		{TDXM_PAGE_SIZE_MISMATCH, 0xC0000B0B00000000},
		{TDXM_EPT_ENTRY_STATE_INCORRECT, 0xC0000B0D00000000},
		{TDXM_EPT_PAGE_NOT_FREE, 0xC0000B0E00000000},
		{TDXM_TD_KEYS_NOT_CONFIGURED, 0x8000081000000000},
		{TDXM_TD_FATAL, 0xE000060400000000},
		{TDXM_TDCS_NOT_ALLOCATED, 0xC000060600000000},
		{TDXM_LIFECYCLE_STATE_INCORRECT, 0xC000060700000000},
		{TDXM_OP_STATE_INCORRECT, 0xC000060800000000},
	};
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		assert_int_equal(codes[i].is, codes[i].wanted);
		/* A detail doesn't change the name. */
		assert_non_null(tdx_model_status_name(codes[i].is));
		assert_ptr_equal(tdx_model_status_name(codes[i].is | 146),
				 tdx_model_status_name(codes[i].is));
	}
	assert_null(tdx_model_status_name(0xC0000BFF00000000));
}

/* Leaf, number, highest version, levels, lock of the tree, op_states, states: section 4 */
static const struct {
	u16 number;
	u8 version, min, max;
	enum tdxm_tree_lock tree;
	u8 op_states;
	u8 states;
} leaves[TDXM_NR_LEAVES] = {
#define NO   TDXM_LEVEL_NO_GPA
#define PWL  TDXM_LEVEL_PWL
#define S(s) (1 << TDXM_S_##s)
#define LEAF (S(MAPPED) | S(BLOCKED) | S(PENDING) | S(PENDING_BLOCKED))
#define NL   (S(NL_MAPPED) | S(NL_BLOCKED))
	[TDXM_L_PAGE_ADD] = {2, 0, 0, 0, TDXM_TREE_NONE, 2, S(FREE)},
	[TDXM_L_SEPT_ADD] = {3, 1, 1, PWL, TDXM_TREE_SHARED, 6, S(FREE) | S(NL_MAPPED)},
	[TDXM_L_PAGE_AUG] = {6, 0, 0, 1, TDXM_TREE_SHARED, 6, S(FREE)},
	[TDXM_L_RANGE_BLOCK] = {7, 0, 0, PWL, TDXM_TREE_EXCL, 6,
				S(NL_MAPPED) | S(MAPPED) | S(PENDING)},
	[TDXM_L_PAGE_DEMOTE] = {15, 0, 1, 2, TDXM_TREE_SHARED, 6, LEAF},
	[TDXM_L_PAGE_PROMOTE] = {23, 1, 1, 2, TDXM_TREE_SHARED, 6, NL},
	[TDXM_L_PAGE_RDMD] = {24, 0, NO, NO, TDXM_TREE_NONE, 0, 0},
	[TDXM_L_SEPT_RD] = {25, 0, 0, PWL, TDXM_TREE_SHARED, 6, LEAF | NL | S(FREE)},
	[TDXM_L_PAGE_RECLAIM] = {28, 0, NO, NO, TDXM_TREE_NONE, 0, 0},
	[TDXM_L_PAGE_REMOVE] = {29, 0, 0, 2, TDXM_TREE_SHARED, 6, LEAF},
	[TDXM_L_SEPT_REMOVE] = {30, 1, 1, PWL, TDXM_TREE_EXCL, 6, NL},
	[TDXM_L_TRACK] = {38, 0, NO, NO, TDXM_TREE_NONE, 6, 0},
	[TDXM_L_RANGE_UNBLOCK] = {39, 0, 0, PWL, TDXM_TREE_EXCL, 6,
				  S(NL_BLOCKED) | S(BLOCKED) | S(PENDING_BLOCKED)},
	[TDXM_L_PAGE_WBINVD] = {41, 0, NO, NO, TDXM_TREE_NONE, 0, 0},
};

static void test_leaf_table(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < TDXM_NR_LEAVES; i++) {
		assert_int_equal(tdxm_leaves[i].number, leaves[i].number);
		assert_int_equal(tdxm_leaves[i].max_version, leaves[i].version);
		assert_int_equal(tdxm_leaves[i].min_level, leaves[i].min);
		assert_int_equal(tdxm_leaves[i].max_level, leaves[i].max);
		assert_int_equal(tdxm_leaves[i].tree[TDX_MODEL_RULES_1_5_05], leaves[i].tree);
		/* The one that is different since 1.5.20 */
		assert_int_equal(tdxm_leaves[i].tree[TDX_MODEL_RULES_1_5_20],
				 i == TDXM_L_PAGE_PROMOTE ? TDXM_TREE_EXCL : leaves[i].tree);
		assert_int_equal(tdxm_leaves[i].op_states, leaves[i].op_states);
		assert_int_equal(tdxm_leaves[i].states, leaves[i].states);
	}
}

static void test_counts(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	FAILS(TDXM_EPT_ENTRY_STATE_INCORRECT | 1, aug(w, GPA(1), 1, DATA(1)));
	FAILS(TDXM_EPT_ENTRY_STATE_INCORRECT | 1, aug(w, GPA(1), 1, DATA(1)));
	assert_int_equal(tdx_model_calls(w->m, TDXM_L_PAGE_AUG), 3);
	assert_int_equal(tdx_model_count(w->m, TDXM_L_PAGE_AUG, 0), 1);
	assert_int_equal(tdx_model_count(w->m, TDXM_L_PAGE_AUG, TDXM_EPT_ENTRY_STATE_INCORRECT | 1),
			 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_details),
		cmocka_unit_test_setup_teardown(test_details_accept_counter, world_setup,
						world_teardown),
		cmocka_unit_test(test_status_codes),
		cmocka_unit_test(test_leaf_table),
		cmocka_unit_test_setup_teardown(test_counts, world_setup, world_teardown),
	};

	return WORLD_MAIN("tdx-model format", tests);
}
