// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/sync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/due.h"
#include "daemon/core/limits.h"
#include "daemon/core/recorders.h"
#include "daemon/core/refresh.h"
#include "daemon/core/resolve.h"
#include "daemon/core/shadow.h"
#include "daemon/core/triage.h"
#include "daemon/core/vms.h"
#include "daemon/core/walks.h"
#include "daemon/core/watchers.h"

/* Only a full dump reports regions populated by faults. Requested when the VM is active anyway. */
#define FULL_INTERVAL_NS (300 * NS_PER_S)

/* The statistics of a VM cost the kernel a walk over its regions. */
#define STATS_INTERVAL_NS (2 * NS_PER_S)

/* Clients can ask for fresh data as often as they like: a VM is read for them once in this time. */
#define FRESH_INTERVAL_NS NS_PER_S

/* Losses come in bursts, and the dumps of a resync cause more of them. */
#define RESYNC_DELAY_NS	   (200 * NS_PER_MS)
#define RESYNC_INTERVAL_NS (2 * NS_PER_S)

/* VMs that are looked at in one turn of the event loop. */
#define VMS_PER_TURN 128

#define READING_REGIONS "reading the regions"
#define READING_STATS	"reading the statistics"

static const char *const loss_texts[LP_LOSS_MAX] = {
	[LP_LOSS_OVERRUN] = "the event buffer overflowed",
	[LP_LOSS_TRUNCATED] = "a message was too long",
	[LP_LOSS_MALFORMED] = "a message was malformed",
};

static struct policy_observation observation(const struct lp_region *region, uint64_t now_ns)
{
	return (struct policy_observation){
		.rfn = region->rfn,
		.to_shared_pages = region->to_shared_pages,
		.to_private_pages = region->to_private_pages,
		.last_to_shared_ns = region->last_to_shared_ns,
		.last_to_private_ns = region->last_to_private_ns,
		.state = (int)region->state,
		.held = region->hold_vmm_ns > now_ns || region->hold_admin_ns > now_ns,
	};
}

/*
 * Hands the regions to the policy, as many at once as fit on the stack. Returns whether it took them,
 * but for those that it tracks none of, above POLICY_RFN_MAX.
 */
static bool observe(struct lp_manager *m, const struct lp_region_chunk *chunk, uint64_t now_ns)
{
	struct policy_observation obs[64];
	bool taken = true;

	for (size_t i = 0; i < chunk->nr_regions;) {
		size_t nr = 0;
		int r;

		while (nr < ARRAY_SIZE(obs) && i < chunk->nr_regions)
			obs[nr++] = observation(&chunk->regions[i++], now_ns);
		shadow_observe(m, chunk->vm_id, obs, nr);
		r = policy_observe_all(m->policy, chunk->vm_id, obs, nr, now_ns);
		taken = taken && (r == 0 || r == -ERANGE);
	}
	return taken;
}

void sync_regions(struct lp_manager *m, uint64_t tag, const struct lp_region_chunk *chunk)
{
	struct vm_entry *vm = vm_find(m, chunk->vm_id);
	uint64_t now_ns = manager_now(m);

	if (!vm || vm->sync.dump_tag != tag)
		return;
	for (size_t i = 0; i < chunk->nr_regions; i++) {
		if (lp_regions_put(&vm->regions, &chunk->regions[i], now_ns,
				   vm->sync.region_round) < 0)
			vm->sync.dump_lost = true;
	}
	if (!observe(m, chunk, now_ns))
		vm->sync.dump_lost = true;
	recorders_notify_regions(m, chunk);
}

struct forget {
	struct lp_manager *m;
	uint32_t vm_id;
};

static void forget(void *ctx, uint64_t rfn)
{
	const struct forget *f = ctx;

	(void)policy_forget(f->m->policy, f->vm_id, rfn);
	shadow_forget(f->m, f->vm_id, rfn);
}

