// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 8 of the rules: TDCALLs, ordinary accesses, and what the host sees of them. */
#include "tests/tdx-model/lib_world.h"

enum kind { RETURNS, EXITS };

/* What ACCEPT does at @req_level if the walk finds @state at @level */
static const struct row {
	int req_level, level;
	enum tdxm_state state;
	enum kind kind;
	u64 value; /* status, or RDX */
} rows[] = {
	/* 4K, and the entry of 2M ends the walk */
	{0, 1, TDXM_S_MAPPED, RETURNS, 0x00000B0A00000001},
	{0, 1, TDXM_S_PENDING, EXITS, 0x0000408800000001},
	{0, 1, TDXM_S_BLOCKED, EXITS, 0x0000404800000001},
	{0, 1, TDXM_S_PENDING_BLOCKED, EXITS, 0x000040C800000001},
	{0, 1, TDXM_S_FREE, EXITS, 0x0000000800000001},
	{0, 1, TDXM_S_NL_BLOCKED, EXITS, 0x0000204800000001},
	/* 4K at its level */
	{0, 0, TDXM_S_MAPPED, RETURNS, 0x00000B0A00000000},
	{0, 0, TDXM_S_PENDING, RETURNS, 0},
	{0, 0, TDXM_S_BLOCKED, EXITS, 0x0000404000000001},
	{0, 0, TDXM_S_PENDING_BLOCKED, EXITS, 0x000040C000000001},
	{0, 0, TDXM_S_FREE, EXITS, 0x0000000000000001},
	/* 2M at its level */
	{1, 1, TDXM_S_MAPPED, RETURNS, 0x00000B0A00000001},
	{1, 1, TDXM_S_PENDING, RETURNS, 0},
	{1, 1, TDXM_S_BLOCKED, EXITS, 0x0000404900000001},
	{1, 1, TDXM_S_PENDING_BLOCKED, EXITS, 0x000040C900000001},
	{1, 1, TDXM_S_FREE, EXITS, 0x0000000900000001},
	{1, 1, TDXM_S_NL_MAPPED, RETURNS, 0xC0000B0B00000001},
	{1, 1, TDXM_S_NL_BLOCKED, RETURNS, 0xC0000B0B00000001},
};

static u64 page_for(struct world *w, enum tdxm_state state)
{
	return tdxm_is_leaf(state) || state == TDXM_S_FREE ? DATA(0) : world_table(w);
}

static void check_exit_rwx(struct world *w, const struct guest *g, u64 gpa, u64 rdx, u64 rwx)
{
	assert_int_equal(g->result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(g->exit.rax, 0x30);
	assert_int_equal(g->exit.rcx, 2 | rwx << 3);
	assert_int_equal(g->exit.rdx, rdx);
	assert_int_equal(g->exit.r8, gpa);
	assert_false(tdx_model_vcpu_inside(w->vcpu[0][0]));
}

static void check_exit_rax(const struct guest *g, u64 rax, u64 rdx)
{
	assert_int_equal(g->result, TDX_MODEL_GUEST_EXIT);
	assert_int_equal(g->exit.rax, rax);
	assert_int_equal(g->exit.rdx, rdx);
}

static void check_exit(struct world *w, const struct guest *g, u64 gpa, u64 rdx)
{
	check_exit_rwx(w, g, gpa, rdx, 0);
}

/* 4K requests are for a page in the middle, so that GPAs are told apart. */
static struct world *world_with(const struct row *row, u64 *gpa)
{
	struct world *w = world_new(4, false);

	*gpa = GPA(1) + (row->req_level ? 0 : KIB(12));
	make_state(w, row->level ? GPA(1) : *gpa, row->level, row->state, page_for(w, row->state));
	world_run(w);
	return w;
}

static void test_accept(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		u64 gpa, before;
		struct world *w = world_with(row, &gpa);
		struct guest g;

		enter(w);
		before = fingerprint(w);
		g = accept(w, gpa, row->req_level);
		if (row->kind == RETURNS) {
			assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
			assert_int_equal(g.rax, row->value);
		} else {
			check_exit(w, &g, gpa, row->value);
			enter(w);
		}
		if (row->state == TDXM_S_PENDING && row->kind == RETURNS)
			IS(gpa, row->level, MAPPED);
		else
			assert_int_equal(fingerprint(w), before);
		world_check(w);
		world_free(w);
	}
}

/* The numbers that the document gives as examples of RDX */
static void test_examples(void **state)
{
	static const u64 examples[] = {0x0000408800000001, 0x000040C900000001, 0x0000204800000001,
				       0x0000000900000001, 0x0000000800000001};
	int i, j, found = 0;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		for (j = 0; j < ARRAY_SIZE(rows); j++)
			found += rows[j].kind == EXITS && rows[j].value == examples[i];
	}
	assert_int_equal(found, ARRAY_SIZE(examples));
}

