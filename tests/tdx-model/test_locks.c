// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 7 of the rules: locks that others hold, host priority. */
#include "tests/tdx-model/lib_world.h"

#define BUSY(op) (TDXM_OPERAND_BUSY | (op))

static struct result call_leaf(struct world *w, enum tdxm_leaf_id leaf)
{
	u64 r8 = leaf == TDXM_L_PAGE_AUG ? DATA(1) : SPARE(0);
	u64 rcx = leaf == TDXM_L_TRACK ? TDR(0) : GPA(1) | (leaf == TDXM_L_PAGE_ADD ? 0 : 1);

	return seamcall(w, tdxm_leaves[leaf].number, rcx, TDR(0), r8, SPARE(1));
}

/* Leaf, and whether it fails with a lock of TDR, op_state, tree or epoch held shared or exclusive */
static void test_td_locks(void **state)
{
	enum { NO, SHARED, EXCL }; /* how the leaf takes it */
	static const struct {
		enum tdxm_leaf_id leaf;
		u8 tdr, op_state, tree, epoch;
	} rows[] = {
		{TDXM_L_PAGE_ADD, EXCL, NO, NO, NO},
		{TDXM_L_SEPT_ADD, SHARED, SHARED, SHARED, NO},
		{TDXM_L_PAGE_AUG, SHARED, SHARED, SHARED, NO},
		{TDXM_L_RANGE_BLOCK, SHARED, SHARED, EXCL, NO},
		{TDXM_L_RANGE_UNBLOCK, SHARED, SHARED, EXCL, NO},
		{TDXM_L_PAGE_REMOVE, SHARED, SHARED, SHARED, NO},
		{TDXM_L_SEPT_REMOVE, SHARED, SHARED, EXCL, NO},
		{TDXM_L_PAGE_PROMOTE, SHARED, SHARED, SHARED, NO},
		{TDXM_L_PAGE_DEMOTE, SHARED, SHARED, SHARED, NO},
		{TDXM_L_SEPT_RD, SHARED, SHARED, SHARED, NO},
		{TDXM_L_TRACK, SHARED, SHARED, NO, EXCL},
	};
	static const struct {
		enum tdx_model_point point;
		u64 op;
	} locks[] = {{TDX_MODEL_AT_TDR, 2},
		     {TDX_MODEL_AT_OP_STATE, 172},
		     {TDX_MODEL_AT_TREE, 146},
		     {TDX_MODEL_AT_EPOCH, 169}};
	struct world *w = *state;
	int i, j, exclusive;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		bool alone = since_1_5_20() && rows[i].leaf == TDXM_L_PAGE_PROMOTE;
		const u8 takes[] = {rows[i].tdr, rows[i].op_state, alone ? EXCL : rows[i].tree,
				    rows[i].epoch};

		for (j = 0; j < 4; j++) {
			for (exclusive = 0; exclusive < 2; exclusive++) {
				u64 op = locks[j].op == 2 && rows[i].leaf == TDXM_L_TRACK ?
						 1 :
						 locks[j].op;
				bool busy = takes[j] == EXCL || (takes[j] == SHARED && exclusive);
				struct tdx_model_hold *hold;
				struct result r;

				hold = tdx_model_hold_td(w->td[0], locks[j].point, exclusive);
				assert_non_null(hold);
				r = call_leaf(w, rows[i].leaf);
				if (busy != (r.status == BUSY(op)))
					print_error("%s, lock %d, exclusive %d: %#llx\n",
						    tdx_model_leaf_name(rows[i].leaf), j, exclusive,
						    r.status);
				assert_int_equal(busy, r.status == BUSY(op));
				tdx_model_release(w->m, hold);
				world_check(w);
			}
		}
	}
}