/* All regions of the VM are as a dump said. */
static void regions_complete(struct lp_manager *m, struct vm_entry *vm, uint64_t generation)
{
	if (generation > vm->sync.generation || vm->sync.dumping_full)
		vm->sync.generation = generation ? generation : vm->sync.generation;
	vm->sync.regions_ns = manager_now(m);
	vm->sync.regions_fresh_ns = vm->sync.dump_began_ns;
	if (vm->sync.behind_ns <= vm->sync.dump_began_ns)
		vm->sync.behind_ns = 0;
	vm_succeeded(m, vm, READING_REGIONS);
	resolve_vm(m, vm, vm->sync.dump_began_ns);
	vm_set_gate(m, vm);
}

/* Drops regions that a full dump did not list. */
static void sweep(struct lp_manager *m, struct vm_entry *vm)
{
	struct forget f = {m, vm->vm.id};

	vm->sync.sweep_rfn = lp_regions_drop_others(&vm->regions, vm->sync.sweep_rfn,
						    vm->sync.region_round, forget, &f);
	if (vm->sync.sweep_rfn != LP_REGIONS_END)
		return;
	vm->sync.sweeping = false;
	vm->sync.full_ns = manager_now(m);
	vm->stale = false;
	regions_complete(m, vm, vm->sync.sweep_generation);
}

/* A dump of regions succeeded. */
static void regions_dumped(struct lp_manager *m, struct vm_entry *vm, const struct lp_dump_end *end)
{
	if (vm->sync.dumping_full) {
		vm->sync.sweeping = true;
		vm->sync.sweep_rfn = 0;
		vm->sync.sweep_generation = end->generation;
		sweep(m, vm);
		return;
	}
	/* Memory slots were removed: regions that a dump of changes leaves out may be gone. */
	if (end->resync_generation > vm->sync.dump_since)
		vm_want_dump(m, vm, DUMP_FULL);
	regions_complete(m, vm, end->generation);
}

/* There was no memory for some of the regions: the VM is not merged until all have been read. */
static void regions_lost(struct lp_manager *m, struct vm_entry *vm)
{
	vm->stale = true;
	vm_want_dump(m, vm, DUMP_FULL);
	vm_failed(m, vm, READING_REGIONS, -ENOMEM, NULL);
	resolve_vm(m, vm, vm->sync.dump_began_ns);
}

static void region_dump_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	struct vm_entry *vm = vm_find(m, end->vm_id);

	if (!vm || vm->sync.dump_tag != end->tag)
		return;
	vm->sync.dump_tag = 0;
	due_touch(m, vm);
	if (end->error) {
		/* ERANGE: the kernel has not reached this generation. */
		vm_want_dump(m, vm,
			     vm->sync.dumping_full || end->error == -ERANGE ? DUMP_FULL :
									      DUMP_CHANGES);
		vm_failed(m, vm, READING_REGIONS, end->error, end->text);
		return;
	}
	/* What was read counts, but regions may be missing: only a full dump has all. */
	if (end->interrupted) {
		vm_want_dump(m, vm, DUMP_FULL);
		vm_failed(m, vm, READING_REGIONS, -EINTR, "they keep changing during the dump");
		resolve_vm(m, vm, vm->sync.dump_began_ns);
		return;
	}
	if (vm->sync.dump_lost)
		regions_lost(m, vm);
	else
		regions_dumped(m, vm, end);
}

static void stats_complete(struct lp_manager *m, struct vm_entry *vm)
{
	vm->sync.stats_fresh_ns = vm->sync.stats_asked_ns;
	limits_check(m, vm);
	vm_succeeded(m, vm, READING_STATS);
}

static void vm_stats_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	struct vm_entry *vm = vm_find(m, end->vm_id);

	if (!vm || vm->sync.stats_tag != end->tag)
		return;
	vm->sync.stats_tag = 0;
	due_touch(m, vm);
	/* Unless somebody has begun to wait since. */
	if (!vm->sync.need_stats)
		vm->sync.hurry_stats = false;
	if (end->error)
		vm_failed(m, vm, READING_STATS, end->error, end->text);
	else
		stats_complete(m, vm);
	vm_set_gate(m, vm);
}

