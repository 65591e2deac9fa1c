// SPDX-License-Identifier: GPL-2.0-or-later
/* Does tdx_model_check() see what is wrong?  And dump, statistics, injections. */
#include "tests/tdx-model/lib_world.h"

static void lose_page(struct world *w)
{
	tdxm_pamt_at(w->m, DATA(0), 1)->type = TDXM_PT_NDA;
}

static void other_owner(struct world *w)
{
	tdxm_pamt_at(w->m, DATA(0), 1)->owner = TDR(1);
}

static void no_owner(struct world *w)
{
	tdxm_pamt_at(w->m, DATA(0), 1)->owner = SPARE(100);
}

static void page_in_page(struct world *w)
{
	tdxm_pamt_at(w->m, DATA(0) + KIB(8), 0)->type = TDXM_PT_RSVD;
}

static void page_over_page(struct world *w)
{
	w->m->blocks->next->next->next->pamt.type = TDXM_PT_REG;
	w->m->blocks->next->next->next->pamt.owner = TDR(0);
}

static void orphan(struct world *w)
{
	tdxm_pamt_own(tdxm_pamt_at(w->m, SPARE(50), 0), TDXM_PT_REG, TDR(0));
}

static void orphan_table(struct world *w)
{
	tdxm_pamt_own(tdxm_pamt_at(w->m, SPARE(50), 0), TDXM_PT_EPT, TDR(0));
}

static void table_type(struct world *w)
{
	tdxm_pamt_at(w->m, SPARE(0), 0)->type = TDXM_PT_REG;
}

static void count(struct world *w)
{
	w->td[0]->chldcnt++;
}

static void refcount(struct world *w)
{
	w->td[0]->refcount[0]++;
}

static void entry_locked(struct world *w)
{
	*entry_of(w, GPA(1), 1) |= TDXM_TDEL;
}

static void entry_access(struct world *w)
{
	*entry_of(w, GPA(1), 1) |= 7;
}

static void entry_suppress_ve(struct world *w)
{
	*entry_of(w, GPA(1), 1) &= ~TDXM_SUPPRESS_VE;
}

static void entry_state(struct world *w)
{
	*entry_of(w, GPA(1), 1) |= BIT_ULL(9);
}

static void entry_twice(struct world *w)
{
	*entry_of(w, GPA(4), 1) = *entry_of(w, GPA(1), 1);
}

static void free_with_page(struct world *w)
{
	*entry_of(w, GPA(4), 1) |= DATA(4);
}

static void counter_at_4k(struct world *w)
{
	*entry_of(w, GPA(2), 0) ^= KIB(4);
}

static void epoch_to_come(struct world *w)
{
	OK(block(w, GPA(1), 1));
	tdxm_pamt_at(w->m, DATA(0), 1)->bepoch = 99;
}

static void table_epoch_to_come(struct world *w)
{
	OK(block(w, GPA(2), 1));
	tdxm_pamt_at(w->m, SPARE(0), 0)->bepoch = 99;
}

static void pamt_locked(struct world *w)
{
	tdxm_pamt_at(w->m, SPARE(50), 0)->lock.readers++;
}

static void pamt_locked_exclusive(struct world *w)
{
	tdxm_pamt_at(w->m, DATA(9), 1)->lock.writer = true;
}

static void tree_locked(struct world *w)
{
	w->td[0]->tree_lock.writer = true;
}

static void op_state_locked(struct world *w)
{
	w->td[1]->op_state_lock.readers = 1;
}

static void epoch_locked(struct world *w)
{
	w->td[1]->epoch_lock.readers = 1;
}

static void old_epoch(struct world *w)
{
	world_run(w);
	enter(w);
	w->td[0]->epoch += 2;
}

static void stale(struct world *w)
{
	w->vcpu[0][0]->associated = true;
	w->vcpu[0][0]->epoch = 1;
	w->vcpu[0][0]->tlb[3] = (struct tdxm_tlb){GPA(9), DATA(9), 1, true};
}

static void stale_table(struct world *w)
{
	w->vcpu[0][0]->associated = true;
	w->vcpu[0][0]->epoch = 1;
	w->vcpu[0][0]->pwc[1] = (struct tdxm_pwc){GPA(9), SPARE(20), true};
}

static void dead(struct world *w)
{
	w->m->dead = "test";
}