/* The numbers as they are in registers */
static void test_values(void **state)
{
	struct world *w = *state;
	struct tdx_model_hold *hold;

	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TDR, true);
	FAILS(0x8000020000000002, sept_rd(w, GPA(1), 1));
	FAILS(0x8000020000000001, track(w));
	tdx_model_release(w->m, hold);
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_OP_STATE, true);
	FAILS(0x80000200000000AC, sept_rd(w, GPA(1), 1));
	tdx_model_release(w->m, hold);
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TREE, false);
	FAILS(0x8000020000000092, block(w, GPA(1), 1));
	OK(sept_rd(w, GPA(1), 1));
	tdx_model_release(w->m, hold);
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_EPOCH, false);
	FAILS(0x80000200000000A9, track(w));
	tdx_model_release(w->m, hold);
}

/* A vCPU inside holds TDR shared, and all of the way to its TDVPR. */
static void test_vcpu_holds_tdr(void **state)
{
	struct world *w = *state;
	struct tdx_model_vcpu *far = tdx_model_vcpu_create(w->td[0], BLOCK(1) + MIB(2));
	struct tdx_model_hold *hold;
	struct tdx_model_exit exit;

	OK(sept_add(w, GPA(1), 1, world_table(w)));
	world_run(w);
	enter(w);
	FAILS(BUSY(2), add(w, GPA(1), SPARE(0), SPARE(1)));
	assert_null(tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TDR, true));
	assert_null(tdx_model_hold_pamt(w->m, BASE, 1, true));
	OK(sept_rd(w, GPA(1), 1));
	leave(w);
	FAILS(op_state_incorrect(TDXM_OPS_RUNNABLE), add(w, GPA(1), SPARE(0), SPARE(1)));

	/* Of TDR nothing but its own entry is locked. */
	assert_int_equal(tdx_model_vp_enter(far, &exit), TDXM_SUCCESS);
	assert_null(tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TDR, true));
	hold = tdx_model_hold_pamt(w->m, BASE, 1, true);
	assert_non_null(hold);
	tdx_model_release(w->m, hold);
	assert_null(tdx_model_hold_pamt(w->m, BLOCK(1) + MIB(2), 1, true));
	assert_null(tdx_model_hold_pamt(w->m, BLOCK(1), 2, true));
	FAILS(BUSY(1), seamcall(w, 28, BLOCK(1) + MIB(2), 0, 0, 0));
	world_check(w);
	assert_int_equal(tdx_model_vp_exit(far, &exit), 0);
	hold = tdx_model_hold_pamt(w->m, BLOCK(1) + MIB(2), 0, true);
	assert_int_equal(tdx_model_vp_enter(far, &exit), BUSY(1));
	tdx_model_release(w->m, hold);
	world_check(w);
}

/* PAMT of a page operand, of its 2M and of its 1G */
static void test_explicit_page(void **state)
{
	static const struct {
		int size;
		bool exclusive, busy_4k, busy_2m;
	} rows[] = {
		{0, false, true, true}, {0, true, true, true},	  {1, false, false, true},
		{1, true, true, true},	{2, false, false, false},
	};
	struct world *w = *state;
	int i;

	OK(sept_add(w, GPA(2), 1, world_table(w)));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tdx_model_hold *hold =
			tdx_model_hold_pamt(w->m, DATA(0) & ~(TDXM_SIZE(rows[i].size) - 1),
					    rows[i].size, rows[i].exclusive);

		assert_non_null(hold);
		FAILS(rows[i].busy_4k ? BUSY(8) : 0, aug(w, GPA(2), 0, DATA(0)));
		if (!rows[i].busy_4k)
			OK(remove_page(w, GPA(2), 0));
		FAILS(rows[i].busy_2m ? BUSY(8) : 0, aug(w, GPA(1), 1, DATA(0)));
		if (!rows[i].busy_2m)
			OK(remove_page(w, GPA(1), 1));
		tdx_model_release(w->m, hold);
	}
	/* The TDR operand is in the same 1G, so nobody has that alone. */
	world_check(w);
}

