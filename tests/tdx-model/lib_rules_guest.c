// SPDX-License-Identifier: GPL-2.0-or-later
/* vCPUs and guests */
#include "tests/tdx-model/lib_rules.h"

static bool accessible(const struct ref_td *td, int page)
{
	const struct ref_region *region = &td->region[page / 512];

	return !td->top.blocked && !region->e.blocked && td->page[page].state == THERE &&
	       (region->kind == LARGE || !td->page[page].e.blocked);
}

/* Does a walk from the root end at a page that has to be accepted? */
static bool pending(const struct ref_td *td, int page)
{
	struct place p = ref_place_at((struct ref_td *)td, 0, page), end;

	if (!ref_reachable(&p, &end))
		p = end;
	return ref_is_leaf(&p) && td->page[page].state == WAITING && !p.e->blocked;
}

/* May a translation from before the last flush of @vcpu still be there? */
static bool maybe_cached(const struct ref_td *td, const struct ref_vcpu *vcpu, int page)
{
	const struct ref_region *region = &td->region[page / 512];

	if (td->page[page].state != THERE || region->kind == EMPTY)
		return false;
	if (td->top.blocked && td->top.since < vcpu->epoch)
		return false;
	if (region->e.blocked && region->e.since < vcpu->epoch)
		return false;
	return region->kind == LARGE || !td->page[page].e.blocked ||
	       td->page[page].e.since >= vcpu->epoch;
}

static void forget_faults(struct ref_vcpu *vcpu)
{
	vcpu->faults = 0;
	vcpu->nr_listed = 0;
}

/* Only now does the module see that the guest is somewhere else than when it entered. */
static void leave_td(struct ref_vcpu *vcpu)
{
	vcpu->inside = false;
	if (vcpu->moved)
		forget_faults(vcpu);
	vcpu->moved = false;
}

static void progress(struct ref_vcpu *vcpu)
{
	vcpu->moved = true;
}

static void faulted(struct ref_vcpu *vcpu, u64 gpa)
{
	unsigned int i;

	if (++vcpu->faults <= 6)
		return;
	for (i = 0; i < vcpu->nr_listed; i++) {
		if (vcpu->listed[i] == gpa)
			return;
	}
	if (vcpu->nr_listed < MAX_ZERO_STEP)
		vcpu->listed[vcpu->nr_listed++] = gpa;
}

bool ref_run_enter(struct ref *ref, const struct op *op)
{
	struct ref_td *td = &ref->td[op->td];
	struct ref_vcpu *vcpu = &td->vcpu[op->vcpu];
	/* A call that fails leaves the registers alone. */
	struct tdx_model_exit exit = {.r8 = op->value};
	u64 status, wanted = 0, r8;
	unsigned int i;

	/* A guest that would wait for many pages does something else. */
	if (vcpu->nr_listed > 2 && !vcpu->inside && op->flags & 32) {
		tdxm_forget_violations(ref->w->vcpu[op->td][op->vcpu]);
		forget_faults(vcpu);
	}
	if (vcpu->inside)
		wanted = TDXM_OPERAND_BUSY | 1;
	else if (td->tdr == 2)
		wanted = TDXM_OPERAND_BUSY | 128;
	else if (td->op_state == 2)
		wanted = TDXM_OPERAND_BUSY | 172;
	else if (!td->runnable)
		wanted = op_state_incorrect(TDXM_OPS_INITIALIZED);
	else if (td->epoch_lock == 2)
		wanted = TDXM_OPERAND_BUSY | 169;
	else if (vcpu->nr_listed && (td->tree == 2 || (td->tree && !since_1_5_20())))
		wanted = TDXM_OPERAND_BUSY | 146;
	r8 = op->value;
	/* From here on it has been in that epoch, if only for a moment. */
	if (!wanted || wanted == (TDXM_OPERAND_BUSY | 146))
		vcpu->epoch = td->epoch;
	for (i = 0; !wanted && i < vcpu->nr_listed; i++) {
		if (!accessible(td, (vcpu->listed[i] - WINDOW) / KIB(4))) {
			wanted = 48;
			r8 = vcpu->listed[i];
		}
	}
	status = tdx_model_vp_enter(ref->w->vcpu[op->td][op->vcpu], &exit);
	ref->calls++;
	if (!wanted)
		vcpu->inside = true;
	if (!status)
		ref->worked[OP_ENTER]++;
	if (status == wanted && exit.r8 == r8)
		return true;
	snprintf(ref->error, sizeof(ref->error),
		 "VP.ENTER returned %llx, R8 %llx; must be %llx, %llx", status, exit.r8, wanted,
		 r8);
	return false;
}

bool ref_run_exit(struct ref *ref, const struct op *op)
{
	struct ref_vcpu *vcpu = &ref->td[op->td].vcpu[op->vcpu];
	struct tdx_model_exit exit;
	int ret = tdx_model_vp_exit(ref->w->vcpu[op->td][op->vcpu], &exit);

	ref->calls++;
	if (!ret)
		ref->worked[OP_EXIT]++;
	if (ret == (vcpu->inside ? 0 : -EINVAL)) {
		leave_td(vcpu);
		return true;
	}
	snprintf(ref->error, sizeof(ref->error), "TD exit returned %d", ret);
	return false;
}

