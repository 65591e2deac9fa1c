/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated host: VMs that convert memory as a trace says, with the kernel's rules for what a
 * region is and when a merge is refused. The trace begins SIM_EPOCH_NS after the link.
 */
#ifndef TDX_LPAGE_LINK_SIM_H
#define TDX_LPAGE_LINK_SIM_H

#include <stddef.h>

#include "daemon/link/link.h"
#include <tdx-lpage/base.h>

struct sim_host;

#define SIM_EPOCH_NS NS_PER_S

/*
 * Makes a link out of @spec: TRACE[,OPTION...] with
 *	speed=N		N ns of the host pass per ns of ours, 1 ... 1000000
 *	virtual		time stands still but for lp_sim_advance()
 *	steady		time stands still while this process waits for a CPU, where the kernel
 *			counts that: another process cannot make it late
 *	at-once		the trace begins with the link: its first VMs are listed from the start
 *	start=FILE	time stands still until FILE exists
 *	loop		restarts at the end, with new VMs
 *	decisions=FILE	log of the tries, as `tdx-lpctl simulate --decisions` writes it
 *	score=FILE	at the end of the trace: cost, optimum and counts as JSON
 *	busy=P		refuses P percent of the tries as busy
 *	interrupt=P	leaves the rest of P percent of the operations undone as interrupted
 *	lose=P		loses P percent of the events; a run of losses is reported once
 *	stall=TIME_US	every batch stalls its VM that long
 *	pid=N		a process of this machine is said to have created the VMs
 *	vanish=T	the family is absent from second T of the trace on, for 5 seconds
 *	seed=N		of the chances above
 * Returns 0, or a negative errno with one line in @error.
 */
int lp_sim_new(struct event_base *base, const char *spec, struct lp_link **ret, char *error,
	       size_t error_size);

/* Lets a virtual host's time pass until @now_ns (ops->now_ns), applying the trace on the way. */
void lp_sim_advance(struct lp_link *link, uint64_t now_ns);

/* When a virtual host has something to do next: 0 at once, UINT64_MAX never. */
uint64_t lp_sim_next_ns(const struct lp_link *link);

/* Has the trace come to its end? Never with loop. */
bool lp_sim_ended(const struct lp_link *link);

/* The host itself, to compare with what a daemon knows of it. */
const struct sim_host *lp_sim_host(const struct lp_link *link);

#endif
