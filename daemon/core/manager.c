// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/manager.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/accounts.h"
#include "daemon/core/actions.h"
#include "daemon/core/context.h"
#include "daemon/core/flights.h"
#include "daemon/core/give_back.h"
#include "daemon/core/holds.h"
#include "daemon/core/limits.h"
#include "daemon/core/names.h"
#include "daemon/core/pressure.h"
#include "daemon/core/range_ops.h"
#include "daemon/core/recorders.h"
#include "daemon/core/refresh.h"
#include "daemon/core/remains.h"
#include "daemon/core/results.h"
#include "daemon/core/shadow.h"
#include "daemon/core/summary.h"
#include "daemon/core/switches.h"
#include "daemon/core/sync.h"
#include "daemon/core/view.h"
#include "daemon/core/vms.h"
#include "daemon/core/walks.h"
#include "daemon/core/watchers.h"

static uint64_t deadline_ns(const struct lp_manager *m)
{
	uint64_t due_ns = earliest(sync_deadline_ns(m), actions_deadline_ns(m));

	return earliest(earliest(due_ns, shadow_deadline_ns(m)), summary_deadline_ns(m));
}

/* Until the next work, by our clock: the link's may run faster. NS_NEVER: none is known. */
static uint64_t left_ns(const struct lp_manager *m)
{
	uint64_t due_ns = deadline_ns(m), now_ns = manager_now(m), left_ns = NS_NEVER;

	if (due_ns != NS_NEVER)
		left_ns = due_ns > now_ns ? (due_ns - now_ns) / m->link->speed : 0;
	if (m->next_end_ns != NS_NEVER)
		left_ns = earliest(left_ns, manager_left_ns(m, m->next_end_ns));
	left_ns = earliest(left_ns, pressure_left_ns(m));
	return earliest(left_ns, give_back_left_ns(m));
}

/*
 * A timer that fires so late fires after a stop or a starvation of the daemon: what it decides on is
 * just as old. Higher: merges of regions that were converted meanwhile; lower: reads for nothing on a
 * busy host.
 */
#define LATE_NS (200 * NS_PER_MS)

/* Between two reads for that reason: a host that is always late must still get merges. */
#define LATE_INTERVAL_NS NS_PER_S

static void check_late(struct lp_manager *m)
{
	uint64_t now_ns = manager_clock(m);

	if (!m->timer_own_ns || now_ns < m->timer_own_ns + LATE_NS)
		return;
	if (m->late_own_ns && now_ns < m->late_own_ns + LATE_INTERVAL_NS)
		return;
	m->late_own_ns = now_ns;
	lp_log(m->log, LOG_DEBUG, NULL, "a timer fired %llu ms late: reading what has changed",
	       (unsigned long long)((now_ns - m->timer_own_ns) / NS_PER_MS));
	sync_behind(m);
}

static void arm(struct lp_manager *m)
{
	uint64_t ns = m->unfinished ? 0 : left_ns(m);
	struct timeval left;

	m->timer_own_ns = 0;
	if (ns == NS_NEVER) {
		event_del(m->timer);
		return;
	}
	/* Not at once without progress: a deadline that is not met for some reason must not spin. */
	if (ns < NS_PER_MS && !m->busy && !m->shadow.busy && !m->unfinished)
		ns = NS_PER_MS;
	left.tv_sec = (time_t)(ns / NS_PER_S);
	left.tv_usec = (suseconds_t)(ns % NS_PER_S / 1000);
	event_add(m->timer, &left);
	if (m->options.clock_ns)
		m->timer_own_ns = manager_clock(m) + ns;
}

static void check_ready(struct lp_manager *m)
{
	if (m->ready || !m->answered || !sync_settled(m))
		return;
	m->ready = true;
	if (m->options.hooks && m->options.hooks->ready)
		m->options.hooks->ready(m->options.hooks_ctx);
}

static void on_work(evutil_socket_t fd, short what, void *ctx)
{
	struct lp_manager *m = ctx;

	(void)fd;
	(void)what;
	m->wakeups++;
	m->unfinished = false;
	m->working = true;
	check_late(m);
	switches_run(m);
	holds_run(m);
	walks_run(m);
	sync_run(m);
	pressure_run(m);
	actions_run(m);
	shadow_run(m);
	summary_run(m);
	check_ready(m);
	give_back_run(m);
	remains_run(m);
	m->working = false;
	arm(m);
}

