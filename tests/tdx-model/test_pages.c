// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 9 of the rules, physical pages: PAMT, RDMD, RECLAIM, WBINVD, caches, life of a TD. */
#include "tests/tdx-model/lib_world.h"

#define METADATA(op) (TDXM_PAGE_METADATA_INCORRECT | (op))

static struct result rdmd(struct world *w, u64 hpa)
{
	return seamcall(w, 24, hpa, 1, 2, 3);
}

static struct result reclaim(struct world *w, u64 hpa)
{
	return seamcall(w, 28, hpa, 1, 2, 3);
}

static void is_page(struct world *w, u64 hpa, u64 type, u64 owner, u64 size, u64 bepoch)
{
	struct result r = OK(rdmd(w, hpa));

	assert_int_equal(r.r.rcx, type);
	assert_int_equal(r.r.rdx, owner);
	assert_int_equal(r.r.r8, size);
	assert_int_equal(r.r.r9, bepoch);
}

static void test_rdmd(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(aug(w, GPA(2), 0, SPARE(1)));
	OK(block(w, GPA(1), 1));
	OK(block(w, GPA(2), 0));
	assert_int_equal(tdx_model_reserve(w->m, SPARE(2), KIB(4)), 0);
	is_page(w, SPARE(3), 0, 0, 0, 0);
	is_page(w, SPARE(2), 1, 0, 0, 0);
	is_page(w, SPARE(1), 3, TDR(0), 0, 1);
	is_page(w, DATA(0), 3, TDR(0), 1, 1);
	is_page(w, DATA(0) + KIB(44), 3, TDR(0), 1, 1);
	is_page(w, TDR(0), 4, 0, 0, 0);
	is_page(w, TDCX(1) + KIB(8), 5, TDR(1), 0, 0);
	is_page(w, TDVPR(0, 1), 6, TDR(0), 0, 0);
	is_page(w, SPARE(0), 8, TDR(0), 0, 0);
}

/* The three leaves with an HPA, and what can be wrong with it */
static void test_operands(void **state)
{
	struct world *w = *state;
	static const u16 leaves[] = {24, 28, 41};
	int i;

	for (i = 0; i < 3; i++) {
		struct result r;

		FAILS(TDXM_OPERAND_INVALID | 1, seamcall(w, leaves[i], SPARE(0) + 8, 1, 2, 3));
		FAILS(TDXM_OPERAND_INVALID | 1, seamcall(w, leaves[i], BIT_ULL(52), 1, 2, 3));
		FAILS(TDXM_OPERAND_ADDR_RANGE_ERROR | 1, seamcall(w, leaves[i], NO_BLOCK, 1, 2, 3));
		FAILS(TDXM_OPERAND_ADDR_RANGE_ERROR | 1, seamcall(w, leaves[i], 0, 1, 2, 3));
		r = FAILS(leaves[i] == 41 ? 0 : TDXM_OPERAND_INVALID | 1,
			  seamcall(w, leaves[i], SPARE(0) | KEY(0), 1, 2, 3));
		if (leaves[i] == 41)
			assert_int_equal(r.r.rcx, SPARE(0) | KEY(0));
		else
			assert_int_equal(r.r.rcx, 0);
	}
}

/* Shared, except RECLAIM */
static void test_busy(void **state)
{
	struct world *w = *state;
	struct tdx_model_hold *hold = tdx_model_hold_pamt(w->m, SPARE(0), 0, false);

	OK(rdmd(w, SPARE(0)));
	OK(wbinvd(w, SPARE(0)));
	FAILS(TDXM_OPERAND_BUSY | 1, reclaim(w, SPARE(0)));
	tdx_model_release(w->m, hold);
	hold = tdx_model_hold_pamt(w->m, SPARE(0), 0, true);
	FAILS(TDXM_OPERAND_BUSY | 1, rdmd(w, SPARE(0)));
	FAILS(TDXM_OPERAND_BUSY | 1, wbinvd(w, SPARE(0)));
	tdx_model_release(w->m, hold);
	FAILS(METADATA(1), reclaim(w, SPARE(0)));
}

