// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

/* Regions that faults fill are told of by a full dump only; done when a VM is active anyway. */
#define FULL_INTERVAL_NS (300 * NS_PER_S)

/* A VM's figures cost the kernel a walk over it. */
#define FIGURES_INTERVAL_NS (2 * NS_PER_S)

/* Loss comes in bursts, and reading everything again makes more of it. */
#define RESYNC_DELAY_NS	   (200 * NS_PER_MS)
#define RESYNC_INTERVAL_NS (2 * NS_PER_S)

#define READING_REGIONS "reading the regions"
#define READING_FIGURES "reading the figures"
#define SETTING_LIMITS	"setting the limits"

static const char *const loss_texts[LP_LOSS_MAX] = {
	[LP_LOSS_OVERRUN] = "the event buffer overflowed",
	[LP_LOSS_TRUNCATED] = "a message was too long",
	[LP_LOSS_MALFORMED] = "a message made no sense",
};

static void want_dump(struct vm_entry *vm, enum dump_need need)
{
	if (vm->need_dump < need)
		vm->need_dump = need;
}

/* ---- what the link tells ---- */

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

/* As many at once as fit on the stack. */
static void observe(struct lp_manager *m, const struct lp_region_chunk *chunk, uint64_t now_ns)
{
	struct policy_observation obs[64];

	for (size_t i = 0; i < chunk->nr_regions;) {
		size_t nr = 0;

		while (nr < ARRAY_SIZE(obs) && i < chunk->nr_regions)
			obs[nr++] = observation(&chunk->regions[i++], now_ns);
		(void)policy_observe_all(m->policy, chunk->vm_id, obs, nr, now_ns);
	}
}

void sync_regions(struct lp_manager *m, uint64_t tag, const struct lp_region_chunk *chunk)
{
	struct vm_entry *vm = vms_find(m, chunk->vm_id);
	uint64_t now_ns = manager_now(m);

	if (!vm || vm->dump_tag != tag)
		return;
	for (size_t i = 0; i < chunk->nr_regions; i++) {
		if (lp_regions_put(&vm->regions, &chunk->regions[i], now_ns, vm->region_round) < 0)
			vm->stale = true; /* out of memory: what is missing is not known */
	}
	observe(m, chunk, now_ns);
	record_regions(m, chunk);
}

struct forget {
	struct lp_manager *m;
	uint32_t vm_id;
};

static void forget(void *ctx, uint64_t rfn)
{
	const struct forget *f = ctx;

	(void)policy_forget(f->m->policy, f->vm_id, rfn);
}

/* A dump of regions ended well. */
static void regions_complete(struct lp_manager *m, struct vm_entry *vm,
			     const struct lp_dump_end *end)
{
	struct forget f = {m, vm->vm.id};
	uint64_t now_ns = manager_now(m);

	/* Slots went: what a dump of changes leaves out may be gone. */
	if (!vm->dumping_full && end->resync_generation > vm->dump_since)
		want_dump(vm, DUMP_FULL);
	if (vm->dumping_full) {
		lp_regions_drop_others(&vm->regions, vm->region_round, forget, &f);
		vm->full_ns = now_ns;
		vm->stale = false;
	}
	if (end->generation > vm->generation || vm->dumping_full)
		vm->generation = end->generation ? end->generation : vm->generation;
	vm->regions_ns = now_ns;
	vm->regions_fresh_ns = vm->dump_began_ns;
	vms_succeeded(m, vm, READING_REGIONS);
	actions_resolve(m, vm, vm->dump_began_ns);
	vms_set_gate(m, vm);
}

static void region_dump_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	struct vm_entry *vm = vms_find(m, end->vm_id);

	if (!vm || vm->dump_tag != end->tag)
		return;
	vm->dump_tag = 0;
	if (end->error) {
		/* ERANGE: the generation that we know of is not the kernel's. */
		want_dump(vm, vm->dumping_full || end->error == -ERANGE ? DUMP_FULL : DUMP_CHANGES);
		vms_failed(m, vm, READING_REGIONS, end->error, end->text);
		return;
	}
	/* With holes: what was read counts, but only a full dump gives certainty. */
	if (end->interrupted) {
		want_dump(vm, DUMP_FULL);
		vms_failed(m, vm, READING_REGIONS, -EINTR, "they keep changing underneath");
		actions_resolve(m, vm, vm->dump_began_ns);
		return;
	}
	regions_complete(m, vm, end);
}

static void figures_complete(struct lp_manager *m, struct vm_entry *vm)
{
	vm->figures_fresh_ns = vm->figures_asked_ns;
	vms_succeeded(m, vm, READING_FIGURES);
}

