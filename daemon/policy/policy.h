/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decides when a region is merged, and when it is held at 4 KiB.
 *
 * A pure library: no clock, no socket, no file, no global. Observations and outcomes go in, batches
 * of due actions come out, and every call is told the time. Points in time are ns of one monotonic
 * clock (lp_link_ops.now_ns); a time that goes backwards counts as the latest one seen.
 *
 * The caller's loop:
 *	policy_observe() for each region that a dump delivers,
 *	policy_next_batch() until it returns 0, or for as long as there is time, carrying each batch out,
 *	policy_outcome() for each region of a batch, policy_batch_done() for each batch,
 *	policy_clear() now and then, after policy_vm_remove(),
 *	one timer at policy_next_deadline().
 *
 * Cost: bounded work per call, constant work per region, no allocation per event, no timer per region; 16 bytes
 * per tracked region where tracked regions are dense, and nothing for regions that never left
 * `large`.
 */
#ifndef TDX_LPAGE_POLICY_POLICY_H
#define TDX_LPAGE_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "tdx-lpage/reasons.h"

#define POLICY_BATCH_MAX   64
#define POLICY_NO_DEADLINE UINT64_MAX
#define POLICY_RFN_MAX	   ((UINT64_C(1) << 31) - 1)

struct policy;

/* What is known of a region. Counters are totals modulo 2^32, times are 0 while there was none. */
struct policy_observation {
	uint64_t rfn;
	uint32_t to_shared_pages;
	uint32_t to_private_pages;
	uint64_t last_to_shared_ns;
	uint64_t last_to_private_ns;
	int state; /* KVM_LPAGE_STATE_*, or POLICY_STATE_UNKNOWN */
	bool held; /* a hold is in force, whoever set it */
};

/* The state is not observable (a trace): the policy follows it from the counters. */
#define POLICY_STATE_UNKNOWN (-1)

enum policy_op { POLICY_OP_MERGE, POLICY_OP_HOLD };

/* The numbers behind a decision. */
struct policy_action {
	uint64_t rfn;
	uint64_t quiet_ns;     /* since the last conversion to private */
	uint64_t threshold_ns; /* the quiet time that this region had to reach */
	uint64_t expected_ns;  /* how long it is expected to stay private from now on */
	uint64_t cost_ns;      /* of the merge, and the split that is expected after it */
	uint64_t saving_ns;    /* estimated page-walk time saved; above cost_ns it pays */
	uint32_t samples;      /* past intervals behind the estimate */
};

/* Regions to be handled under one operation, all of one VM, best first. */
struct policy_batch {
	uint32_t vm_id;
	enum policy_op op;
	/* LPAGE_REASON_DRY_RUN: show it, do not carry it out, give no outcome. Else NONE. */
	enum lpage_reason gate;
	uint64_t hold_ns; /* of POLICY_OP_HOLD */
	unsigned int nr;
	struct policy_action actions[POLICY_BATCH_MAX];
};

/* What a batch cost, as the kernel reports it. */
struct policy_batch_cost {
	uint32_t regions; /* tried */
	uint32_t merged;
	uint64_t fixed_ns;
	uint64_t regions_ns; /* all regions together */
	uint64_t stall_ns;
};

/* One answer to "why is this region not merged". */
struct policy_explanation {
	bool tracked;
	enum lpage_reason reason; /* NONE: nothing stands against it, or it is large */
	uint64_t have;		  /* where the reason is a number: how much there is, ... */
	uint64_t need;	 /* ... and how much would let it pass; same unit (ns, ns/s, 1/s) */
	uint64_t due_ns; /* when it is looked at next; POLICY_NO_DEADLINE: at its next event */
	enum lpage_reason last_refusal;
	unsigned int retries;	/* refusals in a row */
	unsigned int intervals; /* past intervals seen, saturates at 15 */
	uint64_t typical_ns;	/* typical length of the region's past intervals; 0: none yet */
	struct policy_action numbers;
};

