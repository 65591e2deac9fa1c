/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages of the kvm-lpage family as a kernel sends them, for the tests of their parser. */
#ifndef TDX_LPAGE_TESTS_NLMESSAGES_H
#define TDX_LPAGE_TESTS_NLMESSAGES_H

#include <stdbool.h>

#include "tests/lib/nlbuild.h"

#define NLB_FAMILY 30 /* the family's id */

/* A VM, with something in each attribute. */
void nlb_msg_vm(struct nlbuild *b);
/* One more region of a chunk. */
void nlb_msg_region(struct nlbuild *b, uint64_t rfn, uint32_t state);
/* Some regions of a dump. */
void nlb_msg_regions(struct nlbuild *b);
/* The outcome of a merge. */
void nlb_msg_done(struct nlbuild *b);
/* One more region of the outcome of a probe; 0 leaves @first_ns and @reason out. */
void nlb_msg_probed(struct nlbuild *b, uint32_t rfn, bool touched, uint64_t first_ns,
		    uint32_t reason);
/* The outcome of a probe, without regions. */
void nlb_msg_start_probe(struct nlbuild *b);
/* The same with regions. */
void nlb_msg_probe(struct nlbuild *b);
/* Limits that somebody has changed. */
void nlb_msg_change(struct nlbuild *b);

#endif
