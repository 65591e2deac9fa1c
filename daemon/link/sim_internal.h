/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sim.c (requests, time, life) and sim_answer.c (answers, events) share. */
#ifndef TDX_LPAGE_LINK_SIM_INTERNAL_H
#define TDX_LPAGE_LINK_SIM_INTERNAL_H

#include "daemon/link/link.h"
#include "daemon/link/sim_host.h"
#include "daemon/link/sim_probe.h"
#include "daemon/link/sim_spec.h"

struct event;

enum sim_request_kind { SIM_REQUEST_VMS, SIM_REQUEST_REGIONS, SIM_REQUEST_POLICY, SIM_REQUEST_OP };

/* Something that was asked, to be answered from the event loop. */
struct sim_request {
	struct sim_request *next;
	enum sim_request_kind kind;
	uint64_t tag;
	uint32_t vm_id;
	struct lp_region_query query;
	struct lp_limits limits;
	uint32_t op;
	uint64_t ttl_ns;
	size_t nr_ranges;
	struct lp_range ranges[];
};

struct sim {
	struct lp_link link; /* first */
	struct sim_spec spec;
	struct sim_host host;
	struct event *timer;
	struct sim_request *requests;
	struct sim_request **requests_end;
	size_t nr_requests;
	struct sim_probe *probes; /* whose window is open */
	uint64_t tags;
	uint64_t cookies;
	uint64_t started_ns; /* our clock, see sim_clock_ns() */
	int schedstat_fd;    /* of a steady host; -1: none */
	uint64_t epoch_ns;   /* the host's clock then */
	uint64_t virtual_ns; /* host time, when it does not follow our clock */
	bool running;
	bool has_started; /* its time passes */
	bool present;
	bool finished;
	uint64_t rng;
	bool untold_loss;
	uint64_t vanish_ns; /* host time; 0: never */
	struct lp_link_stats stats;
};

/* ---- events: each may be lost, as the specification says ---- */

/* Set as the host's callbacks; @ctx is the simulator. */
void sim_tell_vm_new(void *ctx, struct sim_vm *vm);
void sim_tell_vm_gone(void *ctx, struct sim_vm *vm);
/* When the next change of a VM may be sent as an event; UINT64_MAX: there is none. */
uint64_t sim_tell_at_ns(const struct sim *sim, const struct sim_vm *vm);
/* Sends the changes that are due. */
void sim_tell_changes(struct sim *sim);
/* Tells, as a socket does, that something was lost: not how much, and not what. */
void sim_tell_loss(struct sim *sim);

/* ---- answers ---- */

/* Carries out a request and sends its outcome. */
void sim_answer(struct sim *sim, const struct sim_request *request);
/* Ends the probes whose window is over. */
void sim_end_probes(struct sim *sim);
void sim_drop_probes(struct sim *sim);

#endif