/* Totals of a VM (or of all) since it was added; nothing is ever reset. */
struct policy_ledger {
	uint64_t tracked_regions; /* now */
	uint64_t waiting_regions; /* now: mergeable, not merged */
	uint64_t large_regions;	  /* now: tracked and merged back */
	uint64_t queued_regions;  /* now: due, held up by a budget */
	uint64_t conversions;
	uint64_t tries;
	uint64_t merges;
	uint64_t refusals;
	uint64_t splits;  /* of regions that had been merged back */
	uint64_t regrets; /* merges undone before they paid */
	uint64_t holds;
	uint64_t dry_run_merges;
	uint64_t spent_ns;		    /* reported worker time, refused tries included */
	uint64_t split_ns;		    /* of splits, each at the cost in force then */
	uint64_t regret_ns;		    /* cost of the regrets, less what they saved */
	uint64_t walk_saved_ns;		    /* estimated, of all merges, up to the time asked for */
	uint64_t reasons[LPAGE_REASON_END]; /* outcomes of tries by reason; NONE: merged */
};

/* Phases of a region, table.h. */
#define POLICY_PHASES 8

/* VMs whose totals are kept together, as they change. Zeroed at first; policy_group_ledger() shows it. */
struct policy_group {
	struct policy_ledger
		ledger; /* without figures of now, and what was saved since walks_since */
	uint64_t phases[POLICY_PHASES]; /* regions now */
	uint64_t walk_ns_per_s;		/* of walks that merged regions save now */
	unsigned __int128 walks_since;	/* sum of each VM's rate times when it began */
};

/* What was saved (estimated), less what was spent; negative: merges have not paid yet. */
static inline int64_t policy_ledger_net_ns(const struct policy_ledger *ledger)
{
	return (int64_t)(ledger->walk_saved_ns - ledger->spent_ns - ledger->split_ns);
}

/* Costs in force for a VM, learnt or configured. */
struct policy_costs {
	uint64_t merge_ns;
	uint64_t merge_marginal_ns; /* of one more region in a batch */
	uint64_t split_ns;
	uint64_t fail_ns;
	uint64_t walk_ns_per_s;
};

/* Returns NULL when memory is short. @global is copied. */
struct policy *policy_new(const struct config_global *global, uint64_t now_ns);

/*
 * A shadow of @of: a policy whose batches are not carried out, so that observations do not show what
 * became of them; the caller makes outcomes up, and takes those back that reality disproves. It begins with
 * what @of knows: of a VM, as it is added; of a region, as it is observed first, which has to be before @of
 * observes the same. @of must outlive it. NULL when memory is short.
 */
struct policy *policy_new_shadow(const struct config_global *global, const struct policy *of,
				 uint64_t now_ns);

/* NULL-safe; returns NULL. */
struct policy *policy_free(struct policy *policy);

static inline void policy_freep(struct policy **policy)
{
	policy_free(*policy);
}

/* New limits take effect at once. */
void policy_set_global(struct policy *policy, const struct config_global *global, uint64_t now_ns);

/* Pauses every VM. Due regions stay due. */
void policy_pause_all(struct policy *policy, bool paused, uint64_t now_ns);

/* Starts to care for a VM. @settings is copied. -EEXIST, -ENOMEM. */
int policy_vm_add(struct policy *policy, uint32_t vm_id, const struct config_settings *settings,
		  uint64_t now_ns);

/* Forgets a VM and its regions; its memory is freed by policy_clear(). -ENOENT. */
int policy_vm_remove(struct policy *policy, uint32_t vm_id, uint64_t now_ns);

/*
 * All VMs that there are count for nothing any more but the ledger of each, and nobody finds them; the groups that they
 * are in have to be cleared, too. The caller removes each of them, in its own time, and before it adds another one with
 * that id; nothing is handed out until then.
 */
void policy_lose_all(struct policy *policy, uint64_t now_ns);

/* Frees some of the memory of VMs that were removed. Returns whether there is more. */
bool policy_clear(struct policy *policy);

/*
 * Gives memory in the holes that VMs have left back to the host: takes one of *@steps for each 256 KiB that have any.
 * Returns whether there is more.
 */
bool policy_give_back(struct policy *policy, unsigned int *steps);

/*
 * Frees some of a policy that is of no use any more; NULL: that was the last of it. In between, only this and
 * policy_memory_bytes() may be called.
 */
struct policy *policy_shrink(struct policy *policy);

/*
 * What was learnt stays, unless the break-even time is no longer of the same octave; what waits is decided anew, as
 * policy_next_batch() is called. -ENOENT.
 */
int policy_vm_configure(struct policy *policy, uint32_t vm_id,
			const struct config_settings *settings, uint64_t now_ns);

/*
 * Pauses one VM, or shuts a gate: nothing of it is handed out while @gate is not NONE. IN_FLIGHT: until
 * the report of an earlier batch is there. -ENOENT.
 */
