// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sections 3 to 5 of the rules: which check comes before which.  Each thing that can be wrong with a call is tried
 * alone and with each thing that is checked later; the earlier one must win.
 */
#include "tests/tdx-model/lib_world.h"

struct trial {
	struct world *w;
	enum tdxm_leaf_id leaf;
	int level;
	u64 rax;
	struct tdx_model_regs regs;
	u64 page; /* behind the entry */
};

static u64 *trial_tdr(struct trial *t)
{
	return t->leaf == TDXM_L_TRACK ? &t->regs.rcx : &t->regs.rdx;
}

static u64 gpa_of(const struct trial *t)
{
	return GPA(1) + (t->level ? 0 : KIB(4));
}

static u64 *trial_entry(struct trial *t)
{
	return entry_of(t->w, gpa_of(t), t->level);
}

static void inject(struct trial *t, enum tdx_model_point point)
{
	struct tdx_model_injection injection = {t->leaf, point, 0, 1};

	assert_int_equal(tdx_model_inject(t->w->m, &injection), 0);
}

/* ---- what can be wrong ---- */

static void rax_reserved(struct trial *t)
{
	t->rax |= BIT_ULL(24);
}

static void rax_high(struct trial *t)
{
	t->rax |= BIT_ULL(40);
}

static void version_1(struct trial *t)
{
	t->rax |= 1 << 16;
}

static void version_2(struct trial *t)
{
	t->rax |= 2 << 16;
}

static void sys_shutdown(struct trial *t)
{
	tdx_model_set_sys(t->w->m, TDX_MODEL_SYS_SHUTDOWN);
}

static void sys_not_ready(struct trial *t)
{
	tdx_model_set_sys(t->w->m, TDX_MODEL_SYS_NOT_READY);
}

static void tdr_flag_reserved(struct trial *t)
{
	*trial_tdr(t) |= BIT_ULL(11);
}

static void tdr_hkid(struct trial *t)
{
	*trial_tdr(t) |= BIT_ULL(46);
}

static void tdr_unaligned(struct trial *t)
{
	*trial_tdr(t) |= BIT_ULL(4);
}

static void tdr_beyond(struct trial *t)
{
	*trial_tdr(t) |= BIT_ULL(52);
}

static void tdr_range(struct trial *t)
{
	*trial_tdr(t) = NO_BLOCK;
}

static void tdr_no_tdmr(struct trial *t)
{
	*trial_tdr(t) = NO_TDMR;
}

static void tdr_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_TDR);
}

static void tdr_unused(struct trial *t)
{
	*trial_tdr(t) = SPARE(5);
}

static void tdr_tdcx(struct trial *t)
{
	*trial_tdr(t) = TDCX(0);
}

static void tdr_in_2m(struct trial *t)
{
	*trial_tdr(t) = DATA(5) + KIB(4);
	tdxm_pamt_own(tdxm_pamt_at(t->w->m, DATA(5), 1), TDXM_PT_REG, TDR(1));
}

static void td_fatal(struct trial *t)
{
	tdx_model_td_set_fatal(t->w->td[0], true);
}

static void td_keys(struct trial *t)
{
	t->w->td[0]->lifecycle = TDXM_HKID_ASSIGNED;
}

static void td_teardown(struct trial *t)
{
	t->w->td[0]->lifecycle = TDXM_TEARDOWN;
}

static void td_tdcx(struct trial *t)
{
	t->w->td[0]->nr_tdcx = 5;
}

static void op_state_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_OP_STATE);
}

static void op_state(struct trial *t)
{
	t->w->td[0]->op_state = t->leaf == TDXM_L_PAGE_ADD ? TDXM_OPS_RUNNABLE :
							     TDXM_OPS_UNINITIALIZED;
}

static void epoch_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_EPOCH);
}

static void epoch_in_use(struct trial *t)
{
	t->w->td[0]->refcount[(t->w->td[0]->epoch + 1) & 1] = 1;
}

static void level_high(struct trial *t)
{
	static const u8 too_high[] = {1, 4, 2, 4, 3, 3, 0, 4, 0, 3, 4, 0, 4, 0};

	t->regs.rcx = too_high[t->leaf];
}

static void level_low(struct trial *t)
{
	t->regs.rcx = GPA(1);
}

static void rcx_reserved(struct trial *t)
{
	t->regs.rcx |= BIT_ULL(3);
}

