/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Classes of errors of requests, and how to go on after them. Pure. */
#ifndef TDX_LPAGE_CORE_TRIAGE_H
#define TDX_LPAGE_CORE_TRIAGE_H

#include <stdint.h>

#include "tdx-lpage/reasons.h"

enum lp_triage {
	LP_TRIAGE_TRANSIENT, /* try again, with a delay that doubles */
	LP_TRIAGE_NOT_RUN,   /* the VM has to run first */
	LP_TRIAGE_VM_GONE,   /* list the VMs again */
	LP_TRIAGE_VM_FAULT,  /* the VM refuses it: a long delay, and an error in the log */
	LP_TRIAGE_HOST,	     /* the kernel refuses all requests */
};

/* @error: negative errno. An unknown one is transient: it must not last for ever. */
enum lp_triage lp_triage(int error);

/* The outcome that the policy gets for the regions of such a request. */
enum lpage_reason lp_triage_reason(enum lp_triage triage);

/* How long to back off after @failures (>= 1) in a row, in ns. */
uint64_t lp_triage_delay_ns(enum lp_triage triage, unsigned int failures);

#endif
