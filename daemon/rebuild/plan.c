// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rebuild/plan.h"

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void add_step(struct plan *plan, unsigned int *shared, unsigned int after)
{
	if (after == *shared)
		return;
	plan->steps[plan->nr++] = (struct plan_step){
		.to_shared = after > *shared, .shared_before = *shared, .shared_after = after};
	*shared = after;
}

/* Pages of one conversion to shared, where there is nothing better than the average. */
static unsigned int share_of(const struct plan_delta *d)
{
	uint32_t share = d->to_shared_events ? d->to_shared_pages / d->to_shared_events : 1;

	return share < 1 ? 1 : share > PLAN_PAGES ? PLAN_PAGES : share;
}

static void add_cycles(struct plan *plan, const struct plan_delta *d, unsigned int *shared,
		       uint64_t cycles)
{
	if (cycles > PLAN_CYCLES) {
		plan->left_out = 2 * (cycles - PLAN_CYCLES);
		cycles = PLAN_CYCLES;
	}
	for (uint64_t i = 0; i < cycles; i++) {
		/* Above what is shared already, or there would be no step. */
		unsigned int up = *shared + share_of(d);

		add_step(plan, shared, up > PLAN_PAGES ? PLAN_PAGES : up);
		add_step(plan, shared, 0);
	}
}

/* All pages are private at the end. */
static void plan_to_private(struct plan *plan, const struct plan_delta *d)
{
	uint64_t s = d->to_shared_events, p = d->to_private_events;
	unsigned int shared = d->shared_before;

	/* With two returns there was one before the first new conversion. */
	if (shared && (!s || p > 1)) {
		add_step(plan, &shared, 0);
		p--;
	}
	add_cycles(plan, d, &shared, min_of(s, p));
}

/* Some page is shared at the end, and the last step was to shared. */
static void plan_to_shared(struct plan *plan, const struct plan_delta *d)
{
	uint64_t s = d->to_shared_events, p = d->to_private_events;
	unsigned int shared = d->shared_before;

	if (shared && p && s) {
		/* All back, then shared anew, if that many pages came back. */
		if (d->to_private_pages < shared)
			add_step(plan, &shared, shared - d->to_private_pages);
		else
			add_step(plan, &shared, 0);
		p--;
	}
	if (!shared && s > 1 && p)
		add_cycles(plan, d, &shared, min_of(s - 1, p));
	add_step(plan, &shared, d->shared_after);
}

/* Some page is shared at the end, and the last step took others back. */
static void plan_to_less(struct plan *plan, const struct plan_delta *d)
{
	uint64_t s = d->to_shared_events, p = d->to_private_events;
	unsigned int shared = d->shared_before, peak;

	if (!shared && s > 1 && p > 1)
		add_cycles(plan, d, &shared, min_of(s, p) - 1);
	peak = shared > d->shared_after ? shared : d->shared_after;
	if (s && peak < PLAN_PAGES)
		add_step(plan, &shared, peak + 1);
	add_step(plan, &shared, d->shared_after);
}

/* How long pages usually stay shared, at most @spacing_ns. */
static uint64_t shared_for(const struct plan_delta *d, uint64_t spacing_ns)
{
	uint64_t ns = spacing_ns / 2;

	if (d->to_private_ns > d->to_shared_ns)
		ns = d->to_private_ns - d->to_shared_ns;
	else if (d->usual_shared_ns)
		ns = d->usual_shared_ns;
	else if (d->to_shared_ns - d->to_private_ns < spacing_ns)
		ns = spacing_ns - (d->to_shared_ns - d->to_private_ns);
	return min_of(ns, spacing_ns);
}

/* Conversions to shared come evenly up to the last; each lasts as long as is usual. */
static void spread(struct plan *plan, const struct plan_delta *d, unsigned int nr_shared)
{
	uint64_t until_ns = d->to_shared_ns > d->from_ns ? d->to_shared_ns : d->from_ns;
	uint64_t spacing_ns = (until_ns - d->from_ns) / (nr_shared ? nr_shared : 1);
	uint64_t lasts_ns = shared_for(d, spacing_ns), at_ns = d->from_ns;

	for (unsigned int i = 0; i < plan->nr; i++) {
		struct plan_step *step = &plan->steps[i];

		if (step->to_shared)
			at_ns += spacing_ns;
		step->t_ns = step->to_shared ? at_ns : at_ns + lasts_ns;
	}
}

static void set_times(struct plan *plan, const struct plan_delta *d)
{
	unsigned int last_s = plan->nr, last_p = plan->nr, nr_shared = 0;

	for (unsigned int i = 0; i < plan->nr; i++) {
		*(plan->steps[i].to_shared ? &last_s : &last_p) = i;
		nr_shared += plan->steps[i].to_shared;
	}
	spread(plan, d, nr_shared);
	if (last_s < plan->nr)
		plan->steps[last_s].t_ns = d->to_shared_ns;
	if (last_p < plan->nr)
		plan->steps[last_p].t_ns = d->to_private_ns;
	/* The two stamps are certain: what came before them did. */
	for (unsigned int i = plan->nr; i-- > 1;)
		plan->steps[i - 1].t_ns = min_of(plan->steps[i - 1].t_ns, plan->steps[i].t_ns);
	for (unsigned int i = 0; i < plan->nr; i++)
		plan->guessed += i != last_s && i != last_p;
}

void plan_make(const struct plan_delta *d, struct plan *ret)
{
	unsigned int shared = d->shared_before;
	bool s_last = d->to_shared_events &&
		      (!d->to_private_events || d->to_shared_ns >= d->to_private_ns);

	ret->nr = 0;
	ret->guessed = 0;
	ret->left_out = 0;
	if (!d->to_shared_events && !d->to_private_events)
		add_step(ret, &shared, d->shared_after);
	else if (!d->shared_after)
		plan_to_private(ret, d);
	else if (s_last)
		plan_to_shared(ret, d);
	else
		plan_to_less(ret, d);
	set_times(ret, d);
}
