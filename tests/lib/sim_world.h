/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real manager on the simulated host, in virtual time: nobody sleeps, no clock is asked. */
#ifndef TDX_LPAGE_TESTS_SIM_WORLD_H
#define TDX_LPAGE_TESTS_SIM_WORLD_H

#include <stdio.h>

#include "daemon/core/manager.h"
#include "daemon/link/sim.h"
#include "daemon/link/sim_host.h"

struct sim_world {
	struct event_base *base;
	struct lp_link *link;
	struct lp_manager *manager;
	struct lp_core *core;
	struct lp_log log;
	char *log_text;
	size_t log_size;
	char dir[32];
	int dir_fd;
	uint64_t turns; /* of the event loop */
	uint64_t spins; /* in which the manager's deadline had passed and stayed */
};

/*
 * Starts a manager with the configuration @config (YAML) on a host that plays @trace (@len bytes).
 * @options: those of lp_sim_new(), "," before each, "" for none. Negative errno, with one line on
 * standard error.
 */
int sim_world_open(struct sim_world *world, const char *trace, size_t len, const char *options,
		   const char *config);
void sim_world_close(struct sim_world *world);

/* The host's time. */
uint64_t sim_world_now_ns(const struct sim_world *world);

/* Time passes until @until_ns: each event of the host and each deadline of the manager in turn. */
void sim_world_run(struct sim_world *world, uint64_t until_ns);

/* Until just before the trace ends. */
void sim_world_run_trace(struct sim_world *world);

const struct sim_host *sim_world_host(const struct sim_world *world);

#endif
