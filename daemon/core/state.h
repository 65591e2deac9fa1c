/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pause and dry-run as switched at run time. The file "switches" below the runtime directory keeps
 * them across restarts; the pause of a VM does not outlast its VM or the boot.
 *
 * One switch per line: `paused`, `dry-run`, `paused-vm ID PID START-NS`; before them `boot ID`, after
 * them `end`. An unknown word is an error, and so is a missing end: a paused VM must not run because
 * the file was misread or cut off.
 */
#ifndef TDX_LPAGE_CORE_STATE_H
#define TDX_LPAGE_CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LP_STATE_PAUSED_MAX 4096
#define LP_BOOT_ID_SIZE	    37 /* as text, with the NUL */

/*
 * A VM, and the process that created it: ids begin anew when kvm is loaded again. 0 for a pid or
 * start time that is not known.
 */
struct lp_paused_vm {
	uint32_t id;
	uint32_t pid;
	uint64_t start_ns; /* of the process, CLOCK_BOOTTIME */
};

struct lp_state {
	bool paused;
	bool dry_run;
	char boot_id[LP_BOOT_ID_SIZE];	 /* of this boot; "": unknown */
	struct lp_paused_vm *paused_vms; /* ascending by id */
	size_t nr_paused_vms;
	size_t capacity; /* of paused_vms */
};

void lp_state_done(struct lp_state *state);

/* Was the VM paused, by that id and that creator? */
bool lp_state_vm_paused(const struct lp_state *state, const struct lp_paused_vm *vm);

/*
 * Replaces what another VM with this id had. 0, also when nothing changes; -ENOMEM; -ENOSPC when
 * LP_STATE_PAUSED_MAX are paused.
 */
int lp_state_pause_vm(struct lp_state *state, const struct lp_paused_vm *vm, bool paused);

/*
 * Pure: @ret must be zero but for boot_id. VMs of another boot are left out. 0; -EINVAL for a line
 * that is no switch and -ENODATA for text that was cut off, with the line's number in *@ret_line;
 * -ENOMEM.
 */
int lp_state_parse(const char *text, size_t len, struct lp_state *ret, unsigned int *ret_line);

/*
 * Reads the file, which may be absent. Errors of lp_state_parse(), -EFBIG, -EMEDIUMTYPE for what is
 * no regular file, and those of read(2).
 */
int lp_state_load(int dir_fd, const char *boot_id, struct lp_state *ret, unsigned int *ret_line);

/* Says what an error of lp_state_load() means. */
const char *lp_state_strerror(int error);

/* Replaces the file atomically. 0 or negative errno. */
int lp_state_save(int dir_fd, const struct lp_state *state);

/* Likewise, and keeps what was there as "switches.bad". */
int lp_state_set_aside(int dir_fd, const struct lp_state *state);

#endif
