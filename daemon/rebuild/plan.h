/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans conversions that explain the difference between two observations. No I/O, no clock. */
#ifndef TDX_LPAGE_REBUILD_PLAN_H
#define TDX_LPAGE_REBUILD_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_PAGES     512
#define PLAN_CYCLES    100
#define PLAN_STEPS_MAX (2 * PLAN_CYCLES + 4)

struct plan_delta {
	unsigned int shared_before; /* pages */
	unsigned int shared_after;
	uint32_t to_shared_events;
	uint32_t to_private_events;
	uint32_t to_shared_pages;
	uint32_t to_private_pages;
	uint64_t from_ns;      /* nothing of it was earlier */
	uint64_t to_shared_ns; /* the last one; counts when there is an event */
	uint64_t to_private_ns;
	uint64_t usual_shared_ns; /* how long pages were shared before; 0: not known */
};

struct plan_step {
	bool to_shared;
	unsigned int shared_before;
	unsigned int shared_after; /* of the region */
	uint64_t t_ns;
};

struct plan {
	struct plan_step steps[PLAN_STEPS_MAX];
	unsigned int nr;
	unsigned int guessed; /* steps whose time is not a stamp */
	uint64_t left_out;    /* events beyond PLAN_CYCLES */
};

/*
 * Finds steps that lead from the number of shared pages before to that after, with the last step of
 * each direction at its stamp and as many returns to wholly private as the events allow.
 */
void plan_make(const struct plan_delta *delta, struct plan *ret);

#endif