/* PAMT of the page behind the entry: no details, which tells it from the entry's lock. */
static void test_implied_page(void **state)
{
	struct world *w = *state;
	struct tdx_model_hold *hold;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	hold = tdx_model_hold_pamt(w->m, DATA(0), 1, false);
	FAILS_WITH(BUSY(1), 0, 0, remove_page(w, GPA(1), 1));
	FAILS_WITH(BUSY(1), 0, 0, demote(w, GPA(1), 1, SPARE(1)));
	tdx_model_release(w->m, hold);
	hold = tdx_model_hold_pamt(w->m, SPARE(0), 0, false);
	FAILS_WITH(BUSY(1), 0, 0, sept_remove(w, GPA(2), 1));
	FAILS_WITH(BUSY(1), 0, 0, promote(w, GPA(2), 1));
	tdx_model_release(w->m, hold);
	aug_4k(w, GPA(2), DATA(1), 512);
	/* Any page of the 2M that are to be merged */
	hold = tdx_model_hold_pamt(w->m, DATA(1) + KIB(4) * 77, 0, false);
	FAILS_WITH(BUSY(1), 0, 0, promote(w, GPA(2), 1));
	tdx_model_release(w->m, hold);
	OK(promote(w, GPA(2), 1));
	world_check(w);
}

static void test_block_ignores_pamt(void **state)
{
	struct world *w = *state;
	struct tdx_model_hold *hold;

	OK(aug(w, GPA(1), 1, DATA(0)));
	hold = tdx_model_hold_pamt(w->m, DATA(0), 1, true);
	OK(block(w, GPA(1), 1));
	OK(unblock(w, GPA(1), 1));
	tdx_model_release(w->m, hold);
}

/* ---- entries, host priority ---- */

static void test_entry_lock(void **state)
{
	struct world *w = pending_world();
	struct tdx_model_hold *hold = tdx_model_hold_entry(w->td[0], GPA(1), 1);
	u64 rcx = RCX_LEAF(DATA(0)), rdx = RDX(1, ARCH_PENDING);
	struct guest g;

	(void)state;
	assert_non_null(hold);
	assert_null(tdx_model_hold_entry(w->td[0], GPA(1), 1));
	assert_int_equal(*entry_of(w, GPA(1), 1) & TDXM_TDHP, 0);
	enter(w);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(g.rax, BUSY(1));
	/* A guest that loses leaves no trace, a host does. */
	assert_int_equal(*entry_of(w, GPA(1), 1) & TDXM_TDHP, 0);
	FAILS_WITH(BUSY(1), rcx, rdx, block(w, GPA(1), 1));
	assert_true(*entry_of(w, GPA(1), 1) & TDXM_TDHP);
	tdx_model_release(w->m, hold);

	/* The guest is locked out until a host took the lock, by whatever leaf. */
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(g.rax, BUSY(1));
	g = attr_wr(w, GPA(1), 1);
	assert_int_equal(g.rax, BUSY(1));
	IS(GPA(1), 1, PENDING);
	OK(sept_rd(w, GPA(1), 1));
	assert_int_equal(*entry_of(w, GPA(1), 1) & TDXM_TDHP, 0);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.rax, TDXM_SUCCESS);
	leave(w);
	world_check(w);
	world_free(w);
}

/* Newer modules don't lock children: nobody can have one that is below a blocked table. */
static void children_not_locked(struct world *w)
{
	int i;

	tdx_model_hold_entry(w->td[0], GPA(2) + KIB(4) * 300, 0);
	OK(block(w, GPA(2), 1));
	OK(track(w));
	OK(promote(w, GPA(2), 1));
	for (i = 0; i < 512; i++)
		assert_int_equal(!!(tdxm_page(w->m, SPARE(0))->sept[i] & TDXM_TDEL), i == 300);
	assert_int_equal(*entry_of(w, GPA(2), 1), tdxm_make_entry(TDXM_S_PENDING, DATA(1)));
	world_free(w);
}

