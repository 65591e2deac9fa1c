// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs operations on the model and the reference. */
#include "tests/tdx-model/lib_rules.h"

/* The host takes pages back, as it should: flushed and reset. */
static void take_back(struct ref *ref, const struct ref_td *td, u64 hpa, u64 size)
{
	u64 key = (u64)HKID(td - ref->td) << 46, at;

	for (at = hpa; at < hpa + size; at += KIB(4)) {
		if (tdx_model_page_needs_wbinvd(ref->w->m, at)) {
			struct tdx_model_regs regs = {.rcx = at | key};

			tdx_model_seamcall(ref->w->m, 41, &regs);
		}
	}
	tdx_model_host_reset(ref->w->m, hpa, size);
}

static bool compare(struct ref *ref, const struct result *r, const struct expect *x)
{
	if (r->status == x->status && r->r.rcx == x->rcx && r->r.rdx == x->rdx)
		return true;
	snprintf(ref->error, sizeof(ref->error),
		 "returned %llx (%s), RCX %llx, RDX %llx; must be %llx, RCX %llx, RDX %llx",
		 r->status, tdx_model_status_name(r->status), r->r.rcx, r->r.rdx, x->status, x->rcx,
		 x->rdx);
	return false;
}

static bool run_rdmd(struct ref *ref, u64 hpa)
{
	struct result r = seamcall(ref->w, 24, hpa, 0, 0, 0);
	bool large = ref_is_data(hpa) && ref->block_use[ref_data_index(hpa) / 512] == LARGE_PAGE;
	u8 use = *ref_use_of(ref, hpa);
	u64 type = large || use == DATA_PAGE ? TDXM_PT_REG :
					       (use == TABLE_PAGE ? TDXM_PT_EPT : TDXM_PT_NDA);

	ref->calls++;
	if (!r.status && r.r.rcx == type && r.r.r8 == large)
		return true;
	snprintf(ref->error, sizeof(ref->error),
		 "page %llx: %llx, type %llu, size %llu; must be %llu", hpa, r.status, r.r.rcx,
		 r.r.r8, type);
	return false;
}

static u64 random_data(const struct op *op)
{
	return HPA_OF(op->hpa % (NR_BLOCKS * 512) & (op->level ? ~511 : ~0));
}

/* Mostly a page of its own for tables, sometimes one that isn't */
static u64 random_table(const struct op *op)
{
	return op->flags < 4 ? HPA_OF(op->hpa % (NR_BLOCKS * 512)) : SPARE(op->hpa % NR_SPARES);
}

static void release(struct ref *ref, int i)
{
	struct ref_hold *h = &ref->hold[i];

	if (!h->hold)
		return;
	tdx_model_release(ref->w->m, h->hold);
	if (h->entry)
		h->entry->locked = false;
	if (h->lock)
		*h->lock = 0;
	*h = (struct ref_hold){.page = -1};
}

/*
 * SEPT.REMOVE, and PROMOTE of newer modules, don't care if an entry of the table is locked; nobody could hold it then.
 */
static void release_children(struct ref *ref, const struct place *p)
{
	struct ref_entry *e;
	int i, j;

	for (i = 0; i < NR_HOLDS; i++) {
		e = ref->hold[i].entry;
		for (j = 0; p->level == 1 && e && j < 512; j++) {
			if (e == &p->td->page[p->region * 512 + j].e) {
				release(ref, i);
				break;
			}
		}
	}
}

/* A leaf with everything that it takes, and what is to come of it. */
struct call {
	u16 number;
	u64 r9;
	struct expect expect;
};

