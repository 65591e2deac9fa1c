// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/limits.h"

#include <string.h>
#include <unistd.h>

#include "daemon/core/due.h"
#include "daemon/core/watchers.h"

#define SETTING_LIMITS "setting the limits"

/* A host whose daemon died is without its limits after this time. */
#define LEASE_NS (600 * NS_PER_S)
#define RENEW_NS (LEASE_NS / 2)

static struct lp_limits limits_of(const struct config_settings *settings)
{
	/* The kernel's bucket holds a tenth of a second's merges, and at least one batch. */
	uint32_t burst = settings->merge_rate_per_s / 10;

	return (struct lp_limits){
		.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE) |
		       LP_LIMIT(KVM_LPAGE_A_POLICY_MIN_QUIET_NS) |
		       LP_LIMIT(KVM_LPAGE_A_POLICY_RATE) | LP_LIMIT(KVM_LPAGE_A_POLICY_BURST) |
		       LP_LIMIT(KVM_LPAGE_A_POLICY_BATCH) |
		       LP_LIMIT(KVM_LPAGE_A_POLICY_MAX_STALL_NS) |
		       LP_LIMIT(KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS),
		.mode = settings->mode,
		.rate_per_s = settings->merge_rate_per_s,
		.burst_regions = burst > settings->batch ? burst : settings->batch,
		.batch_regions = settings->batch,
		.min_quiet_ns = settings->min_quiet_ns,
		.max_stall_ns = settings->max_stall_ns,
		.notify_interval_ns = settings->notify_interval_ns,
	};
}

void limits_want(struct lp_manager *m, struct vm_entry *vm)
{
	struct lp_limits wanted = limits_of(vm->settings);

	if (!vm->decided)
		return;
	vm->limits.need_push |= !vm_dry_run(m, vm) && !vm->limits.foreign &&
				memcmp(&wanted, &vm->limits.pushed, sizeof(wanted)) != 0;
	if (vm_dry_run(m, vm))
		vm->limits.need_push = false;
	if (vm->limits.need_push)
		vm->limits.pushed = wanted;
	due_touch(m, vm);
}

void limits_found(struct lp_manager *m, struct vm_entry *vm)
{
	vm->limits.pushed = vm->vm.limits_admin;
	vm->limits.renew_ns = vm->vm.admin_lease_ns ? manager_now(m) : 0;
	limits_lease_read(vm, manager_now(m));
}

void limits_lease_read(struct vm_entry *vm, uint64_t now_ns)
{
	vm->limits.end_ns = vm->vm.admin_lease_ns ? now_ns + vm->vm.admin_lease_ns : 0;
}

uint64_t limits_due_ns(const struct vm_entry *vm)
{
	if (vm->limits.push_tag)
		return NS_NEVER;
	if (vm->limits.need_push)
		return 0;
	return vm->limits.renew_ns ? vm->limits.renew_ns : NS_NEVER;
}

/* Limits that are not the daemon's to change. What it has set before remains. */
static bool hands_off(const struct lp_manager *m, const struct vm_entry *vm)
{
	return vm->limits.foreign || vm_dry_run(m, vm);
}

void limits_push(struct lp_manager *m, struct vm_entry *vm)
{
	static const struct lp_limits none;
	const struct lp_limits *limits = hands_off(m, vm) ? &none : &vm->limits.pushed;
	int r;

	/* What is in force already is no change for the kernel, i.e. costs no event. */
	r = m->link->ops->set_policy(m->link, vm->vm.id, limits, LEASE_NS, &vm->limits.push_tag);
	if (manager_deferred(m, r))
		return;
	if (r < 0) {
		vm_failed(m, vm, SETTING_LIMITS, r, NULL);
		return;
	}
	vm->limits.sent_ns = manager_now(m);
	vm->limits.renewing = !vm->limits.need_push;
	vm->limits.need_push = false;
	/* All VMs at the same moment: one wake-up for all of them. */
	vm->limits.renew_ns = (manager_now(m) / RENEW_NS + 1) * RENEW_NS;
}

