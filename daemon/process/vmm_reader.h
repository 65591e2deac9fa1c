/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads command lines of VMMs in other processes, since whoever reads one may wait for as long as the VMM
 * likes (vmm_args.h).
 *
 *	daemon --- keeper --- worker --- /proc/PID/cmdline
 *
 * The keeper is forked when the daemon starts, and never touches a VMM. The worker does, one at a time: when
 * it does not answer within VMM_WORKER_NS, the keeper kills it and forks another, at most one per VMM_FORK_NS,
 * and none while VMM_WORKERS_MAX are left that did not even die. The daemon does not fork for what a VMM does;
 * it does so when the keeper is gone or stuck, at most once per VMM_KEEPER_NS.
 */
#ifndef TDX_LPAGE_PROCESS_VMM_READER_H
#define TDX_LPAGE_PROCESS_VMM_READER_H

#include "daemon/core/log.h"
#include "daemon/core/vmm_args.h"

#define VMM_WORKER_NS	(500 * NS_PER_MS)
#define VMM_FORK_NS	VMM_WORKER_NS
#define VMM_WORKERS_MAX 3 /* with daemon and keeper within TasksMax= of the unit */
#define VMM_KEEPER_NS	(60 * NS_PER_S)

struct event_base;
struct vmm_reader;

/* 0, or negative errno without @args. Not called within vmm_reader_ask(). */
typedef void (*vmm_reader_cb)(void *ctx, const struct lp_vmm_query *query, int error,
			      const struct lp_vmm_args *args);

/* Forks the keeper. @procfs and @log must stay valid. 0 or negative errno. */
int vmm_reader_new(struct event_base *base, const char *procfs, const struct lp_log *log,
		   vmm_reader_cb cb, void *ctx, struct vmm_reader **ret);

/* NULL-safe; returns NULL. What was asked gets no answer; the keeper ends by itself. */
struct vmm_reader *vmm_reader_free(struct vmm_reader *reader);

/* Asks for a command line: @cb is called once, within VMM_QUEUE_DEADLINE_NS. 0 or negative errno. */
int vmm_reader_ask(struct vmm_reader *reader, const struct lp_vmm_query *query);

/* The keeper: serves requests from @fd until the other end is closed. Never returns. */
_Noreturn void vmm_keeper_main(int fd, const char *procfs);

#endif
