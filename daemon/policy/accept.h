/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long after its pages came back a region is accepted. KVM cannot see ACCEPT: a try that comes
 * too early is refused as `not-accepted`, and that is all there is to learn from.
 *
 * A life table as in hazard.h, in octaves, of regions that were about as late the last time
 * (region.late); of those without a past, what they were shared for tells drivers apart (past.h).
 * Out of it comes when to try: where what is waited for too long (walk-cost) and what refusals cost
 * (fail-cost) are least together.
 */
#ifndef TDX_LPAGE_POLICY_ACCEPT_H
#define TDX_LPAGE_POLICY_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/policy/hazard.h"
#include "daemon/policy/past.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/table.h"

#define ACCEPT_BINS  15 /* the first ends after a tick, the last after 22 break-even times */
#define ACCEPT_LATES 8	/* of region.late: 1: within a tick, then two bins each; 0: not known */
/* Those, and more for 0: by what a region without a past was shared for. */
#define ACCEPT_ROWS (ACCEPT_LATES + PAST_FIRSTS)

/* Of a VM, or of the host, which has no host. Starts from all zero, but for host and unit, and accept_plan(). */
struct accept {
	struct accept *host;
	int unit; /* as hazards.unit */
	struct hazard_counts counts[ACCEPT_ROWS];
	/* The bin at whose end to try, when all before one have passed without. */
	uint8_t best[ACCEPT_ROWS][ACCEPT_BINS];
	/* Rows of it to be worked out before they are used: bits. */
	uint32_t stale;
	uint16_t lessons[ACCEPT_LATES]; /* those of regions without a past count for row 0 */
};

/* Configured costs have changed, or the VM is new: all is planned anew, when it is needed. */
void accept_plan(struct accept *accept);

/*
 * The age in ticks, @age_tick or later, at which to try; @refused: it was refused at @age_tick. Works out the plan
 * that it needs, by @costs, if lessons came since.
 */
uint64_t accept_try_tick(struct accept *accept, const struct region *region, uint64_t age_tick,
			 bool refused, const struct policy_costs *costs);

/* A try at @age_tick was refused, or was not; @again: one before was, in the same interval. */
void accept_note(struct accept *accept, struct region *region, uint64_t age_tick, bool again,
		 bool accepted);

#endif