void limits_pushed(struct lp_manager *m, uint64_t tag, uint32_t vm_id, int error, const char *text)
{
	struct vm_entry *vm = vm_find(m, vm_id);

	if (!vm || vm->limits.push_tag != tag)
		return;
	vm->limits.push_tag = 0;
	if (error) {
		vm->limits.need_push = !hands_off(m, vm);
		vm->limits.renew_ns = manager_now(m);
		vm_failed(m, vm, SETTING_LIMITS, error, text);
		return;
	}
	vm->limits.answered_ns = manager_now(m);
	vm->limits.end_ns = vm->limits.sent_ns + LEASE_NS;
	/* A renewal changes nothing that is to be looked at. */
	vm->sync.need_stats |= !vm->limits.renewing;
	due_touch(m, vm);
	vm_succeeded(m, vm, SETTING_LIMITS);
	manager_wake(m);
}

static void tell_watchers(struct lp_manager *m, const struct vm_entry *vm,
			  const struct lp_policy_change *change)
{
	if (change->expired)
		watchers_notify_vm(m, LP_WATCH_POLICY, vm,
				   "limits of layer admin ended with their lease");
	else
		watchers_notify_vm(m, LP_WATCH_POLICY, vm,
				   "limits of layer %s changed by pid %u, uid %u",
				   change->layer == KVM_LPAGE_LAYER_ADMIN ? "admin" : "vmm",
				   change->pid, change->uid);
}

/* Keep them: another process had the right to set them. The next reload sets ours. */
static void leave_to(struct lp_manager *m, struct vm_entry *vm, uint32_t pid, uint32_t uid)
{
	vm_log(m, LOG_WARNING, LP_MESSAGE_VM, vm,
	       "limits were changed by pid %u, uid %u, not by this daemon", pid, uid);
	vm->limits.pushed = (struct lp_limits){0};
	vm->limits.foreign = true;
}

/* The admin's layer was changed, by a process. */
static void layer_changed(struct lp_manager *m, struct vm_entry *vm,
			  const struct lp_policy_change *change)
{
	if (!m->namespaces.pid) {
		if (change->pid != (uint32_t)getpid())
			leave_to(m, vm, change->pid, change->uid);
		return;
	}
	/* The kernel says a pid of the initial namespace. */
	vm->limits.doubt = true;
	vm->limits.doubt_ns = manager_now(m);
	vm->limits.doubt_pid = change->pid;
	vm->limits.doubt_uid = change->uid;
}

void limits_check(struct lp_manager *m, struct vm_entry *vm)
{
	bool pushing = vm->limits.push_tag || vm->limits.need_push;

	if (!vm->limits.doubt)
		return;
	/* What is described may be from before the change, or before what the daemon has set since. */
	if (pushing || vm->sync.stats_asked_ns < vm->limits.doubt_ns ||
	    vm->sync.stats_asked_ns < vm->limits.answered_ns) {
		vm->sync.need_stats = true;
		return;
	}
	vm->limits.doubt = false;
	if (memcmp(&vm->vm.limits_admin, &vm->limits.pushed, sizeof(vm->limits.pushed)) != 0)
		leave_to(m, vm, vm->limits.doubt_pid, vm->limits.doubt_uid);
}

void limits_changed(struct lp_manager *m, const struct lp_policy_change *change)
{
	struct vm_entry *vm = vm_find(m, change->vm_id);

	if (!vm)
		return;
	vm->vm.limits = change->limits;
	tell_watchers(m, vm, change);
	/* The daemon was too late to renew them. */
	if (change->expired) {
		vm->limits = (struct vm_limits){.push_tag = vm->limits.push_tag};
		limits_want(m, vm);
	} else if (change->layer == KVM_LPAGE_LAYER_ADMIN) {
		layer_changed(m, vm, change);
	}
	vm->sync.need_stats = true;
	due_touch(m, vm);
	vm_set_gate(m, vm);
	manager_wake(m);
}
