/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager: keeps the state that the link reports, passes it to the policy, sends the batches of the
 * policy to the link, and returns their outcomes. Serves struct lp_core_ops (snapshot.h).
 *
 * All work is done in one function, called from the event loop after an event or at a deadline. On an
 * idle host it is called only to renew the leases of limits.
 */
#ifndef TDX_LPAGE_CORE_MANAGER_H
#define TDX_LPAGE_CORE_MANAGER_H

#include <stdbool.h>

#include "daemon/core/log.h"
#include "daemon/core/snapshot.h"
#include "daemon/core/state.h"
#include "daemon/core/vmm_args.h"

struct config;
struct event_base;
struct lp_manager;

/* Callbacks to the process. Each may be NULL. */
struct lp_manager_hooks {
	/* Once: all VMs have been read, or the family is absent. */
	void (*ready)(void *ctx);
	/* The status in one line; called when it changed, at most once a second. */
	void (*status)(void *ctx, const char *text);
	void (*reload_begins)(void *ctx);
	void (*reload_ended)(void *ctx);
	/*
	 * A configuration is about to be applied: at start, and at each reload. On a negative errno,
	 * with half a sentence in @why, a reload fails and changes nothing; a start continues.
	 */
	int (*configure)(void *ctx, const struct config *config, char *why, size_t size);
	/*
	 * Has the command line of a VMM read, elsewhere; lp_manager_vmm_args() gets the answer, later and
	 * within seconds. Negative errno: there will be none.
	 */
	int (*ask_args)(void *ctx, const struct lp_vmm_query *query);
	/*
	 * VMs have gone some time ago, and what grows with them is back at the host: the little that lay on
	 * the heap can follow.
	 */
	void (*give_back)(void *ctx);
};

struct lp_manager_options {
	struct event_base *base;
	struct lp_link *link;	      /* not started yet; owned by the caller */
	struct lp_log *log;	      /* its level follows the configuration */
	struct config *config;	      /* taken over, also on error */
	const char *config_path;      /* read by each reload */
	bool config_must_exist;	      /* at reload */
	const char *procfs;	      /* "/proc" */
	int runtime_dir_fd;	      /* owned by the caller */
	const struct lp_state *state; /* of the last run; copied */
	bool dry_run;		      /* of the command line: cannot be turned off */
	const struct lp_manager_hooks *hooks;
	void *hooks_ctx;
	/*
	 * The host's CLOCK_MONOTONIC; gets hooks_ctx; NULL: the machine's, by which timers are never
	 * late.
	 */
	uint64_t (*clock_ns)(void *ctx);
};

/* 0, -ENOMEM. */
int lp_manager_new(const struct lp_manager_options *options, struct lp_manager **ret);

/* Starts the link. Its negative errno. */
int lp_manager_start(struct lp_manager *manager);

/* Stops the link; clients that wait get -ECANCELED. NULL-safe; returns NULL. */
struct lp_manager *lp_manager_free(struct lp_manager *manager);

/* The answer to ask_args(): 0, or negative errno without @args. */
void lp_manager_vmm_args(struct lp_manager *manager, const struct lp_vmm_query *query, int error,
			 const struct lp_vmm_args *args);

/* For control sockets and metrics. Valid as long as the manager. */
struct lp_core *lp_manager_core(struct lp_manager *manager);

/* The line that the status hook gets, written to @ret. */
void lp_manager_status_text(const struct lp_manager *manager, char *ret, size_t size);

#endif