static void rcx_reserved_high(struct trial *t)
{
	t->regs.rcx |= BIT_ULL(63);
}

static void gpa_unaligned(struct trial *t)
{
	t->regs.rcx |= KIB(8);
}

static void gpa_shared(struct trial *t)
{
	t->regs.rcx |= BIT_ULL(47);
}

static void gpa_wide(struct trial *t)
{
	t->regs.rcx |= BIT_ULL(48);
}

static void tree_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_TREE);
}

static void walk_fails(struct trial *t)
{
	t->regs.rcx = GPA_NO_TABLE | t->level;
}

static void entry_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_ENTRY);
}

/* No leaf of those with a restriction allows both. */
static void entry_state(struct trial *t)
{
	enum tdxm_state wrong = TDXM_S_FREE;

	if (t->leaf == TDXM_L_PAGE_ADD || t->leaf == TDXM_L_PAGE_AUG || t->leaf == TDXM_L_SEPT_ADD)
		wrong = TDXM_S_BLOCKED;
	*trial_entry(t) = tdxm_make_entry(wrong, wrong == TDXM_S_FREE ? 0 : DATA(3));
}

static void entry_blocked(struct trial *t)
{
	*trial_entry(t) = tdxm_make_entry(TDXM_S_PENDING_BLOCKED, t->page);
}

static void implied_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_IMPLIED);
}

static void not_blocked(struct trial *t)
{
	bool table = t->leaf == TDXM_L_SEPT_REMOVE || t->leaf == TDXM_L_PAGE_PROMOTE;

	*trial_entry(t) = tdxm_make_entry(table ? TDXM_S_NL_MAPPED : TDXM_S_MAPPED, t->page);
}

static void not_tracked(struct trial *t)
{
	bool table = t->leaf == TDXM_L_SEPT_REMOVE || t->leaf == TDXM_L_PAGE_PROMOTE;

	tdxm_pamt_at(t->w->m, t->page, table ? 0 : t->level)->bepoch = t->w->td[0]->epoch;
}

static void table_in_use(struct trial *t)
{
	tdxm_page(t->w->m, t->page)->sept[511] = tdxm_make_entry(TDXM_S_PENDING, DATA(3));
}

static void child_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_CHILD);
}

static void child_other(struct trial *t)
{
	u64 *child = &tdxm_page(t->w->m, t->page)->sept[511];

	*child = tdxm_change_state(*child, TDXM_S_MAPPED);
}

static void r8_none(struct trial *t)
{
	t->regs.r8 = NULL_PA;
}

static void r8_unaligned(struct trial *t)
{
	t->regs.r8 |= 0x800;
}

static void r8_hkid(struct trial *t)
{
	t->regs.r8 |= BIT_ULL(51);
}

static void r8_range(struct trial *t)
{
	t->regs.r8 = NO_BLOCK;
}

static void r8_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_PAGE);
}

static void r8_type(struct trial *t)
{
	tdxm_pamt_at(t->w->m, t->regs.r8, 0)->type = TDXM_PT_TDVPR;
}

static void r9_hkid(struct trial *t)
{
	t->regs.r9 |= (u64)HKID(0) << 46;
}

static void r9_unaligned(struct trial *t)
{
	t->regs.r9 |= 1;
}

static void r9_given(struct trial *t)
{
	version_1(t);
	t->regs.r9 = SPARE(9);
}

static void interrupt(struct trial *t)
{
	inject(t, TDX_MODEL_AT_INTERRUPT);
}

static void contended(struct trial *t)
{
	inject(t, TDX_MODEL_AT_CONTENDED);
}

static void resize_busy(struct trial *t)
{
	inject(t, TDX_MODEL_AT_RESIZE);
}

/* ---- in which order ---- */

enum group { NONE, RAX, SYS, TD, LIFE, OPS, RCX, ENTRY, CHILD, R8, R9, EPOCH, PAGE };
enum regs { SAME, ZERO, DETAILS, DETAILS_WALK };

#define L(name) BIT_ULL(TDXM_L_##name)
#define GPA_LEAVES                                                                                 \
	(L(PAGE_ADD) | L(SEPT_ADD) | L(PAGE_AUG) | L(RANGE_BLOCK) | L(PAGE_DEMOTE) |               \
	 L(PAGE_PROMOTE) | L(SEPT_RD) | L(PAGE_REMOVE) | L(SEPT_REMOVE) | L(RANGE_UNBLOCK))
