// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's leaves */
#include "tests/tdx-model/lib_rules.h"

/* ---- entries, as the host sees them ---- */

struct place ref_place_at(struct ref_td *td, int level, int page)
{
	struct place p = {td, level, page / 512, page, NULL};

	if (level == 0)
		p.e = &td->page[page].e;
	else if (level == 1)
		p.e = &td->region[p.region].e;
	else
		p.e = &td->top;
	return p;
}

static u64 leaf_rcx(const struct place *p)
{
	const struct ref_page *page = &p->td->page[p->level ? p->region * 512 : p->page];
	u64 counter = p->level && !p->e->blocked ? p->td->region[p->region].counter : 0;

	if (page->state == THERE && !p->e->blocked)
		return RCX_MAPPED(page->hpa);
	return RCX_LEAF(page->hpa) | counter << 12;
}

void ref_details(const struct place *p, struct expect *x)
{
	const struct ref_page *page = &p->td->page[p->level ? p->region * 512 : p->page];
	bool table = p->level == 2 || (p->level == 1 && p->td->region[p->region].kind == TABLE);
	bool leaf = p->level == 1 ? p->td->region[p->region].kind == LARGE :
				    p->level == 0 && page->state != NOTHING;
	int arch = ARCH_FREE;

	x->rcx = RCX_FREE;
	if (table) {
		x->rcx = p->e->blocked ? 0 : RCX_TABLE;
		arch = p->e->blocked ? ARCH_NL_BLOCKED : ARCH_NL_MAPPED;
	} else if (leaf) {
		x->rcx = leaf_rcx(p);
		if (page->state == THERE)
			arch = p->e->blocked ? ARCH_BLOCKED : ARCH_MAPPED;
		else
			arch = p->e->blocked ? ARCH_PENDING_BLOCKED : ARCH_PENDING;
	}
	x->rdx = RDX(p->level, arch);
}

struct expect ref_with_details(const struct place *p, u64 status)
{
	struct expect x = {.status = status};

	ref_details(p, &x);
	return x;
}

struct expect ref_plain(u64 status)
{
	return (struct expect){.status = status};
}

/* Is there a way down to @p?  If not, where does it end? */
bool ref_reachable(const struct place *p, struct place *end)
{
	if (p->level < 2 && p->td->top.blocked) {
		*end = ref_place_at(p->td, 2, p->page);
		return false;
	}
	if (p->level < 1 &&
	    (p->td->region[p->region].kind != TABLE || p->td->region[p->region].e.blocked)) {
		*end = ref_place_at(p->td, 1, p->page);
		return false;
	}
	return true;
}

bool ref_is_table(const struct place *p)
{
	return p->level == 2 || (p->level == 1 && p->td->region[p->region].kind == TABLE);
}

bool ref_is_leaf(const struct place *p)
{
	if (p->level == 1)
		return p->td->region[p->region].kind == LARGE;
	return p->level == 0 && p->td->page[p->page].state != NOTHING;
}

static u64 hpa_of(const struct place *p)
{
	return p->level ? p->td->region[p->region].hpa : p->td->page[p->page].hpa;
}

/* All that is checked before the state of the entry; true: go on. */
bool ref_common(const struct place *p, bool exclusive, struct expect *x)
{
	struct place end;

	*x = ref_plain(0);
	if (p->td->tdr == 2 || p->td->inject == TDX_MODEL_AT_TDR)
		*x = ref_plain(TDXM_OPERAND_BUSY | 2);
	else if (p->td->op_state == 2 || p->td->inject == TDX_MODEL_AT_OP_STATE)
		*x = ref_plain(TDXM_OPERAND_BUSY | 172);
	else if (p->td->tree == 2 || (exclusive && p->td->tree) ||
		 p->td->inject == TDX_MODEL_AT_TREE)
		*x = ref_plain(TDXM_OPERAND_BUSY | 146);
	else if (!ref_reachable(p, &end))
		*x = ref_with_details(&end, TDXM_EPT_WALK_FAILED | 1);
	else if (p->e->locked || p->td->inject == TDX_MODEL_AT_ENTRY) {
		*x = ref_with_details(p, TDXM_OPERAND_BUSY | 1);
		p->e->priority = true;
	} else {
		p->e->priority = false;
		return true;
	}
	return false;
}

static bool tracked(const struct ref_td *td, u64 since)
{
	int i;

	if (since >= td->epoch)
		return false;
	for (i = 0; i < 2; i++) {
		if (td->vcpu[i].inside && td->vcpu[i].epoch <= since)
			return false;
	}
	return true;
}