static void test_wbinvd(void **state)
{
	struct world *w = *state;
	int i;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	accepted(w, GPA(1), 1);
	FAILS(METADATA(1), wbinvd(w, DATA(0) | KEY(0)));
	FAILS(METADATA(1), wbinvd(w, DATA(0) + KIB(4)));
	FAILS(METADATA(1), wbinvd(w, TDR(0)));
	OK(block(w, GPA(1), 1));
	OK(track(w));
	OK(remove_page(w, GPA(1), 1));
	/* Page by page, with the right key */
	for (i = 0; i < 512; i++) {
		assert_true(tdx_model_page_needs_wbinvd(w->m, DATA(0) + KIB(4) * i));
		OK(wbinvd(w, (DATA(0) + KIB(4) * i) | KEY(1)));
		OK(wbinvd(w, DATA(0) + KIB(4) * i));
		assert_true(tdx_model_page_needs_wbinvd(w->m, DATA(0) + KIB(4) * i));
		OK(wbinvd(w, (DATA(0) + KIB(4) * i) | KEY(0)));
		assert_false(tdx_model_page_needs_wbinvd(w->m, DATA(0) + KIB(4) * i));
	}
	assert_int_equal(tdx_model_host_reset(w->m, DATA(0), MIB(2)), 0);
	assert_int_equal(tdx_model_host_free(w->m, DATA(0), MIB(2)), 0);
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
}

static void test_reclaim(void **state)
{
	struct world *w = *state;
	u64 children, i;
	struct tdx_model_hold *hold;
	struct result r;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(aug(w, GPA(2), 0, SPARE(1)));
	assert_int_equal(tdx_model_reserve(w->m, SPARE(2), KIB(4)), 0);
	r = FAILS(METADATA(1), reclaim(w, SPARE(2)));
	assert_int_equal(r.r.rcx, 0);
	FAILS(METADATA(1), reclaim(w, SPARE(3)));
	r = FAILS(TDXM_LIFECYCLE_STATE_INCORRECT, reclaim(w, SPARE(0)));
	assert_int_equal(r.r.rcx, 8);
	assert_int_equal(r.r.rdx, TDR(0));
	assert_int_equal(r.r.r8, 0);
	FAILS(TDXM_LIFECYCLE_STATE_INCORRECT, reclaim(w, TDR(0)));
	assert_int_equal(tdx_model_td_teardown(w->td[0]), 0);
	FAILS(TDXM_TD_KEYS_NOT_CONFIGURED, track(w));

	r = FAILS(TDXM_OPERAND_INVALID | 1, reclaim(w, DATA(0) + KIB(4)));
	assert_int_equal(r.r.rcx, 3);
	assert_int_equal(r.r.r8, 1);
	hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TDR, true);
	r = FAILS(TDXM_OPERAND_BUSY | 128, reclaim(w, SPARE(0)));
	assert_int_equal(r.r.rcx, 8);
	tdx_model_release(w->m, hold);
	FAILS(TDXM_TD_ASSOCIATED_PAGES_EXIST, reclaim(w, TDR(0)));

	children = tdx_model_td_chldcnt(w->td[0]);
	r = OK(reclaim(w, DATA(0)));
	assert_int_equal(r.r.rcx, 3);
	assert_int_equal(r.r.rdx, TDR(0));
	assert_int_equal(r.r.r8, 1);
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children - 512);
	OK(reclaim(w, SPARE(0)));
	OK(reclaim(w, SPARE(1)));
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children - 514);
	for (i = 0; i < 6; i++)
		OK(reclaim(w, TDCX(0) + KIB(4) * i));
	OK(reclaim(w, TDVPR(0, 0)));
	OK(reclaim(w, TDVPR(0, 1)));
	for (i = 0; i < w->nr_tables; i++) {
		if (tdxm_pamt_at(w->m, TABLES + KIB(4) * i, 0)->type)
			OK(reclaim(w, TABLES + KIB(4) * i));
	}
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), 0);
	world_check(w);
	OK(reclaim(w, TDR(0)));
	assert_null(tdx_model_find_td(w->m, TDR(0)));
	w->td[0] = NULL;
	FAILS(METADATA(2), sept_rd(w, GPA(1), 1));
	world_check(w);
}

