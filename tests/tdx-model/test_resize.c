// SPDX-License-Identifier: GPL-2.0-or-later
/* Section 5 of the rules: PROMOTE and DEMOTE. */
#include "tests/tdx-model/lib_world.h"

#define INVALID_PROMOTE (TDXM_EPT_INVALID_PROMOTE_CONDITIONS | 1)

static void promotes(struct world *w, bool mapped)
{
	u64 children, old;
	struct tdx_model_pamt pamt;
	struct result r;
	int i;

	small_pages(w, mapped);
	world_run(w);
	OK(block(w, GPA(1), 1));
	OK(track(w));
	children = tdx_model_td_chldcnt(w->td[0]);
	tdxm_pamt_at(w->m, DATA(0), 1)->bepoch = 77;
	r = OK(promote(w, GPA(1), 1));
	assert_int_equal(r.r.rcx, SPARE(0));
	assert_int_equal(r.r.rdx, 0);
	assert_int_equal(r.r.r9, 0);
	assert_state(w, GPA(1), 1, mapped ? TDXM_S_MAPPED : TDXM_S_PENDING, __FILE__, __LINE__);
	assert_int_equal(*entry_of(w, GPA(1), 1),
			 tdxm_make_entry(mapped ? TDXM_S_MAPPED : TDXM_S_PENDING, DATA(0)));
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children - 1);

	/* The large page is in use, the small ones and the table are not. */
	assert_int_equal(tdx_model_pamt(w->m, DATA(0) + KIB(4), &pamt), 0);
	assert_int_equal(pamt.size, 1);
	assert_int_equal(pamt.owner, TDR(0));
	assert_int_equal(pamt.bepoch, 77);
	for (i = 0; i < 512; i++)
		assert_int_equal(tdxm_pamt_at(w->m, DATA(0) + KIB(4) * i, 0)->type, TDXM_PT_NDA);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->type, TDXM_PT_NDA);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->owner, TDR(0));

	/* It still holds entries, locked by older modules, with the TD's key. */
	old = tdxm_page(w->m, SPARE(0))->sept[511];
	assert_int_equal(old & TDXM_HPA_MASK, DATA(0) + KIB(4) * 511);
	assert_int_equal(!!(old & TDXM_TDEL), !since_1_5_20());
	assert_true(tdx_model_page_needs_wbinvd(w->m, SPARE(0)));
	FAILS(TDXM_PAGE_METADATA_INCORRECT | 1, seamcall(w, 28, SPARE(0), 0, 0, 0));
	OK(seamcall(w, 41, SPARE(0) | (u64)HKID(0) << 46, 0, 0, 0));
	assert_false(tdx_model_page_needs_wbinvd(w->m, SPARE(0)));
	world_check(w);
}

static void test_promote_mapped(void **state)
{
	promotes(*state, true);
}

static void test_promote_pending(void **state)
{
	promotes(*state, false);
}

static void test_promote_v1(void **state)
{
	struct world *w = *state;
	struct result r;

	small_pages(w, false);
	r = OK(seamcall(w, 0x10017, GPA(1) | 1, TDR(0), 8, 9));
	assert_int_equal(r.r.r8, 8);
	assert_int_equal(r.r.r9, NULL_PA);
	assert_int_equal(r.r.r10, NULL_PA);
	assert_int_equal(r.r.r11, NULL_PA);
}

/* One child that isn't like the others, at any index */
enum deviation { IS_FREE, IS_BLOCKED, IS_OTHER_STATE, IS_OTHER_HPA, IS_TABLE, NR_DEVIATIONS };

static u64 deviate(u64 raw, enum deviation deviation, bool mapped)
{
	switch (deviation) {
	case IS_FREE:
		return tdxm_make_entry(TDXM_S_FREE, 0);
	case IS_BLOCKED:
		return tdxm_change_state(raw, mapped ? TDXM_S_BLOCKED : TDXM_S_PENDING_BLOCKED);
	case IS_OTHER_STATE:
		return tdxm_change_state(raw, mapped ? TDXM_S_PENDING : TDXM_S_MAPPED);
	case IS_OTHER_HPA:
		return raw ^ MIB(2);
	default:
		return tdxm_make_entry(TDXM_S_NL_MAPPED, raw & TDXM_HPA_MASK);
	}
}

