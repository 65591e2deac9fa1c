// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/watchers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/core/context.h"

struct watcher {
	TAILQ_ENTRY(watcher) entry;
	lp_watch_cb cb;
	void *ctx;
	bool gone;
};

static void drop_gone_watchers(struct lp_manager *m)
{
	struct watcher *watcher, *next;

	for (watcher = TAILQ_FIRST(&m->watchers); watcher; watcher = next) {
		next = TAILQ_NEXT(watcher, entry);
		if (!watcher->gone)
			continue;
		TAILQ_REMOVE(&m->watchers, watcher, entry);
		free(watcher);
	}
}

void watchers_notify(struct lp_manager *m, const struct lp_watch_event *event)
{
	struct watcher *watcher;

	m->notifying = true;
	TAILQ_FOREACH(watcher, &m->watchers, entry) {
		if (!watcher->gone)
			watcher->cb(watcher->ctx, event);
	}
	m->notifying = false;
	drop_gone_watchers(m);
}

void watchers_notify_text(struct lp_manager *m, enum lp_watch_kind kind, uint32_t vm_id,
			  const char *format, ...)
{
	char text[256];
	struct lp_watch_event event = {
		.kind = kind, .now_ns = manager_now(m), .vm_id = vm_id, .text = text};
	va_list args;

	if (TAILQ_EMPTY(&m->watchers))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	watchers_notify(m, &event);
}

int watchers_add(struct lp_core *core, lp_watch_cb cb, void *ctx)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return -ENOMEM;
	watcher->cb = cb;
	watcher->ctx = ctx;
	TAILQ_INSERT_TAIL(&manager_of(core)->watchers, watcher, entry);
	return 0;
}

void watchers_remove(struct lp_core *core, lp_watch_cb cb, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct watcher *watcher;

	TAILQ_FOREACH(watcher, &m->watchers, entry) {
		if (watcher->cb == cb && watcher->ctx == ctx)
			watcher->gone = true;
	}
	/* Within a callback, watchers_notify() still walks the list. */
	if (!m->notifying)
		drop_gone_watchers(m);
}

void watchers_drop_all(struct lp_manager *m)
{
	struct watcher *watcher;

	while ((watcher = TAILQ_FIRST(&m->watchers))) {
		TAILQ_REMOVE(&m->watchers, watcher, entry);
		free(watcher);
	}
}
