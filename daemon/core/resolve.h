/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outcomes that no report gives: read off the regions' own records, or given up. */
#ifndef TDX_LPAGE_CORE_RESOLVE_H
#define TDX_LPAGE_CORE_RESOLVE_H

#include "daemon/core/flights.h"
#include "daemon/core/vm.h"

/* What is still open has no outcome that could be known. Drops the flight. */
void resolve_as_lost(struct lp_manager *m, struct flight *flight);

/* No report came in time: the records are to say, where somebody waits he is told. */
void resolve_timed_out(struct lp_manager *m, struct flight *flight);

/* The regions of a VM have been read anew, by a dump that began at @began_ns. */
void resolve_vm(struct lp_manager *m, struct vm_entry *vm, uint64_t began_ns);

#endif