static struct call expect_leaf(struct ref *ref, enum op_kind kind, struct place *p, u64 hpa,
			       u64 flag)
{
	struct expect x;

	switch (kind) {
	case OP_AUG:
		return (struct call){6, NULL_PA, ref_expect_aug(ref, p, hpa)};
	case OP_ADD:
		return (struct call){2, SPARE(100), ref_expect_add(ref, p, hpa, 4711)};
	case OP_SEPT_ADD:
		return (struct call){3, NULL_PA, ref_expect_sept_add(ref, p, hpa, flag)};
	case OP_BLOCK:
		return (struct call){7, NULL_PA, ref_expect_block(p)};
	case OP_UNBLOCK:
		return (struct call){39, NULL_PA, ref_expect_unblock(p)};
	case OP_REMOVE:
		return (struct call){29, NULL_PA, ref_expect_remove(ref, p)};
	case OP_SEPT_REMOVE:
		return (struct call){30, NULL_PA, ref_expect_sept_remove(ref, p)};
	case OP_PROMOTE:
		return (struct call){23, NULL_PA, ref_expect_promote(ref, p)};
	case OP_DEMOTE:
		return (struct call){15, NULL_PA, ref_expect_demote(ref, p, hpa, flag)};
	default: /* SEPT.RD */
		if (ref_common(p, false, &x))
			x = ref_with_details(p, 0);
		return (struct call){25, NULL_PA, x};
	}
}

static bool run_leaf(struct ref *ref, const struct op *op, enum op_kind kind, int level, int page,
		     u64 hpa)
{
	struct call call;
	struct place p;
	struct result r;
	u64 flag = op->flags & 1 && (kind == OP_SEPT_ADD || kind == OP_DEMOTE);

	if (level == 1)
		page &= ~511;
	if (level == 2)
		page = 0;
	p = ref_place_at(&ref->td[op->td], level, page);
	if (kind == OP_SEPT_REMOVE || (kind == OP_PROMOTE && since_1_5_20()))
		release_children(ref, &p);
	if (op->flags >= 0xf0 && op->value % 16 < TDX_MODEL_NR_POINTS)
		p.td->inject = op->value % 16;
	call = expect_leaf(ref, kind, &p, hpa, flag);
	if (p.td->inject >= 0)
		tdx_model_inject(ref->w->m,
				 &(struct tdx_model_injection){TDXM_L_ANY, p.td->inject, 0, 1});
	r = seamcall(ref->w, call.number, GPA_OF(page) | level, TDR(op->td) | flag, hpa, call.r9);
	tdx_model_clear_injections(ref->w->m);
	p.td->inject = -1;
	ref->calls++;
	if (r.status == 0)
		ref->worked[kind]++;
	if (!compare(ref, &r, &call.expect))
		return false;
	if (!r.status && (kind == OP_REMOVE || kind == OP_SEPT_REMOVE || kind == OP_PROMOTE))
		take_back(ref, p.td, r.r.rcx, kind == OP_REMOVE ? TDXM_SIZE(level) : KIB(4));
	/* The page that DEMOTE wrote but didn't use is the host's again. */
	if (r.status && kind == OP_DEMOTE && *ref_use_of(ref, hpa) == FREE_PAGE &&
	    !(ref_is_data(hpa) && ref->block_use[ref_data_index(hpa) / 512]))
		take_back(ref, p.td, hpa, KIB(4));
	return true;
}

static bool run_track(struct ref *ref, const struct op *op)
{
	struct expect x = ref_expect_track(ref, &ref->td[op->td]);
	struct result r = seamcall(ref->w, 38, TDR(op->td), 0, 0, 0);

	ref->calls++;
	if (!r.status)
		ref->worked[OP_TRACK]++;
	return compare(ref, &r, &x);
}

/* ---- others ---- */

static bool run_hold_entry(struct ref *ref, const struct op *op, int page, struct ref_hold *h)
{
	int level = op->level, at = level == 1 ? page & ~511 : page;
	struct place p = ref_place_at(&ref->td[op->td], level, at), end;

	h->hold = tdx_model_hold_entry(ref->w->td[op->td], GPA_OF(at), level);
	if (!!h->hold != (ref_reachable(&p, &end) && !p.e->locked)) {
		snprintf(ref->error, sizeof(ref->error), "entry can%s be held",
			 h->hold ? "" : "not");
		return false;
	}
	if (h->hold) {
		h->entry = p.e;
		p.e->locked = true;
	}
	return true;
}

static void run_hold_td(struct ref *ref, const struct op *op, struct ref_hold *h)
{
	struct ref_td *td = &ref->td[op->td];
	static const enum tdx_model_point points[] = {TDX_MODEL_AT_TDR, TDX_MODEL_AT_OP_STATE,
						      TDX_MODEL_AT_TREE, TDX_MODEL_AT_EPOCH};
	u8 *locks[] = {&td->tdr, &td->op_state, &td->tree, &td->epoch_lock};
	bool exclusive = op->flags & 1;
	int i = op->flags >> 1 & 3;

	if (*locks[i])
		return;
	h->hold = tdx_model_hold_td(ref->w->td[op->td], points[i], exclusive);
	if (h->hold) {
		h->lock = locks[i];
		*h->lock = 1 + exclusive;
	}
}

