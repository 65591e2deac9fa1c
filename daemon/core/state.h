/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people switched at run time, kept in the file "switches" below the runtime directory over restarts
 * (not over reboots: neither do VM ids last so long).
 *
 * One word or `word vm-id` a line: `paused`, `dry-run`, `paused-vm 7`. Words that are not known are
 * an error: what somebody paused must not run because a file was misread.
 */
#ifndef TDX_LPAGE_CORE_STATE_H
#define TDX_LPAGE_CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LP_STATE_PAUSED_MAX 4096

struct lp_state {
	bool paused;
	bool dry_run;
	uint32_t *paused_vms; /* ascending */
	size_t nr_paused_vms;
};

void lp_state_done(struct lp_state *state);

bool lp_state_vm_paused(const struct lp_state *state, uint32_t vm_id);

/* 0, also when nothing changes; -ENOMEM; -ENOSPC when LP_STATE_PAUSED_MAX are paused. */
int lp_state_pause_vm(struct lp_state *state, uint32_t vm_id, bool paused);

/* Pure: @ret must be zero. 0, -EINVAL with the number of the bad line in *@ret_line, -ENOMEM. */
int lp_state_parse(const char *text, struct lp_state *ret, unsigned int *ret_line);

/* Reads the file; none is fine. Errors as lp_state_parse(), and those of reading. */
int lp_state_load(int dir_fd, struct lp_state *ret, unsigned int *ret_line);

/* Replaces the file in one step. 0 or negative errno. */
int lp_state_save(int dir_fd, const struct lp_state *state);

#endif