static void deviations(struct world *w, bool mapped)
{
	enum deviation d;
	u64 *child, raw;
	int i;

	small_pages(w, mapped);
	OK(block(w, GPA(1), 1));
	for (d = 0; d < NR_DEVIATIONS; d++) {
		for (i = 0; i < 512; i++) {
			u64 before;

			/* A page of 2M away is as good as this one if all are. */
			if (d == IS_OTHER_HPA && i == 0)
				continue;
			child = &tdxm_page(w->m, SPARE(0))->sept[i];
			raw = *child;
			*child = deviate(raw, d, mapped);
			before = *child;
			FAILS_WITH(INVALID_PROMOTE, 0, RDX(1, ARCH_NL_BLOCKED),
				   promote(w, GPA(1), 1));
			assert_int_equal(*child, before);
			*child = raw;
			assert_int_equal(tdxm_page(w->m, SPARE(0))->sept[0] & TDXM_TDEL, 0);
		}
	}
	IS(GPA(1), 1, NL_BLOCKED);
	world_check(w);
	OK(promote(w, GPA(1), 1));
}

static void test_promote_deviations(void **state)
{
	deviations(*state, true);
}

static void test_promote_deviations_pending(void **state)
{
	deviations(*state, false);
}

/* Contiguous, but not where a large page could be */
static void test_promote_unaligned(void **state)
{
	struct world *w = *state;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	aug_4k(w, GPA(1), DATA(0) + KIB(4), 512);
	FAILS_WITH(INVALID_PROMOTE, RCX_TABLE, RDX(1, ARCH_NL_MAPPED), promote(w, GPA(1), 1));
	world_check(w);
}

/* The error leaves it blocked until UNBLOCK, and only that makes it work again. */
static void test_promote_fails_stays_blocked(void **state)
{
	struct world *w = *state;

	small_pages(w, false);
	OK(remove_page(w, GPA(1) + KIB(4) * 100, 0));
	world_run(w);
	OK(block(w, GPA(1), 1));
	OK(track(w));
	FAILS(INVALID_PROMOTE, promote(w, GPA(1), 1));
	FAILS_WITH(TDXM_EPT_WALK_FAILED | 1, 0, RDX(1, ARCH_NL_BLOCKED),
		   aug(w, GPA(1) + KIB(4) * 100, 0, DATA(0) + KIB(4) * 100));
	OK(unblock(w, GPA(1), 1));
	OK(aug(w, GPA(1) + KIB(4) * 100, 0, DATA(0) + KIB(4) * 100));
	OK(block(w, GPA(1), 1));
	OK(track(w));
	OK(promote(w, GPA(1), 1));
	world_check(w);
}

/* Both are interrupted at one point, with the registers as they were. */
static void test_promote_restartable(void **state)
{
	struct world *w = *state;
	struct result r;
	u64 before;

	small_pages(w, false);
	OK(block(w, GPA(1), 1));
	before = fingerprint(w);
	tdx_model_set_pending(w->m, BIT_ULL(1), true);
	r = FAILS(TDXM_INTERRUPTED_RESTARTABLE, promote(w, GPA(1), 1));
	assert_int_equal(r.r.rcx, GPA(1) | 1);
	assert_int_equal(r.r.rdx, TDR(0));
	assert_int_equal(fingerprint(w), before);
	world_check(w);
	/* An interrupt counts only if the host would take it, an NMI always. */
	tdx_model_set_pending(w->m, BIT_ULL(0), true);
	FAILS(TDXM_INTERRUPTED_RESTARTABLE, promote(w, GPA(1), 1));
	tdx_model_set_pending(w->m, BIT_ULL(2), false);
	FAILS(TDXM_INTERRUPTED_RESTARTABLE, promote(w, GPA(1), 1));
	tdx_model_set_pending(w->m, BIT_ULL(0), false);
	r.status = tdx_model_seamcall(w->m, 23, &r.r);
	OK(r);
}

static void test_demote_restartable(void **state)
{
	struct world *w = *state;
	struct result r;
	u64 before;

	OK(aug(w, GPA(1), 1, DATA(0)));
	before = fingerprint(w);
	INJECT(PAGE_DEMOTE, INTERRUPT);
	r = FAILS(TDXM_INTERRUPTED_RESTARTABLE, demote(w, GPA(1), 1, SPARE(0)));
	assert_int_equal(r.r.rcx, GPA(1) | 1);
	assert_int_equal(r.r.rdx, TDR(0));
	assert_int_equal(r.r.r8, SPARE(0));
	assert_int_equal(fingerprint(w), before);
	/* The new page isn't used, but was written with the TD's key. */
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->type, TDXM_PT_NDA);
	assert_true(tdx_model_page_needs_wbinvd(w->m, SPARE(0)));
	assert_int_equal(tdxm_page(w->m, SPARE(0))->key, HKID(0));
	world_check(w);
	r.status = tdx_model_seamcall(w->m, 15, &r.r);
	OK(r);
	world_check(w);
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
}

