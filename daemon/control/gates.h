/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which gate keeps how many regions of a VM at 4 KiB, counted in slices: a turn of the event loop each. */
#ifndef TDX_LPAGE_CONTROL_GATES_H
#define TDX_LPAGE_CONTROL_GATES_H

#include "daemon/control/call.h"
#include "daemon/control/forecast.h"
#include "daemon/control/views.h"

struct gates {
	struct lp_core *core;
	uint32_t vm_id;
	uint64_t seen;
	uint64_t enough; /* of them in this turn */
	uint64_t next_rfn;
	struct gate_view by_reason[LP_NR_REASONS];
	struct forecast_arrivals tries; /* of the policy, by how long they wait */
};

/*
 * For a method with the parameters "vm" and "fresh": counts the next slice. Returns the result when it is
 * complete, to be freed by the caller; NULL: the method is called again, or @call has ended.
 */
struct gates *gates_count(struct control_call *call);

/* Of a call that is cancelled. */
void gates_cancel(struct control_call *call);

/* A new list of those that keep any region. */
json_t *gates_json(struct gates *gates);

/* Are there more regions than are counted? */
bool gates_cut(const struct gates *gates);

#endif
