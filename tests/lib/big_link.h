/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link to a host of any size: VMs that are all alike, each with so many regions that were converted
 * at one time. Takes a bit per region. Answers from the event loop, as a kernel does: a few messages a
 * turn, and no more requests wait than fit its queue.
 */
#ifndef TDX_LPAGE_TESTS_BIG_LINK_H
#define TDX_LPAGE_TESTS_BIG_LINK_H

#include "daemon/link/link.h"

#define BIG_LINK_QUEUE 1024

struct big_link_options {
	uint32_t nr_vms;  /* ids 1 ... */
	uint64_t regions; /* of each VM that were converted and are mapped at 4 KiB */
	uint64_t converted_ns;
	uint64_t merge_ns; /* what a merge is said to cost */
	bool real_clock;   /* else time stands still but for big_link_pass() */
};

struct big_request;

struct big_link {
	struct lp_link link; /* first */
	struct big_link_options options;
	struct event *event;
	uint64_t now_ns;
	struct big_request *queue; /* a ring */
	size_t first, nr;
	uint64_t tags;
	uint8_t *large; /* bit per region */
	/* What was asked. */
	uint64_t merged;
	uint64_t dumped; /* regions */
	uint64_t requests;
	uint64_t refused; /* because the queue was full */
};

/* 0, -ENOMEM. */
int big_link_init(struct big_link *big, struct event_base *base,
		  const struct big_link_options *options);
void big_link_done(struct big_link *big);

void big_link_pass(struct big_link *big, uint64_t ns);

/* All converted regions are mapped at 2 MiB. */
bool big_link_all_large(const struct big_link *big);

#endif
