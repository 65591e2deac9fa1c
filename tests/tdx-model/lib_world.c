// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/tdx-model/lib_world.h"

/* cmocka has no argument for a group of tests. */
static enum tdx_model_rules world_rules;

void world_set_rules(enum tdx_model_rules rules)
{
	world_rules = rules;
}

bool since_1_5_20(void)
{
	return world_rules == TDX_MODEL_RULES_1_5_20;
}

u64 op_state_incorrect(u8 op_state)
{
	return TDXM_OP_STATE_INCORRECT | (since_1_5_20() ? op_state : 0);
}

int world_main(const char *name, const struct CMUnitTest *tests, size_t nr)
{
	static const char *const releases[] = {"1.5.05", "1.5.20"};
	char group[80];
	int i, failed = 0;

	for (i = 0; i < TDX_MODEL_NR_RULES; i++) {
		world_set_rules(i);
		snprintf(group, sizeof(group), "%s, rules of %s", name, releases[i]);
		failed += _cmocka_run_group_tests(group, tests, nr, NULL, NULL);
	}
	return failed;
}

static struct world *world_of(const struct tdx_model_config *config, int levels, bool gpaw)
{
	struct world *w = calloc(1, sizeof(*w));
	int i, j, level;
	u64 table = 0;

	w->m = tdx_model_create(config);
	assert_non_null(w->m);
	assert_int_equal(tdx_model_add_tdmr(w->m, BASE, GIB(4)), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(tdx_model_tdmr_init(w->m, BLOCK(i)), 0);
	for (i = 0; i < 2; i++) {
		struct tdx_model_td_params params = {.tdr = TDR(i),
						     .tdcx = TDCX(i),
						     .hkid = HKID(i),
						     .levels = levels,
						     .gpaw = gpaw,
						     .sept_ve_disable = true};

		w->td[i] = tdx_model_td_build(w->m, &params);
		assert_non_null(w->td[i]);
		for (j = 0; j < 2; j++) {
			w->vcpu[i][j] = tdx_model_vcpu_create(w->td[i], TDVPR(i, j));
			assert_non_null(w->vcpu[i][j]);
		}
	}
	for (level = levels - 1; level > 1; level--)
		OK(sept_add(w, 0, level, table = world_table(w)));
	/* The one at level 2 is for GPA(0), not 0. */
	OK(sept_remove(w, 0, 2));
	OK(wbinvd(w, table | KEY(0)));
	OK(sept_add(w, GPA(0), 2, world_table(w)));
	return w;
}

struct world *world_new(int levels, bool gpaw)
{
	return world_of(&(struct tdx_model_config){.rules = world_rules}, levels, gpaw);
}

struct world *world_host_writes(void)
{
	return world_of(&(struct tdx_model_config){.rules = world_rules, .host_writes = true}, 4,
			false);
}

void world_free(struct world *w)
{
	tdx_model_destroy(w->m);
	free(w);
}

int world_setup(void **state)
{
	*state = world_new(4, false);
	return 0;
}

int world_teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void show(void *ctx, const char *line)
{
	(void)ctx;
	print_message("# %s\n", line);
}

void world_check(struct world *w)
{
	struct tdx_model_out out = {show, NULL};

	assert_int_equal(tdx_model_check(w->m, &out), 0);
}

u64 world_table(struct world *w)
{
	return TABLES + KIB(4) * w->nr_tables++;
}

void world_run(struct world *w)
{
	assert_int_equal(tdx_model_td_finalize(w->td[0]), 0);
}

struct result seamcall(struct world *w, u64 rax, u64 rcx, u64 rdx, u64 r8, u64 r9)
{
	struct result result = {.r = {.rcx = rcx,
				      .rdx = rdx,
				      .r8 = r8,
				      .r9 = r9,
				      .r10 = NULL_PA,
				      .r11 = NULL_PA,
				      .r12 = 12,
				      .r15 = 15}};

