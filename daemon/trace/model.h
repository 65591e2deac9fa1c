/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The regions of the VMs of a trace as they really are, and what a run over the trace costs: the
 * rules of lptrace 1. Used by `tdx-lpctl simulate` and by the simulated host.
 *
 *  1. Every region starts large, private and accepted. Each page is private and accepted, shared,
 *     or pending.
 *  2. S makes a page shared whatever it was, P a shared page pending, A a pending page accepted;
 *     what does not apply has no effect.
 *  3. An interval begins at the A that empties a region's set of shared and pending pages, and ends
 *     at the next S that hits it, when the VM goes, or at the end.
 *  4. An S of a whole region drops its leaf without a split; once accepted again as a whole it is
 *     large at no cost.
 *  5. A try in an interval without a merge merges; every other try is refused.
 *  6. Cost: page walks in intervals until the merge, merges, splits of merged regions by partial
 *     conversions, refusals. First splits are counted apart.
 *  7. Optimum: per interval the smaller of walking through and merging at once.
 */
#ifndef TDX_LPAGE_TRACE_MODEL_H
#define TDX_LPAGE_TRACE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/trace/trace.h"
#include "tdx-lpage/reasons.h"
#include <tdx-lpage/base.h>

/* 10^-9 ns: a walk cost of 1 ns/s for 1 ns. */
typedef unsigned __int128 model_walk;

struct model_region {
	uint64_t shared[REGION_PAGES / 64];
	uint64_t pending[REGION_PAGES / 64];
	uint16_t nr_shared;
	uint16_t nr_pending;
	bool small;   /* has a page table, or would have one once it is private */
	bool dropped; /* converted as a whole: large once all is accepted */
	bool interval;
	bool merged;  /* the interval holds a merge */
	bool partial; /* the last interval was ended by a conversion of some pages */
	bool noted;   /* for the caller: is on its list of changed regions */
	uint32_t to_shared_pages;
	uint32_t to_private_pages;
	uint32_t to_shared_events;
	uint32_t to_private_events;
	/* For the simulated host. */
	uint32_t last_op;
	uint32_t last_op_reason;
	uint64_t last_op_ns;
	uint64_t generation;
	uint64_t hold_ns; /* end of a hold; 0: none */
	uint64_t last_to_shared_ns;
	uint64_t last_to_private_ns;
	uint64_t start_ns;  /* of the interval */
	uint64_t walk_from; /* up to here the interval's walk is summed up */
	uint64_t merge_ns;  /* time of the merge */
	uint64_t walk_ns_per_s;
	model_walk walk;   /* of the whole interval */
	model_walk walked; /* of it, before the merge */
};

struct model_vm {
	uint32_t id;
	bool gone;
	uint64_t regions;
	uint64_t walk_ns_per_s;
	uint64_t touched_regions;
	struct model_region ***dirs; /* [rfn / 32768][rfn % 32768] */
	uint64_t nr_dirs;
	char name[TRACE_NAME_MAX + 1];
};

/* Parts of the cost, and the optimum. */
struct model_score {
	model_walk walk;
	model_walk opt;
	uint64_t merges;
	uint64_t splits;
	uint64_t refusals;
	uint64_t intervals;
	uint64_t forced_splits;
};

struct model {
	struct trace_costs costs;
	struct model_vm **vms; /* sorted by id */
	size_t nr_vms;
	size_t vms_capacity;
	struct model_vm *last_vm;
	struct model_score score;
	bool ended;
	/* Called for each region whose counters changed; may be NULL. */
	void (*changed)(void *ctx, struct model_vm *vm, uint64_t rfn, struct model_region *region);
	/*
	 * Called for each region whose state (KVM_LPAGE_STATE_*) changed; may be NULL. The end of a
	 * VM changes none.
	 */
	void (*state)(void *ctx, const struct model_vm *vm, uint64_t rfn, uint32_t before,
		      uint32_t after, uint64_t t_ns);
	/* Called for each interval that ends; may be NULL. */
	void (*interval)(void *ctx, const struct model_vm *vm, uint64_t rfn,
			 const struct model_region *region, uint64_t end_ns);
	void *ctx;
};

void model_init(struct model *model, const struct trace_costs *costs);
void model_done(struct model *model);

/* Applies one record. -ENOMEM. */
int model_apply(struct model *model, const struct trace_record *record);

/* A try to merge: NONE when it merged, else why it was refused. */
enum lpage_reason model_try(struct model *model, uint32_t vm_id, uint64_t rfn, uint64_t t_ns);

/* Splits a region by request, which costs nothing but the walks: NONE, or why not. */
enum lpage_reason model_split(struct model *model, uint32_t vm_id, uint64_t rfn, uint64_t t_ns);

/* NULL when there never was such a VM. */
struct model_vm *model_vm_find(const struct model *model, uint32_t vm_id);

/* NULL when the region was never touched. */
struct model_region *model_region_find(const struct model_vm *vm, uint64_t rfn);

/* Finds or makes it; NULL: out of memory. @rfn has to be below vm->regions. */
struct model_region *model_region_get(struct model_vm *vm, uint64_t rfn);

/* The next touched region from *rfn on, which is moved to it; NULL: none. */
struct model_region *model_region_next(const struct model_vm *vm, uint64_t *rfn);

/* KVM_LPAGE_STATE_*, as the kernel would report it. */
uint32_t model_region_state(const struct model_region *region);

/* What the score would be if the trace ended at @t_ns. */
struct model_score model_score_at(const struct model *model, uint64_t t_ns);

/* Totals in ns, rounded down. */
uint64_t model_cost_ns(const struct model *model);
uint64_t model_opt_ns(const struct model *model);
uint64_t model_walk_ns(const struct model *model);

/* Cost by optimum; NAN when the optimum is 0. */
double model_ratio(const struct model *model);

#endif