static void test_accept_operands(void **state)
{
	static const u64 bad[] = {
		GPA(1) | 2,	      GPA(1) | 7,	   GPA(1) | 8,	GPA(1) | BIT_ULL(11),
		GPA(1) | BIT_ULL(52), GPA(1) + KIB(4) + 1, BIT_ULL(47), BIT_ULL(48) | 1,
	};
	struct world *w = *state;
	int i;

	world_run(w);
	enter(w);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guest g = accept(w, bad[i], 0);

		assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
		assert_int_equal(g.rax, TDXM_OPERAND_INVALID | 1);
	}
	leave(w);
	assert_int_equal(accept(w, GPA(1), 0).result, TDX_MODEL_GUEST_BAD);
}

/* With the walk ending higher up */
static void test_accept_no_table(void **state)
{
	struct world *w = *state;
	struct guest g;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	enter(w);
	g = accept(w, GPA_NO_TABLE, 1);
	/* Requested level 1, ended at 3, FREE */
	check_exit(w, &g, GPA_NO_TABLE, (1ULL | 3 << 3) << 32 | 1);
	OK(block(w, GPA(0), 2));
	enter(w);
	g = accept(w, GPA(1), 1);
	check_exit(w, &g, GPA(1), (1ULL | 2 << 3 | 129 << 6) << 32 | 1);
}

static void test_accept_zeroes(void **state)
{
	struct world *w = *state;
	struct guest g;
	u64 value;
	int i;

	for (i = 0; i < 512; i++)
		assert_int_equal(tdx_model_host_write(w->m, DATA(0) + KIB(4) * i, 5 + i), 0);
	assert_int_equal(tdx_model_host_clflush(w->m, DATA(0), MIB(2)), 0);
	OK(aug(w, GPA(1), 1, DATA(0)));
	/* AUG doesn't touch what is in there. */
	assert_int_equal(tdxm_page(w->m, DATA(0))->value, 5);
	world_run(w);
	accepted(w, GPA(1), 1);
	enter(w);
	for (i = 0; i < 512; i++) {
		g = load(w, GPA(1) + KIB(4) * i, &value);
		assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
		assert_int_equal(value, 0);
	}
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
}