	result.status = tdx_model_seamcall(w->m, rax, &result.r);
	assert_int_equal(result.r.r12, 12);
	assert_int_equal(result.r.r15, 15);
	return result;
}

struct result add(struct world *w, u64 gpa, u64 hpa, u64 source)
{
	return seamcall(w, 2, gpa, TDR(0), hpa, source);
}

struct result sept_add(struct world *w, u64 gpa, int level, u64 hpa)
{
	return seamcall(w, 3, (gpa & ~(TDXM_SIZE(level) - 1)) | level, TDR(0), hpa, 0);
}

struct result aug(struct world *w, u64 gpa, int level, u64 hpa)
{
	return seamcall(w, 6, gpa | level, TDR(0), hpa, 0);
}

struct result block(struct world *w, u64 gpa, int level)
{
	return seamcall(w, 7, gpa | level, TDR(0), 0, 0);
}

struct result unblock(struct world *w, u64 gpa, int level)
{
	return seamcall(w, 39, gpa | level, TDR(0), 0, 0);
}

struct result remove_page(struct world *w, u64 gpa, int level)
{
	return seamcall(w, 29, gpa | level, TDR(0), 0, 0);
}

struct result sept_remove(struct world *w, u64 gpa, int level)
{
	return seamcall(w, 30, gpa | level, TDR(0), 0, 0);
}

struct result promote(struct world *w, u64 gpa, int level)
{
	return seamcall(w, 23, gpa | level, TDR(0), 0, 0);
}

struct result demote(struct world *w, u64 gpa, int level, u64 hpa)
{
	return seamcall(w, 15, gpa | level, TDR(0), hpa, NULL_PA);
}

struct result sept_rd(struct world *w, u64 gpa, int level)
{
	return seamcall(w, 25, gpa | level, TDR(0), 0, 0);
}

struct result track(struct world *w)
{
	return seamcall(w, 38, TDR(0), 0, 0, 0);
}

struct result wbinvd(struct world *w, u64 hpa)
{
	return seamcall(w, 41, hpa, 1, 2, 3);
}

struct result assert_status(struct result result, u64 status, const char *file, int line)
{
	if (result.status != status) {
		const char *name = tdx_model_status_name(result.status);

		print_error("status %#llx (%s), wanted %#llx\n", result.status, name ? name : "?",
			    status);
		_fail(file, line);
	}
	return result;
}

void assert_details(struct result result, u64 status, u64 rcx, u64 rdx, const char *file, int line)
{
	assert_status(result, status, file, line);
	_assert_int_equal(result.r.rcx, rcx, file, line);
	_assert_int_equal(result.r.rdx, rdx, file, line);
}

void assert_state(struct world *w, u64 gpa, int level, enum tdxm_state state, const char *file,
		  int line)
{
	enum tdxm_state is;

	_assert_int_equal(tdx_model_sept(w->td[0], gpa, level, NULL, &is), level, file, line);
	if (is != state)
		print_error("%s, wanted %s\n", tdx_model_state_name(is),
			    tdx_model_state_name(state));
	_assert_int_equal(is, state, file, line);
}

/* ---- the guest ---- */

void enter(struct world *w)
{
	struct tdx_model_exit exit;

	assert_int_equal(tdx_model_vp_enter(w->vcpu[0][0], &exit), TDXM_SUCCESS);
}

void leave(struct world *w)
{
	struct tdx_model_exit exit;

	assert_int_equal(tdx_model_vp_exit(w->vcpu[0][0], &exit), 0);
	assert_int_equal(exit.rax, 1);
}

static struct guest tdcall(struct world *w, u64 leaf, u64 rcx)
{
	struct guest g = {.rax = leaf, .r = {.rcx = rcx}};

	g.result = tdx_model_tdcall(w->vcpu[0][0], &g.rax, &g.r, &g.exit);
	return g;
}

struct guest accept(struct world *w, u64 gpa, int level)
{
	return tdcall(w, TDXM_TDG_MEM_PAGE_ACCEPT, gpa | level);
}

struct guest attr_wr(struct world *w, u64 gpa, int level)
{
	return tdcall(w, TDXM_TDG_MEM_PAGE_ATTR_WR, gpa | level);
}

void accepted(struct world *w, u64 gpa, int level)
{
	struct guest g;

	enter(w);
	g = accept(w, gpa, level);
	assert_int_equal(g.result, TDX_MODEL_GUEST_OK);
	assert_int_equal(g.rax, TDXM_SUCCESS);
	leave(w);
}

struct guest load(struct world *w, u64 gpa, u64 *value)
{
	struct guest g = {};

	g.result = tdx_model_guest_access(w->vcpu[0][0], gpa, false, value, &g.exit);
	return g;
}

struct guest store(struct world *w, u64 gpa, u64 value)
{
	struct guest g = {};