int policy_vm_gate(struct policy *policy, uint32_t vm_id, enum lpage_reason gate, uint64_t now_ns);

/*
 * Takes note of a region's counters and times. Giving the same observation again changes nothing.
 * -ENOENT for an unknown VM, -ERANGE for an rfn above POLICY_RFN_MAX, -ENOMEM.
 */
int policy_observe(struct policy *policy, uint32_t vm_id, const struct policy_observation *obs,
		   uint64_t now_ns);

/*
 * The same of @nr regions, faster than one by one: memory is fetched ahead. Goes on after an error
 * and returns the first, but -ENOMEM before all others.
 */
int policy_observe_all(struct policy *policy, uint32_t vm_id, const struct policy_observation *obs,
		       size_t nr, uint64_t now_ns);

/* The kernel no longer lists the region (full dump, slot gone). -ENOENT. */
int policy_forget(struct policy *policy, uint32_t vm_id, uint64_t rfn);

/*
 * Hands out what is due and affordable now. Returns 1 and a batch, or 0 when there is none. One call
 * does a bounded amount of work: when more is due, policy_next_deadline() is not later than @now_ns.
 * The regions of a batch count as in flight until policy_outcome(), at most 10 s.
 */
int policy_next_batch(struct policy *policy, uint64_t now_ns, struct policy_batch *ret);

/*
 * What became of one region of a merge: NONE for merged, else why not; @ns is the worker time
 * charged to it (0: the configured cost). An outcome for a region that is not in flight is counted,
 * and believed when it says `already-large` or merged. -ENOENT.
 */
int policy_outcome(struct policy *policy, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason,
		   uint64_t ns, uint64_t now_ns);

/*
 * Of a shadow: somebody's try of the region was refused at @now_ns, for a reason that was there before. If
 * the shadow has the region merged, then it was refused, too. Returns whether it was; -ENOENT.
 */
int policy_disprove(struct policy *policy, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason,
		    uint64_t now_ns);

/* What a whole batch cost: teaches costs and drives the latency guard, but that of a shadow. -ENOENT. */
int policy_batch_done(struct policy *policy, uint32_t vm_id, const struct policy_batch_cost *cost,
		      uint64_t now_ns);

/* The kernel reports @splits more splits, together @ns. Teaches the split cost. -ENOENT. */
int policy_split_cost(struct policy *policy, uint32_t vm_id, uint64_t splits, uint64_t ns);

/*
 * When to call policy_next_batch() again if nothing else happens; POLICY_NO_DEADLINE: never. A time
 * in the past means now.
 */
uint64_t policy_next_deadline(const struct policy *policy);

/* Why is @rfn not merged, and what would let it pass? -ENOENT for an unknown VM. */
int policy_explain(const struct policy *policy, uint32_t vm_id, uint64_t rfn, uint64_t now_ns,
		   struct policy_explanation *ret);

/* -ENOENT. */
int policy_vm_ledger(const struct policy *policy, uint32_t vm_id, uint64_t now_ns,
		     struct policy_ledger *ret);
void policy_total_ledger(const struct policy *policy, uint64_t now_ns, struct policy_ledger *ret);

/*
 * From now on, the VM counts in @group, too (NULL: in none); what it has counted there before stays. The
 * group has to stay in place until its VMs are gone or in another one. -ENOENT.
 */
int policy_vm_group(struct policy *policy, uint32_t vm_id, struct policy_group *group,
		    uint64_t now_ns);
/* What its VMs have cost and saved stays, they themselves do not. */
void policy_group_clear(struct policy *policy, struct policy_group *group, uint64_t now_ns);
void policy_group_ledger(const struct policy *policy, const struct policy_group *group,
			 uint64_t now_ns, struct policy_ledger *ret);

/* Adds all figures of @from. */
void policy_ledger_add(struct policy_ledger *to, const struct policy_ledger *from);

/* Turns @ledger into what has happened since it was @before; what it says of now stays. */
void policy_ledger_since(struct policy_ledger *ledger, const struct policy_ledger *before);

/* -ENOENT. */
int policy_vm_costs(const struct policy *policy, uint32_t vm_id, struct policy_costs *ret);

/* Bytes in use, for tests and metrics: without what is free in arenas of blocks.h. */
size_t policy_memory_bytes(const struct policy *policy);

#endif
