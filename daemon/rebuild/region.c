// SPDX-License-Identifier: GPL-2.0-or-later
/* Reconstructs what happened to a region between two observations. */
#include <errno.h>
#include <linux/kvm_lpage.h>

#include "daemon/rebuild/plan.h"
#include "daemon/rebuild/rebuild_internal.h"

#define REPORT_DELAY_NS UINT64_C(50000000) /* from the kernel's notification to the observation */
#define LATE_LAG_NS	UINT64_C(10000000000) /* how long acceptance is waited for at most */
#define PAGES		PLAN_PAGES

/* ---- records of a region ---- */

static struct order_entry *put_pages(struct rebuild *r, const struct vm *vm, struct region *region,
				     struct rebuild_out *out, enum trace_op op, unsigned int first,
				     unsigned int nr, uint64_t t_ns)
{
	/* The order of a region's records is known, whatever their stamps. */
	region->last_ns = max_of(max_of(t_ns, region->last_ns), vm->begin_ns);
	out->rfn = region->index;
	out->record.t_ns = region->last_ns;
	out->record.op = op;
	out->record.vm_id = vm->trace_id;
	out->record.gfn = region->index * PAGES + first;
	out->record.npages = nr;
	return rebuild_put(r, out);
}

static int put_accept(struct rebuild *r, const struct vm *vm, struct region *region, uint64_t t_ns,
		      enum rebuild_mark mark)
{
	struct rebuild_out out = {.mark = mark, .until_ns = region->refused_ns};
	struct order_entry *entry = put_pages(r, vm, region, &out, TRACE_ACCEPT, 0, PAGES, t_ns);

	if (!entry)
		return -ENOMEM;
	entry->region = region;
	region->accept = entry;
	return 0;
}

/* An assumed A: as soon as the last page is private again. */
static int assume_accept(struct rebuild *r, const struct vm *vm, struct region *region,
			 uint64_t t_ns)
{
	r->stats.accepts_assumed++;
	return put_accept(r, vm, region, t_ns, REBUILD_SEEN);
}

static int to_shared(struct rebuild *r, const struct vm *vm, struct region *region,
		     struct rebuild_out *out, unsigned int after, uint64_t t_ns)
{
	unsigned int nr = after - region->nr_shared;

	if (!put_pages(r, vm, region, out, TRACE_TO_SHARED, region->nr_shared, nr, t_ns))
		return -ENOMEM;
	/* A conversion of the whole region drops its mapping instead of splitting it. */
	region->small = nr < PAGES;
	region->nr_shared = after;
	/* An A that was assumed before this stays. */
	region->accept = NULL;
	region->pending = region->accepted = false;
	region->refused_ns = NEVER;
	return 0;
}

static int to_private(struct rebuild *r, const struct vm *vm, struct region *region,
		      struct rebuild_out *out, unsigned int after, uint64_t t_ns)
{
	unsigned int nr = region->nr_shared - after;

	if (!put_pages(r, vm, region, out, TRACE_TO_PRIVATE, after, nr, t_ns))
		return -ENOMEM;
	region->nr_shared = after;
	if (after)
		return 0;
	region->pending = true;
	region->accepted = false;
	region->refused_ns = NEVER;
	return assume_accept(r, vm, region, t_ns);
}

/* Moves a region's number of shared pages. */
static int move_to(struct rebuild *r, const struct vm *vm, struct region *region,
		   struct rebuild_out *out, unsigned int after, uint64_t t_ns)
{
	if (after > region->nr_shared)
		return to_shared(r, vm, region, out, after, t_ns);
	return after < region->nr_shared ? to_private(r, vm, region, out, after, t_ns) : 0;
}

/* One page shared and private again, for a region at 4 KiB without a known cause. */
static int put_small(struct rebuild *r, const struct vm *vm, struct region *region, uint64_t t_ns,
		     enum rebuild_mark mark)
{
	struct rebuild_out first = {.mark = mark}, second = {.mark = REBUILD_SEEN};
	int err = move_to(r, vm, region, &first, 1, t_ns);

	return err ? err : move_to(r, vm, region, &second, 0, t_ns);
}

/*
 * A region is at 4 KiB, and no conversion is known that made it so. The kernel splits before it counts:
 * one may be under way.
 */