static void (*const breaks[])(struct world *) = {
	lose_page,
	other_owner,
	no_owner,
	page_in_page,
	page_over_page,
	orphan,
	orphan_table,
	table_type,
	count,
	refcount,
	entry_locked,
	entry_access,
	entry_suppress_ve,
	entry_state,
	entry_twice,
	free_with_page,
	counter_at_4k,
	epoch_to_come,
	table_epoch_to_come,
	pamt_locked,
	pamt_locked_exclusive,
	tree_locked,
	op_state_locked,
	epoch_locked,
	old_epoch,
	stale,
	stale_table,
	dead,
};

struct lines {
	int nr;
	char first[200];
};

static void line(void *ctx, const char *text)
{
	struct lines *lines = ctx;

	if (!lines->nr++)
		snprintf(lines->first, sizeof(lines->first), "%s", text);
}

static struct world *full_world(void)
{
	struct world *w = world_new(4, false);

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(aug(w, GPA(2), 0, SPARE(1)));
	return w;
}

static void test_sees(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(breaks); i++) {
		struct world *w = full_world();
		struct lines lines = {};
		int bad;

		world_check(w);
		breaks[i](w);
		bad = tdx_model_check(w->m, &(struct tdx_model_out){line, &lines});
		if (!bad)
			print_error("number %d isn't seen\n", i);
		assert_true(bad > 0);
		assert_int_equal(bad, lines.nr);
		assert_true(strlen(lines.first) > 10);
		world_free(w);
	}
}

static void test_dump(void **state)
{
	struct world *w = full_world();
	struct lines lines = {};

	(void)state;
	tdx_model_dump(w->m, &(struct tdx_model_out){line, &lines});
	/* Two TDs with two vCPUs each, and of one: two tables above, page, table, page */
	assert_int_equal(lines.nr, 6 + 5);
	assert_non_null(strstr(lines.first, "CHLDCNT"));
	world_free(w);
}

static void test_stats(void **state)
{
	struct world *w = full_world();
	struct lines lines = {};

	(void)state;
	tdx_model_print_stats(w->m, &(struct tdx_model_out){line, &lines});
	/* SEPT.ADD, AUG, SEPT.REMOVE, WBINVD */
	assert_int_equal(lines.nr, 4);
	FAILS(TDXM_EPT_ENTRY_STATE_INCORRECT | 1, aug(w, GPA(1), 1, DATA(1)));
	memset(&lines, 0, sizeof(lines));
	tdx_model_print_stats(w->m, &(struct tdx_model_out){line, &lines});
	assert_int_equal(lines.nr, 5);
	world_free(w);
}

/* @skip times not, then @times times; of one leaf or of any */
static void test_injections(void **state)
{
	struct tdx_model_injection injection = {TDXM_L_SEPT_RD, TDX_MODEL_AT_TREE, 2, 3};
	struct world *w = *state;
	int i;

	assert_int_equal(tdx_model_inject(w->m, &injection), 0);
	for (i = 0; i < 10; i++) {
		FAILS(i >= 2 && i < 5 ? TDXM_OPERAND_BUSY | 146 : 0, sept_rd(w, GPA(1), 1));
		FAILS(TDXM_EPT_ENTRY_STATE_INCORRECT | 1, block(w, GPA(1), 1));
	}
	injection = (struct tdx_model_injection){TDXM_L_ANY, TDX_MODEL_AT_TREE, 0, 2};
	assert_int_equal(tdx_model_inject(w->m, &injection), 0);
	FAILS(TDXM_OPERAND_BUSY | 146, sept_rd(w, GPA(1), 1));
	FAILS(TDXM_OPERAND_BUSY | 146, block(w, GPA(1), 1));
	OK(sept_rd(w, GPA(1), 1));
	for (i = 0; i < 16; i++)
		assert_int_equal(tdx_model_inject(w->m, &injection), 0);
	assert_int_equal(tdx_model_inject(w->m, &injection), -ENOSPC);
	tdx_model_clear_injections(w->m);
	OK(sept_rd(w, GPA(1), 1));
	injection.point = TDX_MODEL_NR_POINTS;
	assert_int_equal(tdx_model_inject(w->m, &injection), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sees),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_stats),
		cmocka_unit_test_setup_teardown(test_injections, world_setup, world_teardown),
	};

	return WORLD_MAIN("tdx-model checker", tests);
}