static void on_family(void *ctx, bool present, const char *why)
{
	static const struct lp_log_about about = {.message = LP_MESSAGE_FAMILY};
	struct lp_manager *m = ctx;

	m->answered = true;
	m->family = present;
	m->listing.done = false;
	m->listing.tag = 0;
	m->listing.retry_ns = 0;
	m->settled_id = 0;
	m->host_error[0] = '\0';
	m->listing.need = present;
	snprintf(m->why, sizeof(m->why), "%s", why);
	if (present) {
		lp_log(m->log, LOG_NOTICE, &about, "connected to the kernel through %s",
		       m->link->ops->name);
	} else {
		flights_cancel(m, 0, -ENOTCONN, why);
		vms_lose_all(m, why);
		refresh_check(m, -ENOTCONN);
		lp_log(m->log, LOG_WARNING, &about, "degraded: %s; waiting for it to appear", why);
	}
	watchers_notify_text(m, LP_WATCH_FAMILY, "%s", present ? "connected to the kernel" : why);
	manager_status_soon(m);
	manager_wake(m);
}

static void on_vm(void *ctx, const struct lp_vm *vm, bool full)
{
	vms_update(ctx, vm, full);
}

static void on_vm_gone(void *ctx, uint32_t vm_id)
{
	struct vm_entry *vm = vm_find(ctx, vm_id);

	if (vm)
		vms_remove(ctx, vm, "gone");
}

static void on_regions(void *ctx, uint64_t tag, const struct lp_region_chunk *chunk)
{
	sync_regions(ctx, tag, chunk);
}

/* An answer: there is room for another request. */
static struct lp_manager *answered(void *ctx)
{
	struct lp_manager *m = ctx;

	m->link_full_ns = 0;
	return m;
}

static void on_dump_end(void *ctx, const struct lp_dump_end *end)
{
	sync_dump_end(answered(ctx), end);
}

static void on_op_sent(void *ctx, uint64_t tag, uint32_t vm_id, int error, const char *text)
{
	(void)vm_id;
	actions_sent(answered(ctx), tag, error, text);
}

static void on_op_done(void *ctx, const struct lp_done *done)
{
	results_done(ctx, done);
}

static void on_policy_set(void *ctx, uint64_t tag, uint32_t vm_id, int error, const char *text)
{
	limits_pushed(answered(ctx), tag, vm_id, error, text);
}

static void on_policy_changed(void *ctx, const struct lp_policy_change *change)
{
	limits_changed(ctx, change);
}

static void on_changed(void *ctx, uint32_t vm_id, uint64_t generation)
{
	(void)generation;
	sync_changed(ctx, vm_id);
}

static void on_loss(void *ctx, enum lp_loss kind)
{
	sync_loss(ctx, kind);
}

static const struct lp_link_events link_events = {
	.family = on_family,
	.vm = on_vm,
	.vm_gone = on_vm_gone,
	.regions = on_regions,
	.dump_end = on_dump_end,
	.op_sent = on_op_sent,
	.op_done = on_op_done,
	.policy_set = on_policy_set,
	.policy_changed = on_policy_changed,
	.changed = on_changed,
	.loss = on_loss,
};

static const struct lp_core_ops core_ops = {
	.status = view_status,
	.vm_ids = view_vm_ids,
	.vms_named = names_find,
	.vm = view_vm,
	.rules = accounts_view,
	.shadow = shadow_view,
	.regions = view_regions,
	.refresh = refresh_start,
	.refresh_cancel = refresh_cancel,
	.set_paused = switches_set_paused,
	.set_dry_run = switches_set_dry_run,
	.hold_vm = holds_start,
	.hold_cancel = holds_cancel,
	.release_vm = holds_release,
	.range_op = range_ops_start,
	.range_op_cancel = range_ops_cancel,
	.reload = switches_reload,
	.config = view_config,
	.explain = view_explain,
	.watch = watchers_add,
	.unwatch = watchers_remove,
	.record = recorders_add,
	.unrecord = recorders_remove,
};