static void vm_figures_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	struct vm_entry *vm = vms_find(m, end->vm_id);

	if (!vm || vm->figures_tag != end->tag)
		return;
	vm->figures_tag = 0;
	/* Unless somebody began to wait since then. */
	if (!vm->need_figures)
		vm->hurry_figures = false;
	if (end->error)
		vms_failed(m, vm, READING_FIGURES, end->error, end->text);
	else
		figures_complete(m, vm);
	vms_set_gate(m, vm);
}

static void vms_dump_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	uint64_t delay_ns;

	if (m->vms_tag != end->tag)
		return;
	m->vms_tag = 0;
	if (end->error || end->interrupted) {
		m->need_vms = true;
		m->vms_failures++;
		delay_ns = lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, m->vms_failures);
		m->vms_retry_ns = manager_now(m) + delay_ns;
		if (m->vms_failures == 1 && end->error)
			lp_log(m->log, LOG_WARNING, NULL, "cannot read the list of VMs: %s%s%s",
			       strerror(-end->error), end->text && end->text[0] ? ": " : "",
			       end->text ? end->text : "");
		if (end->error && lp_triage(end->error) == LP_TRIAGE_HOST)
			snprintf(m->host_error, sizeof(m->host_error),
				 "kernel refuses requests: %s%s", strerror(-end->error),
				 end->error == -EPERM ? " (CAP_NET_ADMIN is missing)" : "");
		return;
	}
	m->vms_failures = 0;
	m->vms_retry_ns = 0;
	m->host_error[0] = '\0';
	m->vms_listed = true;
	vms_remove_unlisted(m);
}

void sync_dump_end(struct lp_manager *m, const struct lp_dump_end *end)
{
	if (end->of_regions)
		region_dump_end(m, end);
	else if (end->vm_id)
		vm_figures_end(m, end);
	else
		vms_dump_end(m, end);
	report_status_soon(m);
	manager_wake(m);
}

void sync_changed(struct lp_manager *m, uint32_t vm_id)
{
	struct vm_entry *vm = vms_find(m, vm_id);
	uint64_t now_ns = manager_now(m);

	if (!vm) {
		/* That it is new was lost, or comes with the dump under way. */
		m->need_vms = true;
		manager_wake(m);
		return;
	}
	vm->need_figures = true;
	want_dump(vm, now_ns - vm->full_ns > FULL_INTERVAL_NS ? DUMP_FULL : DUMP_CHANGES);
	manager_wake(m);
}

void sync_loss(struct lp_manager *m, enum lp_loss kind)
{
	uint64_t now_ns = manager_now(m);

	if (!m->resync_due_ns) {
		m->resync_due_ns = now_ns + RESYNC_DELAY_NS;
		if (m->resync_ns && m->resync_due_ns < m->resync_ns + RESYNC_INTERVAL_NS)
			m->resync_due_ns = m->resync_ns + RESYNC_INTERVAL_NS;
		lp_log(m->log, LOG_WARNING, &(struct lp_log_about){.message = LP_MESSAGE_LOSS},
		       "events may be lost (%s), everything is read again", loss_texts[kind]);
		report_text(m, LP_WATCH_LOSS, 0, "events may be lost: %s", loss_texts[kind]);
	}
	m->loss_ns = now_ns;
	record_loss(m);
	for (size_t i = 0; i < m->nr_vms; i++) {
		m->vms[i]->stale = true;
		vms_set_gate(m, m->vms[i]);
	}
	manager_wake(m);
}

/* ---- the admin's limits ---- */

void sync_pushed(struct lp_manager *m, uint64_t tag, uint32_t vm_id, int error, const char *text)
{
	struct vm_entry *vm = vms_find(m, vm_id);

	if (!vm || vm->push_tag != tag)
		return;
	vm->push_tag = 0;
	if (error) {
		vm->need_push = true;
		vms_failed(m, vm, SETTING_LIMITS, error, text);
		return;
	}
	vm->need_figures = true;
	vms_succeeded(m, vm, SETTING_LIMITS);
	manager_wake(m);
}

