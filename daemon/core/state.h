/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pause, dry-run and holds of VMs as switched at run time. The file "switches" below the runtime
 * directory keeps them across restarts. What is of a VM does not outlast its VM or the boot, and what
 * has an end does not outlast the boot either.
 *
 * One switch per line: `paused [UNTIL-NS]`, `dry-run`, `paused-vm ID PID START-NS [UNTIL-NS]`,
 * `hold ID PID START-NS UNTIL-NS OWNER`; before them `boot ID`, after them `end`. An unknown word is an
 * error, and so is a missing end: a paused VM must not run because the file was misread or cut off.
 *
 * Ends are of the daemon's CLOCK_MONOTONIC, in ns; 0: none. Reading drops none that is over.
 */
#ifndef TDX_LPAGE_CORE_STATE_H
#define TDX_LPAGE_CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LP_STATE_PAUSED_MAX 4096
#define LP_STATE_HOLDS_MAX  1024
#define LP_HOLD_OWNER_MAX   32 /* bytes; characters of text_is_name_char() */
#define LP_BOOT_ID_SIZE	    37 /* as text, with the NUL */

/*
 * A VM, and the process that created it: ids begin anew when kvm is loaded again. 0 for a pid or
 * start time that is not known.
 */
struct lp_vm_key {
	uint32_t id;
	uint32_t pid;
	uint64_t start_ns; /* of the process, CLOCK_BOOTTIME */
};

struct lp_paused_vm {
	struct lp_vm_key vm;
	uint64_t until_ns;
};

/* A VM that somebody keeps from being merged. */
struct lp_hold {
	struct lp_vm_key vm;
	uint64_t until_ns;
	char owner[LP_HOLD_OWNER_MAX + 1];
	/* Of the client whose connection ends the hold, which the file then leaves out; NULL: none. */
	void (*ended)(void *ctx, const char *why);
	void *ctx;
};

struct lp_state {
	bool paused;
	uint64_t paused_until_ns;
	bool dry_run;
	char boot_id[LP_BOOT_ID_SIZE];	 /* of this boot; "": unknown */
	struct lp_paused_vm *paused_vms; /* ascending by id */
	size_t nr_paused_vms;
	size_t paused_vms_capacity;
	struct lp_hold *holds; /* ascending by id of the VM */
	size_t nr_holds;
	size_t holds_capacity;
};

void lp_state_done(struct lp_state *state);

/* @to must be zero. 0, -ENOMEM; holds that end with a connection are left out. */
int lp_state_copy(struct lp_state *to, const struct lp_state *from);

/* The VM's pause, by that id and that creator; NULL: none. Valid until the next change. */
const struct lp_paused_vm *lp_state_vm_pause(const struct lp_state *state,
					     const struct lp_vm_key *vm);

/*
 * Pauses a VM, or moves the end of its pause. Replaces what another VM with this id had. 0; -ENOMEM;
 * -E2BIG when LP_STATE_PAUSED_MAX are paused.
 */
int lp_state_pause_vm(struct lp_state *state, const struct lp_vm_key *vm, uint64_t until_ns);

/* Ends the pause of a VM, if it has one. */
void lp_state_resume_vm(struct lp_state *state, const struct lp_vm_key *vm);

/* The first hold of the VM, the others follow; their number in *@ret_nr. NULL: none. */
struct lp_hold *lp_state_vm_holds(const struct lp_state *state, const struct lp_vm_key *vm,
				  size_t *ret_nr);

/* Appends a hold to those of its VM. 0; -ENOMEM; -E2BIG when there are LP_STATE_HOLDS_MAX. */
int lp_state_add_hold(struct lp_state *state, const struct lp_hold *hold);

/* Drops one of ->holds. */
void lp_state_drop_hold(struct lp_state *state, size_t i);

/* The next end of a pause or hold, UINT64_MAX: none has one. */
uint64_t lp_state_next_end_ns(const struct lp_state *state);

/*
 * Pure: @ret must be zero but for boot_id. VMs and ends of another boot are left out. 0; -EINVAL for a line
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
