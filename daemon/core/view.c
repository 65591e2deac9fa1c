// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/context.h"
#include "daemon/core/pressure.h"
#include "daemon/core/ranges.h"
#include "daemon/core/vm.h"

static uint64_t age(uint64_t now_ns, uint64_t then_ns)
{
	if (!then_ns)
		return LP_AGE_NEVER;
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* The VM whose statistics are the oldest says how old those of the host are. */
static uint64_t stats_age_ns(const struct lp_manager *m, uint64_t now_ns)
{
	const struct vm_entry *vm = TAILQ_FIRST(&m->by_stats);

	return vm ? age(now_ns, vm->sync.stats_ns) : LP_AGE_NEVER;
}

void view_status(const struct lp_core *core, struct lp_status *ret)
{
	const struct lp_manager *m = manager_of_const(core);
	uint64_t now_ns = manager_now(m);

	*ret = (struct lp_status){
		.version = TDX_LPAGE_VERSION,
		.link = m->link->ops->name,
		.now_ns = now_ns,
		.speed = m->link->speed,
		.degraded = !m->family || m->host_error[0],
		.paused = m->state.paused,
		.pause_left_ns = manager_left_ns(m, m->state.paused_until_ns),
		.nr_holds = m->state.nr_holds,
		.dry_run = manager_dry_run(m),
		.config_file = m->config->path ? m->config->path : m->options.config_path,
		.config_age_ns = age(now_ns, m->config_ns),
		.uptime_ns = age(now_ns, m->start_ns),
		.nr_vms = (uint32_t)vms_there(m),
		.merges_per_s = rate_per_s(&m->merges, manager_now(m)),
		.capable = m->regions.capable,
		.large = m->regions.large,
		.table = m->regions.table,
		.mixed = m->regions.mixed,
		.unmapped = m->regions.unmapped,
		.held = m->regions.held,
		.coverage_ppm = lp_coverage_ppm(m->regions.large, m->regions.table),
		.stats_age_ns = stats_age_ns(m, now_ns),
		.tally = m->tally,
		.resyncs = m->resync.count,
		.resync_age_ns = age(now_ns, m->resync.last_ns),
		.wakeups = m->wakeups,
		.pid_namespace = m->namespaces.pid,
		.time_namespace = m->namespaces.time,
	};
	if (ret->degraded)
		snprintf(ret->degraded_why, sizeof(ret->degraded_why), "%s",
			 m->family ? m->host_error : m->why);
	snprintf(ret->config_error, sizeof(ret->config_error), "%s", m->config_error);
	pressure_view(m, ret);
	m->link->ops->stats(m->link, &ret->link_stats);
	policy_total_ledger(m->policy, now_ns, &ret->ledger);
}

size_t view_vm_ids(const struct lp_core *core, uint32_t first, uint32_t *ids, size_t capacity)
{
	const struct lp_manager *m = manager_of_const(core);
	size_t at = vm_position(m, first);
	size_t nr = 0;

	if (!vms_there(m))
		return 0;
	/* Those that are lost are between the others for some turns only. */
	for (; at < m->nr_vms && (nr < capacity || m->nr_lost); at++) {
		if (vm_is_lost(m, m->vms[at]))
			continue;
		if (nr < capacity)
			ids[nr] = m->vms[at]->vm.id;
		nr++;
	}
	return nr + m->nr_vms - at;
}

/* The gate to show: those of the policy are added to the VM's own. */
static enum lpage_reason shown_gate(const struct lp_manager *m, const struct vm_entry *vm)
{
	if (!m->family)
		return LPAGE_REASON_DEGRADED;
	if (vm->gate == LPAGE_REASON_STALE || vm->gate == LPAGE_REASON_IDENTIFYING)
		return vm->gate;
	if (vm->settings->mode == CONFIG_MODE_OFF || vm->settings->policy == CONFIG_POLICY_NEVER)
		return LPAGE_REASON_RULE;
	if (m->state.paused)
		return LPAGE_REASON_PAUSED;
	if (m->pressure.gate != LPAGE_REASON_NONE)
		return m->pressure.gate;
	if (vm->gate != LPAGE_REASON_NONE)
		return vm->gate;
	return vm_dry_run(m, vm) ? LPAGE_REASON_DRY_RUN : LPAGE_REASON_NONE;
}

/* What has an end: pause and holds. */
static void add_leases(const struct lp_manager *m, const struct vm_entry *vm,
		       struct lp_vm_snapshot *ret)
{
	const struct lp_paused_vm *pause = vm_pause(m, vm);
	size_t nr;
	const struct lp_hold *holds = vm_holds(m, vm, &nr);

	ret->pause_left_ns = manager_left_ns(m, pause ? pause->until_ns : 0);
	for (size_t i = 0; i < nr && i < LP_VM_HOLDS_MAX; i++) {
		struct lp_vm_hold *hold = &ret->holds[ret->nr_holds++];

		memcpy(hold->owner, holds[i].owner, sizeof(hold->owner));
		hold->left_ns = manager_left_ns(m, holds[i].until_ns);
		hold->attached = holds[i].ended;
	}
}

/* Until @end_ns, 0: never. */
static uint64_t left(uint64_t now_ns, uint64_t end_ns)
{
	if (!end_ns)
		return UINT64_MAX;
	return end_ns > now_ns ? end_ns - now_ns : 0;
}

int view_vm(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret)
{
	const struct lp_manager *m = manager_of_const(core);
	const struct vm_entry *vm = vm_find(m, vm_id);
	uint64_t now_ns = manager_now(m);

	if (!vm)
		return -ESRCH;
	*ret = (struct lp_vm_snapshot){
		.vm = vm->vm,
		.identity = vm->identity,
		.rule = vm->rule,
		.policy = config_policy_name(vm->settings->policy),
		.walk_cost_ns_per_s = vm->settings->walk_cost_ns_per_s,
		.notify_interval_ns = vm->settings->notify_interval_ns,
		.merge_rate_per_s = vm->settings->merge_rate_per_s,
		.batch_regions = vm->settings->batch,
		.max_stall_ns = vm->settings->max_stall_ns,
		.gate = shown_gate(m, vm),
		.paused = vm_pause(m, vm),
		.dry_run = vm_dry_run(m, vm),
		.stale = vm->stale,
		.tally = vm->tally,
		.tracked_regions = vm->regions.count,
		.queued_regions = vm->queued_regions,
		.coverage_ppm = lp_coverage_ppm(vm->vm.large, vm->vm.table),
		.lease_left_ns = left(now_ns, vm->limits.end_ns),
		.stats_age_ns = age(now_ns, vm->sync.stats_ns),
		.regions_age_ns = age(now_ns, vm->sync.regions_ns),
		.identity_age_ns = age(now_ns, vm->identity_ns),
		.last_merge_age_ns = age(now_ns, vm->last_merge_ns),
		.seen_age_ns = age(now_ns, vm->seen_ns),
		.last_error = vm->trouble.last_error,
		.last_error_age_ns = age(now_ns, vm->trouble.last_error_ns),
	};
	add_leases(m, vm, ret);
	(void)policy_vm_ledger(m->policy, vm_id, now_ns, &ret->ledger);
	(void)policy_vm_costs(m->policy, vm_id, &ret->costs);
	memcpy(ret->last_error_text, vm->trouble.last_error_text, sizeof(ret->last_error_text));
	return 0;
}

struct region_walk {
	const struct lp_region_filter *filter;
	uint64_t now_ns;
	uint64_t left;
	lp_region_cb cb;
	void *ctx;
	int result;
};

static bool beyond(const struct lp_region_filter *filter, uint64_t rfn)
{
	return filter->nr_regions && rfn - filter->start_rfn >= filter->nr_regions;
}

/* Ends the walk with 1, which is not mistaken for a result of the caller. */
static int visit(void *ctx, const struct lp_region_record *record)
{
	struct region_walk *walk = ctx;
	const struct lp_region_filter *filter = walk->filter;
	struct lp_region_snapshot snapshot;

	if (beyond(filter, record->region.rfn))
		return 1;
	if (filter->states && !(filter->states & (1U << record->region.state)))
		return 0;
	if (!walk->left)
		return 1;
	walk->left--;
	snapshot.region = record->region;
	snapshot.age_ns = age(walk->now_ns, record->reported_ns);
	walk->result = walk->cb(walk->ctx, &snapshot);
	return walk->result != 0;
}

int view_regions(const struct lp_core *core, uint32_t vm_id, const struct lp_region_filter *filter,
		 lp_region_cb cb, void *ctx, uint64_t *ret_next)
{
	const struct lp_manager *m = manager_of_const(core);
	const struct vm_entry *vm = vm_find(m, vm_id);
	struct region_walk walk = {
		.filter = filter,
		.now_ns = manager_now(m),
		.left = filter->limit ? filter->limit : UINT64_MAX,
		.cb = cb,
		.ctx = ctx,
	};

	if (!vm)
		return -ESRCH;
	(void)lp_regions_walk(&vm->regions, filter->start_rfn, visit, &walk, ret_next);
	if (beyond(filter, *ret_next))
		*ret_next = LP_REGIONS_END;
	return walk.result;
}

const struct config *view_config(const struct lp_core *core)
{
	return manager_of_const(core)->config;
}

static void explain_numbers(const struct policy_explanation *why, struct lp_explain *ret)
{
	const struct policy_action *numbers = &why->numbers;

	switch (why->reason) {
	case LPAGE_REASON_NOT_DUE:
		snprintf(ret->text, sizeof(ret->text), "quiet for %llu ms, merged after %llu ms",
			 (unsigned long long)(why->have / NS_PER_MS),
			 (unsigned long long)(why->need / NS_PER_MS));
		break;
	case LPAGE_REASON_KEPT_SMALL:
		ret->estimated = true;
		snprintf(
			ret->text, sizeof(ret->text),
			"expected to stay private for %llu ms more (%u past intervals): saves %llu us "
			"(estimated), costs %llu us",
			(unsigned long long)(numbers->expected_ns / NS_PER_MS), numbers->samples,
			(unsigned long long)(numbers->saving_ns / 1000),
			(unsigned long long)(numbers->cost_ns / 1000));
		break;
	case LPAGE_REASON_BACKOFF:
		snprintf(ret->text, sizeof(ret->text), "refused %u times in a row, last %s",
			 why->retries, lpage_reason_name(why->last_refusal));
		break;
	default:
		if (why->need)
			snprintf(ret->text, sizeof(ret->text), "%llu, needs %llu",
				 (unsigned long long)why->have, (unsigned long long)why->need);
		break;
	}
}

/* When the policy means to try the region. */
static uint64_t try_ns(const struct policy_explanation *why, uint64_t wait_ns)
{
	const struct policy_action *numbers = &why->numbers;

	switch (why->reason) {
	case LPAGE_REASON_NONE:
	case LPAGE_REASON_QUEUED:
	case LPAGE_REASON_IN_FLIGHT:
	case LPAGE_REASON_VM_RATE:
	case LPAGE_REASON_GLOBAL_RATE:
	case LPAGE_REASON_CPU_BUDGET:
	case LPAGE_REASON_DRY_RUN:
		return 0;
	case LPAGE_REASON_BACKOFF:
	case LPAGE_REASON_LATENCY_GUARD:
		return wait_ns;
	/* It is looked at more often than it is tried. */
	case LPAGE_REASON_NOT_DUE:
	case LPAGE_REASON_KEPT_SMALL:
		if (numbers->threshold_ns == UINT64_MAX)
			return UINT64_MAX;
		return numbers->threshold_ns > numbers->quiet_ns ?
			       numbers->threshold_ns - numbers->quiet_ns :
			       0;
	default:
		return UINT64_MAX;
	}
}

static void explain_policy(const struct lp_manager *m, const struct vm_entry *vm, uint64_t rfn,
			   struct lp_explain *ret)
{
	uint64_t now_ns = manager_now(m);
	struct policy_explanation why;

	if (policy_explain(m->policy, vm->vm.id, rfn, now_ns, &why) < 0)
		return;
	ret->reason = why.reason;
	if (why.due_ns != POLICY_NO_DEADLINE)
		ret->wait_ns = why.due_ns > now_ns ? why.due_ns - now_ns : 0;
	ret->try_ns = try_ns(&why, ret->wait_ns);
	explain_numbers(&why, ret);
}

/* A pause, or holds: until when. */
static void explain_leases(const struct lp_manager *m, const struct vm_entry *vm,
			   struct lp_explain *ret)
{
	struct lp_vm_snapshot now = {.nr_holds = 0};

	add_leases(m, vm, &now);
	if (ret->reason == LPAGE_REASON_PAUSED)
		ret->wait_ns = m->state.paused ? manager_left_ns(m, m->state.paused_until_ns) :
						 now.pause_left_ns;
	if (ret->reason != LPAGE_REASON_VM_HELD)
		return;
	ret->wait_ns = 0;
	for (size_t i = 0; i < now.nr_holds; i++) {
		if (now.holds[i].left_ns > ret->wait_ns)
			ret->wait_ns = now.holds[i].left_ns;
	}
	snprintf(ret->text, sizeof(ret->text), "held by %s%s", now.holds[0].owner,
		 now.nr_holds > 1 ? " and others" : "");
}

int view_explain(const struct lp_core *core, uint32_t vm_id, uint64_t rfn, struct lp_explain *ret)
{
	const struct lp_manager *m = manager_of_const(core);
	const struct vm_entry *vm = vm_find(m, vm_id);
	const struct lp_region_record *record;
	const struct lpage_reason_info *info;

	if (!vm)
		return -ESRCH;
	if (rfn > POLICY_RFN_MAX)
		return -ERANGE;
	*ret = (struct lp_explain){
		.reason = shown_gate(m, vm), .wait_ns = UINT64_MAX, .try_ns = UINT64_MAX};
	record = lp_regions_get(&vm->regions, rfn);
	if (record && record->region.state == KVM_LPAGE_STATE_LARGE)
		ret->reason = LPAGE_REASON_ALREADY_LARGE;
	else if (ret->reason == LPAGE_REASON_NONE || ret->reason == LPAGE_REASON_DRY_RUN)
		explain_policy(m, vm, rfn, ret);
	else if (ret->reason == LPAGE_REASON_BACKOFF)
		ret->wait_ns =
			vm->trouble.backoff_ns - earliest(manager_now(m), vm->trouble.backoff_ns);
	else if (ret->reason == m->pressure.gate)
		pressure_explain(m, ret);
	else
		explain_leases(m, vm, ret);
	info = lpage_reason_info(ret->reason);
	if (!ret->text[0] && info)
		snprintf(ret->text, sizeof(ret->text), "%s", info->why);
	return 0;
}