static void vms_dump_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	uint64_t delay_ns;

	if (m->listing.tag != end->tag)
		return;
	m->listing.tag = 0;
	if (end->error || end->interrupted) {
		m->listing.need = true;
		m->listing.failures++;
		delay_ns = lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, m->listing.failures);
		m->listing.retry_ns = manager_now(m) + delay_ns;
		if (m->listing.failures == 1 && end->error)
			lp_log(m->log, LOG_WARNING, NULL, "cannot read the list of VMs: %s%s%s",
			       strerror(-end->error), end->text && end->text[0] ? ": " : "",
			       end->text ? end->text : "");
		if (end->error && lp_triage(end->error) == LP_TRIAGE_HOST)
			manager_set_host_error(m, end->error, strerror(-end->error));
		return;
	}
	m->listing.failures = 0;
	if (!m->listing.need)
		m->listing.retry_ns = 0;
	m->host_error[0] = '\0';
	m->listing.done = true;
	vms_remove_unlisted(m);
}

void sync_dump_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	if (end->of_regions)
		region_dump_end(m, end);
	else if (end->vm_id)
		vm_stats_end(m, end);
	else
		vms_dump_end(m, end);
	manager_status_soon(m);
	manager_wake(m);
}

void sync_changed(struct lp_manager *m, uint32_t vm_id)
{
	struct vm_entry *vm = vm_find(m, vm_id);
	uint64_t now_ns = manager_now(m);

	if (!vm) {
		/* The event of the new VM was lost, or comes with the dump under way. */
		m->listing.need = true;
		manager_wake(m);
		return;
	}
	vm->sync.need_stats = true;
	vm_want_dump(m, vm,
		     now_ns - vm->sync.full_ns > FULL_INTERVAL_NS ? DUMP_FULL : DUMP_CHANGES);
	manager_wake(m);
}

static void tell_standstill(struct lp_manager *m)
{
	manager_pause_policy(m);
	shadow_set_paused(m);
}

/* No VM is merged until it has been read: none at all, until each of them knows. */
static void read_first(struct lp_manager *m, enum walk_id id, walk_each_fn each)
{
	walk_begin(m, id, each, tell_standstill);
	if (m->walks[id].pending)
		tell_standstill(m);
}

static void make_stale(struct lp_manager *m, struct vm_entry *vm)
{
	vm->stale = true;
	vm_set_gate(m, vm);
}

void sync_loss(struct lp_manager *m, enum lp_loss kind)
{
	uint64_t now_ns = manager_now(m);

	if (!m->resync.due_ns) {
		m->resync.due_ns = now_ns + RESYNC_DELAY_NS;
		if (m->resync.last_ns && m->resync.due_ns < m->resync.last_ns + RESYNC_INTERVAL_NS)
			m->resync.due_ns = m->resync.last_ns + RESYNC_INTERVAL_NS;
		lp_log(m->log, LOG_WARNING, &(struct lp_log_about){.message = LP_MESSAGE_LOSS},
		       "events may be lost (%s), resynchronizing", loss_texts[kind]);
		watchers_notify_text(m, LP_WATCH_LOSS, "events may be lost: %s", loss_texts[kind]);
	}
	m->resync.loss_ns = now_ns;
	recorders_notify_loss(m);
	read_first(m, WALK_STALE, make_stale);
	manager_wake(m);
}

static void put_behind(struct lp_manager *m, struct vm_entry *vm)
{
	vm->sync.behind_ns = manager_now(m);
	vm_want_dump(m, vm, DUMP_CHANGES);
	vm_set_gate(m, vm);
}

void sync_behind(struct lp_manager *m)
{
	read_first(m, WALK_BEHIND, put_behind);
}

