// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sections 3 to 5 of the rules: which check comes before which.  Each thing that can be wrong with a call is tried
 * alone and with each thing that is checked later; the earlier one must win.
 */
#include "tests/tdx-model/lib_wrongs.h"

/* ---- a call that works ---- */

static void blocked_and_tracked(struct trial *t)
{
	OK(block(t->w, gpa_of(t), t->level));
	OK(track(t->w));
}

static void prepare(struct trial *t)
{
	struct world *w = t->w;

	t->page = DATA(0);
	t->regs.rcx = gpa_of(t) | t->level;
	switch (t->leaf) {
	case TDXM_L_PAGE_ADD:
		OK(sept_add(w, GPA(1), 1, world_table(w)));
		t->regs.r8 = SPARE(0);
		t->regs.r9 = SPARE(1);
		break;
	case TDXM_L_SEPT_ADD:
		t->regs.r8 = SPARE(0);
		break;
	case TDXM_L_PAGE_AUG:
		t->regs.r8 = DATA(1);
		break;
	case TDXM_L_SEPT_REMOVE:
	case TDXM_L_PAGE_PROMOTE:
		t->page = world_table(w);
		OK(sept_add(w, GPA(1), 1, t->page));
		if (t->leaf == TDXM_L_PAGE_PROMOTE)
			aug_4k(w, GPA(1), DATA(0), 512);
		break;
	case TDXM_L_TRACK:
		t->regs.rcx = TDR(0);
		break;
	default:
		OK(aug(w, GPA(1), 1, DATA(0)));
		if (t->leaf == TDXM_L_PAGE_DEMOTE)
			t->regs.r8 = SPARE(0);
		break;
	}
	if (t->leaf != TDXM_L_PAGE_ADD)
		world_run(w);
	if (BIT_ULL(t->leaf) & (TAKING | L(PAGE_DEMOTE) | L(RANGE_UNBLOCK)))
		blocked_and_tracked(t);
	/* The first TRACK of an epoch that a vCPU was in */
	assert_int_equal(tdx_model_check(w->m, NULL), 0);
}

static struct trial *trial_new(enum tdxm_leaf_id leaf)
{
	struct trial *t = calloc(1, sizeof(*t));

	t->w = world_new(4, false);
	t->leaf = leaf;
	t->level = leaf == TDXM_L_PAGE_ADD ? 0 : 1;
	t->rax = tdxm_leaves[leaf].number;
	t->regs = (struct tdx_model_regs){
		.rdx = TDR(0), .r9 = NULL_PA, .r10 = NULL_PA, .r11 = NULL_PA};
	prepare(t);
	return t;
}

static void trial_free(struct trial *t)
{
	world_free(t->w);
	free(t);
}

static u64 wanted_status(const struct trial *t, const struct wrong *wrong)
{
	if (wrong->status == TDXM_OP_STATE_INCORRECT)
		return op_state_incorrect(t->w->td[0]->op_state);
	if (wrong->status & T)
		return (wrong->status & ~(u64)T) | (t->leaf == TDXM_L_TRACK ? 1 : 2);
	return wrong->status;
}

static void fail_with(const struct trial *t, int i, int j, u64 status, u64 wanted)
{
	print_error("%s: wrong thing %d%s%d: status %#llx, wanted %#llx\n",
		    tdx_model_leaf_name(t->leaf), i, j < 0 ? " alone " : " and ", j, status,
		    wanted);
	fail();
}

/* Is any lock left?  Also in tables that are broken on purpose. */
static bool locked(struct world *w)
{
	struct tdx_model_td *td = w->td[0];
	struct tdxm_block *b;
	int i, j, k;

	if (td->tree_lock.readers || td->tree_lock.writer || td->op_state_lock.readers ||
	    td->op_state_lock.writer || td->epoch_lock.readers || td->epoch_lock.writer)
		return true;
	for (b = w->m->blocks; b; b = b->next) {
		if (b->pamt.lock.readers || b->pamt.lock.writer)
			return true;
		for (i = 0; i < 512; i++) {
			struct tdxm_region *r = b->region[i];

			if (r && (r->pamt.lock.readers || r->pamt.lock.writer))
				return true;
			for (j = 0; r && j < 512; j++) {
				if (r->page[j].pamt.lock.readers || r->page[j].pamt.lock.writer)
					return true;
				for (k = 0; r->page[j].pamt.type == TDXM_PT_EPT && k < 512; k++) {
					if (r->page[j].sept[k] & TDXM_TDEL)
						return true;
				}
			}
		}
	}
	return false;
}

static void check_regs(struct trial *t, const struct wrong *wrong, const struct tdx_model_regs *out)
{
	enum regs regs = wrong->regs;

	if (t->leaf == TDXM_L_TRACK && regs == ZERO)
		regs = SAME;
	switch (regs) {
	case SAME:
		assert_int_equal(out->rcx, t->regs.rcx);
		assert_int_equal(out->rdx, t->regs.rdx);
		break;
	case ZERO:
		assert_int_equal(out->rcx, 0);
		assert_int_equal(out->rdx, 0);
		break;
	case DETAILS_WALK:
		assert_int_equal(out->rcx, RCX_FREE);
		assert_int_equal(out->rdx, RDX(3, ARCH_FREE));
		break;
	case DETAILS: {
		u64 raw = *trial_entry(t);
		enum tdxm_state s = tdxm_state(raw);

		assert_int_equal(out->rdx, RDX(t->level, tdxm_states[s].arch));
		if (s == TDXM_S_FREE)
			assert_int_equal(out->rcx, RCX_FREE);
		else if (tdxm_states[s].leaf)
			assert_int_equal(out->rcx & TDXM_HPA_MASK, raw & TDXM_HPA_MASK);
		else
			assert_int_equal(out->rcx, raw & 7 ? RCX_TABLE : 0);
		break;
	}
	}
}