/* A page given up after DEMOTE failed late must be flushed and reset. */
static void test_demote_page_given_up(void **state)
{
	struct world *w = *state;
	u64 value;

	OK(aug(w, GPA(1), 1, DATA(0)));
	INJECT(PAGE_DEMOTE, RESIZE);
	FAILS_WITH(TDXM_OPERAND_BUSY | 1, 0, 0, demote(w, GPA(1), 1, SPARE(0)));
	assert_int_equal(tdx_model_host_read(w->m, SPARE(0), &value), 0);
	assert_int_equal(tdx_model_hazards(w->m, TDX_MODEL_HZ_HOST_USE_DIRTY), 1);
	assert_int_equal(tdx_model_hazards(w->m, TDX_MODEL_HZ_HOST_READ_KEY), 1);
	assert_int_equal(tdx_model_hazard_hpa(w->m), SPARE(0));
	OK(seamcall(w, 41, SPARE(0) | (u64)HKID(0) << 46, 0, 0, 0));
	assert_int_equal(tdx_model_host_reset(w->m, SPARE(0), KIB(4)), 0);
	assert_int_equal(tdx_model_host_read(w->m, SPARE(0), &value), 0);
	assert_int_equal(tdx_model_host_free(w->m, SPARE(0), KIB(4)), 0);
	assert_int_equal(tdx_model_hazards_total(w->m), 2);
}

/* A vCPU with something in its zero-step list, so that it needs the tree to enter */
static void list_something(struct world *w)
{
	struct guest g;
	u64 value;
	int i;

	for (i = 0; i < 7; i++) {
		enter(w);
		g = load(w, GPA(9), &value);
		assert_int_equal(g.result, TDX_MODEL_GUEST_EXIT);
	}
	assert_int_equal(tdx_model_vcpu_zero_step(w->vcpu[0][0]), 1);
	OK(aug(w, GPA(9), 1, DATA(9)));
	*entry_of(w, GPA(9), 1) = tdxm_change_state(*entry_of(w, GPA(9), 1), TDXM_S_MAPPED);
}

struct entering {
	struct world *w;
	u64 status;
	int nr;
};

static void try_to_enter(void *ctx)
{
	struct entering *e = ctx;
	struct tdx_model_exit exit;

	e->nr++;
	e->status = tdx_model_vp_enter(e->w->vcpu[0][0], &exit);
	if (!e->status)
		leave(e->w);
}

/* Newer modules let a host that needs the tree have it: PROMOTE gives up. */
static void test_promote_contended(void **state)
{
	struct world *w = *state;
	struct entering e = {.w = w};
	struct result r;

	small_pages(w, true);
	world_run(w);
	list_something(w);
	OK(block(w, GPA(1), 1));
	OK(track(w));
	tdx_model_set_meanwhile(w->m, try_to_enter, &e);
	if (!since_1_5_20()) {
		/* PROMOTE has the tree shared, and VP.ENTER wants it alone. */
		OK(promote(w, GPA(1), 1));
		assert_int_equal(e.status, 0x8000020000000092);
		return;
	}
	r = FAILS(0x8000020600000000, promote(w, GPA(1), 1));
	assert_int_equal(e.status, 0x8000020000000092);
	assert_int_equal(r.r.rcx, GPA(1) | 1);
	assert_int_equal(r.r.rdx, TDR(0));
	IS(GPA(1), 1, NL_BLOCKED);
	world_check(w);
	/* As long as somebody enters meanwhile, it doesn't get any further. */
	FAILS(0x8000020600000000, promote(w, GPA(1), 1));
	tdx_model_set_meanwhile(w->m, NULL, NULL);
	OK(promote(w, GPA(1), 1));
	assert_int_equal(e.nr, 2);
	world_check(w);
}

/* DEMOTE shares the tree with those that enter, but not with BLOCK. */
static void try_to_block(void *ctx)
{
	struct entering *e = ctx;

	e->nr++;
	e->status = block(e->w, GPA(9), 1).status;
}