static int guess_small(struct rebuild *r, const struct vm *vm, struct region *region, uint64_t t_ns)
{
	struct rebuild_out out = {
		.record = {.t_ns = max_of(t_ns, region->last_ns),
			   .op = TRACE_TO_SHARED,
			   .vm_id = vm->trace_id,
			   .gfn = region->index * PAGES,
			   .npages = 1},
		.mark = REBUILD_BECAME_TABLE,
		.rfn = region->index,
	};

	region->guess = rebuild_put(r, &out);
	if (!region->guess)
		return -ENOMEM;
	region->guess->region = region;
	region->guess->guess = true;
	return 0;
}

/* ---- one observation ---- */

static uint64_t stamp(int64_t ns)
{
	return ns > 0 ? (uint64_t)ns : 0;
}

/*
 * Shared pages. The kernel counts a conversion before it changes the state: an observation between
 * the two is decided by the last time stamp. Counters from before a record was kept say nothing.
 */
static unsigned int count_shared(const struct rebuild_observation *obs)
{
	uint32_t nr = obs->to_shared_pages - obs->to_private_pages;
	bool mixed = obs->state == KVM_LPAGE_STATE_MIXED;
	bool shared_last = obs->to_shared_ns > obs->to_private_ns;

	if (nr > PAGES)
		return !mixed ? 0 : obs->shared ? PAGES : 1;
	if (mixed == (nr > 0))
		return nr;
	if (mixed)
		return shared_last ? 1 : 0;
	return shared_last ? nr : 0;
}

static int play(struct rebuild *r, const struct vm *vm, struct region *region,
		const struct plan *plan)
{
	struct rebuild_out out = {
		.mark = plan->guessed ? REBUILD_HIDDEN : REBUILD_SEEN,
		.number = plan->guessed,
		.until_ns = plan->nr ? plan->steps[plan->nr - 1].t_ns : 0,
	};
	int err = 0;

	r->stats.hidden += plan->guessed;
	r->stats.left_out += plan->left_out;
	for (unsigned int i = 0; i < plan->nr && !err; i++) {
		err = move_to(r, vm, region, &out, plan->steps[i].shared_after,
			      plan->steps[i].t_ns);
		out.mark = REBUILD_SEEN;
	}
	return err;
}

/* Changes are reported soon: unseen ones are no older, unless observations were lost. */
static uint64_t unseen_since(const struct rebuild *r, const struct vm *vm,
			     const struct region *region, uint64_t now_ns)
{
	uint64_t from_ns = max_of(region->last_ns, region->observed_ns);
	uint64_t reported_within_ns =
		vm->notify_interval_ns + REPORT_DELAY_NS * max_of(r->options.speed, 1);

	if (now_ns < r->gap_ns || now_ns < reported_within_ns)
		return from_ns;
	return max_of(from_ns, now_ns - reported_within_ns);
}

/* Conversions since the last observation. */
static int convert(struct rebuild *r, const struct vm *vm, struct region *region,
		   const struct rebuild_observation *obs, uint64_t now_ns)
{
	const struct rebuild_observation *old = &region->last;
	struct plan_delta delta = {
		.shared_before = region->nr_shared,
		.shared_after = count_shared(obs),
		.to_shared_events = obs->to_shared_events - old->to_shared_events,
		.to_private_events = obs->to_private_events - old->to_private_events,
		.to_shared_pages = obs->to_shared_pages - old->to_shared_pages,
		.to_private_pages = obs->to_private_pages - old->to_private_pages,
		.from_ns = unseen_since(r, vm, region, now_ns),
		.to_shared_ns = min_of(stamp(obs->to_shared_ns), now_ns),
		.to_private_ns = min_of(stamp(obs->to_private_ns), now_ns),
	};
	struct plan plan;

	if (delta.to_private_ns > delta.to_shared_ns)
		region->usual_shared_ns = delta.to_private_ns - delta.to_shared_ns;
	delta.usual_shared_ns = region->usual_shared_ns;
	if (!delta.to_shared_events && !delta.to_private_events)
		return 0;
	if (region->guess)
		region->guess->dead = true;
	region->guess = NULL;
	plan_make(&delta, &plan);
	return play(r, vm, region, &plan);
}

