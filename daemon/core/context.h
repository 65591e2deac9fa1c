/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the manager, and what every part of core/ needs of it: the clock, the wake-up, the
 * switches in force. A part calls only those in the lines above its own:
 *
 *	ranges, rate, regions, state, triage, identity, log (know no manager)
 *	context, watchers, recorders
 *	vm
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
#include <tdx-lpage/procfs.h>

#include "daemon/config/config.h"
#include "daemon/core/manager.h"
#include "daemon/core/rate.h"
#include "daemon/policy/policy.h"

#define NS_NEVER UINT64_MAX

struct vm_entry;

TAILQ_HEAD(flight_list, flight);
TAILQ_HEAD(waiter_list, waiter);
TAILQ_HEAD(watcher_list, watcher);
TAILQ_HEAD(recorder_list, recorder);

/* The list of VMs, as the kernel dumps it. */
struct listing {
	bool need;
	bool done;    /* at least once */
	uint64_t tag; /* 0: no dump is under way */
	uint32_t round;
	uint64_t retry_ns;
	unsigned int failures; /* in a row */
};

/* Batches of a policy per turn of the event loop: each may come with a slice of the policy's decisions. */
#define BATCHES_PER_TURN 4

/* What merges cost and saved under one rule: accounts.c. */
struct account {
	char rule[CONFIG_NAME_MAX + 1];
	struct policy_ledger ledger; /* without what VMs gained since they were charged last */
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

struct lp_manager {
	struct lp_core core;
	struct lp_manager_options options;
	struct lp_link *link;
	const struct lp_log *log;
	struct config *config;
	char config_error[256];
	struct lp_state state;
	uint64_t next_end_ns; /* of a pause or hold, by manager_clock(); NS_NEVER: none */
	bool vms_left;	      /* VMs may be gone that are held */
	struct policy *policy;
	struct event *wake;
	struct event *timer;
	uint64_t timer_own_ns; /* when it fires, by manager_clock(), 0: not at all */
	uint64_t late_own_ns;  /* when it fired late, 0: never */
	struct vm_entry **vms; /* by id, ascending */
	size_t nr_vms;
	size_t vms_capacity;
	struct flight_list flights;
	size_t nr_own_flights; /* those that are not manual */
	struct waiter_list waiters;
	struct watcher_list watchers;
	bool notifying; /* within watchers_notify() */
	struct recorder_list recorders;
	/* The family. */
	bool family;
	bool answered; /* the link has reported whether there is one */
	bool ready;
	char why[160];	      /* why there is none */
	char host_error[160]; /* why the kernel refuses all requests, "": it does not */
	struct listing listing;
	struct resync resync;
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
	struct lp_tally gone_tally; /* of the VMs that are gone */
	struct accounts accounts;
	struct shadow shadow;
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

/* Schedules the work of the manager in the event loop. */
void manager_wake(struct lp_manager *m);

/*
 * The link takes no more requests until it has answered some: they are put off, which is no failure.
 * manager_deferred() takes the result of a request, and says whether it was put off.
 */
#define LINK_RETRY_NS (5 * NS_PER_MS)
bool manager_deferred(struct lp_manager *m, int result);
bool manager_link_full(const struct lp_manager *m);

/* Is dry-run in force for the whole host? */
bool manager_dry_run(const struct lp_manager *m);

/* Does nothing of the host get merged: by a pause, or for want of memory or CPU? And tells the policy. */
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

/* Adds counts, and takes the larger maximum. */
void tally_add(struct lp_tally *to, const struct lp_tally *from);

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
