/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the manager, and what every part of core/ needs of it: the clock, the wake-up, the
 * switches in force. A part calls only those in the lines above its own:
 *
 *	ranges, rate, regions, state, triage, identity, log (know no manager)
 *	context, watchers, recorders
 *	give_back, due, names, vm, remains
 *	walks
 *	accounts, shadow, pressure, flights, limits, refresh, summary, view
 *	outcomes, range_ops, vms
 *	resolve, switches, holds
 *	actions, results, sync
 *	manager
 *
 * Functions without a result cannot fail. Times are those of the link's clock, in ns.
 */
#ifndef TDX_LPAGE_CORE_CONTEXT_H
#define TDX_LPAGE_CORE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/blocks.h>
#include <tdx-lpage/heap.h>
#include <tdx-lpage/procfs.h>

#include "daemon/config/config.h"
#include "daemon/core/manager.h"
#include "daemon/core/rate.h"
#include "daemon/policy/policy.h"

#define NS_NEVER UINT64_MAX

struct vm_entry;

TAILQ_HEAD(vm_list, vm_entry);
LIST_HEAD(name_list, vm_entry);
TAILQ_HEAD(flight_list, flight);
TAILQ_HEAD(waiter_list, waiter);
TAILQ_HEAD(watcher_list, watcher);
TAILQ_HEAD(recorder_list, recorder);
TAILQ_HEAD(old_policy_list, old_policy);

/* The list of VMs, as the kernel dumps it. */
struct listing {
	bool need;
	bool done;    /* at least once */
	uint64_t tag; /* 0: no dump is under way */
	uint32_t round;
	uint64_t retry_ns;
	unsigned int failures;	 /* in a row */
	uint32_t complete_round; /* of the last one that listed all VMs */
};

/* Of VMs by name: three VMs in each where there are 3000, in 8 KiB. */
#define NAME_BUCKETS 1024

/* Batches of a policy per turn of the event loop: each may come with a slice of the policy's decisions. */
#define BATCHES_PER_TURN 4

/* Regions of several VMs, as they were described last. */
struct region_sums {
	uint64_t capable, large, table, mixed, unmapped, held;
};

/* What merges cost and saved under one rule: accounts.c. */
struct account {
	char rule[CONFIG_NAME_MAX + 1];
	struct policy_group group;
	uint64_t nr_vms; /* now */
	struct region_sums regions;
};

struct accounts {
	struct account **list; /* of rules, in the order of the configuration after a reload */
	size_t nr;
	size_t capacity;
	struct account defaults;
	struct account removed; /* rules that are gone, or that there was no memory for */
	bool any_removed;
};

/* Is the host short of memory or CPU? pressure.c. */
struct pressure {
	enum lpage_reason gate; /* MEMORY_PRESSURE, CPU_PRESSURE, NONE: it is not */
	uint32_t memory_ppm;	/* as read last, UINT32_MAX: never */
	uint32_t cpu_ppm;
	uint64_t next_ns; /* by manager_clock(): not to be read again before */
};

/* A second policy on the same events: shadow.c. */
struct shadow {
	struct policy *policy; /* NULL: none, and nothing else counts */
	struct config_shadow settings;
	uint64_t since_ns;
	struct policy_ledger before; /* of the policy in force, at that time */
	uint64_t assumed;
	uint64_t disproved;
	bool busy; /* more batches are due than one turn of the event loop hands out */
};

/* Events were lost: resynchronizing. */
struct resync {
	uint64_t due_ns;  /* 0: none is due */
	uint64_t last_ns; /* 0: never */
	uint64_t loss_ns; /* when events were lost last, 0: never */
	uint64_t count;
};

/* The VMs, by when something is to be done for them: due.c. */
struct due {
	struct heap heap;
	struct vm_list parked; /* not in the heap: the link had no room for their requests */
};

/* Work on every VM, a slice per turn of the event loop: walks.c. */
enum walk_id {
	WALK_STALE,    /* events were lost */
	WALK_BEHIND,   /* the daemon was kept from running */
	WALK_RESYNC,   /* all is read again */
	WALK_REFRESH,  /* a client wants to know how things are now */
	WALK_RULES,    /* the configuration is another one */
	WALK_SHADOW,   /* it has a shadow now */
	WALK_SUMMARY,  /* lines for the journal */
	WALK_UNLISTED, /* VMs that are gone */
	WALK_LOST,     /* VMs of a family that is gone */
	WALKS
};

typedef void (*walk_each_fn)(struct lp_manager *m, struct vm_entry *vm);
typedef void (*walk_done_fn)(struct lp_manager *m);

struct walk {
	bool pending;
	bool wrapped;	  /* it has begun anew at the lowest id, and ends before stop_id */
	uint64_t next_id; /* the next VM has this id or a higher one */
	uint64_t stop_id;
	walk_each_fn each;
	walk_done_fn done;
};

