/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heart: keeps what the link tells, feeds it to the policy, has the link carry out what the
 * policy finds due, and gives the outcomes back. Serves struct lp_core_ops (snapshot.h).
 *
 * All work is done in one function, called from the event loop when something happened or a deadline
 * of ours came. While nothing happens it is not called.
 */
#ifndef TDX_LPAGE_CORE_MANAGER_H
#define TDX_LPAGE_CORE_MANAGER_H

#include <stdbool.h>

#include "daemon/core/log.h"
#include "daemon/core/snapshot.h"
#include "daemon/core/state.h"

struct config;
struct event_base;
struct lp_manager;

/* What others are to hear of at once. Each may be NULL. */
struct lp_manager_hooks {
	/* Once: everything that is there has been seen, or that the family is absent. */
	void (*ready)(void *ctx);
	/* One line on how things are; called when it changed, not more than once a second. */
	void (*status)(void *ctx, const char *text);
	void (*reload_begins)(void *ctx);
	void (*reload_ended)(void *ctx);
	/*
	 * A configuration is about to come into force: when the manager starts, and at each reload.
	 * Negative errno and half a sentence in @why: a reload fails, and all stays as it was; a start
	 * goes on without.
	 */
	int (*configure)(void *ctx, const struct config *config, char *why, size_t size);
};

struct lp_manager_options {
	struct event_base *base;
	struct lp_link *link;	      /* not started yet; stays the caller's */
	struct lp_log *log;	      /* its level follows the configuration */
	struct config *config;	      /* taken over, also on error */
	const char *config_path;      /* read again by reload */
	bool config_must_exist;	      /* the file, at reload */
	const char *procfs;	      /* "/proc" */
	int runtime_dir_fd;	      /* stays the caller's */
	const struct lp_state *state; /* as it was left; copied */
	bool dry_run;		      /* asked for on the command line: nothing switches it off */
	const struct lp_manager_hooks *hooks;
	void *hooks_ctx;
};

/* 0, -ENOMEM. */
int lp_manager_new(const struct lp_manager_options *options, struct lp_manager **ret);

/* Starts the link. Its negative errno. */
int lp_manager_start(struct lp_manager *manager);

/* Stops the link; whoever waits for an outcome hears -ECANCELED. NULL-safe; returns NULL. */
struct lp_manager *lp_manager_free(struct lp_manager *manager);

/* For those that show and steer. */
struct lp_core *lp_manager_core(struct lp_manager *manager);

/* The line that the status hook gets, written to @ret. */
void lp_manager_status_text(const struct lp_manager *manager, char *ret, size_t size);

#endif
