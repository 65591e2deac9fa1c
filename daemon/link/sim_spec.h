/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lp_sim_new() is asked for: TRACE[,OPTION...], as sim.h lists the options. */
#ifndef TDX_LPAGE_LINK_SIM_SPEC_H
#define TDX_LPAGE_LINK_SIM_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Numbers are within their ranges; what was not given is 0, but for the speed of 1. */
struct sim_spec {
	char *path; /* of the trace */
	bool is_virtual;
	bool loop;
	bool is_steady;
	bool at_once;
	const char *start; /* a file, part of @path's memory; NULL: at once */
	FILE *decisions;   /* NULL: not asked for */
	FILE *score;
	uint64_t speed;
	uint64_t busy_percent;
	uint64_t interrupt_percent;
	uint64_t lose_percent;
	uint64_t stall_us;
	uint64_t pid;	   /* who has created the VMs; 0: nobody */
	uint64_t vanish_s; /* of the trace; 0: never */
	uint64_t seed;
};

/*
 * Reads @text and opens the files that are to be written, which are the caller's to close, also on
 * error, by sim_spec_done(). -ENOMEM; -EINVAL with one line in @error.
 */
int sim_spec_parse(const char *text, struct sim_spec *ret, char *error, size_t size);
void sim_spec_done(struct sim_spec *spec);

#endif
