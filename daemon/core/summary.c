// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/summary.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/ranges.h"
#include "daemon/core/rate.h"
#include "daemon/core/walks.h"

/* Text that is truncated at the end of its buffer. */
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
	put_count(line, "skipped by dry-run", now->dry_regions, before->dry_regions);
	put_count(line, "with unknown outcome", now->lost_regions, before->lost_regions);
	put_count(line, "failed requests", now->failed_requests, before->failed_requests);
}

static void put_coverage(struct line *line, const struct lp_vm *vm)
{
	uint64_t ppm = lp_coverage_ppm(vm->large, vm->table);

	if (ppm == UINT64_MAX)
		return;
	put(line, "%s%llu.%llu %% of %llu regions large", line->len ? "; " : "",
	    (unsigned long long)(ppm / 10000), (unsigned long long)(ppm / 1000 % 10),
	    (unsigned long long)(vm->large + vm->table));
}

static void put_span(struct line *line, const char *before, uint64_t ns, const char *after)
{
	put(line, "%s%llu.%03llu ms%s", before, (unsigned long long)(ns / NS_PER_MS),
	    (unsigned long long)(ns / NS_PER_US % US_PER_MS), after);
}

/* What merges have cost since the last summary, and what those of all times have saved since. */
static void put_ledger(struct line *line, const struct policy_ledger *now,
		       const struct policy_ledger *before)
{
	put_span(line, "; spent ",
		 now->spent_ns - before->spent_ns + now->split_ns - before->split_ns, "");
	put_span(line, ", saved ", now->walk_saved_ns - before->walk_saved_ns, " (estimated)");
	put_count(line, "did not pay", now->regrets, before->regrets);
}

/* Logs the operations since the last summary, if there were any. */
static void summarize(struct lp_manager *m, struct vm_entry *vm)
{
	struct policy_ledger ledger = vm->logged_ledger;
	struct line line = {.len = 0};

	put_tally(&line, &vm->tally, &vm->logged);
	if (!line.len)
		return;
	put_coverage(&line, &vm->vm);
	(void)policy_vm_ledger(m->policy, vm->vm.id, manager_now(m), &ledger);
	put_ledger(&line, &ledger, &vm->logged_ledger);
	vm_log(m, LOG_INFO, LP_MESSAGE_SUMMARY, vm, "%s", line.text);
	vm->logged = vm->tally;
	vm->logged_ledger = ledger;
}

void summary_vm_end(struct lp_manager *m, const struct vm_entry *vm)
{
	struct vm_entry last = *vm;

	summarize(m, &last);
}

static void put_regions(struct line *line, const struct lp_manager *m)
{
	uint64_t all = m->regions.large + m->regions.table;

	if (all)
		put(line, ", %llu %% of %llu regions large",
		    (unsigned long long)(m->regions.large * 100 / all), (unsigned long long)all);
}

void lp_manager_status_text(const struct lp_manager *m, char *ret, size_t size)
{
	struct line line = {.len = 0};

	if (!m->answered)
		put(&line, "starting: querying the kernel");
	else if (!m->family)
		put(&line, "degraded: %s", m->why);
	else if (m->host_error[0])
		put(&line, "degraded: %s", m->host_error);
	else
		put(&line, "%zu VM%s", vms_there(m), vms_there(m) == 1 ? "" : "s");
	if (m->family && !m->host_error[0]) {
		put_regions(&line, m);
		put(&line, ", %llu merges/s",
		    (unsigned long long)rate_per_s(&m->merges, manager_now(m)));
	}
	if (m->state.paused)
		put(&line, ", paused");
	if (m->pressure.gate != LPAGE_REASON_NONE)
		put(&line, ", no merges: %s", lpage_reason_name(m->pressure.gate));
	if (manager_dry_run(m))
		put(&line, ", dry-run");
	if (m->resync.due_ns)
		put(&line, ", events lost, resync pending");
	if (m->config_error[0])
		put(&line, ", last reload failed, the old configuration remains in force");
	snprintf(ret, size, "%s", line.text);
}

static void send_status(struct lp_manager *m)
{
	char text[sizeof(m->status)];

	m->status_due_ns = 0;
	lp_manager_status_text(m, text, sizeof(text));
	/* The rate in the text changes until the last merge has left its window. */
	if (rate_sum(&m->merges, manager_now(m)))
		m->status_due_ns = manager_now(m) + STATUS_INTERVAL_NS;
	if (!strcmp(text, m->status))
		return;
	memcpy(m->status, text, sizeof(text));
	if (m->options.hooks && m->options.hooks->status)
		m->options.hooks->status(m->options.hooks_ctx, text);
}

void summary_run(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);

	if (m->status_due_ns && m->status_due_ns <= now_ns)
		send_status(m);
	if (!m->summary_due_ns || m->summary_due_ns > now_ns)
		return;
	m->summary_due_ns = 0;
	walk_begin(m, WALK_SUMMARY, summarize, NULL);
}

uint64_t summary_deadline_ns(const struct lp_manager *m)
{
	return earliest(m->status_due_ns ? m->status_due_ns : NS_NEVER,
			m->summary_due_ns ? m->summary_due_ns : NS_NEVER);
}
