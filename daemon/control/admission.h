/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may connect while others are connected: no user can take all places of a socket, and some are
 * kept for root. Pure.
 */
#ifndef TDX_LPAGE_CONTROL_ADMISSION_H
#define TDX_LPAGE_CONTROL_ADMISSION_H

#include <stddef.h>
#include <sys/types.h>

#define ADMISSION_PER_UID 16 /* clients of one user on one socket */
#define ADMISSION_ROOT	  8  /* places that only root can take */

/*
 * @uids: of the clients that are connected. Returns NULL when one more, of user @uid, fits, else why
 * not: half a sentence.
 */
const char *admission_refuses(const uid_t *uids, size_t nr, uid_t uid);

#endif
