/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A listener that notes what a link tells. */
#ifndef TDX_LPAGE_TESTS_LINK_SEEN_H
#define TDX_LPAGE_TESTS_LINK_SEEN_H

#include "daemon/link/link.h"

#define LINK_SEEN_REGIONS 64

struct link_seen {
	unsigned int families;
	bool present;
	char why[160];
	unsigned int vms;
	struct lp_vm vm; /* described last */
	unsigned int vms_gone;
	uint32_t gone; /* last */
	size_t nr_regions;
	struct lp_region regions[LINK_SEEN_REGIONS]; /* the first of them */
	unsigned int dump_ends;
	struct lp_dump_end end;
	unsigned int sents;
	uint64_t sent_tag;
	int sent_error; /* of an operation, or of a policy */
	unsigned int policy_sets;
	unsigned int dones;
	uint64_t done_tag;
	struct lp_result result; /* the first */
	struct lp_batch batch;	 /* the first */
	size_t nr_probed;
	struct lp_probed probed[KVM_LPAGE_PROBES_MAX];
	unsigned int changes;
	uint64_t generation; /* of the last change */
	unsigned int losses;
	char text[160]; /* that came with the last end of a dump, or answer to an operation */
};

/* Of a link whose listener's context is a struct link_seen. */
extern const struct lp_link_events link_seen_events;

#endif