/* Before that, PROMOTE locks 512 children, and gives all of them back. */
static void test_children(void **state)
{
	struct world *w = pending_world();
	int at[] = {0, 1, 300, 511}, i, j;

	(void)state;
	if (since_1_5_20()) {
		children_not_locked(w);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct tdx_model_hold *hold =
			tdx_model_hold_entry(w->td[0], GPA(2) + KIB(4) * at[i], 0);

		OK(block(w, GPA(2), 1));
		OK(track(w));
		FAILS_WITH(BUSY(1), 0, RDX(1, ARCH_NL_BLOCKED), promote(w, GPA(2), 1));
		for (j = 0; j < 512; j++) {
			u64 raw = tdxm_page(w->m, SPARE(0))->sept[j];

			assert_int_equal(!!(raw & TDXM_TDEL), j == at[i]);
			assert_int_equal(!!(raw & TDXM_TDHP), j == at[i]);
		}
		tdx_model_release(w->m, hold);
		OK(unblock(w, GPA(2), 1));
		OK(sept_rd(w, GPA(2) + KIB(4) * at[i], 0));
		world_check(w);
	}
	world_free(w);
}

/* The host is told if a guest is kept out for long. */
static void test_host_priority_timeout(void **state)
{
	struct world *w = pending_world();
	struct guest g;

	(void)state;
	INJECT(SEPT_RD, ENTRY);
	FAILS(BUSY(1), sept_rd(w, GPA(1), 1));
	enter(w);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.rax, BUSY(1));
	tdx_model_advance(w->m, 999999999);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	tdx_model_advance(w->m, 1);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(g.exit.rax, 0x9000020500000000);
	assert_false(tdx_model_vcpu_inside(w->vcpu[0][0]));
	world_check(w);

	/* Not even an exit for another page stops the clock. */
	enter(w);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.rax, BUSY(1));
	tdx_model_advance(w->m, 900000000);
	g = accept(w, GPA(4), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(g.exit.rax, 48);
	enter(w);
	tdx_model_advance(w->m, 100000000);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(g.exit.rax, 0x9000020500000000);

	/* Any other result of a TDCALL starts it again. */
	enter(w);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.rax, BUSY(1));
	tdx_model_advance(w->m, 900000000);
	g = accept(w, GPA(1) + 8, 1);
	assert_int_equal(g.rax, TDXM_OPERAND_INVALID | 1);
	tdx_model_advance(w->m, 900000000);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	tdx_model_advance(w->m, 900000000);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	leave(w);

	assert_int_equal(tdx_model_td_set_hp_timeout(w->td[0], 9999999), -EINVAL);
	assert_int_equal(tdx_model_td_set_hp_timeout(w->td[0], 100000000001), -EINVAL);
	assert_int_equal(tdx_model_td_set_hp_timeout(w->td[0], 10000000), 0);
	enter(w);
	g = accept(w, GPA(1) + 8, 1);
	g = accept(w, GPA(1), 1);
	tdx_model_advance(w->m, 10000000);
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	world_free(w);
}

/* An ACCEPT that is inside already writes the whole entry; newer modules keep the host's bit. */
static void test_accept_inside(void **state)
{
	struct world *w = pending_world();
	struct tdx_model_regs regs = {.rcx = GPA(1) | 1};
	struct tdx_model_exit exit;
	u64 rax = 6;

	(void)state;
	enter(w);
	assert_int_equal(tdx_model_accept_begin(w->vcpu[0][0], &rax, &regs, &exit),
			 TDX_MODEL_GUEST_AGAIN);
	world_check(w);
	FAILS_WITH(BUSY(1), RCX_LEAF(DATA(0)), RDX(1, ARCH_PENDING), block(w, GPA(1), 1));
	assert_int_equal(tdx_model_vp_exit(w->vcpu[0][0], &exit), -EINVAL);
	assert_int_equal(tdx_model_accept_finish(w->vcpu[0][0], &rax), TDX_MODEL_GUEST_OK);
	assert_int_equal(rax, TDXM_SUCCESS);
	assert_int_equal(*entry_of(w, GPA(1), 1), tdxm_make_entry(TDXM_S_MAPPED, DATA(0)) |
							  (since_1_5_20() ? BIT_ULL(52) : 0));
	OK(block(w, GPA(1), 1));
	world_check(w);
	world_free(w);
}