static bool run_hold(struct ref *ref, const struct op *op, int page)
{
	struct ref_hold *h = &ref->hold[op->value % NR_HOLDS];
	int data = op->hpa % (NR_BLOCKS * 512);

	if (h->hold)
		return true;
	switch (op->kind) {
	case OP_HOLD_ENTRY:
		return run_hold_entry(ref, op, page, h);
	case OP_HOLD_TD:
		run_hold_td(ref, op, h);
		return true;
	default:
		h->hold = tdx_model_hold_pamt(ref->w->m, HPA_OF(data), 0, false);
		h->page = h->hold ? data : -1;
		return true;
	}
}

/* ---- what a host does in one go ---- */

static bool run_many(struct ref *ref, const struct op *op, int page)
{
	int i, region = page & ~511, block = (op->hpa % NR_BLOCKS) * 512;
	struct op sub = *op;

	for (i = 0; i < 512; i++) {
		if (op->kind == OP_ACCEPT_ALL && !ref_run_accept(ref, &sub, 0, region + i))
			return false;
		if (op->kind == OP_FILL &&
		    !run_leaf(ref, &sub, OP_AUG, 0, region + i, HPA_OF(block + i)))
			return false;
	}
	return true;
}

/* Block, track, make vCPUs leave, then split, merge or remove. */
static bool run_change(struct ref *ref, const struct op *op, int page)
{
	enum op_kind kind = op->kind == OP_SPLIT ? OP_DEMOTE : OP_PROMOTE;
	int level = op->kind == OP_DROP ? op->level & 1 : 1;
	struct op sub = *op;
	int i;

	if (op->kind == OP_DROP)
		kind = OP_REMOVE;
	if (!run_leaf(ref, op, OP_BLOCK, level, page, 0) || !run_track(ref, op))
		return false;
	for (i = 0; i < 2; i++) {
		sub.vcpu = i;
		if (!ref_run_exit(ref, &sub))
			return false;
	}
	return run_leaf(ref, op, kind, level, page, random_table(op));
}

/* A guest that touches a page, and a host that does what that needs */
static bool run_use(struct ref *ref, const struct op *op, int page)
{
	int level = op->level & 1, region = page & ~511;
	u64 hpa = random_data(op);
	struct op sub = *op;

	if (!run_leaf(ref, op, OP_UNBLOCK, 2, 0, 0) || !run_leaf(ref, op, OP_UNBLOCK, 1, page, 0) ||
	    !run_leaf(ref, op, OP_AUG, level, page, hpa) || !ref_run_enter(ref, op) ||
	    !ref_run_accept(ref, op, level, page) || !ref_run_enter(ref, op))
		return false;
	sub.kind = OP_STORE;
	if (!ref_run_access(ref, &sub, page, true))
		return false;
	sub.kind = OP_LOAD;
	return ref_run_access(ref, &sub, op->flags & 4 ? page : region + op->value % 512, false);
}