/* The result of ACCEPT: a status, an exit with RDX, or again */
struct accepts {
	enum tdx_model_guest result;
	u64 value;
};

static struct accepts exits(const struct place *end, int level)
{
	struct expect x = {};
	bool leaf = ref_is_leaf(end);

	ref_details(end, &x);
	return (struct accepts){
		TDX_MODEL_GUEST_EXIT,
		(level | end->level << 3 | (x.rdx >> 8) << 6 | (u64)leaf << 14) << 32 | 1};
}

static struct accepts returns(u64 status)
{
	return (struct accepts){TDX_MODEL_GUEST_OK, status};
}

static struct accepts expect_accept(struct ref *ref, const struct place *p)
{
	struct ref_page *page = &p->td->page[p->page];
	struct ref_region *region = &p->td->region[p->region];
	struct place end;
	int i;

	if (!ref_reachable(p, &end)) {
		if (ref_is_leaf(&end) && page->state == THERE && !end.e->blocked)
			return returns(TDXM_PAGE_ALREADY_ACCEPTED | end.level);
		return exits(&end, p->level);
	}
	if (p->e->locked || p->e->priority)
		return returns(TDXM_OPERAND_BUSY | 1);
	if (ref_is_table(p))
		return returns(TDXM_PAGE_SIZE_MISMATCH | p->level);
	if (!ref_is_leaf(p) || p->e->blocked)
		return exits(p, p->level);
	if (page->state == THERE)
		return returns(TDXM_PAGE_ALREADY_ACCEPTED | p->level);
	if (p->level && ref->pending && region->counter < 511) {
		region->counter++;
		return (struct accepts){TDX_MODEL_GUEST_AGAIN, 6};
	}
	region->counter = 0;
	for (i = 0; i < (p->level ? 512 : 1); i++) {
		page[i].state = THERE;
		page[i].value = 0;
	}
	return returns(0);
}

bool ref_run_accept(struct ref *ref, const struct op *op, int level, int page)
{
	struct ref_td *td = &ref->td[op->td];
	struct ref_vcpu *vcpu = &td->vcpu[op->vcpu];
	struct tdx_model_regs regs = {};
	struct accepts wanted = {TDX_MODEL_GUEST_BAD, 6};
	enum tdx_model_guest result;
	struct tdx_model_exit exit;
	struct place p;
	u64 rax = 6, value;

	if (level)
		page &= ~511;
	p = ref_place_at(td, level, page);
	regs.rcx = GPA_OF(page) | level;
	if (vcpu->inside) {
		wanted = expect_accept(ref, &p);
		if (wanted.result == TDX_MODEL_GUEST_EXIT)
			leave_td(vcpu);
		else if (wanted.result == TDX_MODEL_GUEST_OK)
			progress(vcpu);
	}
	result = tdx_model_tdcall(ref->w->vcpu[op->td][op->vcpu], &rax, &regs, &exit);
	ref->calls++;
	if (result == TDX_MODEL_GUEST_OK && !rax)
		ref->worked[OP_ACCEPT]++;
	value = result == TDX_MODEL_GUEST_EXIT ? exit.rdx : rax;
	if (result == wanted.result && value == wanted.value)
		return true;
	snprintf(ref->error, sizeof(ref->error),
		 "ACCEPT: result %d with %llx; must be %d with %llx", result, value, wanted.result,
		 wanted.value);
	return false;
}

bool ref_run_access(struct ref *ref, const struct op *op, int page, bool write)
{
	struct ref_td *td = &ref->td[op->td];
	struct ref_vcpu *vcpu = &td->vcpu[op->vcpu];
	enum tdx_model_guest result;
	struct tdx_model_exit exit;
	bool may = maybe_cached(td, vcpu, page), must = accessible(td, page), ok;
	bool same_rip = op->flags & 64;
	u64 value = op->value;

	ref->w->vcpu[op->td][op->vcpu]->same_rip = same_rip;
	result = tdx_model_guest_access(ref->w->vcpu[op->td][op->vcpu], GPA_OF(page), write, &value,
					&exit);
	ref->w->vcpu[op->td][op->vcpu]->same_rip = false;
	ref->calls++;
	if (result == TDX_MODEL_GUEST_OK)
		ref->worked[op->kind]++;
	if (!vcpu->inside) {
		ok = result == TDX_MODEL_GUEST_BAD;
	} else if (result == TDX_MODEL_GUEST_OK) {
		ok = (must || may) && (write || value == td->page[page].value);
		if (write)
			td->page[page].value = value;
		if (!same_rip)
			progress(vcpu);
	} else {
		ok = result == TDX_MODEL_GUEST_EXIT && !must && exit.rax == 48 &&
		     exit.r8 == GPA_OF(page) && exit.rcx == (write ? 2 : 1) &&
		     exit.rdx == (pending(td, page) ? 6 : 0);
		leave_td(vcpu);
		faulted(vcpu, GPA_OF(page));
	}
	if (!ok)
		snprintf(
			ref->error, sizeof(ref->error),
			"access: result %d, value %llx; accessible %d, maybe cached %d, value %llx",
			result, value, must, may, td->page[page].value);
	return ok;
}