/* Interrupted after each 4K but the last; it goes on from there, but not after BLOCK. */
static void test_accept_interrupted(void **state)
{
	struct world *w = *state;
	struct guest g;
	int i;

	for (i = 0; i < 512; i++)
		tdx_model_host_write(w->m, DATA(0) + KIB(4) * i, 1);
	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	enter(w);
	tdx_model_set_pending(w->m, BIT_ULL(0), true);
	for (i = 1; i < 512; i++) {
		g = accept(w, GPA(1), 1);
		assert_int_equal(g.result, TDX_MODEL_GUEST_AGAIN);
		assert_int_equal(g.rax, 6);
		IS(GPA(1), 1, PENDING);
		assert_int_equal((*entry_of(w, GPA(1), 1) & TDXM_ACCEPT_COUNTER) >> 12, i);
		assert_int_equal(*entry_of(w, GPA(1), 1) & TDXM_TDEL, 0);
		assert_int_equal(tdxm_page(w->m, DATA(0) + KIB(4) * (i - 1))->value, 0);
		assert_int_equal(tdxm_page(w->m, DATA(0) + KIB(4) * i)->value, 1);
		world_check(w);
	}
	g = accept(w, GPA(1), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(g.rax, TDXM_SUCCESS);
	assert_int_equal(*entry_of(w, GPA(1), 1), tdxm_make_entry(TDXM_S_MAPPED, DATA(0)));
	leave(w);
}

static void test_accept_counter_lost(void **state)
{
	struct world *w = *state;
	struct guest g;
	int i;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(aug(w, GPA(2), 1, DATA(1)));
	world_run(w);
	enter(w);
	tdx_model_set_pending(w->m, BIT_ULL(1), true);
	for (i = 0; i < 3; i++) {
		g = accept(w, GPA(1), 1);
		g = accept(w, GPA(2), 1);
		assert_int_equal(g.result, TDX_MODEL_GUEST_AGAIN);
	}
	tdx_model_set_pending(w->m, 0, true);
	OK(block(w, GPA(1), 1));
	assert_int_equal(*entry_of(w, GPA(1), 1), tdxm_make_entry(TDXM_S_PENDING_BLOCKED, DATA(0)));
	leave(w);
	OK(block(w, GPA(2), 1));
	OK(track(w));
	OK(unblock(w, GPA(1), 1));
	assert_int_equal(*entry_of(w, GPA(1), 1), tdxm_make_entry(TDXM_S_PENDING, DATA(0)));
	OK(demote(w, GPA(2), 1, SPARE(0)));
	assert_int_equal(*entry_of(w, GPA(2), 0), tdxm_make_entry(TDXM_S_PENDING, DATA(1)));
}

/* The counter is nobody's address: DEMOTE of a half-accepted page before finalize can't be, but as if */
static void test_demote_with_counter(void **state)
{
	struct world *w = *state;
	int i;

	OK(aug(w, GPA(1), 1, DATA(0)));
	*entry_of(w, GPA(1), 1) |= 0x155 << 12;
	OK(demote(w, GPA(1), 1, SPARE(0)));
	for (i = 0; i < 512; i++)
		assert_int_equal(*entry_of(w, GPA(1) + KIB(4) * i, 0),
				 tdxm_make_entry(TDXM_S_PENDING, DATA(0) + KIB(4) * i));
}

static void test_remove_with_counter(void **state)
{
	struct world *w = *state;
	struct result r;

	OK(aug(w, GPA(1), 1, DATA(0)));
	*entry_of(w, GPA(1), 1) |= 0x155 << 12;
	r = OK(remove_page(w, GPA(1), 1));
	assert_int_equal(r.r.rcx, DATA(0));
	world_check(w);
}

/* REMOVE and DEMOTE don't show the counter when they refuse, as SEPT.RD does; it is still there. */
static void test_counter_not_shown(void **state)
{
	struct world *w = *state;
	u64 rdx = RDX(1, ARCH_PENDING);
	struct result r;

	OK(aug(w, GPA(1), 1, DATA(0)));
	*entry_of(w, GPA(1), 1) |= KIB(12);
	world_run(w);
	FAILS_WITH(TDXM_GPA_RANGE_NOT_BLOCKED | 1, RCX_LEAF(DATA(0)), rdx,
		   remove_page(w, GPA(1), 1));
	FAILS_WITH(TDXM_GPA_RANGE_NOT_BLOCKED | 1, RCX_LEAF(DATA(0)), rdx,
		   demote(w, GPA(1), 1, SPARE(0)));
	r = OK(sept_rd(w, GPA(1), 1));
	assert_int_equal(r.r.rcx, RCX_LEAF(DATA(0) + KIB(12)));
}

/* A page to be accepted below a table that the vCPU has cached and that is blocked: a plain exit, and a fault. */
static void test_pending_below_blocked(void **state)
{
	struct world *w = *state;
	struct guest g;
	u64 value;
	int i;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	aug_4k(w, GPA(1), DATA(0), 2);
	world_run(w);
	accepted(w, GPA(1), 0);
	for (i = 0; i < 2; i++) {
		enter(w);
		/* The walk is cached. */
		assert_int_equal(load(w, GPA(1), &value).result, TDX_MODEL_GUEST_OK);
		if (i)
			OK(block(w, GPA(1), 1));
		g = load(w, GPA(1) + KIB(4), &value);
		check_exit_rax(&g, 48, i ? 0 : 6);
	}
	assert_int_equal(w->vcpu[0][0]->violations, 1);
	world_check(w);
}

static void test_attr_wr(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		bool present = row->state == TDXM_S_MAPPED || row->state == TDXM_S_PENDING;
		bool table = !tdxm_is_leaf(row->state) && row->state != TDXM_S_FREE;
		u64 gpa, before;
		struct world *w = world_with(row, &gpa);
		struct guest g;

		before = fingerprint(w);
		enter(w);
		g = attr_wr(w, gpa, row->req_level);
		if (row->req_level == row->level && present) {
			bool pending = row->state == TDXM_S_PENDING;

			assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
			assert_int_equal(g.rax, TDXM_SUCCESS);
			assert_int_equal(g.r.rcx, gpa | row->level | (pending ? BIT_ULL(62) : 0));
			leave(w);
		} else if (row->req_level == row->level && table) {
			assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
			assert_int_equal(g.rax, TDXM_PAGE_SIZE_MISMATCH | row->level);
			assert_int_equal(g.r.rcx, 0);
			leave(w);
		} else {
			u64 info = row->req_level | row->level << 3 |
				   tdxm_states[row->state].arch << 6 |
				   tdxm_states[row->state].leaf << 14;

			check_exit_rwx(w, &g, gpa, info << 32 | 5, tdxm_states[row->state].rwx);
		}
		assert_int_equal(fingerprint(w), before);
		world_check(w);
		world_free(w);
	}
}