static void ask_regions(struct lp_manager *m, struct vm_entry *vm)
{
	bool full = vm->sync.need_dump == DUMP_FULL || !vm->sync.generation;
	struct lp_region_query query = {.vm_id = vm->vm.id,
					.since = full ? 0 : vm->sync.generation};
	int r;

	r = m->link->ops->dump_regions(m->link, &query, &vm->sync.dump_tag);
	if (manager_deferred(m, r))
		return;
	vm->sync.hurry_dump = false;
	vm->sync.dump_began_ns = manager_now(m);
	if (r < 0) {
		vm_failed(m, vm, READING_REGIONS, r, NULL);
		return;
	}
	vm->sync.need_dump = DUMP_NONE;
	vm->sync.dumping_full = full;
	vm->sync.dump_lost = false;
	vm->sync.dump_since = query.since;
	if (full)
		vm->sync.region_round++;
}

/* When data may be read for a client, that was read at @last_ns. */
static uint64_t fresh_due_ns(uint64_t last_ns)
{
	return last_ns ? last_ns + FRESH_INTERVAL_NS : 0;
}

static uint64_t stats_due_ns(const struct vm_entry *vm)
{
	if (!vm->sync.need_stats || vm->sync.stats_tag)
		return NS_NEVER;
	if (!vm->sync.stats_ns)
		return 0;
	return vm->sync.hurry_stats ? fresh_due_ns(vm->sync.stats_asked_ns) :
				      vm->sync.stats_ns + STATS_INTERVAL_NS;
}

static bool may_dump(const struct vm_entry *vm)
{
	return !vm->sync.dump_tag && !vm->sync.sweeping;
}

/* When the regions are to be read, leaving a backoff aside. */
static uint64_t dump_due_ns(const struct vm_entry *vm)
{
	if (!may_dump(vm))
		return NS_NEVER;
	if (vm->sync.need_dump)
		return 0;
	return vm->sync.hurry_dump ? fresh_due_ns(vm->sync.dump_began_ns) : NS_NEVER;
}

/* A client's request is not put off by a backoff: whoever waits is to hear how things are now. */
static uint64_t hurried_due_ns(const struct vm_entry *vm)
{
	uint64_t due_ns = vm->sync.hurry_dump && may_dump(vm) ?
				  fresh_due_ns(vm->sync.dump_began_ns) :
				  NS_NEVER;

	return vm->sync.hurry_stats ? earliest(due_ns, stats_due_ns(vm)) : due_ns;
}

static void ask_stats(struct lp_manager *m, struct vm_entry *vm)
{
	int r;

	r = m->link->ops->dump_vms(m->link, vm->vm.id, &vm->sync.stats_tag);
	if (manager_deferred(m, r))
		return;
	vm->sync.stats_asked_ns = manager_now(m);
	if (r < 0) {
		vm->sync.hurry_stats = false;
		vm_failed(m, vm, READING_STATS, r, NULL);
		return;
	}
	vm->sync.need_stats = false;
}

static void settle(struct lp_manager *m, struct vm_entry *vm, uint64_t now_ns)
{
	if (!vm->sync.settle_ns || vm->sync.settle_ns > now_ns)
		return;
	vm->sync.settle_ns = 0;
	vm_want_dump(m, vm, DUMP_FULL);
	vm->sync.need_stats = true;
	/* libvirt may have moved the VMM to its cgroup by now. */
	vms_identify(m, vm);
	vms_apply_rule(m, vm);
}

static void run_vm(struct lp_manager *m, struct vm_entry *vm, uint64_t now_ns)
{
	bool backing_off = vm->trouble.backoff_ns > now_ns;

	settle(m, vm, now_ns);
	if (vm->sync.sweeping)
		sweep(m, vm);
	if (!backing_off && vm->gate == LPAGE_REASON_BACKOFF)
		vm_set_gate(m, vm);
	if (manager_link_full(m))
		return;
	if (!backing_off && limits_due_ns(vm) <= now_ns)
		limits_push(m, vm);
	if ((!backing_off || hurried_due_ns(vm) <= now_ns) && dump_due_ns(vm) <= now_ns)
		ask_regions(m, vm);
	if ((!backing_off || vm->sync.hurry_stats) && stats_due_ns(vm) <= now_ns)
		ask_stats(m, vm);
}

