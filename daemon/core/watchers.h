/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that are notified of events as they happen: `tdx-lpctl watch`. */
#ifndef TDX_LPAGE_CORE_WATCHERS_H
#define TDX_LPAGE_CORE_WATCHERS_H

#include <stdint.h>

#include "daemon/core/snapshot.h"

struct lp_manager;
struct vm_entry;

/* Calls every watcher; @event is valid during the call only. */
void watchers_notify(struct lp_manager *m, const struct lp_watch_event *event);

/* The same for an event that is a line of text, and not about one VM. */
void watchers_notify_text(struct lp_manager *m, enum lp_watch_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same about a VM, which may be on its way out. */
void watchers_notify_vm(struct lp_manager *m, enum lp_watch_kind kind, const struct vm_entry *vm,
			const char *format, ...) __attribute__((format(printf, 4, 5)));

/* lp_core_ops.watch and .unwatch; -ENOMEM. A watcher may leave from within its callback. */
int watchers_add(struct lp_core *core, lp_watch_cb cb, void *ctx);
void watchers_remove(struct lp_core *core, lp_watch_cb cb, void *ctx);

void watchers_drop_all(struct lp_manager *m);

#endif