void sync_policy_changed(struct lp_manager *m, const struct lp_policy_change *change)
{
	struct vm_entry *vm = vms_find(m, change->vm_id);
	bool ours = change->layer == KVM_LPAGE_LAYER_ADMIN && change->pid == (uint32_t)getpid();

	if (!vm)
		return;
	vm->vm.limits = change->limits;
	report_text(m, LP_WATCH_POLICY, change->vm_id,
		    "VM %u %s: limits of layer %s changed by pid %u, uid %u", change->vm_id,
		    vm->identity.name, change->layer == KVM_LPAGE_LAYER_ADMIN ? "admin" : "vmm",
		    change->pid, change->uid);
	/* It stays: somebody with the right to do so did it. The next reload puts it back. */
	if (change->layer == KVM_LPAGE_LAYER_ADMIN && !ours) {
		manager_log_vm(m, LOG_WARNING, LP_MESSAGE_VM, vm,
			       "its limits were changed by pid %u, uid %u, not by this daemon",
			       change->pid, change->uid);
		vm->pushed = (struct lp_limits){0};
		vm->foreign = true;
	}
	vm->need_figures = true;
	vms_set_gate(m, vm);
	manager_wake(m);
}

/* ---- what is to be asked ---- */

static void push_limits(struct lp_manager *m, struct vm_entry *vm)
{
	int r;

	r = m->link->ops->set_policy(m->link, vm->vm.id, &vm->pushed, &vm->push_tag);
	if (r < 0) {
		vms_failed(m, vm, SETTING_LIMITS, r, NULL);
		return;
	}
	vm->need_push = false;
}

static void ask_regions(struct lp_manager *m, struct vm_entry *vm)
{
	bool full = vm->need_dump == DUMP_FULL || !vm->generation;
	struct lp_region_query query = {.vm_id = vm->vm.id, .since = full ? 0 : vm->generation};
	int r;

	vm->hurry_dump = false;
	r = m->link->ops->dump_regions(m->link, &query, &vm->dump_tag);
	if (r < 0) {
		vms_failed(m, vm, READING_REGIONS, r, NULL);
		return;
	}
	vm->need_dump = DUMP_NONE;
	vm->dumping_full = full;
	vm->dump_since = query.since;
	vm->dump_began_ns = manager_now(m);
	if (full)
		vm->region_round++;
}

static uint64_t figures_due_ns(const struct vm_entry *vm)
{
	if (!vm->need_figures || vm->figures_tag)
		return NS_NEVER;
	return vm->hurry_figures || !vm->figures_ns ? 0 : vm->figures_ns + FIGURES_INTERVAL_NS;
}

static void ask_figures(struct lp_manager *m, struct vm_entry *vm)
{
	int r;

	r = m->link->ops->dump_vms(m->link, vm->vm.id, &vm->figures_tag);
	if (r < 0) {
		vm->hurry_figures = false;
		vms_failed(m, vm, READING_FIGURES, r, NULL);
		return;
	}
	vm->need_figures = false;
	vm->figures_asked_ns = manager_now(m);
}

static void settle(struct lp_manager *m, struct vm_entry *vm, uint64_t now_ns)
{
	if (!vm->settle_ns || vm->settle_ns > now_ns)
		return;
	vm->settle_ns = 0;
	want_dump(vm, DUMP_FULL);
	vm->need_figures = true;
	/* The manager of the VM may have moved it to its cgroup by now. */
	vms_identify(m, vm);
	vms_apply_rule(m, vm);
}

static void run_vm(struct lp_manager *m, struct vm_entry *vm, uint64_t now_ns)
{
	bool alone = vm->backoff_ns > now_ns;

	settle(m, vm, now_ns);
	if (!alone && vm->gate == LPAGE_REASON_BACKOFF)
		vms_set_gate(m, vm);
	if (!alone && vm->need_push && !vm->push_tag)
		push_limits(m, vm);
	/* Left alone after a failure or not: whoever waits is to hear how things are now. */
	if ((!alone || vm->hurry_dump) && vm->need_dump && !vm->dump_tag)
		ask_regions(m, vm);
	if ((!alone || vm->hurry_figures) && figures_due_ns(vm) <= now_ns)
		ask_figures(m, vm);
}

static void ask_vms(struct lp_manager *m)
{
	if (m->link->ops->dump_vms(m->link, 0, &m->vms_tag) < 0) {
		m->vms_retry_ns = manager_now(m) + lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, 1);
		return;
	}
	m->need_vms = false;
	m->vms_round++;
}

static void resync(struct lp_manager *m, uint64_t now_ns)
{
	m->resync_due_ns = 0;
	m->resync_ns = now_ns;
	m->resyncs++;
	m->need_vms = true;
	for (size_t i = 0; i < m->nr_vms; i++) {
		want_dump(m->vms[i], DUMP_FULL);
		m->vms[i]->need_figures = true;
	}
}

