// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/watchers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/core/context.h"
#include "daemon/core/vm.h"

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

static const char *name_of(const struct lp_manager *m, uint32_t vm_id)
{
	const struct vm_entry *vm = vm_id ? vm_find(m, vm_id) : NULL;

	return vm && vm->identity.name[0] ? vm->identity.name : NULL;
}

void watchers_notify(struct lp_manager *m, const struct lp_watch_event *event)
{
	struct lp_watch_event named = *event;
	struct watcher *watcher;

	if (!named.vm_name)
		named.vm_name = name_of(m, event->vm_id);
	m->notifying = true;
	TAILQ_FOREACH(watcher, &m->watchers, entry) {
		if (!watcher->gone)
			watcher->cb(watcher->ctx, &named);
	}
	m->notifying = false;
	drop_gone_watchers(m);
}

static void notify_text(struct lp_manager *m, struct lp_watch_event *event, const char *format,
			va_list args)
{
	char text[256];

	if (TAILQ_EMPTY(&m->watchers))
		return;
	vsnprintf(text, sizeof(text), format, args);
	event->now_ns = manager_now(m);
	event->text = text;
	watchers_notify(m, event);
}

void watchers_notify_text(struct lp_manager *m, enum lp_watch_kind kind, const char *format, ...)
{
	struct lp_watch_event event = {.kind = kind};
	va_list args;

	va_start(args, format);
	notify_text(m, &event, format, args);
	va_end(args);
}

void watchers_notify_vm(struct lp_manager *m, enum lp_watch_kind kind, const struct vm_entry *vm,
			const char *format, ...)
{
	const char *name = vm->identity.name[0] ? vm->identity.name : NULL;
	struct lp_watch_event event = {.kind = kind, .vm_id = vm->vm.id, .vm_name = name};
	va_list args;

	va_start(args, format);
	notify_text(m, &event, format, args);
	va_end(args);
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
