/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outcomes without a report: read from the records of the regions, or unknown. */
#ifndef TDX_LPAGE_CORE_RESOLVE_H
#define TDX_LPAGE_CORE_RESOLVE_H

#include "daemon/core/flights.h"
#include "daemon/core/vm.h"

/* Gives up: the open regions count as lost, and the policy may try them again. Drops the flight. */
void resolve_as_lost(struct lp_manager *m, struct flight *flight);

/* No report came in time. A client gets -ETIMEDOUT; for the policy the next dump of regions decides. */
void resolve_timed_out(struct lp_manager *m, struct flight *flight);

/* A dump of the VM's regions that began at @began_ns is complete: resolves the flights that it can. */
void resolve_vm(struct lp_manager *m, struct vm_entry *vm, uint64_t began_ns);

#endif
