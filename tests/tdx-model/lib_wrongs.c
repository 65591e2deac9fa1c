// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/tdx-model/lib_wrongs.h"

static u64 *trial_tdr(struct trial *t)
{
	return t->leaf == TDXM_L_TRACK ? &t->regs.rcx : &t->regs.rdx;
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

const struct wrong wrongs[] = {
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

const int nr_wrongs = ARRAY_SIZE(wrongs);

bool wrong_applies(const struct wrong *wrong, int leaf)
{
	if (!(wrong->leaves & BIT_ULL(leaf)))
		return false;
	if (wrong->apply == child_busy)
		return !since_1_5_20();
	return wrong->apply != contended || since_1_5_20();
}