static void test_demote_contended(void **state)
{
	struct world *w = *state;
	struct entering e = {.w = w};
	struct result r;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	list_something(w);
	OK(block(w, GPA(1), 1));
	OK(track(w));
	tdx_model_set_meanwhile(w->m, try_to_block, &e);
	r = FAILS(since_1_5_20() ? 0x8000020600000000 : 0, demote(w, GPA(1), 1, SPARE(0)));
	assert_int_equal(e.status, 0x8000020000000092);
	if (since_1_5_20()) {
		assert_int_equal(r.r.rcx, GPA(1) | 1);
		assert_true(tdx_model_page_needs_wbinvd(w->m, SPARE(0)));
		tdx_model_set_meanwhile(w->m, try_to_enter, &e);
		OK(demote(w, GPA(1), 1, SPARE(0)));
		assert_int_equal(e.status, 0);
	}
	world_check(w);
}

/* A TD lives on when the module is updated. */
static void test_update(void **state)
{
	struct world *w = *state;
	struct tdx_model_hold *hold;
	int i;

	small_pages(w, true);
	world_run(w);
	for (i = 0; i < 3; i++) {
		tdx_model_update(w->m, i % TDX_MODEL_NR_RULES);
		OK(block(w, GPA(1), 1));
		OK(track(w));
		hold = tdx_model_hold_td(w->td[0], TDX_MODEL_AT_TREE, false);
		FAILS(i == 1 ? 0x8000020000000092 : 0, promote(w, GPA(1), 1));
		tdx_model_release(w->m, hold);
		if (i == 1)
			OK(promote(w, GPA(1), 1));
		OK(block(w, GPA(1), 1));
		OK(track(w));
		OK(demote(w, GPA(1), 1, SPARE(1 + i)));
		world_check(w);
	}
}

static void demotes(enum tdxm_state before, enum tdxm_state after)
{
	struct world *w = world_new(4, false);
	struct result r;
	u64 children;
	int i;

	make_state(w, GPA(1), 1, before, DATA(0));
	children = tdx_model_td_chldcnt(w->td[0]);
	tdxm_pamt_at(w->m, SPARE(0), 0)->bepoch = 5;
	r = OK(seamcall(w, 15, GPA(1) | 1, TDR(0) | 1, SPARE(0), 99));
	assert_int_equal(r.r.rcx, 0);
	assert_int_equal(r.r.rdx, 0);
	assert_int_equal(r.r.r8, SPARE(0));
	assert_int_equal(r.r.r9, 99);
	IS(GPA(1), 1, NL_MAPPED);
	for (i = 0; i < 512; i++) {
		assert_int_equal(*entry_of(w, GPA(1) + KIB(4) * i, 0),
				 tdxm_make_entry(after, DATA(0) + KIB(4) * i));
		assert_int_equal(tdxm_pamt_at(w->m, DATA(0) + KIB(4) * i, 0)->type, TDXM_PT_REG);
		assert_int_equal(tdxm_pamt_at(w->m, DATA(0) + KIB(4) * i, 0)->owner, TDR(0));
		assert_int_equal(tdxm_pamt_at(w->m, DATA(0) + KIB(4) * i, 0)->bepoch, 0);
	}
	assert_int_equal(tdxm_pamt_at(w->m, DATA(0), 1)->type, TDXM_PT_NDA);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->type, TDXM_PT_EPT);
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->owner, TDR(0));
	/* BEPOCH of the new table isn't touched. */
	assert_int_equal(tdxm_pamt_at(w->m, SPARE(0), 0)->bepoch, 5);
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children + 1);
	world_check(w);
	world_free(w);
}

static void test_demote_states(void **state)
{
	(void)state;
	demotes(TDXM_S_MAPPED, TDXM_S_MAPPED);
	demotes(TDXM_S_BLOCKED, TDXM_S_MAPPED);
	demotes(TDXM_S_PENDING, TDXM_S_PENDING);
	demotes(TDXM_S_PENDING_BLOCKED, TDXM_S_PENDING);
}

/* The page for the table may not be part of the page that is split. */
static void test_demote_own_page(void **state)
{
	struct world *w = *state;

	OK(aug(w, GPA(1), 1, DATA(0)));
	FAILS(TDXM_PAGE_METADATA_INCORRECT | 8, demote(w, GPA(1), 1, DATA(0)));
	FAILS(TDXM_PAGE_METADATA_INCORRECT | 8, demote(w, GPA(1), 1, DATA(0) + KIB(4)));
	world_check(w);
}

static void test_demote_levels(void **state)
{
	struct world *w = *state;

	small_pages(w, false);
	FAILS_WITH(TDXM_EPT_ENTRY_STATE_INCORRECT | 1, RCX_TABLE, RDX(1, ARCH_NL_MAPPED),
		   demote(w, GPA(1), 1, SPARE(1)));
	FAILS_WITH(TDXM_EPT_ENTRY_STATE_INCORRECT | 1, RCX_TABLE, RDX(2, ARCH_NL_MAPPED),
		   demote(w, GPA(0), 2, SPARE(1)));
	FAILS(TDXM_OPERAND_INVALID | 1, demote(w, GPA(1), 0, SPARE(1)));
}

