/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the policy library share. */
#ifndef TDX_LPAGE_POLICY_INTERNAL_H
#define TDX_LPAGE_POLICY_INTERNAL_H

#include <sys/queue.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/accept.h"
#include "daemon/policy/adaptive.h"
#include "daemon/policy/budget.h"
#include "daemon/policy/costs.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/queue.h"
#include "daemon/policy/table.h"

/* Walks over the regions of a VM that go on in slices: backlog.c. Regions are entered by rfn. */
struct backlog {
	bool missed;	 /* a region that is due found no place in the queue */
	bool fetching;	 /* such regions are looked for, from fetch_rfn on */
	bool replanning; /* from replan_rfn on, regions are planned by old settings */
	uint32_t fetch_rfn;
	uint32_t replan_rfn;
	uint64_t retry_ns; /* no walk before: there was no memory for the queue */
};

TAILQ_HEAD(policy_vm_list, policy_vm);

/* The groups that a VM is counted in: sums.h. */
enum { GROUP_OWN, GROUP_ALL, GROUP_CALLER, GROUPS_MAX };

struct policy_vm {
	uint32_t id;
	struct policy *policy;
	struct config_settings settings;
	enum lpage_reason gate;
	struct table table;
	struct queue queue;
	struct queue holds; /* regions to be held at 4 KiB */
	struct backlog backlog;
	TAILQ_ENTRY(policy_vm) list; /* while .backlog.replanning, or .removed */
	uint32_t round;		     /* of the policy, when it was added */
	bool removed;		     /* its chunks are in the heap until they are freed */
	bool active;		     /* in the ring of VMs with regions that are due */
	struct policy_vm *prev_active;
	struct policy_vm *next_active;
	struct bucket rate;
	double usage; /* tries, fading over BUDGET_SPAN_NS, as of usage_ns */
	uint64_t usage_ns;
	uint64_t guard_until_ns;
	uint64_t guard_span_ns;
	uint32_t guard_batch; /* what the latency guard leaves of the batch */
	struct costs costs;
	struct policy_costs cost;  /* in force */
	struct adaptive *adaptive; /* NULL before the first conversion */
	unsigned int unit;	   /* of it */
	bool forgets;		   /* its unit has changed, and not all regions are planned anew */
	uint64_t birth_tick;
	uint64_t merged_regions; /* now */
	uint64_t saved_until_ns; /* own.ledger.walk_saved_ns is complete up to here */
	struct policy_group own;
	/* What counts it, NULL: none more. */
	struct policy_group *groups[GROUPS_MAX + 1];
	size_t weighed_bytes; /* of policy.vm_bytes */
};

struct policy {
	struct config_global global;
	const struct policy *of; /* what it is a shadow of, NULL: none */
	bool paused;
	uint64_t now_ns;
	struct policy_vm **vms; /* sorted by id */
	size_t nr_vms;
	size_t vms_capacity;
	uint32_t round; /* VMs of another one are lost */
	size_t nr_lost;
	struct policy_vm *last_vm; /* found last */
	struct heap heap;
	struct blocks blocks;	  /* VMs, their regions and queues */
	struct policy_vm *active; /* ring; served next */
	size_t nr_active;
	size_t round_left; /* of them, to be served before the round is over; 0: a new one begins */
	uint64_t round_retry_ns; /* retry_ns of those that were served */
	struct bucket rate;
	struct bucket cpu;
	double usage;
	uint64_t usage_ns;
	/* What all VMs of a unit taught; NULL: there was none. */
	struct adaptive *adaptive[ADAPTIVE_UNITS];
	struct policy_vm_list replanning;
	struct policy_vm_list removed; /* not in .vms any more, and not freed yet */
	bool replan_all;	       /* also VMs from replan_id on */
	uint32_t replan_id;
	unsigned int slice; /* regions that may be planned anew before the next call for a batch */
	uint64_t decisions; /* regions whose deadline passed, or that were fetched */
	uint64_t retry_ns; /* when a limit lets the next batch pass; POLICY_NO_DEADLINE: none shut */
	struct policy_group all; /* VMs that were removed included */
	size_t vm_bytes;	 /* of memory, of all VMs */
};

static inline uint64_t tick_of(uint64_t ns)
{
	return ns >> TICK_SHIFT;
}

/* The first tick that begins at @ns or later. */
static inline uint64_t tick_after(uint64_t ns)
{
	return (ns + (UINT64_C(1) << TICK_SHIFT) - 1) >> TICK_SHIFT;
}

/* Advances the policy's clock, which never goes back, and returns it. */
static inline uint64_t policy_clock(struct policy *policy, uint64_t now_ns)
{
	if (now_ns > policy->now_ns)
		policy->now_ns = now_ns;
	return policy->now_ns;
}