/* What a vCPU translated is gone in TEARDOWN, because VP.FLUSH came before. */
static void test_teardown_vcpus(void **state)
{
	struct world *w = *state;
	u64 value;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	OK(aug(w, GPA(2), 0, SPARE(1)));
	world_run(w);
	accepted(w, GPA(1), 1);
	accepted(w, GPA(2), 0);
	enter(w);
	assert_int_equal(load(w, GPA(1), &value).result, TDX_MODEL_GUEST_OK);
	assert_int_equal(load(w, GPA(2), &value).result, TDX_MODEL_GUEST_OK);
	leave(w);
	assert_int_equal(tdx_model_td_teardown(w->td[0]), 0);
	OK(reclaim(w, DATA(0)));
	OK(reclaim(w, SPARE(1)));
	OK(reclaim(w, SPARE(0)));
	world_check(w);
}

/* A page in TEARDOWN was written back with everything of its key, but not reset. */
static void test_teardown_caches(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	accepted(w, GPA(1), 1);
	enter(w);
	assert_int_equal(tdx_model_td_teardown(w->td[0]), -EBUSY);
	leave(w);
	assert_true(tdx_model_page_needs_wbinvd(w->m, DATA(0)));
	assert_int_equal(tdx_model_td_teardown(w->td[0]), 0);
	assert_false(tdx_model_page_needs_wbinvd(w->m, DATA(0)));
	OK(reclaim(w, DATA(0)));
	assert_int_equal(tdx_model_host_free(w->m, DATA(0), KIB(4)), 0);
	assert_int_equal(tdx_model_hazards(w->m, TDX_MODEL_HZ_HOST_FREE), 1);
	assert_int_equal(tdx_model_host_reset(w->m, DATA(0), KIB(4)), 0);
	assert_int_equal(tdx_model_host_free(w->m, DATA(0), KIB(4)), 0);
	assert_int_equal(tdx_model_hazards_total(w->m), 1);
}

/* Each thing that a host must not do, and the same thing done right */
static void hazards_are(struct world *w, enum tdx_model_hazard hazard, int nr)
{
	assert_int_equal(tdx_model_hazards(w->m, hazard), nr);
	assert_int_equal(tdx_model_hazards_total(w->m), nr);
	tdx_model_clear_hazards(w->m);
	assert_non_null(tdx_model_hazard_text(hazard));
	assert_non_null(tdx_model_hazard_name(hazard));
}

static void test_hazards(void **state)
{
	struct world *w = *state;
	u64 value;

	/* A host's own lines are still dirty. */
	assert_int_equal(tdx_model_host_write(w->m, DATA(0), 3), 0);
	OK(aug(w, GPA(1), 1, DATA(0)));
	hazards_are(w, TDX_MODEL_HZ_GIVEN_DIRTY, 1);
	/* It belongs to a TD. */
	assert_int_equal(tdx_model_host_read(w->m, DATA(0), &value), 0);
	hazards_are(w, TDX_MODEL_HZ_HOST_USE_PRIVATE, 1);
	assert_int_equal(tdx_model_host_free(w->m, DATA(0), KIB(4)), 0);
	hazards_are(w, TDX_MODEL_HZ_HOST_FREE, 1);
	world_run(w);
	accepted(w, GPA(1), 1);
	OK(block(w, GPA(1), 1));
	OK(track(w));
	OK(remove_page(w, GPA(1), 1));
	/* Not flushed */
	assert_int_equal(tdx_model_host_reset(w->m, DATA(0), KIB(4)), 0);
	hazards_are(w, TDX_MODEL_HZ_HOST_USE_DIRTY, 1);
	/* Flushed, but not reset */
	OK(wbinvd(w, (DATA(0) + KIB(4)) | KEY(0)));
	assert_int_equal(tdx_model_host_read(w->m, DATA(0) + KIB(4), &value), 0);
	assert_int_equal(value, ~0ULL);
	hazards_are(w, TDX_MODEL_HZ_HOST_READ_KEY, 1);
	assert_int_equal(tdx_model_host_write(w->m, DATA(0) + KIB(4), 1), 0);
	hazards_are(w, TDX_MODEL_HZ_HOST_WRITE_KEY, 1);
	/* Given to another TD before the flush; to the same one it does no harm. */
	OK(seamcall(w, 3, 3, TDR(1), DATA(0) + KIB(12), 0));
	assert_int_equal(tdx_model_hazards_total(w->m), 1);
	tdx_model_clear_hazards(w->m);
	OK(sept_add(w, GPA(1), 1, DATA(0) + KIB(8)));
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
	/* Never flushed: all others of the 2 MiB but the two above, and the one that is another TD's. */
	assert_int_equal(tdx_model_td_teardown(w->td[0]), 0);
	hazards_are(w, TDX_MODEL_HZ_WRITE_BACK, 512 - 3);
}