/* There and back, with data, in 2M and in 1G */
static void test_round_trip(void **state)
{
	struct world *w = *state;
	u64 value, entries[512];
	struct guest g;
	int i;

	OK(aug(w, GPA(1), 1, DATA(0)));
	world_run(w);
	accepted(w, GPA(1), 1);
	enter(w);
	for (i = 0; i < 512; i++) {
		g = store(w, GPA(1) + KIB(4) * i, 1000 + i);
		assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	}
	leave(w);

	OK(block(w, GPA(1), 1));
	OK(track(w));
	OK(demote(w, GPA(1), 1, SPARE(0)));
	memcpy(entries, tdxm_page(w->m, SPARE(0))->sept, sizeof(entries));
	OK(block(w, GPA(1), 1));
	OK(track(w));
	OK(promote(w, GPA(1), 1));
	OK(block(w, GPA(1), 1));
	OK(track(w));
	OK(demote(w, GPA(1), 1, SPARE(1)));
	assert_memory_equal(tdxm_page(w->m, SPARE(1))->sept, entries, sizeof(entries));

	enter(w);
	for (i = 0; i < 512; i++) {
		g = load(w, GPA(1) + KIB(4) * i, &value);
		assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
		assert_int_equal(value, 1000 + i);
	}
	leave(w);
	world_check(w);
	assert_int_equal(tdx_model_hazards_total(w->m), 0);
}

static void test_1g(void **state)
{
	struct world *w = *state;
	struct tdx_model_pamt pamt;
	struct result r;
	u64 children, table = tdxm_entry_hpa(*entry_of(w, GPA(0), 2), 2);
	int i;

	for (i = 0; i < 512; i++)
		OK(aug(w, GPA(i), 1, BLOCK(1) + MIB(2) * i));
	/* A counter in an entry doesn't make it another one. */
	*entry_of(w, GPA(7), 1) |= 7 << 12;
	children = tdx_model_td_chldcnt(w->td[0]);
	r = OK(promote(w, GPA(0), 2));
	assert_int_equal(r.r.rcx, table);
	assert_int_equal(*entry_of(w, GPA(0), 2), tdxm_make_entry(TDXM_S_PENDING, BLOCK(1)));
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children - 1);
	assert_int_equal(tdx_model_pamt(w->m, BLOCK(1) + MIB(500) + KIB(4), &pamt), 0);
	assert_int_equal(pamt.size, 2);
	world_check(w);

	/* A page of 2M below a large one of 1G */
	FAILS_WITH(TDXM_EPT_WALK_FAILED | 1, RCX_LEAF(BLOCK(1)), RDX(2, ARCH_PENDING),
		   demote(w, GPA(3), 1, SPARE(0)));
	world_run(w);
	OK(block(w, GPA(0), 2));
	OK(track(w));
	r = OK(demote(w, GPA(0), 2, SPARE(0)));
	for (i = 0; i < 512; i++)
		assert_int_equal(*entry_of(w, GPA(i), 1),
				 tdxm_make_entry(TDXM_S_PENDING, BLOCK(1) + MIB(2) * i));
	world_check(w);

	OK(block(w, GPA(0), 2));
	OK(track(w));
	OK(promote(w, GPA(0), 2));
	OK(block(w, GPA(0), 2));
	OK(track(w));
	children = tdx_model_td_chldcnt(w->td[0]);
	r = OK(remove_page(w, GPA(0), 2));
	assert_int_equal(r.r.rcx, BLOCK(1));
	assert_int_equal(tdx_model_td_chldcnt(w->td[0]), children - (1 << 18));
	world_check(w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_promote_mapped),
		T(test_promote_pending),
		T(test_promote_v1),
		T(test_promote_deviations),
		T(test_promote_deviations_pending),
		T(test_promote_unaligned),
		T(test_promote_fails_stays_blocked),
		T(test_promote_restartable),
		T(test_demote_restartable),
		T(test_promote_contended),
		T(test_demote_contended),
		T(test_update),
		T(test_demote_page_given_up),
		cmocka_unit_test(test_demote_states),
		T(test_demote_own_page),
		T(test_demote_levels),
		T(test_round_trip),
		T(test_1g),
	};

	return WORLD_MAIN("tdx-model resize", tests);
}