/* Large by a merge, which the next partial conversion will split. */
static inline bool region_is_merged(const struct region *region)
{
	return region->phase == PHASE_LARGE && !region->whole;
}

/* A try was refused in this interval, since the guest had not accepted yet. */
static inline bool region_is_late(const struct region *region)
{
	return region->retries && region->reason == LPAGE_REASON_NOT_ACCEPTED;
}

/* The reason of the last refusal, as region.reason keeps it: the kernel's values, REASON_OTHER, REASON_DRY. */
static inline enum lpage_reason region_reason(const struct region *region)
{
	if (region->reason == REASON_DRY)
		return LPAGE_REASON_DRY_RUN;
	return region->reason == REASON_OTHER ? LPAGE_REASON_OTHER :
						(enum lpage_reason)region->reason;
}

static inline void region_set_reason(struct region *region, enum lpage_reason reason)
{
	region->reason = reason < LPAGE_REASON_KERNEL_END ? (uint8_t)reason : REASON_OTHER;
}

/* Dry-run may be over: the region is decided anew. */
static inline void region_forget_dry_run(struct region *region)
{
	if (region->reason == REASON_DRY)
		region->reason = LPAGE_REASON_NONE;
}

_Static_assert(LPAGE_REASON_KERNEL_END <= REASON_OTHER, "region.reason holds every kernel reason");

/* vm_state.c */

/* Where the VM is in policy->vms, or would be. */
size_t vm_index(const struct policy *policy, uint32_t vm_id);
/* The VM with that id, which may be lost. NULL: there is none. */
struct policy_vm *vm_any(const struct policy *policy, uint32_t vm_id);
/* One that is not lost. */
struct policy_vm *policy_vm_find(const struct policy *policy, uint32_t vm_id);
/* The same, and the next look for it is short. */
struct policy_vm *vm_use(struct policy *policy, uint32_t vm_id);
void vm_set_phase(struct policy_vm *vm, struct region *region, enum phase phase);
/* A region that was small has been merged. */
void vm_merged(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns);
void vm_costs_changed(struct policy_vm *vm);
/* Starts to learn, or to learn anew if the costs call for another unit than up to now. -ENOMEM. */
int vm_learn(struct policy_vm *vm);

/* sums.c */

/* The VM may hold more or less memory than before. */
void vm_weigh(struct policy_vm *vm);

/* shadow.c */

/* A VM of a shadow begins with what is known of it. -ENOMEM. */
int shadow_adopt_vm(struct policy_vm *vm);
/* So does a region, which has just been entered. False: nothing is known of it. */
bool shadow_adopt_region(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns);

/* decide.c */

/* A region has become private: decides when it is due. @start_ns is the exact time. */
void decide_plan(struct policy_vm *vm, struct region_ref *ref, uint64_t start_ns, uint64_t now_ns);
/* The settings have changed: plans anew for a region that waits. */
void decide_replan(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns);
/* A region is due: enters it into the queue. False: there is no memory for it, try again later. */
bool decide_enqueue(struct policy_vm *vm, struct region_ref *ref, uint64_t now_tick);
/* A region is large: its age is noted from time to time. */
void decide_watch(struct policy_vm *vm, struct region_ref *ref, uint64_t now_ns);
/* Callback of the table: the deadline of a region has passed. */
void decide_expired(struct policy_vm *vm, struct region_ref *ref, uint64_t now_tick);
/* The age in ticks at which a region is tried, again if one at @refused_tick was refused; NO_TICK: never. */
uint64_t decide_try_tick(const struct policy_vm *vm, const struct region *region,
			 uint64_t refused_tick);
/* The gate that is shut for the VM, NONE: open. */
enum lpage_reason decide_gate(const struct policy_vm *vm);
/* The numbers behind a decision about @region. */
struct policy_action decide_numbers(const struct policy_vm *vm, const struct region *region,
				    uint64_t rfn, uint64_t now_ns);

/* backlog.c */

/* Handles deadlines that have passed: a slice of them. */
void backlog_expire(struct policy *policy, uint64_t now_ns);
/* Enters due regions that found no place into the queue, which is empty: a slice of the walk. */
void backlog_fetch(struct policy_vm *vm, uint64_t now_ns);
static inline bool backlog_waits(const struct policy_vm *vm)
{
	return vm->backlog.missed || vm->backlog.fetching;
}
/* Plans anew for all regions of the VM, or of all VMs; those beyond the first slice by backlog_replan(). */
void backlog_begin_replan(struct policy_vm *vm, uint64_t now_ns);
void backlog_replan_all(struct policy *policy, uint64_t now_ns);
void backlog_replan(struct policy *policy, uint64_t now_ns);
bool backlog_replans(const struct policy *policy);
/* A batch is called for: there is room for another slice. */
void backlog_begin_slice(struct policy *policy);
void backlog_end_replan(struct policy_vm *vm);

#endif
