/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an error of a request means for what comes next. Pure. */
#ifndef TDX_LPAGE_CORE_TRIAGE_H
#define TDX_LPAGE_CORE_TRIAGE_H

#include <stdint.h>

#include "tdx-lpage/reasons.h"

enum lp_triage {
	LP_TRIAGE_TRANSIENT, /* try again, with a delay that doubles */
	LP_TRIAGE_NOT_RUN,   /* the VM has to run first */
	LP_TRIAGE_VM_GONE,   /* look which VMs there are */
	LP_TRIAGE_VM_FAULT,  /* this VM will not take it: a long delay, and an error in the log */
	LP_TRIAGE_HOST,	     /* nothing can be asked of this kernel */
};

/* @error: negative errno. One that is not known is transient: it must not last for ever. */
enum lp_triage lp_triage(int error);

/* What is told to the policy of the regions of such a request. */
enum lpage_reason lp_triage_reason(enum lp_triage triage);

/* How long to leave a VM alone after @failures (>= 1) in a row. ns. */
uint64_t lp_triage_delay_ns(enum lp_triage triage, unsigned int failures);

#endif
