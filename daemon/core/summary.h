/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One log line per VM and interval, and the status line. */
#ifndef TDX_LPAGE_CORE_SUMMARY_H
#define TDX_LPAGE_CORE_SUMMARY_H

#include "daemon/core/vm.h"

/* Sends the status line and logs the summaries that are due. */
void summary_run(struct lp_manager *m);

/* When to call it next, NS_NEVER: nothing is due. */
uint64_t summary_deadline_ns(const struct lp_manager *m);

/* Logs the last summary of a VM that goes. */
void summary_vm_end(struct lp_manager *m, const struct vm_entry *vm);

#endif