/* A host that does not flush what it gives away is found without a write that is told. */
static void test_host_writes(void **state)
{
	struct world *w = world_host_writes();

	(void)state;
	tdx_model_clear_hazards(w->m);
	OK(aug(w, GPA(1), 1, DATA(0)));
	hazards_are(w, TDX_MODEL_HZ_GIVEN_DIRTY, 512);
	assert_int_equal(tdx_model_host_clflush(w->m, DATA(1), MIB(2)), 0);
	OK(aug(w, GPA(2), 1, DATA(1)));
	world_run(w);
	OK(block(w, GPA(2), 1));
	OK(track(w));
	OK(remove_page(w, GPA(2), 1));
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
	/* Back at the host, it was written again. */
	OK(wbinvd(w, DATA(1) | KEY(0)));
	OK(sept_add(w, GPA(2), 1, DATA(1)));
	hazards_are(w, TDX_MODEL_HZ_GIVEN_DIRTY, 1);
	world_free(w);
}

/* What a TD reads is what it wrote, or nothing. */
static void test_td_reads_other_key(void **state)
{
	struct world *w = *state;
	struct guest g;
	u64 value;

	OK(aug(w, GPA(1), 1, DATA(0)));
	*entry_of(w, GPA(1), 1) = tdxm_change_state(*entry_of(w, GPA(1), 1), TDXM_S_MAPPED);
	world_run(w);
	enter(w);
	g = load(w, GPA(1), &value);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	hazards_are(w, TDX_MODEL_HZ_TD_READ_KEY, 1);
}

/* A host that overwrites a table breaks the module at its next walk. */
static void test_table_overwritten(void **state)
{
	struct world *w = *state;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	assert_int_equal(tdx_model_host_write(w->m, SPARE(0), 1), 0);
	assert_int_equal(tdx_model_hazards(w->m, TDX_MODEL_HZ_HOST_USE_PRIVATE), 1);
	FAILS(TDXM_DEAD, sept_rd(w, GPA(1), 0));
	assert_non_null(tdx_model_dead(w->m));
}