struct lp_manager {
	struct lp_core core;
	struct lp_manager_options options;
	struct lp_link *link;
	const struct lp_log *log;
	struct config *config;
	char config_error[256];
	struct lp_state state;
	uint64_t next_end_ns; /* of a pause or hold, by manager_clock(); NS_NEVER: none */
	uint64_t give_back_own_ns; /* when memory of VMs that are gone is given back, by manager_clock(); 0: none is */
	bool giving_back;     /* it is being given back */
	struct blocks blocks; /* VMs and their regions */
	bool vms_left;	      /* VMs may be gone that are held */
	struct policy *policy;
	struct event *wake;
	struct event *timer;
	uint64_t timer_own_ns; /* when it fires, by manager_clock(), 0: not at all */
	uint64_t late_own_ns;  /* when it fired late, 0: never */
	struct vm_entry **vms; /* by id, ascending */
	size_t nr_vms;
	size_t vms_capacity;
	size_t nr_lost;	     /* of them, which are shown nowhere: vm_is_lost() */
	struct vm_list lost; /* those, by .by_stats */
	struct due due;
	struct flight_list flights;
	size_t nr_own_flights; /* those that are not manual */
	struct waiter_list waiters;
	struct watcher_list watchers;
	bool notifying; /* within watchers_notify() */
	struct recorder_list recorders;
	/* The family. */
	bool family;
	uint32_t family_round; /* counts how often it went */
	char lost_why[160];    /* the last time */
	bool answered;	       /* the link has reported whether there is one */
	bool ready;
	uint32_t settled_id;  /* before that: VMs with a lower id have been read */
	char why[160];	      /* why there is none */
	char host_error[160]; /* why the kernel refuses all requests, "": it does not */
	struct listing listing;
	struct resync resync;
	bool working;	       /* the work is being done */
	bool unfinished;       /* work is left for the next turn of the event loop */
	bool busy;	       /* more batches are due than one turn of the event loop hands out */
	uint64_t link_full_ns; /* when the link took no more requests; 0: it does */
	/* Logs and status. */
	uint64_t start_ns;
	uint64_t config_ns;
	uint64_t summary_due_ns; /* 0: nothing to report */
	uint64_t status_due_ns;	 /* 0: nothing to report */
	char status[192];
	struct rate merges;
	uint64_t wakeups;
	struct name_list names[NAME_BUCKETS];
	struct walk walks[WALKS];
	/* Of all VMs, kept as they change. */
	struct lp_tally tally; /* those that are gone included */
	struct region_sums regions;
	struct vm_list
		by_stats; /* in the order in which their statistics were read, those never read first */
	struct accounts accounts;
	struct shadow shadow;
	struct vm_list remains; /* VMs that are gone, by .by_stats: remains.c */
	struct old_policy_list old_policies;
	struct pressure pressure;
	struct procfs_namespaces namespaces;
};

/* The link's clock: CLOCK_MONOTONIC for a kernel, the time of a simulated host. */
uint64_t manager_now(const struct lp_manager *m);

/*
 * The host's CLOCK_MONOTONIC, by which pauses and holds end: people and programs that ask for half an
 * hour mean theirs, also on a simulated host.
 */
uint64_t manager_clock(const struct lp_manager *m);

/* When a pause or hold of that length ends; 0 for 0. And how long it lasts, UINT64_MAX for no end. */
uint64_t manager_end_ns(const struct lp_manager *m, uint64_t for_ns);
uint64_t manager_left_ns(const struct lp_manager *m, uint64_t until_ns);

/* What is paused or held has changed: sets the timer for the next end. */
void manager_ends_changed(struct lp_manager *m);

/* Writes the switches. Its negative errno, which has been logged. */
int manager_save_state(struct lp_manager *m);

/*
 * Schedules the work of the manager in the event loop: in this turn of it, if that is still going on. The work itself goes
 * on in the next one.
 */
void manager_wake(struct lp_manager *m);

/* A slice of the work is done: it goes on in the next turn, after whatever else there is to serve. */
void manager_go_on(struct lp_manager *m);

/*
 * The link takes no more requests until it has answered some: they are put off, which is no failure.
 * manager_deferred() takes the result of a request, and says whether it was put off.
 */
#define LINK_RETRY_NS (5 * NS_PER_MS)
bool manager_deferred(struct lp_manager *m, int result);
bool manager_link_full(const struct lp_manager *m);

/*
 * Is the family there, and are the VMs of one that was there before gone? Else the daemon sends no requests
 * of its own accord.
 */
bool manager_is_linked(const struct lp_manager *m);

/* Is dry-run in force for the whole host? */
bool manager_dry_run(const struct lp_manager *m);

/*
 * Does nothing of the host get merged: by a pause, for want of memory or CPU, or until all VMs that are to be
 * read first know it? And tells the policy.
 */
bool manager_stands_still(const struct lp_manager *m);
void manager_pause_policy(struct lp_manager *m);

#define MANAGER_WHY_MAX 160

/* Calls the configure hook. Its negative errno, with half a sentence in @why. */
int manager_configure(struct lp_manager *m, const struct config *config,
		      char why[static MANAGER_WHY_MAX]);

/* Something changed that the status line may show; it is sent at most once per STATUS_INTERVAL_NS. */
#define STATUS_INTERVAL_NS NS_PER_S
void manager_status_soon(struct lp_manager *m);

/* Something was done that the next summary reports. */
void manager_summary_soon(struct lp_manager *m);

/* The kernel refuses all requests (negative errno): the status is degraded until one succeeds. */
void manager_set_host_error(struct lp_manager *m, int error, const char *text);

/* Counts for the VM and for the host. */
#define TALLY_ADD(m, vm, counter, n)                                                               \
	do {                                                                                       \
		const uint64_t tally_n_ = (n);                                                     \
		(vm)->tally.counter += tally_n_;                                                   \
		(m)->tally.counter += tally_n_;                                                    \
	} while (0)

static inline struct lp_manager *manager_of(struct lp_core *core)
{
	return (struct lp_manager *)core;
}

static inline const struct lp_manager *manager_of_const(const struct lp_core *core)
{
	return (const struct lp_manager *)core;
}

static inline uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
