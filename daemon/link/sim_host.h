/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host behind sim.c: a trace that is played, and what a kernel would know of it. */
#ifndef TDX_LPAGE_LINK_SIM_HOST_H
#define TDX_LPAGE_LINK_SIM_HOST_H

#include <stdio.h>

#include "daemon/link/link.h"
#include "daemon/trace/model.h"
#include "daemon/trace/trace.h"

/* What a kernel keeps of a VM beside its regions. */
struct sim_vm {
	uint32_t id;
	bool gone;
	uint64_t generation;
	bool armed;   /* the next change sends an event */
	bool pending; /* ... and there is one */
	uint64_t told_ns;
	struct lp_limits admin;
	uint64_t lease_until_ns; /* of @admin; 0: for the life of the VM */
	uint64_t merges;
	uint64_t splits;
	uint64_t split_ns;
	uint64_t refusals;
	uint64_t work_ns;
};

struct sim_host {
	char *path;
	struct trace_reader *reader;
	struct trace_record next; /* not applied yet */
	bool have_next;
	bool ended;
	uint64_t end_ns;  /* host time of the trace's end */
	uint64_t base_ns; /* host time at which the trace (this round of it) began */
	uint32_t id_base; /* added to the trace's ids, so that none is used twice */
	uint32_t id_max;
	uint64_t now_ns;
	struct model model;
	struct sim_vm *vms; /* sorted by id */
	size_t nr_vms;
	size_t vms_capacity;
	uint32_t pid; /* of who created the VMs, 0: not known */
	uint64_t pid_start_ns;
	FILE *decisions; /* a log of the tries; the caller's, or NULL */
	/* The id of each VM that came or went, in trace order. */
	void (*vm_new)(void *ctx, struct sim_vm *vm);
	void (*vm_gone)(void *ctx, struct sim_vm *vm);
	void *ctx;
};

/* Opens the trace at @path on an all-zero host. -EINVAL with a text in sim_host_error(). */
int sim_host_open(struct sim_host *host, const char *path, uint64_t epoch_ns);
void sim_host_close(struct sim_host *host);
const char *sim_host_error(const struct sim_host *host);

/* The admin's layer as it is now: empty once its lease is over. */
struct lp_limits sim_host_admin_limits(const struct sim_host *host, const struct sim_vm *vm);

/* Time of the next record, UINT64_MAX: the trace is over. */
uint64_t sim_host_next_ns(const struct sim_host *host);

/* Applies what happens up to and including @now_ns. Negative errno when the trace is malformed. */
int sim_host_advance(struct sim_host *host, uint64_t now_ns);

/* Restarts the trace at the current time; the old VMs must be gone. */
int sim_host_rewind(struct sim_host *host);

/* All VMs go. */
void sim_host_clear(struct sim_host *host);

/* NULL: none, or gone. */
struct sim_vm *sim_host_vm(const struct sim_host *host, uint32_t vm_id);

void sim_host_describe(const struct sim_host *host, const struct sim_vm *vm, struct lp_vm *ret);

/* Fills @ret with the regions that @query asks for, from *rfn on. Returns how many; 0: the end. */
size_t sim_host_regions(const struct sim_host *host, const struct lp_region_query *query,
			uint64_t *rfn, struct lp_region *ret, size_t capacity);

/* One region of an operation. Returns why it was refused, NONE: it was not. */
uint32_t sim_host_operate(struct sim_host *host, struct sim_vm *vm, uint32_t op, uint64_t rfn,
			  uint64_t ttl_ns);

/* Notes a refusal that was made up. */
void sim_host_refuse(struct sim_host *host, struct sim_vm *vm, uint32_t op, uint64_t rfn,
		     uint32_t reason);

/* Writes the score of the whole trace, once it has ended, as one line of JSON. */
void sim_host_print_score(const struct sim_host *host, FILE *f);

#endif