static int set_up(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);
	int r;

	if (m->options.state) {
		r = lp_state_copy(&m->state, m->options.state);
		if (r < 0)
			return r;
	}
	m->next_end_ns = lp_state_next_end_ns(&m->state);
	m->vms_left = m->state.nr_holds > 0;
	m->wake = evtimer_new(m->options.base, on_work, m);
	m->timer = evtimer_new(m->options.base, on_work, m);
	m->policy = policy_new(&m->config->global, now_ns);
	if (!m->wake || !m->timer || !m->policy)
		return -ENOMEM;
	vms_set_global(m);
	policy_pause_all(m->policy, m->state.paused, now_ns);
	pressure_init(m);
	shadow_apply_config(m);
	return 0;
}

int lp_manager_new(const struct lp_manager_options *options, struct lp_manager **ret)
{
	struct lp_manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m) {
		config_free(options->config);
		return -ENOMEM;
	}
	m->core.ops = &core_ops;
	m->options = *options;
	m->link = options->link;
	m->log = options->log;
	m->config = options->config;
	if (options->procfs)
		procfs_namespaces(options->procfs, &m->namespaces);
	accounts_init(&m->accounts);
	TAILQ_INIT(&m->by_stats);
	TAILQ_INIT(&m->lost);
	TAILQ_INIT(&m->due.parked);
	TAILQ_INIT(&m->flights);
	TAILQ_INIT(&m->waiters);
	TAILQ_INIT(&m->watchers);
	TAILQ_INIT(&m->recorders);
	TAILQ_INIT(&m->remains);
	TAILQ_INIT(&m->old_policies);
	r = set_up(m);
	if (r < 0) {
		lp_manager_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

/* Said once: what is not as on the host itself. */
static void log_namespaces(const struct lp_manager *m)
{
	if (m->namespaces.pid)
		lp_log(m->log, LOG_WARNING, NULL,
		       "in a pid namespace: processes of VMMs cannot be identified, so VMs have only the names that KVM "
		       "was given, and rules that match on cgroup, slice, vmm or uuid do not apply");
	if (m->namespaces.time)
		lp_log(m->log, LOG_NOTICE, NULL,
		       "in a time namespace: its clocks are %lld s (monotonic) and %lld s (boottime) ahead of the "
		       "kernel's, which is taken into account",
		       (long long)(m->namespaces.monotonic_ns / (int64_t)NS_PER_S),
		       (long long)(m->namespaces.boottime_ns / (int64_t)NS_PER_S));
}

int lp_manager_start(struct lp_manager *m)
{
	char why[MANAGER_WHY_MAX];
	int r;

	if (manager_configure(m, m->config, why) < 0)
		lp_log(m->log, LOG_ERR, NULL, "%s", why);
	log_namespaces(m);
	pressure_apply_config(m);
	lp_link_listen(m->link, &link_events, m);
	r = m->link->ops->start(m->link);
	/* The link's clock may begin with it. */
	m->start_ns = manager_now(m);
	m->config_ns = m->start_ns;
	m->shadow.since_ns = m->start_ns;
	return r;
}

static void free_vms(struct lp_manager *m)
{
	for (size_t i = 0; i < m->nr_vms; i++) {
		summary_vm_end(m, m->vms[i]);
		lp_regions_done(&m->vms[i]->regions);
		blocks_put(&m->blocks, m->vms[i], sizeof(*m->vms[i]));
	}
	m->nr_vms = 0;
	free(m->vms);
	heap_done(&m->due.heap);
}

struct lp_manager *lp_manager_free(struct lp_manager *m)
{
	if (!m)
		return NULL;
	m->link->ops->stop(m->link);
	m->family = false;
	flights_cancel(m, 0, -ECANCELED, "the daemon is stopping");
	refresh_check(m, -ECANCELED);
	watchers_drop_all(m);
	recorders_drop_all(m);
	free_vms(m);
	remains_done(m);
	accounts_done(m);
	policy_free(m->shadow.policy);
	policy_free(m->policy);
	blocks_done(&m->blocks);
	config_free(m->config);
	lp_state_done(&m->state);
	if (m->wake)
		event_free(m->wake);
	if (m->timer)
		event_free(m->timer);
	free(m);
	return NULL;
}

struct lp_core *lp_manager_core(struct lp_manager *m)
{
	return &m->core;
}