static bool check_blocked(const struct place *p, struct expect *x)
{
	if (!p->td->runnable)
		return true;
	if (!p->e->blocked) {
		*x = ref_with_details(p, TDXM_GPA_RANGE_NOT_BLOCKED | 1);
		/* Not the counter of ACCEPT */
		if (ref_is_leaf(p) && p->level)
			x->rcx &= ~TDXM_ACCEPT_COUNTER;
	} else if (!tracked(p->td, p->e->since))
		*x = ref_plain(TDXM_TLB_TRACKING_NOT_DONE | 1);
	else
		return true;
	return false;
}

/* ---- memory ---- */

int ref_data_index(u64 hpa)
{
	return (hpa - DATA(0)) / KIB(4);
}

bool ref_is_data(u64 hpa)
{
	return hpa >= DATA(0) && hpa < DATA(NR_BLOCKS);
}

u8 *ref_use_of(struct ref *ref, u64 hpa)
{
	return ref_is_data(hpa) ? &ref->page_use[ref_data_index(hpa)] :
				  &ref->spare_use[(hpa - SPARE(0)) / KIB(4)];
}

/* Does somebody hold the page, or any page of that block? */
static bool page_held(const struct ref *ref, int page, bool whole_block)
{
	int i;

	for (i = 0; i < NR_HOLDS; i++) {
		const struct ref_hold *h = &ref->hold[i];

		if (h->hold && h->page >= 0 &&
		    (whole_block ? h->page / 512 == page / 512 : h->page == page))
			return true;
	}
	return false;
}

static u64 new_page(struct ref *ref, const struct place *p, u64 hpa, int level)
{
	int i, page = ref_is_data(hpa) ? ref_data_index(hpa) : -1;

	if (level && page % 512)
		return TDXM_OPERAND_INVALID | 8;
	if (p->td->inject == TDX_MODEL_AT_PAGE)
		return TDXM_OPERAND_BUSY | 8;
	if (page < 0)
		return *ref_use_of(ref, hpa) == FREE_PAGE ? 0 : TDXM_PAGE_METADATA_INCORRECT | 8;
	if (level || ref->block_use[page / 512] == LARGE_PAGE) {
		if (page_held(ref, page, true))
			return TDXM_OPERAND_BUSY | 8;
	} else if (page_held(ref, page, false)) {
		return TDXM_OPERAND_BUSY | 8;
	}
	if (ref->block_use[page / 512] == LARGE_PAGE)
		return TDXM_PAGE_METADATA_INCORRECT | 8;
	for (i = 0; i < (level ? 512 : 1); i++) {
		if (ref->page_use[page + i] != FREE_PAGE)
			return TDXM_PAGE_METADATA_INCORRECT | 8;
	}
	return 0;
}

static void set_use(struct ref *ref, u64 hpa, int level, enum use use)
{
	if (level)
		ref->block_use[ref_data_index(hpa) / 512] = use;
	else
		*ref_use_of(ref, hpa) = use;
}

/* ---- leaves: what must happen ---- */

struct expect ref_expect_aug(struct ref *ref, const struct place *p, u64 hpa)
{
	struct expect x;
	u64 status;
	int i;

	if (!ref_common(p, false, &x))
		return x;
	if (ref_is_table(p) || ref_is_leaf(p))
		return ref_with_details(p, WRONG_STATE);
	status = new_page(ref, p, hpa, p->level);
	if (status)
		return ref_plain(status);
	set_use(ref, hpa, p->level, p->level ? LARGE_PAGE : DATA_PAGE);
	for (i = 0; i < (p->level ? 512 : 1); i++) {
		struct ref_page *page = &p->td->page[p->page + i];

		page->state = WAITING;
		page->hpa = hpa + KIB(4) * i;
	}
	if (p->level) {
		p->td->region[p->region].kind = LARGE;
		p->td->region[p->region].hpa = hpa;
		p->td->region[p->region].counter = 0;
	}
	p->td->children += p->level ? 512 : 1;
	return ref_plain(0);
}

struct expect ref_expect_add(struct ref *ref, const struct place *p, u64 hpa, u64 value)
{
	struct ref_page *page = &p->td->page[p->page];
	struct place end;
	u64 status;
	int i;

	for (i = 0; i < 2; i++) {
		if (p->td->tdr || p->td->vcpu[i].inside || p->td->inject == TDX_MODEL_AT_TDR)
			return ref_plain(TDXM_OPERAND_BUSY | 2);
	}
	if (p->td->runnable)
		return ref_plain(op_state_incorrect(TDXM_OPS_RUNNABLE));
	if (!ref_reachable(p, &end))
		return ref_with_details(&end, TDXM_EPT_WALK_FAILED | 1);
	if (ref_is_leaf(p))
		return ref_with_details(p, WRONG_STATE);
	status = new_page(ref, p, hpa, 0);
	if (status)
		return ref_plain(status);
	set_use(ref, hpa, 0, DATA_PAGE);
	/* The whole entry is written, whoever has it locked. */
	*page = (struct ref_page){.state = THERE,
				  .hpa = hpa,
				  .value = value,
				  .e.priority = page->e.priority && since_1_5_20()};
	p->td->children++;
	return ref_plain(0);
}