	g.result = tdx_model_guest_access(w->vcpu[0][0], gpa, true, &value, &g.exit);
	return g;
}

/* ---- states ---- */

void aug_4k(struct world *w, u64 gpa, u64 hpa, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		OK(aug(w, gpa + KIB(4) * i, 0, hpa + KIB(4) * i));
}

u64 *entry_of(struct world *w, u64 gpa, int level)
{
	u64 *entry;

	assert_int_equal(tdxm_walk(w->td[0], gpa, level, &entry), level);
	return entry;
}

static void pretend_accept(struct world *w, u64 gpa, int level)
{
	u64 *entry = entry_of(w, gpa, level), hpa = *entry & TDXM_HPA_MASK;
	u64 i;

	*entry = tdxm_change_state(*entry, TDXM_S_MAPPED);
	for (i = 0; i < TDXM_SIZE(level); i += KIB(4))
		tdxm_page_write(w->td[0], tdxm_page(w->m, hpa + i), 0);
}

void make_state(struct world *w, u64 gpa, int level, enum tdxm_state state, u64 hpa)
{
	if (level == 0 && tdx_model_sept(w->td[0], gpa, 1, NULL, NULL) == 1 &&
	    (*entry_of(w, gpa, 1) & 7) == 0)
		OK(sept_add(w, gpa, 1, world_table(w)));
	switch (state) {
	case TDXM_S_NL_MAPPED:
	case TDXM_S_NL_BLOCKED:
		OK(sept_add(w, gpa, level, hpa));
		if (state == TDXM_S_NL_BLOCKED)
			OK(block(w, gpa, level));
		break;
	case TDXM_S_FREE:
		break;
	default:
		OK(aug(w, gpa, level, hpa));
		if (state == TDXM_S_MAPPED || state == TDXM_S_BLOCKED)
			pretend_accept(w, gpa, level);
		if (state == TDXM_S_BLOCKED || state == TDXM_S_PENDING_BLOCKED)
			OK(block(w, gpa, level));
		break;
	}
	assert_state(w, gpa, level, state, __FILE__, __LINE__);
}

/* ---- what may not change ---- */

static u64 mix(u64 hash, u64 value)
{
	hash ^= value;
	hash *= 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* The order doesn't matter, and what was never used counts nothing. */
static u64 pamt_print(u64 hpa, int size, const struct tdxm_pamt *pamt)
{
	if (!pamt->type && !pamt->owner && !pamt->bepoch)
		return 0;
	return mix(mix(mix(hpa | size, pamt->type), pamt->owner), pamt->bepoch);
}

/* Tables are pages, and their entries count only while the page is a table of a TD. */
static u64 page_print(u64 hpa, const struct tdxm_page *page)
{
	u64 hash = pamt_print(hpa, 0, &page->pamt);
	int i;

	if (page->pamt.type == TDXM_PT_REG)
		hash = mix(hash, page->value);
	for (i = 0; page->pamt.type == TDXM_PT_EPT && i < 512; i++)
		hash = mix(hash, page->sept[i] & ~TDXM_TDHP);
	return hash;
}

u64 fingerprint(struct world *w)
{
	struct tdxm_block *b;
	u64 hash = 1;
	int i, j;

	for (b = w->m->blocks; b; b = b->next) {
		hash += pamt_print(b->base, 2, &b->pamt);
		for (i = 0; i < 512; i++) {
			if (!b->region[i])
				continue;
			hash += pamt_print(b->base + MIB(2) * i, 1, &b->region[i]->pamt);
			for (j = 0; j < 512; j++)
				hash += page_print(b->base + MIB(2) * i + KIB(4) * j,
						   &b->region[i]->page[j]);
		}
	}
	for (i = 0; i < 2; i++) {
		if (!w->td[i])
			continue;
		hash = mix(hash, w->td[i]->chldcnt);
		hash = mix(hash, w->td[i]->epoch);
		hash = mix(hash, w->td[i]->refcount[0] | w->td[i]->refcount[1] << 16);
		for (j = 0; j < 512; j++)
			hash = mix(hash, w->td[i]->root[j] & ~TDXM_TDHP);
	}
	return hash;
}

void small_pages(struct world *w, bool mapped)
{
	int i;

	OK(sept_add(w, GPA(1), 1, SPARE(0)));
	aug_4k(w, GPA(1), DATA(0), 512);
	for (i = 0; mapped && i < 512; i++) {
		u64 *entry = entry_of(w, GPA(1) + KIB(4) * i, 0);

		*entry = tdxm_change_state(*entry, TDXM_S_MAPPED);
	}
}

struct world *pending_world(void)
{
	struct world *w = world_new(4, false);

	OK(aug(w, GPA(1), 1, DATA(0)));
	OK(sept_add(w, GPA(2), 1, SPARE(0)));
	aug_4k(w, GPA(2), DATA(1), 512);
	world_run(w);
	return w;
}
