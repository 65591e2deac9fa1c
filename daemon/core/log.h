/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging: to the journal with fields when stderr is the journal, else to stderr with the priority
 * in front as "<N>", which journald and syslog relays understand. Nobody is waited for: lines that are
 * not taken at once are dropped, and counted.
 */
#ifndef TDX_LPAGE_CORE_LOG_H
#define TDX_LPAGE_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>

/* One per kind of state change, for `journalctl MESSAGE_ID=...`. X(NAME, "id", "what") */
#define LP_MESSAGES(X)                                                                             \
	X(NONE, "", "")                                                                            \
	X(STARTED, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b01", "the daemon is up")                         \
	X(STOPPED, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b02", "the daemon is stopping")                   \
	X(FAMILY, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b03",                                              \
	  "the kernel's family appeared or disappeared")                                           \
	X(VM, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b04", "a VM appeared, went away or changed its rule")  \
	X(SUMMARY, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b05", "summary of operations on a VM")            \
	X(PAUSE, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b06", "pause or dry-run was switched")              \
	X(LOSS, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b07", "events were lost")                            \
	X(RELOAD, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b08", "the configuration was reloaded")            \
	X(FAILURE, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b09", "a request failed")                         \
	X(BATCH, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b0a", "a batch completed")                          \
	X(HOLD, "3d0b1f4c9a5e4f0b8c6d27a1e94f5b0b", "a hold of a VM began or ended")

enum lp_message {
#define X(name, id, what) LP_MESSAGE_##name,
	LP_MESSAGES(X)
#undef X
};

/* More lines per second are counted, not written; errors always are. */
#define LP_LOG_LINES_PER_S 200

struct lp_log_cap {
	uint64_t second; /* of CLOCK_MONOTONIC */
	unsigned int lines;
	unsigned int suppressed;
	unsigned int dropped; /* nobody read them */
};

struct lp_log {
	FILE *file; /* where lines go without the journal */
	int fd;	    /* the same, without waiting; 0: only @file */
	int journal_fd;
	bool journal;
	bool tty;		/* without the "<N>" */
	int max_priority;	/* of syslog(3); less important lines are dropped */
	struct lp_log_cap *cap; /* the caller's; NULL: every line is written */
};

/* What a line is about. */
struct lp_log_about {
	enum lp_message message;
	uint32_t vm_id;	     /* 0: no VM */
	const char *vm_name; /* NULL or "": no name */
};

/* Finds out whether stderr is the journal or a terminal. */
void lp_log_init(struct lp_log *log, int max_priority);

/* Writes one line; @about may be NULL. Never fails. */
void lp_log(const struct lp_log *log, int priority, const struct lp_log_about *about,
	    const char *format, ...) __attribute__((format(printf, 4, 5)));

struct config_errors;

/* Writes a line for each error, or warning, of a configuration. */
void lp_log_config(const struct lp_log *log, int priority, const struct lp_log_about *about,
		   const struct config_errors *errors);

#endif