static uint64_t vm_deadline_ns(const struct vm_entry *vm)
{
	uint64_t due_ns = earliest(stats_due_ns(vm), dump_due_ns(vm));

	/* Whatever is wanted comes at once, unless requests for the VM back off. */
	due_ns = earliest(due_ns, limits_due_ns(vm));
	if (vm->gate == LPAGE_REASON_BACKOFF)
		due_ns = earliest(due_ns, vm->trouble.backoff_ns);
	if (due_ns != NS_NEVER && due_ns < vm->trouble.backoff_ns)
		due_ns = vm->trouble.backoff_ns;
	if (vm->sync.sweeping)
		return 0;
	due_ns = earliest(due_ns, hurried_due_ns(vm));
	return vm->sync.settle_ns ? earliest(due_ns, vm->sync.settle_ns) : due_ns;
}

/* Those for which something is due, as many as a turn of the event loop may take. */
static void run_vms(struct lp_manager *m, uint64_t now_ns)
{
	struct vm_entry *vm;
	uint64_t due_ns;

	for (unsigned int i = 0; i < VMS_PER_TURN; i++) {
		vm = due_next(m, now_ns);
		if (!vm)
			return;
		run_vm(m, vm, now_ns);
		due_ns = vm_deadline_ns(vm);
		if (due_ns <= now_ns && manager_link_full(m))
			due_park(m, vm);
		else
			due_again(m, vm, due_ns > now_ns ? due_ns : now_ns + 1);
	}
	manager_go_on(m);
}

static void ask_vms(struct lp_manager *m)
{
	if (m->link->ops->dump_vms(m->link, 0, &m->listing.tag) < 0) {
		m->listing.retry_ns = manager_now(m) + lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, 1);
		return;
	}
	m->listing.need = false;
	m->listing.round++;
}

static void read_all(struct lp_manager *m, struct vm_entry *vm)
{
	vm->sync.need_stats = true;
	vm_want_dump(m, vm, DUMP_FULL);
}

static void resync(struct lp_manager *m, uint64_t now_ns)
{
	m->resync.due_ns = 0;
	m->resync.last_ns = now_ns;
	m->resync.count++;
	m->listing.need = true;
	walk_begin(m, WALK_RESYNC, read_all, NULL);
}

void sync_run(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);

	/* A VM that learns of the loss after it has been read again would stay stale. */
	if (m->resync.due_ns && m->resync.due_ns <= now_ns && !m->walks[WALK_STALE].pending)
		resync(m, now_ns);
	if (!manager_is_linked(m))
		return;
	if (m->listing.need && !m->listing.tag && m->listing.retry_ns <= now_ns)
		ask_vms(m);
	run_vms(m, now_ns);
	refresh_check(m, 0);
}

uint64_t sync_deadline_ns(const struct lp_manager *m)
{
	uint64_t due_ns = m->resync.due_ns ? m->resync.due_ns : NS_NEVER;

	if (!m->family)
		return due_ns;
	if (m->listing.need && !m->listing.tag)
		due_ns = earliest(due_ns, m->listing.retry_ns);
	if (!TAILQ_EMPTY(&m->due.parked))
		due_ns = earliest(due_ns,
				  manager_link_full(m) ? m->link_full_ns + LINK_RETRY_NS : 0);
	return earliest(due_ns, due_first_ns(m));
}

bool sync_settled(struct lp_manager *m)
{
	if (!m->family || m->host_error[0])
		return true;
	if (!m->listing.done)
		return false;
	for (unsigned int i = 0; i < VMS_PER_TURN; i++) {
		size_t at = vm_position(m, m->settled_id);

		if (at == m->nr_vms)
			return true;
		if (!m->vms[at]->sync.regions_ns && !m->vms[at]->trouble.failures)
			return false;
		m->settled_id = m->vms[at]->vm.id + 1;
	}
	manager_go_on(m);
	return false;
}