/* RDX and R8 have 16 bits for each VM, and are checked VM by VM. */
static void test_attr_wr_operands(void **state)
{
	static const struct {
		u64 rdx, r8, status;
	} cases[] = {
		{1, 0, TDXM_OPERAND_INVALID | 2},
		{0, 1, TDXM_OPERAND_INVALID | 8},
		{0x8000, 0x8000, TDXM_OPERAND_INVALID | 2},
		{0x10000, 0x8000, TDXM_OPERAND_INVALID | 8},
		{1ULL << 63, 1ULL << 47, TDXM_OPERAND_INVALID | 8},
		{1ULL << 63, 1ULL << 48, TDXM_OPERAND_INVALID | 2},
	};
	struct world *w = *state;
	int i;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	enter(w);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* The GPA isn't valid either, but is looked at later. */
		struct tdx_model_regs r = {
			.rcx = GPA(1) | 7, .rdx = cases[i].rdx, .r8 = cases[i].r8};
		u64 rax = TDXM_TDG_MEM_PAGE_ATTR_WR;
		struct tdx_model_exit exit;

		assert_int_equal(tdx_model_tdcall(w->vcpu[0][0], &rax, &r, &exit),
				 TDX_MODEL_GUEST_OK);
		assert_int_equal(rax, cases[i].status);
		assert_int_equal(r.rcx, 0);
		assert_int_equal(r.rdx, 0);
		assert_int_equal(r.r8, cases[i].r8);
	}
	leave(w);
}

/* An ordinary load or store; PENDING is #VE, or an exit that says so. */
static void test_access(void **state)
{
	static const struct {
		int level;
		enum tdxm_state state;
		enum tdx_model_guest result;
		u64 rdx;
	} access[] = {
		{0, TDXM_S_MAPPED, TDX_MODEL_GUEST_OK, 0},
		{1, TDXM_S_MAPPED, TDX_MODEL_GUEST_OK, 0},
		{0, TDXM_S_PENDING, TDX_MODEL_GUEST_EXIT, 6},
		{1, TDXM_S_PENDING, TDX_MODEL_GUEST_EXIT, 6},
		{0, TDXM_S_BLOCKED, TDX_MODEL_GUEST_EXIT, 0},
		{1, TDXM_S_BLOCKED, TDX_MODEL_GUEST_EXIT, 0},
		{0, TDXM_S_PENDING_BLOCKED, TDX_MODEL_GUEST_EXIT, 0},
		{1, TDXM_S_PENDING_BLOCKED, TDX_MODEL_GUEST_EXIT, 0},
		{0, TDXM_S_FREE, TDX_MODEL_GUEST_EXIT, 0},
		{1, TDXM_S_FREE, TDX_MODEL_GUEST_EXIT, 0},
		{1, TDXM_S_NL_BLOCKED, TDX_MODEL_GUEST_EXIT, 0},
	};
	int i, write, ve;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(access) * 4; i++) {
		struct world *w = world_new(4, false);
		u64 value = 1;
		struct tdx_model_exit exit;
		enum tdx_model_guest result, wanted = access[i / 4].result;

		write = i & 1;
		ve = i & 2;
		w->td[0]->pending_ve_disable = !ve;
		make_state(w, GPA(1), access[i / 4].level, access[i / 4].state,
			   page_for(w, access[i / 4].state));
		world_run(w);
		enter(w);
		result =
			tdx_model_guest_access(w->vcpu[0][0], GPA(1) + 0x123, write, &value, &exit);
		if (ve && access[i / 4].state == TDXM_S_PENDING)
			wanted = TDX_MODEL_GUEST_VE;
		assert_int_equal(result, wanted);
		if (wanted == TDX_MODEL_GUEST_EXIT) {
			assert_int_equal(exit.rax, 48);
			assert_int_equal(exit.rcx, write ? 2 : 1);
			assert_int_equal(exit.rdx, access[i / 4].rdx);
			assert_int_equal(exit.r8, GPA(1));
		}
		world_check(w);
		world_free(w);
	}
}

static void test_not_private(void **state)
{
	struct world *w = *state;
	u64 value = 0, rax = 7;
	struct tdx_model_regs regs = {};
	struct tdx_model_exit exit;

	world_run(w);
	assert_int_equal(load(w, GPA(1), &value).result, TDX_MODEL_GUEST_BAD);
	enter(w);
	assert_int_equal(load(w, BIT_ULL(47), &value).result, TDX_MODEL_GUEST_BAD);
	assert_int_equal(tdx_model_tdcall(w->vcpu[0][0], &rax, &regs, &exit), TDX_MODEL_GUEST_BAD);
	leave(w);
	assert_int_equal(tdx_model_vp_exit(w->vcpu[0][0], &exit), -EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept), cmocka_unit_test(test_examples),
		T(test_accept_operands),       T(test_accept_no_table),
		T(test_accept_zeroes),	       T(test_accept_interrupted),
		T(test_accept_counter_lost),   T(test_demote_with_counter),
		T(test_remove_with_counter),   T(test_counter_not_shown),
		T(test_pending_below_blocked), cmocka_unit_test(test_attr_wr),
		T(test_attr_wr_operands),      cmocka_unit_test(test_access),
		T(test_not_private),
	};

	return WORLD_MAIN("tdx-model guest", tests);
}