static void try(enum tdxm_leaf_id leaf, int i, int j)
{
	struct trial *t = trial_new(leaf);
	struct tdx_model_regs out;
	u64 before, status, wanted;

	/* The later one first: registers that it sets may be needed by the earlier one. */
	if (j >= 0)
		wrongs[j].apply(t);
	wrongs[i].apply(t);
	before = fingerprint(t->w);
	out = t->regs;
	status = tdx_model_seamcall(t->w->m, t->rax, &out);
	wanted = wanted_status(t, &wrongs[i]);
	if (status != wanted)
		fail_with(t, i, j, status, wanted);
	assert_int_equal(fingerprint(t->w), before);
	assert_false(locked(t->w));
	if (j < 0)
		check_regs(t, &wrongs[i], &out);
	trial_free(t);
}

static void test_works(void **state)
{
	int leaf;

	(void)state;
	for (leaf = 0; leaf < TDXM_NR_LEAVES; leaf++) {
		struct trial *t;
		struct tdx_model_regs out;
		u64 before, status;

		if (!(ALL & BIT_ULL(leaf)))
			continue;
		t = trial_new(leaf);
		before = fingerprint(t->w);
		out = t->regs;
		status = tdx_model_seamcall(t->w->m, t->rax, &out);
		if (status)
			fail_with(t, -1, -1, status, 0);
		if (leaf != TDXM_L_SEPT_RD)
			assert_int_not_equal(fingerprint(t->w), before);
		world_check(t->w);
		trial_free(t);
	}
}

/* Can that go wrong in this generation at all? */
static void test_alone(void **state)
{
	int leaf, i;

	(void)state;
	for (leaf = 0; leaf < TDXM_NR_LEAVES; leaf++) {
		for (i = 0; i < nr_wrongs; i++) {
			if (wrong_applies(&wrongs[i], leaf))
				try(leaf, i, -1);
		}
	}
}

/* Everything after a level that a leaf doesn't have would need a valid one. */
static bool compatible(const struct wrong *first, const struct wrong *second)
{
	return first->group == NONE || first->group != second->group;
}

static void test_two_at_once(void **state)
{
	unsigned int leaf, i, j, n = 0;

	(void)state;
	for (leaf = 0; leaf < TDXM_NR_LEAVES; leaf++) {
		for (i = 0; i < nr_wrongs; i++) {
			for (j = i + 1; j < nr_wrongs; j++) {
				if (wrong_applies(&wrongs[i], leaf) &&
				    wrong_applies(&wrongs[j], leaf) &&
				    compatible(&wrongs[i], &wrongs[j])) {
					try(leaf, i, j);
					n++;
				}
			}
		}
	}
	print_message("# %u pairs\n", n);
	assert_true(n > 5000);
}

static void test_unknown_leaf(void **state)
{
	struct world *w = *state;

	FAILS(TDXM_OPERAND_INVALID, seamcall(w, 0xffff, 1, 2, 3, 4));
	FAILS(TDXM_OPERAND_INVALID, seamcall(w, 0x10005, 1, 2, 3, 4));
	tdx_model_set_sys(w->m, TDX_MODEL_SYS_SHUTDOWN);
	FAILS(TDXM_SYS_SHUTDOWN, seamcall(w, 0xffff, 1, 2, 3, 4));
	FAILS(TDXM_OPERAND_INVALID, seamcall(w, 0x1ffff, 1, 2, 3, 4));
}

/* The shared bit is 47 or 51; 5-level trees have one level more. */
static void test_widths(void **state)
{
	static const struct {
		int levels;
		bool gpaw;
		u64 gpa;
		int level;
		u64 status;
	} rows[] = {
		{4, false, BIT_ULL(47), 0, TDXM_OPERAND_INVALID | 1},
		{4, false, BIT_ULL(46), 0, TDXM_EPT_WALK_FAILED | 1},
		{4, false, BIT_ULL(46), 3, TDXM_SUCCESS},
		{4, false, 0, 4, TDXM_OPERAND_INVALID | 1},
		{5, false, BIT_ULL(47), 0, TDXM_OPERAND_INVALID | 1},
		{5, false, 0, 4, TDXM_SUCCESS},
		{5, false, 0, 5, TDXM_OPERAND_INVALID | 1},
		{5, true, BIT_ULL(51), 0, TDXM_OPERAND_INVALID | 1},
		{5, true, BIT_ULL(50), 0, TDXM_EPT_WALK_FAILED | 1},
		{5, true, BIT_ULL(47), 0, TDXM_EPT_WALK_FAILED | 1},
		{5, true, BIT_ULL(50), 4, TDXM_SUCCESS},
	};
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *w = world_new(rows[i].levels, rows[i].gpaw);

		FAILS(rows[i].status, sept_rd(w, rows[i].gpa, rows[i].level));
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test_setup_teardown(test_unknown_leaf, world_setup, world_teardown),
		cmocka_unit_test(test_widths),
	};

	return WORLD_MAIN("tdx-model order", tests);
}
