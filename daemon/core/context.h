/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager's state, and what every part of core/ needs of it: the clock, the wake-up, the switches in force. Parts
 * call down only: context, rate, watchers, recorders < vm < limits, flights < outcomes < resolve < results, actions, range_ops;
 * summary < vms < refresh, sync, switches, view < manager.
 */
#ifndef TDX_LPAGE_CORE_CONTEXT_H
#define TDX_LPAGE_CORE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tdx-lpage/base.h>

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
	struct policy *policy;
	struct event *wake;
	struct event *timer;
	struct vm_entry **vms; /* by id, ascending */
	size_t nr_vms;
	size_t vms_capacity;
	struct flight_list flights;
	size_t nr_own_flights; /* those that are not manual */
	struct waiter_list waiters;
	struct watcher_list watchers;
	bool notifying; /* watchers_notify() goes through them */
	struct recorder_list recorders;
	/* The family. */
	bool family;
	bool answered; /* it is known whether there is one */
	bool ready;
	char why[160];	      /* why there is none */
	char host_error[160]; /* why nothing can be asked of it, "" for nothing */
	struct listing listing;
	struct resync resync;
	/* Logs and status. */
	uint64_t start_ns;
	uint64_t config_ns;
	uint64_t summary_due_ns; /* 0: nothing to report */
	uint64_t status_due_ns;	 /* 0: nothing to report */
	char status[192];
	struct rate merges;
	uint64_t wakeups;
	struct lp_tally gone_tally; /* of the VMs that are gone */
};

/* The link's clock, in ns. */
uint64_t manager_now(const struct lp_manager *m);

/* Has the work done soon, from the event loop. */
void manager_wake(struct lp_manager *m);

/* Is dry-run in force for the whole host? */
bool manager_dry_run(const struct lp_manager *m);

#define MANAGER_WHY_MAX 160

/* Has the hooks do what @config asks of them. Negative errno, and why. */
int manager_configure(struct lp_manager *m, const struct config *config,
		      char why[static MANAGER_WHY_MAX]);

/* Something changed that the status line may show; it is sent at most once per STATUS_INTERVAL_NS. */
#define STATUS_INTERVAL_NS NS_PER_S
void manager_status_soon(struct lp_manager *m);

/* Something was done that the next summary reports. */
void manager_summary_soon(struct lp_manager *m);

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