static void test_setup_errors(void **state)
{
	struct tdx_model_td_params p = {.tdr = SPARE(0), .tdcx = SPARE(1), .hkid = 50, .levels = 4};
	struct tdx_model_config config = {.hkid_shift = 45};
	struct world *w = *state;

	assert_null(tdx_model_create(&config));
	assert_int_equal(tdx_model_add_tdmr(w->m, BASE, GIB(1)), -EEXIST);
	assert_int_equal(tdx_model_add_tdmr(w->m, GIB(100), MIB(1)), -EINVAL);
	assert_int_equal(tdx_model_add_tdmr(w->m, MIB(100), GIB(1)), -EINVAL);
	assert_int_equal(tdx_model_add_tdmr(w->m, BIT_ULL(46), GIB(1)), -EINVAL);
	assert_int_equal(tdx_model_add_tdmr(w->m, GIB(100), 0), -EINVAL);
	assert_int_equal(tdx_model_tdmr_init(w->m, NO_TDMR), -ENOENT);
	p.hkid = HKID(0);
	assert_null(tdx_model_td_build(w->m, &p));
	p.hkid = 31;
	assert_null(tdx_model_td_build(w->m, &p));
	p.hkid = 50;
	p.levels = 3;
	assert_null(tdx_model_td_build(w->m, &p));
	p.levels = 4;
	p.tdcx = TDCX(0);
	assert_null(tdx_model_td_build(w->m, &p));
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->type, TDXM_PT_NDA);
	p.tdcx = SPARE(1);
	assert_non_null(tdx_model_td_build(w->m, &p));
	world_check(w);
}

/* Before it has all its pages */
static void test_td_steps(void **state)
{
	struct tdx_model_td_params p = {.levels = 4};
	struct world *w = *state;
	struct tdx_model_td *td = tdx_model_td_create(w->m, SPARE(0), 50);
	struct tdx_model_vcpu *vcpu;
	struct tdx_model_exit exit;
	int i;

	assert_non_null(td);
	assert_null(tdx_model_vcpu_create(td, SPARE(8)));
	FAILS(TDXM_TD_KEYS_NOT_CONFIGURED, seamcall(w, 38, SPARE(0), 0, 0, 0));
	assert_int_equal(tdx_model_td_key_config(td), 0);
	vcpu = tdx_model_vcpu_create(td, SPARE(8));
	assert_non_null(vcpu);
	for (i = 0; i < 6; i++) {
		FAILS(TDXM_TDCS_NOT_ALLOCATED, seamcall(w, 38, SPARE(0), 0, 0, 0));
		assert_int_equal(tdx_model_vp_enter(vcpu, &exit), TDXM_TDCS_NOT_ALLOCATED);
		assert_int_equal(tdx_model_td_init(td, &p), -EINVAL);
		assert_int_equal(tdx_model_td_addcx(td, SPARE(1 + i)), 0);
	}
	FAILS(op_state_incorrect(TDXM_OPS_UNINITIALIZED), seamcall(w, 38, SPARE(0), 0, 0, 0));
	assert_int_equal(tdx_model_vp_enter(vcpu, &exit),
			 op_state_incorrect(TDXM_OPS_UNINITIALIZED));
	assert_int_equal(tdx_model_td_init(td, &p), 0);
	OK(seamcall(w, 38, SPARE(0), 0, 0, 0));
	assert_int_equal(tdx_model_td_finalize(td), 0);
	assert_int_equal(tdx_model_td_finalize(td), -EINVAL);
	world_check(w);
}

/* Two TDs can't touch each other's pages. */
static void test_two_tds(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(seamcall(w, 3, 3, TDR(1), SPARE(0), 0));
	OK(seamcall(w, 3, GPA(0) | 2, TDR(1), SPARE(1), 0));
	FAILS(METADATA(8), seamcall(w, 6, GPA(1) | 1, TDR(1), DATA(0), 0));
	FAILS(METADATA(8), seamcall(w, 3, GPA(1) | 1, TDR(1), SPARE(1), 0));
	OK(seamcall(w, 6, GPA(1) | 1, TDR(1), DATA(1), 0));
	assert_int_equal(OK(rdmd(w, DATA(0))).r.rdx, TDR(0));
	assert_int_equal(OK(rdmd(w, DATA(1))).r.rdx, TDR(1));
	world_check(w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rdmd),
		T(test_operands),
		T(test_busy),
		T(test_wbinvd),
		T(test_reclaim),
		T(test_teardown_vcpus),
		T(test_teardown_caches),
		T(test_hazards),
		T(test_host_writes),
		T(test_td_reads_other_key),
		T(test_table_overwritten),
		T(test_setup_errors),
		T(test_td_steps),
		T(test_two_tds),
	};

	return WORLD_MAIN("tdx-model pages", tests);
}
