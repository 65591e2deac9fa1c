// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 7 of the rules: zero-step mitigation. */
#include "tests/tdx-model/lib_world.h"

#define BUSY(op) (TDXM_OPERAND_BUSY | (op))

static void fault(struct world *w, u64 gpa)
{
	struct guest g;
	u64 value;

	enter(w);
	g = load(w, gpa, &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
}

static void map(struct world *w, u64 gpa, u64 hpa)
{
	OK(aug(w, gpa, 1, hpa));
	*entry_of(w, gpa, 1) = tdxm_change_state(*entry_of(w, gpa, 1), TDXM_S_MAPPED);
}

static void test_zero_step(void **state)
{
	struct world *w = pending_world();
	struct tdx_model_exit exit;
	struct tdx_model_hold *hold;
	struct guest g;
	int i;

	(void)state;
	for (i = 0; i < 6; i++) {
		fault(w, GPA(4));
		assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 0);
	}
	fault(w, GPA(4) + 5);
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 1);
	/* The host didn't do anything: the guest won't enter. */
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), 48);
	assert_int_equal(exit.rax, 48);
	assert_int_equal(exit.rcx, 2);
	assert_int_equal(exit.rdx, 0);
	assert_int_equal(exit.r8, GPA(4));
	assert_false(tdx_model_vcpu_inside(w->vcpu[0][0]));
	world_check(w);
	/* The tree is locked for that, by older modules exclusively. */
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TREE, false);
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), since_1_5_20() ? 48 : BUSY(146));
	tdx_model_release(w->m, hold);
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TREE, true);
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), BUSY(146));
	tdx_model_release(w->m, hold);
	world_check(w);
	/* A page that has to be accepted would still fault. */
	OK(aug(w, GPA(4), 1, DATA(4)));
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), 48);
	*entry_of(w, GPA(4), 1) = tdxm_change_state(*entry_of(w, GPA(4), 1), TDXM_S_MAPPED);
	/* In, and the list is still there until an exit with another RIP. */
	enter(w);
	leave(w);
	enter(w);
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 1);
	g = store(w, GPA(4), 1);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 1);
	leave(w);
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 0);
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TREE, true);
	enter(w);
	tdx_model_release(w->m, hold);
	world_free(w);
}

/*
 * GPAs that one instruction touches one after the other are listed, up to 32, though the host has mapped them; exits
 * for ACCEPT don't count.
 */
static void test_zero_step_list(void **state)
{
	struct world *w = pending_world();
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		struct guest g;

		enter(w);
		g = accept(w, GPA(4), 1);
		assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	}
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 0);
	tdx_model_set_same_rip(w->vcpu[0][0], true);
	for (i = 0; i < 50; i++) {
		unsigned int listed = i < 6 ? 0 : i < 38 ? i - 5 : 32;

		fault(w, GPA(10 + i));
		assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), listed);
		map(w, GPA(10 + i), DATA(10 + i));
		enter(w);
		assert_int_equal(store(w, GPA(10 + i), 1).result, TDX_MODEL_GUEST_OK);
		/* An interrupt in the middle of the instruction */
		leave(w);
		assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), listed);
	}
	tdx_model_set_same_rip(w->vcpu[0][0], false);
	enter(w);
	assert_int_equal(store(w, GPA(10), 1).result, TDX_MODEL_GUEST_OK);
	leave(w);
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 0);
	world_check(w);
	world_free(w);
}

/* What was listed and is blocked later is reported as a write, though nobody touched it. */
static void test_zero_step_blocked_later(void **state)
{
	struct world *w = pending_world();
	struct tdx_model_exit exit;
	int i;

	(void)state;
	tdx_model_set_same_rip(w->vcpu[0][0], true);
	for (i = 0; i < 7; i++) {
		fault(w, GPA(10 + i));
		map(w, GPA(10 + i), DATA(10 + i));
	}
	enter(w);
	assert_int_equal(store(w, GPA(16), 1).result, TDX_MODEL_GUEST_OK);
	leave(w);
	OK(block(w, GPA(15), 1));
	enter(w);
	leave(w);
	OK(block(w, GPA(16), 1));
	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), 48);
	assert_int_equal(exit.rcx, 2);
	assert_int_equal(exit.rdx, 0);
	assert_int_equal(exit.r8, GPA(16));
	OK(track(w));
	OK(unblock(w, GPA(16), 1));
	enter(w);
	world_check(w);
	world_free(w);
}

/* Newer modules let a guest enter that gets #VE for a page that it has to accept. */
static void test_zero_step_pending(void **state)
{
	struct world *w = pending_world();
	struct tdx_model_exit exit;
	int i, ve;

	(void)state;
	for (i = 0; i < 7; i++)
		fault(w, GPA(4));
	OK(aug(w, GPA(4), 1, DATA(4)));
	for (ve = 0; ve < 2; ve++) {
		w->td[0]->pending_ve_disable = !ve;
		assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit),
				 ve && since_1_5_20() ? 0 : 48);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_step),
		cmocka_unit_test(test_zero_step_list),
		cmocka_unit_test(test_zero_step_blocked_later),
		cmocka_unit_test(test_zero_step_pending),
	};

	return WORLD_MAIN("tdx-model zero-step", tests);
}
