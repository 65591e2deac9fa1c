// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_INTERVAL_NS NS_PER_S

void tally_add(struct lp_tally *to, const struct lp_tally *from)
{
	to->batches += from->batches;
	to->tried_regions += from->tried_regions;
	to->merged_regions += from->merged_regions;
	to->refused_regions += from->refused_regions;
	to->split_regions += from->split_regions;
	to->holds += from->holds;
	to->releases += from->releases;
	to->dry_regions += from->dry_regions;
	to->lost_regions += from->lost_regions;
	to->failed_requests += from->failed_requests;
	to->work_ns += from->work_ns;
	if (from->stall_max_ns > to->stall_max_ns)
		to->stall_max_ns = from->stall_max_ns;
	for (unsigned int i = 0; i < LP_NR_REASONS; i++)
		to->refused[i] += from->refused[i];
}

/* ---- merges per second ---- */

void report_merges(struct lp_manager *m, uint64_t merged)
{
	uint64_t second = manager_now(m) / NS_PER_S;
	unsigned int slot = second % RATE_SLOTS;

	if (m->rate.second[slot] != second)
		m->rate.count[slot] = 0;
	m->rate.second[slot] = second;
	m->rate.count[slot] += merged;
}

static uint64_t recent_merges(const struct lp_manager *m)
{
	uint64_t now_s = manager_now(m) / NS_PER_S;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < RATE_SLOTS; i++) {
		if (m->rate.second[i] + RATE_SLOTS > now_s)
			sum += m->rate.count[i];
	}
	return sum;
}

uint64_t report_merges_per_s(const struct lp_manager *m)
{
	/* Rounded up: what is not nothing shall not look like it. */
	return (recent_merges(m) + RATE_SLOTS - 1) / RATE_SLOTS;
}

/* ---- watchers ---- */

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

void report_event(struct lp_manager *m, const struct lp_watch_event *event)
{
	struct watcher *watcher;

	m->telling = true;
	TAILQ_FOREACH(watcher, &m->watchers, entry) {
		if (!watcher->gone)
			watcher->cb(watcher->ctx, event);
	}
	m->telling = false;
	drop_gone_watchers(m);
}

void report_text(struct lp_manager *m, enum lp_watch_kind kind, uint32_t vm_id, const char *format,
		 ...)
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
	report_event(m, &event);
}

int report_watch(struct lp_core *core, lp_watch_cb cb, void *ctx)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return -ENOMEM;
	watcher->cb = cb;
	watcher->ctx = ctx;
	TAILQ_INSERT_TAIL(&manager_of(core)->watchers, watcher, entry);
	return 0;
}

void report_unwatch(struct lp_core *core, lp_watch_cb cb, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct watcher *watcher;

	TAILQ_FOREACH(watcher, &m->watchers, entry) {
		if (watcher->cb == cb && watcher->ctx == ctx)
			watcher->gone = true;
	}
	/* From within a callback they are still gone through. */
	if (!m->telling)
		drop_gone_watchers(m);
}

void report_drop_watchers(struct lp_manager *m)
{
	struct watcher *watcher;

	while ((watcher = TAILQ_FIRST(&m->watchers))) {
		TAILQ_REMOVE(&m->watchers, watcher, entry);
		free(watcher);
	}
}

/* ---- one line per VM and interval ---- */

/* Text that grows to the end of its buffer and no further. */
struct line {
	char text[512];
	size_t len;
};

static void put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *line, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->text + line->len, sizeof(line->text) - line->len, format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len;
	if (line->len >= sizeof(line->text))
		line->len = sizeof(line->text) - 1;
}

static void put_count(struct line *line, const char *what, uint64_t now, uint64_t before)
{
	if (now != before)
		put(line, "%s%llu %s", line->len ? ", " : "", (unsigned long long)(now - before),
		    what);
}

static void put_reasons(struct line *line, const struct lp_tally *now,
			const struct lp_tally *before)
{
	const char *mark = " (";

	for (unsigned int i = 1; i < LP_NR_REASONS; i++) {
		if (now->refused[i] == before->refused[i])
			continue;
		put(line, "%s%s %llu", mark, lpage_reason_name(i),
		    (unsigned long long)(now->refused[i] - before->refused[i]));
		mark = ", ";
	}
	if (mark[0] == ',')
		put(line, ")");
}