struct expect ref_expect_sept_add(struct ref *ref, const struct place *p, u64 hpa, bool existing)
{
	struct ref_region *region = &p->td->region[p->region];
	struct expect x;
	u64 status;
	int i;

	if (!ref_common(p, false, &x))
		return x;
	if (ref_is_leaf(p) || (ref_is_table(p) && p->e->blocked))
		return ref_with_details(p, WRONG_STATE);
	if (ref_is_table(p))
		return existing ? ref_plain(0) : ref_with_details(p, WRONG_STATE);
	status = new_page(ref, p, hpa, 0);
	if (status)
		return ref_plain(status);
	set_use(ref, hpa, 0, TABLE_PAGE);
	region->kind = TABLE;
	region->hpa = hpa;
	for (i = 0; i < 512; i++)
		p->td->page[p->region * 512 + i] = (struct ref_page){};
	p->td->children++;
	return ref_plain(0);
}

struct expect ref_expect_block(const struct place *p)
{
	struct expect x;

	if (!ref_common(p, true, &x))
		return x;
	if (!ref_is_table(p) && !ref_is_leaf(p))
		return ref_with_details(p, WRONG_STATE);
	if (p->e->blocked)
		return ref_with_details(p, TDXM_GPA_RANGE_ALREADY_BLOCKED | 1);
	p->e->blocked = true;
	p->e->since = p->td->epoch;
	if (p->level == 1)
		p->td->region[p->region].counter = 0;
	return ref_plain(0);
}

struct expect ref_expect_unblock(const struct place *p)
{
	struct expect x;

	if (!ref_common(p, true, &x))
		return x;
	if (!p->e->blocked)
		return ref_with_details(p, WRONG_STATE);
	if (p->td->runnable && !tracked(p->td, p->e->since))
		return ref_plain(TDXM_TLB_TRACKING_NOT_DONE | 1);
	p->e->blocked = false;
	return ref_plain(0);
}

struct expect ref_expect_remove(struct ref *ref, const struct place *p)
{
	struct expect x;
	int i;

	if (!ref_common(p, false, &x))
		return x;
	if (!ref_is_leaf(p))
		return ref_with_details(p, WRONG_STATE);
	if (page_held(ref, ref_data_index(hpa_of(p)), p->level) ||
	    p->td->inject == TDX_MODEL_AT_IMPLIED)
		return ref_plain(TDXM_OPERAND_BUSY | 1);
	if (!check_blocked(p, &x))
		return x;
	x = (struct expect){.rcx = hpa_of(p)};
	set_use(ref, hpa_of(p), p->level, FREE_PAGE);
	for (i = 0; i < (p->level ? 512 : 1); i++)
		p->td->page[p->page + i].state = NOTHING;
	if (p->level)
		p->td->region[p->region].kind = EMPTY;
	p->e->blocked = false;
	p->td->children -= p->level ? 512 : 1;
	return x;
}

struct expect ref_expect_sept_remove(struct ref *ref, const struct place *p)
{
	struct expect x;
	int i;

	if (!ref_common(p, true, &x))
		return x;
	if (!ref_is_table(p))
		return ref_with_details(p, WRONG_STATE);
	if (p->td->inject == TDX_MODEL_AT_IMPLIED)
		return ref_plain(TDXM_OPERAND_BUSY | 1);
	if (!check_blocked(p, &x))
		return x;
	/* There always is a table below the one at the top. */
	if (p->level == 2)
		return ref_with_details(p, TDXM_EPT_PAGE_NOT_FREE | 1);
	for (i = 0; i < 512; i++) {
		if (p->td->page[p->region * 512 + i].state != NOTHING)
			return ref_with_details(p, TDXM_EPT_PAGE_NOT_FREE | 1);
	}
	x = (struct expect){.rcx = hpa_of(p)};
	set_use(ref, hpa_of(p), 0, FREE_PAGE);
	p->td->region[p->region].kind = EMPTY;
	p->e->blocked = false;
	p->td->children--;
	return x;
}

/* Newer modules have the whole tree instead. */
static bool lock_child(const struct ref_td *td, struct ref_entry *e)
{
	if (since_1_5_20())
		return true;
	e->priority = e->locked || td->inject == TDX_MODEL_AT_CHILD;
	return !e->priority;
}