bool ref_run(struct ref *ref, const struct op *op)
{
	int page = op->page % (NR_REGIONS * 512), level = op->level;

	ref->tried[op->kind]++;
	if (op->kind >= OP_ACCEPT && op->kind <= OP_STORE && op->flags & 3 &&
	    !ref->td[op->td].vcpu[op->vcpu].inside && !ref_run_enter(ref, op))
		return false;
	switch (op->kind) {
	case OP_AUG:
		return run_leaf(ref, op, op->kind, level & 1, page, random_data(op));
	case OP_ADD:
		return run_leaf(ref, op, op->kind, 0, page, random_data(op));
	case OP_SEPT_ADD:
	case OP_DEMOTE:
		return run_leaf(ref, op, op->kind, 1, page, random_table(op));
	case OP_PROMOTE:
	case OP_SEPT_REMOVE:
		return run_leaf(ref, op, op->kind, level == 2 ? 2 : 1, page, 0);
	case OP_REMOVE:
		return run_leaf(ref, op, op->kind, level & 1, page, 0);
	case OP_BLOCK:
	case OP_UNBLOCK:
	case OP_SEPT_RD:
		return run_leaf(ref, op, op->kind, level, page, 0);
	case OP_TRACK:
		return run_track(ref, op);
	case OP_RDMD:
		return run_rdmd(ref, op->flags & 1 ? random_data(op) : random_table(op));
	case OP_FINALIZE:
		if (!tdx_model_td_finalize(ref->w->td[op->td]))
			ref->td[op->td].runnable = true;
		return true;
	case OP_ENTER:
		return ref_run_enter(ref, op);
	case OP_EXIT:
		return ref_run_exit(ref, op);
	case OP_ACCEPT:
		return ref_run_accept(ref, op, level & 1, page);
	case OP_LOAD:
	case OP_STORE:
		return ref_run_access(ref, op, page, op->kind == OP_STORE);
	case OP_HOLD_ENTRY:
	case OP_HOLD_TD:
	case OP_HOLD_PAGE:
		return run_hold(ref, op, page);
	case OP_RELEASE:
		release(ref, op->value % NR_HOLDS);
		return true;
	case OP_PENDING:
		ref->pending = !(op->flags & 3);
		tdx_model_set_pending(ref->w->m, ref->pending ? BIT_ULL(1) : 0, true);
		return true;
	case OP_FILL:
	case OP_ACCEPT_ALL:
		return run_many(ref, op, page);
	case OP_USE:
		return run_use(ref, op, page);
	default:
		return run_change(ref, op, page);
	}
}

/* ---- the whole ---- */

static void first_line(void *ctx, const char *line)
{
	struct ref *ref = ctx;

	if (!ref->error[0])
		snprintf(ref->error, sizeof(ref->error), "check: %s", line);
}

bool ref_check(struct ref *ref)
{
	struct tdx_model_out out = {first_line, ref};
	int i;

	if (tdx_model_check(ref->w->m, &out))
		return false;
	for (i = 0; i < 2; i++) {
		if (tdx_model_td_chldcnt(ref->w->td[i]) != ref->td[i].children ||
		    tdx_model_td_epoch(ref->w->td[i]) != ref->td[i].epoch) {
			snprintf(ref->error, sizeof(ref->error), "TD %d: CHLDCNT or epoch", i);
			return false;
		}
	}
	for (i = 0; i < TDX_MODEL_NR_HAZARDS; i++) {
		if (tdx_model_hazards(ref->w->m, i)) {
			snprintf(ref->error, sizeof(ref->error), "%s: %llx",
				 tdx_model_hazard_text(i), tdx_model_hazard_hpa(ref->w->m));
			return false;
		}
	}
	return true;
}

/* Tables of TD 1, as world_new() makes them for TD 0 */
static void add_table(struct ref *ref, u64 gpa, int level, u64 hpa)
{
	struct tdx_model_regs regs = {.rdx = TDR(1), .r8 = hpa};

	regs.rcx = (gpa & ~(TDXM_SIZE(level) - 1)) | level;
	assert_int_equal(tdx_model_seamcall(ref->w->m, 3, &regs), TDXM_SUCCESS);
}

void ref_new(struct ref *ref, int levels)
{
	u64 table = TABLES + MIB(1);
	int i;

	memset(ref, 0, sizeof(*ref));
	ref->w = world_new(levels, false);
	for (i = levels - 1; i > 1; i--, table += KIB(4))
		add_table(ref, GPA(0), i, table);
	/* One that stays, so that the one above it is never free */
	add_table(ref, GPA(511), 1, table);
	OK(sept_add(ref->w, GPA(511), 1, world_table(ref->w)));
	assert_int_equal(tdx_model_host_write(ref->w->m, SPARE(100), 4711), 0);
	assert_int_equal(tdx_model_host_clflush(ref->w->m, SPARE(100), KIB(4)), 0);
	for (i = 0; i < NR_HOLDS; i++)
		ref->hold[i].page = -1;
	for (i = 0; i < 2; i++) {
		ref->td[i].epoch = 1;
		ref->td[i].inject = -1;
		ref->td[i].children = tdx_model_td_chldcnt(ref->w->td[i]);
	}
}

void ref_free(struct ref *ref)
{
	world_free(ref->w);
	ref->w = NULL;
}
