/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One log line per VM and interval, and the status line. */
#ifndef TDX_LPAGE_CORE_SUMMARY_H
#define TDX_LPAGE_CORE_SUMMARY_H

#include "daemon/core/vm.h"

/* Sends and logs what is due. */
void summary_run(struct lp_manager *m);
uint64_t summary_deadline_ns(const struct lp_manager *m);

/* The VM goes: logs what was done since its last summary. */
void summary_vm_end(struct lp_manager *m, const struct vm_entry *vm);

#endif