#define ALL	  (GPA_LEAVES | L(TRACK))
#define VERSIONED (L(SEPT_ADD) | L(PAGE_PROMOTE) | L(SEPT_REMOVE))
#define TREE	  (GPA_LEAVES & ~L(PAGE_ADD))
#define TAKING	  (L(PAGE_REMOVE) | L(SEPT_REMOVE) | L(PAGE_PROMOTE))
#define NEW_PAGE  (L(PAGE_ADD) | L(SEPT_ADD) | L(PAGE_AUG) | L(PAGE_DEMOTE))
#define T	  0x100 /* plus the operand id of the TDR */

static const struct wrong {
	void (*apply)(struct trial *t);
	u64 leaves;
	enum group group; /* two of a group can't be had at once */
	enum regs regs;
	u64 status;
} wrongs[] = {
	{rax_reserved, ALL, RAX, SAME, TDXM_OPERAND_INVALID},
	{rax_high, ALL, RAX, SAME, TDXM_OPERAND_INVALID},
	{version_1, ALL & ~VERSIONED, RAX, SAME, TDXM_OPERAND_INVALID},
	{sys_shutdown, ALL, SYS, SAME, TDXM_SYS_SHUTDOWN},
	{sys_not_ready, ALL, SYS, SAME, TDXM_SYS_NOT_READY},
	{version_2, VERSIONED, RAX, ZERO, TDXM_OPERAND_INVALID},
	{tdr_flag_reserved, L(SEPT_ADD) | L(PAGE_DEMOTE), TD, ZERO, TDXM_OPERAND_INVALID | T},
	{tdr_hkid, ALL, TD, ZERO, TDXM_OPERAND_INVALID | T},
	{tdr_unaligned, ALL, TD, ZERO, TDXM_OPERAND_INVALID | T},
	{tdr_beyond, ALL, TD, ZERO, TDXM_OPERAND_INVALID | T},
	{tdr_range, ALL, TD, ZERO, TDXM_OPERAND_ADDR_RANGE_ERROR | T},
	{tdr_no_tdmr, ALL, TD, ZERO, TDXM_OPERAND_ADDR_RANGE_ERROR | T},
	{tdr_busy, ALL, NONE, ZERO, TDXM_OPERAND_BUSY | T},
	{tdr_unused, ALL, TD, ZERO, TDXM_PAGE_METADATA_INCORRECT | T},
	{tdr_tdcx, ALL, TD, ZERO, TDXM_PAGE_METADATA_INCORRECT | T},
	{tdr_in_2m, ALL & ~L(PAGE_ADD), TD, ZERO, TDXM_PAGE_METADATA_INCORRECT | T},
	{td_fatal, ALL, NONE, ZERO, TDXM_TD_FATAL},
	{td_keys, ALL, LIFE, ZERO, TDXM_TD_KEYS_NOT_CONFIGURED},
	{td_teardown, ALL, LIFE, ZERO, TDXM_TD_KEYS_NOT_CONFIGURED},
	{td_tdcx, ALL, NONE, ZERO, TDXM_TDCS_NOT_ALLOCATED},
	{op_state_busy, ALL & ~L(PAGE_ADD), NONE, ZERO, TDXM_OPERAND_BUSY | 172},
	{op_state, ALL, OPS, ZERO, TDXM_OP_STATE_INCORRECT},
	{epoch_busy, L(TRACK), NONE, ZERO, TDXM_OPERAND_BUSY | 169},
	{epoch_in_use, L(TRACK), EPOCH, ZERO, TDXM_PREVIOUS_TLB_EPOCH_BUSY},
	{level_high, GPA_LEAVES, RCX, ZERO, TDXM_OPERAND_INVALID | 1},
	{level_low, L(SEPT_ADD) | L(SEPT_REMOVE) | L(PAGE_DEMOTE) | L(PAGE_PROMOTE), RCX, ZERO,
	 TDXM_OPERAND_INVALID | 1},
	{rcx_reserved, GPA_LEAVES, RCX, ZERO, TDXM_OPERAND_INVALID | 1},
	{rcx_reserved_high, GPA_LEAVES, RCX, ZERO, TDXM_OPERAND_INVALID | 1},
	{gpa_unaligned, GPA_LEAVES & ~L(PAGE_ADD), RCX, ZERO, TDXM_OPERAND_INVALID | 1},
	{gpa_shared, GPA_LEAVES, RCX, ZERO, TDXM_OPERAND_INVALID | 1},
	{gpa_wide, GPA_LEAVES, RCX, ZERO, TDXM_OPERAND_INVALID | 1},
	{tree_busy, TREE, NONE, ZERO, TDXM_OPERAND_BUSY | 146},
	{walk_fails, GPA_LEAVES, RCX, DETAILS_WALK, TDXM_EPT_WALK_FAILED | 1},
	{entry_busy, TREE, NONE, DETAILS, TDXM_OPERAND_BUSY | 1},
	{entry_state, GPA_LEAVES & ~L(SEPT_RD), ENTRY, DETAILS, TDXM_EPT_ENTRY_STATE_INCORRECT | 1},
	{entry_blocked, L(RANGE_BLOCK), ENTRY, DETAILS, TDXM_GPA_RANGE_ALREADY_BLOCKED | 1},
	{implied_busy, TAKING, NONE, ZERO, TDXM_OPERAND_BUSY | 1},
	{not_blocked, TAKING | L(PAGE_DEMOTE), ENTRY, DETAILS, TDXM_GPA_RANGE_NOT_BLOCKED | 1},
	{not_tracked, TAKING | L(PAGE_DEMOTE) | L(RANGE_UNBLOCK), PAGE, ZERO,
	 TDXM_TLB_TRACKING_NOT_DONE | 1},
	{table_in_use, L(SEPT_REMOVE), CHILD, DETAILS, TDXM_EPT_PAGE_NOT_FREE | 1},
	{child_busy, L(PAGE_PROMOTE), NONE, DETAILS, TDXM_OPERAND_BUSY | 1},
	{child_other, L(PAGE_PROMOTE), CHILD, DETAILS, TDXM_EPT_INVALID_PROMOTE_CONDITIONS | 1},
	{r9_hkid, L(PAGE_ADD), R9, ZERO, TDXM_OPERAND_INVALID | 9},
	{r9_unaligned, L(PAGE_ADD), R9, ZERO, TDXM_OPERAND_INVALID | 9},
	{r8_none, L(SEPT_ADD), RAX, ZERO, TDXM_OPERAND_INVALID | 8},
	{r8_unaligned, NEW_PAGE, R8, ZERO, TDXM_OPERAND_INVALID | 8},
	{r8_hkid, NEW_PAGE, R8, ZERO, TDXM_OPERAND_INVALID | 8},
	{r8_range, NEW_PAGE, R8, ZERO, TDXM_OPERAND_ADDR_RANGE_ERROR | 8},
	{r8_busy, NEW_PAGE, NONE, ZERO, TDXM_OPERAND_BUSY | 8},
	{r8_type, NEW_PAGE, R8, ZERO, TDXM_PAGE_METADATA_INCORRECT | 8},
	{r9_given, L(SEPT_ADD), RAX, ZERO, TDXM_OPERAND_INVALID | 9},
	{interrupt, L(PAGE_PROMOTE) | L(PAGE_DEMOTE), NONE, SAME, TDXM_INTERRUPTED_RESTARTABLE},
	{contended, L(PAGE_PROMOTE) | L(PAGE_DEMOTE), NONE, SAME, TDXM_INTERRUPTED_BUSY},
	{resize_busy, L(PAGE_PROMOTE) | L(PAGE_DEMOTE), NONE, ZERO, TDXM_OPERAND_BUSY | 1},
};

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
static bool applies(const struct wrong *wrong, int leaf)
{
	if (!(wrong->leaves & BIT_ULL(leaf)))
		return false;
	if (wrong->apply == child_busy)
		return !since_1_5_20();
	return wrong->apply != contended || since_1_5_20();
}

static void test_alone(void **state)
{
	int leaf, i;

	(void)state;
	for (leaf = 0; leaf < TDXM_NR_LEAVES; leaf++) {
		for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
			if (applies(&wrongs[i], leaf))
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
		for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
			for (j = i + 1; j < ARRAY_SIZE(wrongs); j++) {
				if (applies(&wrongs[i], leaf) && applies(&wrongs[j], leaf) &&
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
