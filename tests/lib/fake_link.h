/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A link without a kernel: records what is asked, says what the test tells it to, has its own clock. */
#ifndef TDX_LPAGE_TESTS_FAKE_LINK_H
#define TDX_LPAGE_TESTS_FAKE_LINK_H

#include "daemon/link/link.h"

#define FAKE_ASKED_MAX 256

enum fake_ask { FAKE_DUMP_VMS, FAKE_DUMP_VM, FAKE_DUMP_REGIONS, FAKE_SET_POLICY, FAKE_OP };

/* Something that was asked. */
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
	/* What is dumped: one VM's description and regions, by the caller. */
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

/* Answers all open dumps and policies out of .vms and .regions. Returns how many. */
int fake_link_answer(struct fake_link *fake);
/* The family comes or goes. */
void fake_link_family(struct fake_link *fake, bool present);
/* Answers an operation: queued, then done with every region merged (or refused for @reason). */
void fake_link_finish(struct fake_link *fake, struct fake_asked *asked, uint32_t reason);

#endif