void sync_run(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);

	if (m->resync_due_ns && m->resync_due_ns <= now_ns)
		resync(m, now_ns);
	if (!m->family)
		return;
	if (m->need_vms && !m->vms_tag && m->vms_retry_ns <= now_ns)
		ask_vms(m);
	for (size_t i = 0; i < m->nr_vms; i++)
		run_vm(m, m->vms[i], now_ns);
	sync_check_waiters(m, 0);
}

static uint64_t vm_deadline_ns(const struct vm_entry *vm)
{
	uint64_t due_ns = figures_due_ns(vm);

	/* Whatever is wanted comes at once, unless the VM is left alone for a while. */
	if ((vm->need_push && !vm->push_tag) || (vm->need_dump && !vm->dump_tag))
		due_ns = 0;
	if (vm->gate == LPAGE_REASON_BACKOFF)
		due_ns = earliest(due_ns, vm->backoff_ns);
	if (due_ns != NS_NEVER && due_ns < vm->backoff_ns)
		due_ns = vm->backoff_ns;
	return vm->settle_ns ? earliest(due_ns, vm->settle_ns) : due_ns;
}

uint64_t sync_deadline_ns(const struct lp_manager *m)
{
	uint64_t due_ns = m->resync_due_ns ? m->resync_due_ns : NS_NEVER;

	if (!m->family)
		return due_ns;
	if (m->need_vms && !m->vms_tag)
		due_ns = earliest(due_ns, m->vms_retry_ns);
	for (size_t i = 0; i < m->nr_vms; i++)
		due_ns = earliest(due_ns, vm_deadline_ns(m->vms[i]));
	return due_ns;
}

bool sync_settled(const struct lp_manager *m)
{
	if (!m->family || m->host_error[0])
		return true;
	if (!m->vms_listed)
		return false;
	for (size_t i = 0; i < m->nr_vms; i++) {
		if (!m->vms[i]->regions_ns && !m->vms[i]->failures)
			return false;
	}
	return true;
}

/* ---- those who wait for fresh figures ---- */

static bool vm_is_fresh(const struct vm_entry *vm, uint64_t since_ns)
{
	return vm->figures_fresh_ns >= since_ns && vm->regions_fresh_ns >= since_ns;
}

/* 1: fresh, 0: not yet, negative errno: it cannot be had. */
static int vm_freshness(const struct vm_entry *vm, uint64_t since_ns)
{
	if (vm_is_fresh(vm, since_ns))
		return 1;
	return vm->failures && vm->last_error_ns >= since_ns ? vm->last_error : 0;
}

static int freshness(const struct lp_manager *m, const struct waiter *waiter)
{
	const struct vm_entry *vm;
	int r = 1;

	if (waiter->vm_id) {
		vm = vms_find(m, waiter->vm_id);
		return vm ? vm_freshness(vm, waiter->since_ns) : -ESRCH;
	}
	for (size_t i = 0; i < m->nr_vms && r > 0; i++)
		r = vm_freshness(m->vms[i], waiter->since_ns);
	return r;
}

void sync_check_waiters(struct lp_manager *m, int error)
{
	struct waiter *waiter, *next;
	int r;

	for (waiter = TAILQ_FIRST(&m->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, entry);
		r = error ? error : freshness(m, waiter);
		if (!r)
			continue;
		TAILQ_REMOVE(&m->waiters, waiter, entry);
		waiter->cb(waiter->ctx, r < 0 ? r : 0);
		free(waiter);
		/* The callback may have cancelled others. */
		next = TAILQ_FIRST(&m->waiters);
	}
}

int sync_refresh(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct waiter *waiter;

	if (!m->family)
		return -ENOTCONN;
	if (vm_id && !vms_find(m, vm_id))
		return -ESRCH;
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	*waiter = (struct waiter){.vm_id = vm_id, .since_ns = manager_now(m), .cb = cb, .ctx = ctx};
	TAILQ_INSERT_TAIL(&m->waiters, waiter, entry);
	for (size_t i = 0; i < m->nr_vms; i++) {
		struct vm_entry *vm = m->vms[i];

		if (vm_id && vm->vm.id != vm_id)
			continue;
		want_dump(vm, DUMP_CHANGES);
		vm->hurry_dump = true;
		vm->need_figures = true;
		vm->hurry_figures = true;
	}
	manager_wake(m);
	return 0;
}

void sync_refresh_cancel(struct lp_core *core, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct waiter *waiter, *next;

	for (waiter = TAILQ_FIRST(&m->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, entry);
		if (waiter->ctx != ctx)
			continue;
		TAILQ_REMOVE(&m->waiters, waiter, entry);
		free(waiter);
	}
}
