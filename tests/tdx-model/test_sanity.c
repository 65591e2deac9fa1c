// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 5 of the rules: what PROMOTE, DEMOTE and BLOCK find that only a broken module leaves behind. */
#include "tests/tdx-model/lib_world.h"

/* What can't be, unless the module is broken: it halts. */
static void test_sanity_checks(void **state)
{
	static const struct {
		u8 size, type;
		u64 owner;
		int child;
	} rows[] = {
		{0, TDXM_PT_REG, TDR(1), 300},
		{0, TDXM_PT_EPT, TDR(0), 511},
		{1, TDXM_PT_REG, TDR(0), 0},
	};
	int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *w = world_new(4, false);
		struct tdxm_pamt *pamt;

		small_pages(w, false);
		pamt = tdxm_pamt_at(w->m, DATA(0) + KIB(4) * rows[i].child, rows[i].size);
		pamt->type = rows[i].type;
		pamt->owner = rows[i].owner;
		FAILS(TDXM_DEAD, promote(w, GPA(1), 1));
		assert_non_null(tdx_model_dead(w->m));
		FAILS(TDXM_DEAD, sept_rd(w, GPA(1), 1));
		assert_true(tdx_model_check(w->m, NULL) > 0);
		world_free(w);
	}
}

static void test_implied_not_assigned(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	tdxm_pamt_at(w->m, DATA(0), 1)->type = TDXM_PT_NDA;
	FAILS(TDXM_DEAD, block(w, GPA(1), 1));
}

static void test_demote_not_data(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	tdxm_pamt_at(w->m, DATA(0), 1)->type = TDXM_PT_TDCX;
	FAILS(TDXM_DEAD, demote(w, GPA(1), 1, SPARE(0)));
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sanity_checks),
		T(test_implied_not_assigned),
		T(test_demote_not_data),
	};

	return WORLD_MAIN("tdx-model sanity", tests);
}