/* The state of a region at the start of the recording, or of its VM, and its counters then. */
static int begin_region(struct rebuild *r, const struct vm *vm, struct region *region,
			const struct rebuild_observation *obs)
{
	int64_t begin_ns = (int64_t)vm->begin_ns;
	bool s_since = obs->to_shared_ns > begin_ns, p_since = obs->to_private_ns > begin_ns;
	struct rebuild_out out = {.mark = REBUILD_WAS_SHARED};
	unsigned int nr = count_shared(obs);

	region->last = *obs;
	/* The last conversions happened while the initial state was being reported. */
	region->last.to_shared_events -= s_since;
	region->last.to_shared_pages -= s_since;
	region->last.to_private_events -= p_since;
	region->last.to_private_pages -= p_since;
	if (p_since && (!s_since || obs->to_private_ns < obs->to_shared_ns))
		nr = nr < PAGES ? nr + 1 : nr;
	else if (s_since)
		nr = 0;
	if (nr || (obs->state == KVM_LPAGE_STATE_TABLE && !s_since))
		r->stats.initial++;
	if (nr)
		return move_to(r, vm, region, &out, nr, vm->begin_ns);
	if (obs->state != KVM_LPAGE_STATE_TABLE || s_since)
		return 0;
	return put_small(r, vm, region, vm->begin_ns, REBUILD_WAS_TABLE);
}

/* ---- accepted? ---- */

static bool says_not_accepted(uint32_t reason)
{
	/* Without acceptance, as on other VM types, a page that is not used is not mapped. */
	return reason == KVM_LPAGE_REASON_NOT_ACCEPTED || reason == KVM_LPAGE_REASON_NOT_MAPPED;
}

static void refused(struct rebuild *r, struct region *region, uint64_t private_ns, uint64_t t_ns)
{
	if (!region->pending) {
		/* Its A is written: the next one that late is waited for. */
		if (region->accepted && t_ns > private_ns)
			r->lag_ns = max_of(r->lag_ns, min_of(2 * (t_ns - private_ns), LATE_LAG_NS));
		r->stats.accepts_contradicted += region->accepted;
		return;
	}
	if (region->accept) {
		region->accept->dead = true;
		region->accept = NULL;
		r->stats.accepts_assumed--;
	}
	region->refused_ns = t_ns;
	region->last_ns = max_of(region->last_ns, t_ns);
}

/* The region is known to be accepted at @t_ns. */
static int known_accepted(struct rebuild *r, const struct vm *vm, struct region *region,
			  uint64_t t_ns)
{
	uint64_t at_ns;

	if (!region->pending || region->accept)
		return 0;
	at_ns = region->refused_ns;
	if (t_ns > at_ns)
		at_ns += (t_ns - at_ns) / 2;
	/* Records may have been written beyond that time already. */
	at_ns = max_of(at_ns, min_of(r->reached_ns, t_ns));
	r->stats.accepts_tried++;
	return put_accept(r, vm, region, at_ns, REBUILD_TRIED);
}

static int judge_accept(struct rebuild *r, const struct vm *vm, struct region *region,
			const struct rebuild_observation *obs, bool new_op, uint64_t now_ns)
{
	uint64_t op_ns = min_of(stamp(obs->last_op_ns), now_ns);

	if (region->nr_shared)
		return 0;
	if (new_op && obs->last_op == KVM_LPAGE_OP_MERGE && obs->last_op_ns >= 0 &&
	    obs->last_op_ns > obs->to_private_ns && says_not_accepted(obs->last_reason))
		refused(r, region, stamp(obs->to_private_ns), op_ns);
	else if (obs->state == KVM_LPAGE_STATE_LARGE)
		return known_accepted(r, vm, region,
				      obs->last_op == KVM_LPAGE_OP_MERGE ? op_ns : now_ns);
	return 0;
}

int rebuild_region_observe(struct rebuild *r, const struct vm *vm, struct region *region,
			   const struct rebuild_observation *obs, bool first, uint64_t now_ns)
{
	bool new_op;
	int err = 0;

	if (first && !vm->settled)
		err = begin_region(r, vm, region, obs);
	new_op = first || obs->last_op_ns != region->last.last_op_ns;
	if (!err)
		err = convert(r, vm, region, obs, now_ns);
	if (!err && obs->state == KVM_LPAGE_STATE_TABLE && !region->small && !region->nr_shared &&
	    !region->guess && !(region->pending && !region->accept))
		err = guess_small(r, vm, region, now_ns);
	if (!err)
		err = judge_accept(r, vm, region, obs, new_op, now_ns);
	region->last = *obs;
	region->observed_ns = now_ns;
	return err;
}