static void put_tally(struct line *line, const struct lp_tally *now, const struct lp_tally *before)
{
	put_count(line, "merged", now->merged_regions, before->merged_regions);
	put_count(line, "refused", now->refused_regions, before->refused_regions);
	put_reasons(line, now, before);
	put_count(line, "held", now->holds, before->holds);
	put_count(line, "released", now->releases, before->releases);
	put_count(line, "split by request", now->split_regions, before->split_regions);
	put_count(line, "left alone by dry-run", now->dry_regions, before->dry_regions);
	put_count(line, "without known outcome", now->lost_regions, before->lost_regions);
	put_count(line, "failed requests", now->failed_requests, before->failed_requests);
}

static void put_coverage(struct line *line, const struct lp_vm *vm)
{
	uint64_t ppm = view_coverage_ppm(vm->large, vm->table);

	if (ppm == UINT64_MAX)
		return;
	put(line, "%s%llu.%llu %% of %llu regions large", line->len ? "; " : "",
	    (unsigned long long)(ppm / 10000), (unsigned long long)(ppm / 1000 % 10),
	    (unsigned long long)(vm->large + vm->table));
}

/* Logs what was done since the last summary, if anything was. */
static void summarize(struct lp_manager *m, struct vm_entry *vm)
{
	struct line line = {.len = 0};

	put_tally(&line, &vm->tally, &vm->logged);
	if (!line.len)
		return;
	put_coverage(&line, &vm->vm);
	manager_log_vm(m, LOG_INFO, LP_MESSAGE_SUMMARY, vm, "%s", line.text);
	vm->logged = vm->tally;
}

void report_vm_end(struct lp_manager *m, const struct vm_entry *vm)
{
	struct vm_entry last = *vm;

	summarize(m, &last);
}

void report_activity(struct lp_manager *m)
{
	uint64_t interval_ns = m->config->global.log_interval_ns;

	if (!m->summary_due_ns && interval_ns)
		m->summary_due_ns = manager_now(m) + interval_ns;
}

/* ---- the status line ---- */

static void put_regions(struct line *line, const struct lp_manager *m)
{
	uint64_t large = 0, all = 0;

	for (size_t i = 0; i < m->nr_vms; i++) {
		large += m->vms[i]->vm.large;
		all += m->vms[i]->vm.large + m->vms[i]->vm.table;
	}
	if (all)
		put(line, ", %llu %% of %llu regions large",
		    (unsigned long long)(large * 100 / all), (unsigned long long)all);
}

void lp_manager_status_text(const struct lp_manager *m, char *ret, size_t size)
{
	struct line line = {.len = 0};

	if (!m->answered)
		put(&line, "starting: asking the kernel");
	else if (!m->family)
		put(&line, "degraded: %s", m->why);
	else if (m->host_error[0])
		put(&line, "degraded: %s", m->host_error);
	else
		put(&line, "%zu VM%s", m->nr_vms, m->nr_vms == 1 ? "" : "s");
	if (m->family && !m->host_error[0]) {
		put_regions(&line, m);
		put(&line, ", %llu merges/s", (unsigned long long)report_merges_per_s(m));
	}
	if (m->state.paused)
		put(&line, ", paused");
	if (manager_dry_run(m))
		put(&line, ", dry-run");
	if (m->resync_due_ns)
		put(&line, ", events lost, resync is due");
	if (m->config_error[0])
		put(&line, ", last reload failed, the old configuration is in force");
	snprintf(ret, size, "%s", line.text);
}

void report_status_soon(struct lp_manager *m)
{
	if (!m->status_due_ns)
		m->status_due_ns = manager_now(m) + (m->status[0] ? STATUS_INTERVAL_NS : 0);
}

static void send_status(struct lp_manager *m)
{
	char text[sizeof(m->status)];

	m->status_due_ns = 0;
	lp_manager_status_text(m, text, sizeof(text));
	/* While merges go on, and until they have left the text, it has to be looked at again. */
	if (recent_merges(m))
		m->status_due_ns = manager_now(m) + STATUS_INTERVAL_NS;
	if (!strcmp(text, m->status))
		return;
	memcpy(m->status, text, sizeof(text));
	if (m->options.hooks && m->options.hooks->status)
		m->options.hooks->status(m->options.hooks_ctx, text);
}

void report_run(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);

	if (m->status_due_ns && m->status_due_ns <= now_ns)
		send_status(m);
	if (!m->summary_due_ns || m->summary_due_ns > now_ns)
		return;
	m->summary_due_ns = 0;
	for (size_t i = 0; i < m->nr_vms; i++)
		summarize(m, m->vms[i]);
}

uint64_t report_deadline_ns(const struct lp_manager *m)
{
	return earliest(m->status_due_ns ? m->status_due_ns : NS_NEVER,
			m->summary_due_ns ? m->summary_due_ns : NS_NEVER);
}