/* ACCEPT locks whatever is at its level, but nothing if the walk fails. */
static void test_accept_contends(void **state)
{
	static const struct {
		int level;
		u64 gpa;
		enum tdx_model_guest result;
	} rows[] = {
		{1, GPA(1), TDX_MODEL_GUEST_OK},   /* PENDING */
		{1, GPA(2), TDX_MODEL_GUEST_OK},   /* NL_MAPPED */
		{1, GPA(4), TDX_MODEL_GUEST_OK},   /* FREE */
		{1, GPA(5), TDX_MODEL_GUEST_OK},   /* PENDING_BLOCKED */
		{0, GPA(4), TDX_MODEL_GUEST_EXIT}, /* FREE, above: not locked */
	};
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *w = pending_world();
		struct tdx_model_hold *hold;
		struct guest g;

		OK(aug(w, GPA(5), 1, DATA(5)));
		OK(block(w, GPA(5), 1));
		hold = tdx_model_hold_entry(w->td[0], rows[i].gpa, 1);
		enter(w);
		g = accept(w, rows[i].gpa, rows[i].level);
		assert_int_equal(g.result, rows[i].result);
		if (g.result == TDX_MODEL_GUEST_OK)
			assert_int_equal(g.rax, BUSY(1));
		tdx_model_release(w->m, hold);
		world_free(w);
	}
}

static void test_enter_locks(void **state)
{
	static const struct {
		enum tdx_model_point point;
		bool exclusive;
		u64 status;
	} rows[] = {
		{TDX_MODEL_AT_TDR, true, BUSY(128)},
		{TDX_MODEL_AT_TDR, false, 0},
		{TDX_MODEL_AT_OP_STATE, true, BUSY(172)},
		{TDX_MODEL_AT_OP_STATE, false, 0},
		{TDX_MODEL_AT_EPOCH, true, BUSY(169)},
		{TDX_MODEL_AT_EPOCH, false, 0},
		{TDX_MODEL_AT_TREE, true, 0},
	};
	struct world *w = *state;
	struct tdx_model_exit exit;
	int i;

	/* One that fails leaves the registers alone. */
	exit = (struct tdx_model_exit){.rcx = 1, .rdx = 2, .r8 = 3};
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit),
			 op_state_incorrect(TDXM_OPS_INITIALIZED));
	assert_int_equal(exit.rcx, 1);
	assert_int_equal(exit.rdx, 2);
	assert_int_equal(exit.r8, 3);
	world_run(w);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tdx_model_hold *hold =
			tdx_model_hold_td(w->td[0], rows[i].point, rows[i].exclusive);

		assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), rows[i].status);
		assert_int_equal(exit.rax, rows[i].status);
		if (!rows[i].status)
			leave(w);
		tdx_model_release(w->m, hold);
		world_check(w);
	}
	enter(w);
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), BUSY(1));
	leave(w);
	tdx_model_td_set_fatal(w->td[0], true);
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), TDXM_TD_FATAL);
	world_check(w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_td_locks),
		T(test_values),
		T(test_vcpu_holds_tdr),
		T(test_explicit_page),
		T(test_implied_page),
		T(test_block_ignores_pamt),
		cmocka_unit_test(test_entry_lock),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_host_priority_timeout),
		cmocka_unit_test(test_accept_inside),
		cmocka_unit_test(test_accept_contends),
		T(test_enter_locks),
	};

	return WORLD_MAIN("tdx-model locks", tests);
}
