/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A link without a kernel: records requests, reports what the test says, has a clock of its own. */
#ifndef TDX_LPAGE_TESTS_FAKE_LINK_H
#define TDX_LPAGE_TESTS_FAKE_LINK_H

#include "daemon/link/link.h"

#define FAKE_ASKED_MAX 256

enum fake_ask { FAKE_DUMP_VMS, FAKE_DUMP_VM, FAKE_DUMP_REGIONS, FAKE_SET_POLICY, FAKE_OP };

/* A request of the manager. */
struct fake_asked {
	enum fake_ask what;
	uint64_t tag;
	uint32_t vm_id;
	uint64_t since;
	struct lp_limits limits;
	uint32_t op;
	uint64_t ttl_ns;
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	size_t nr_ranges;
	bool answered;
};

struct fake_link {
	struct lp_link link; /* first */
	uint64_t now_ns;
	struct fake_asked asked[FAKE_ASKED_MAX];
	size_t nr_asked;
	int error;	   /* of every request, 0: taken */
	uint64_t stall_ns; /* of every batch that is carried out */
	bool started;
	/* What is dumped. The regions are those of each VM. */
	struct lp_vm vms[4];
	size_t nr_vms;
	struct lp_region regions[64];
	size_t nr_regions;
	uint64_t resync_generation;
};

void fake_link_init(struct fake_link *fake, struct event_base *base);

/* The oldest request of this kind that has not been answered, or NULL. */
struct fake_asked *fake_link_open(struct fake_link *fake, enum fake_ask what);
size_t fake_link_count(const struct fake_link *fake, enum fake_ask what);

/* Answers all open dumps and policies from .vms and .regions. Returns how many. */
int fake_link_answer(struct fake_link *fake);

/* Answers a dump without contents. @end gives the error, and whether the dump was interrupted. */
void fake_link_end_dump(struct fake_link *fake, struct fake_asked *asked, struct lp_dump_end end);

/* The kernel queues an operation, or refuses the request: @error, a negative errno. */
void fake_link_sent(struct fake_link *fake, struct fake_asked *asked, int error, const char *text);

/* Reports the end of an operation; fake_link_sent() comes first. */
void fake_link_done(struct fake_link *fake, const struct lp_done *done);

/* Queues an operation, and ends it with every region merged (or refused for @reason). */
void fake_link_finish(struct fake_link *fake, struct fake_asked *asked, uint32_t reason);

/* Events that nobody asked for. */
void fake_link_family(struct fake_link *fake, bool present);
void fake_link_new_vm(struct fake_link *fake, const struct lp_vm *vm);
void fake_link_vm_gone(struct fake_link *fake, uint32_t vm_id);
void fake_link_changed(struct fake_link *fake, uint32_t vm_id);
void fake_link_policy_changed(struct fake_link *fake, const struct lp_policy_change *change);
void fake_link_lose_events(struct fake_link *fake);

#endif