/* Children are locked one by one until one can't be, or is no good. */
static bool mergeable(const struct place *p, u64 *status)
{
	struct ref_page *first = &p->td->page[p->region * 512], *page;
	int i;

	*status = TDXM_EPT_INVALID_PROMOTE_CONDITIONS | 1;
	for (i = 0; i < 512; i++) {
		page = &first[i];
		if (!lock_child(p->td, &page->e)) {
			*status = TDXM_OPERAND_BUSY | 1;
			return false;
		}
		if (page->state == NOTHING || page->state != first->state || page->e.blocked ||
		    first->hpa % MIB(2) || page->hpa != first->hpa + KIB(4) * i)
			return false;
	}
	return true;
}

static struct expect expect_promote_top(const struct place *p)
{
	/* Regions are locked up to the first one that is no good: it isn't at 1G. */
	if (!lock_child(p->td, &p->td->region[0].e))
		return ref_with_details(p, TDXM_OPERAND_BUSY | 1);
	return ref_with_details(p, TDXM_EPT_INVALID_PROMOTE_CONDITIONS | 1);
}

static u64 interruption(const struct ref *ref, const struct ref_td *td)
{
	if (ref->pending || td->inject == TDX_MODEL_AT_INTERRUPT)
		return TDXM_INTERRUPTED_RESTARTABLE;
	if (since_1_5_20() && td->inject == TDX_MODEL_AT_CONTENDED)
		return TDXM_INTERRUPTED_BUSY;
	return 0;
}

struct expect ref_expect_promote(struct ref *ref, const struct place *p)
{
	struct ref_region *region = &p->td->region[p->region];
	u64 status, large;
	struct expect x;

	if (!ref_common(p, since_1_5_20(), &x))
		return x;
	if (!ref_is_table(p))
		return ref_with_details(p, WRONG_STATE);
	if (p->td->inject == TDX_MODEL_AT_IMPLIED)
		return ref_plain(TDXM_OPERAND_BUSY | 1);
	if (!check_blocked(p, &x))
		return x;
	if (p->level == 2)
		return expect_promote_top(p);
	if (!mergeable(p, &status))
		return ref_with_details(p, status);
	status = interruption(ref, p->td);
	if (status)
		return (struct expect){status, GPA_OF(p->page) | 1, TDR(p->td - ref->td)};
	large = p->td->page[p->region * 512].hpa;
	if (page_held(ref, ref_data_index(large), true) || p->td->inject == TDX_MODEL_AT_RESIZE)
		return ref_plain(TDXM_OPERAND_BUSY | 1);

	x = (struct expect){.rcx = region->hpa};
	set_use(ref, region->hpa, 0, FREE_PAGE);
	memset(&ref->page_use[ref_data_index(large)], FREE_PAGE, 512);
	set_use(ref, large, 1, LARGE_PAGE);
	region->kind = LARGE;
	region->hpa = large;
	region->counter = 0;
	p->e->blocked = false;
	p->td->children--;
	return x;
}

struct expect ref_expect_demote(struct ref *ref, const struct place *p, u64 hpa, bool flag)
{
	struct ref_region *region = &p->td->region[p->region];
	struct expect x;
	u64 status;
	int i;

	if (!ref_common(p, false, &x))
		return x;
	if (!ref_is_leaf(p))
		return ref_with_details(p, WRONG_STATE);
	if (!check_blocked(p, &x))
		return x;
	status = new_page(ref, p, hpa, 0);
	if (status)
		return ref_plain(status);
	status = interruption(ref, p->td);
	if (status)
		return (struct expect){status, GPA_OF(p->page) | p->level,
				       TDR(p->td - ref->td) | flag};
	if (page_held(ref, ref_data_index(region->hpa), true) ||
	    p->td->inject == TDX_MODEL_AT_RESIZE)
		return ref_plain(TDXM_OPERAND_BUSY | 1);

	set_use(ref, region->hpa, 1, FREE_PAGE);
	memset(&ref->page_use[ref_data_index(region->hpa)], DATA_PAGE, 512);
	set_use(ref, hpa, 0, TABLE_PAGE);
	region->kind = TABLE;
	region->hpa = hpa;
	for (i = 0; i < 512; i++)
		p->td->page[p->region * 512 + i].e = (struct ref_entry){};
	p->e->blocked = false;
	p->td->children++;
	return ref_plain(0);
}

struct expect ref_expect_track(struct ref *ref, struct ref_td *td)
{
	struct expect x = {.rcx = TDR(td - ref->td), .rdx = 0};
	int i;

	if (td->tdr == 2)
		x.status = TDXM_OPERAND_BUSY | 1;
	else if (td->op_state == 2)
		x.status = TDXM_OPERAND_BUSY | 172;
	else if (td->epoch_lock)
		x.status = TDXM_OPERAND_BUSY | 169;
	for (i = 0; i < 2 && !x.status; i++) {
		if (td->vcpu[i].inside && td->vcpu[i].epoch == td->epoch - 1)
			x.status = TDXM_PREVIOUS_TLB_EPOCH_BUSY;
	}
	if (!x.status)
		td->epoch++;
	return x;
}
