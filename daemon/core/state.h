/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pause and dry-run as switched at run time. The file "switches" below the runtime directory keeps
 * them across restarts, but not across reboots, as VM ids do not last longer.
 *
 * One switch per line: `paused`, `dry-run`, `paused-vm 7`. An unknown word is an error: a paused VM
 * must not run because the file was misread.
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
	size_t capacity; /* of paused_vms */
};

void lp_state_done(struct lp_state *state);

bool lp_state_vm_paused(const struct lp_state *state, uint32_t vm_id);

/* 0, also when nothing changes; -ENOMEM; -ENOSPC when LP_STATE_PAUSED_MAX are paused. */
int lp_state_pause_vm(struct lp_state *state, uint32_t vm_id, bool paused);

/* Pure: @ret must be zero. 0, -EINVAL with the number of the bad line in *@ret_line, -ENOMEM. */
int lp_state_parse(const char *text, struct lp_state *ret, unsigned int *ret_line);

/* Reads the file, which may be absent. Errors of lp_state_parse(), -EFBIG, and those of read(2). */
int lp_state_load(int dir_fd, struct lp_state *ret, unsigned int *ret_line);

/* Replaces the file atomically. 0 or negative errno. */
int lp_state_save(int dir_fd, const struct lp_state *state);

#endif
