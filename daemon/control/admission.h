/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may connect while others are connected: no user can take all places of a socket, and some are
 * kept for root. Pure.
 */
#ifndef TDX_LPAGE_CONTROL_ADMISSION_H
#define TDX_LPAGE_CONTROL_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <tdx-lpage/base.h>

#define ADMISSION_PER_UID 16 /* clients of one user on one socket */
#define ADMISSION_ROOT	  8  /* places that only root can take */

/*
 * @uids: of the clients that are connected. Returns NULL when one more, of user @uid, fits, else why
 * not: half a sentence.
 */
const char *admission_refuses(const uid_t *uids, size_t nr, uid_t uid);

/* Refusals are logged once per this time, with their number. */
#define REFUSALS_NS (60 * NS_PER_S)

struct refusals {
	unsigned int nr;  /* not logged yet */
	uint64_t last_ns; /* when some were logged last; 0: never */
};

/* Counts one at @now_ns. Returns how many are to be logged now, 0: none. */
unsigned int refusals_count(struct refusals *refusals, uint64_t now_ns);

#endif
