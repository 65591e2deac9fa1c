// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/vms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/accounts.h"
#include "daemon/core/due.h"
#include "daemon/core/flights.h"
#include "daemon/core/give_back.h"
#include "daemon/core/identity.h"
#include "daemon/core/limits.h"
#include "daemon/core/names.h"
#include "daemon/core/recorders.h"
#include "daemon/core/remains.h"
#include "daemon/core/shadow.h"
#include "daemon/core/summary.h"
#include "daemon/core/walks.h"
#include "daemon/core/watchers.h"

/* A new VM is populated by faults, which the kernel does not report. */
#define SETTLE_NS (60 * NS_PER_S)

/* Until the VMs are listed again after there was no memory for one. */
#define VM_RETRY_NS NS_PER_S

void vms_set_global(struct lp_manager *m)
{
	struct config_global global = m->config->global;

	global.dry_run = manager_dry_run(m);
	policy_set_global(m->policy, &global, manager_now(m));
	shadow_set_global(m);
}

/* What a line about a new VM begins with. */
static void describe_new(const struct vm_entry *vm, char *ret, size_t size)
{
	char memory[32] = "";

	/* A VM that is being created has none yet. */
	if (vm->identity.memory_bytes)
		snprintf(memory, sizeof(memory), ", %llu MiB",
			 (unsigned long long)(vm->identity.memory_bytes >> 20));
	snprintf(ret, size, "new, pid %u, name from %s%s; ", vm->vm.pid,
		 lp_name_source_name(vm->identity.name_source), memory);
}

static void log_rule(const struct lp_manager *m, const struct vm_entry *vm,
		     const struct config_selected *selected, bool is_new)
{
	char text[128] = "";

	if (is_new)
		describe_new(vm, text, sizeof(text));
	if (selected->unknown_rule >= 0)
		vm_log(m, LOG_WARNING, LP_MESSAGE_VM, vm,
		       "rule \"%s\" skipped: what it matches on could not be read",
		       m->config->rules[selected->unknown_rule].name);
	vm_log(m, LOG_INFO, LP_MESSAGE_VM, vm, "%s%s%s%s, mode %s, policy %s%s", text,
	       vm->rule[0] ? "rule \"" : "no rule, defaults", vm->rule, vm->rule[0] ? "\"" : "",
	       config_mode_name(vm->settings->mode), config_policy_name(vm->settings->policy),
	       vm_dry_run(m, vm) ? ", dry-run" : "");
}

static void notify_new(struct lp_manager *m, const struct vm_entry *vm)
{
	watchers_notify_vm(m, LP_WATCH_VM, vm, "new");
}

/* The VM's rule is another one, or says something else now. */
static void rule_changed(struct lp_manager *m, struct vm_entry *vm,
			 const struct config_selected *selected)
{
	bool is_new = !vm->decided;

	vm->decided = true;
	vm->limits.foreign = false;
	(void)policy_vm_configure(m->policy, vm->vm.id, vm->settings, manager_now(m));
	shadow_configure_vm(m, vm);
	if (is_new)
		notify_new(m, vm);
	log_rule(m, vm, selected, is_new);
}

void vms_apply_rule(struct lp_manager *m, struct vm_entry *vm)
{
	static const struct config_settings none;
	struct config_settings before = vm->settings ? *vm->settings : none;
	struct config_identity identity;
	struct config_selected selected;
	const char *rule;
	bool changed;

	lp_identity_for_rules(&vm->identity, &identity);
	(void)config_match(m->config, &identity, &selected);
	rule = selected.rule >= 0 ? m->config->rules[selected.rule].name : "";
	changed = !vm->decided || strcmp(rule, vm->rule) != 0 ||
		  memcmp(&before, selected.settings, sizeof(before)) != 0;
	/* Copies: the next configuration comes to the VM some turns of the event loop after it is in force. */
	vm->own_settings = *selected.settings;
	vm->settings = &vm->own_settings;
	snprintf(vm->rule, sizeof(vm->rule), "%s", rule);
	if (changed && !vm->args.awaited)
		rule_changed(m, vm, &selected);
	accounts_assign(m, vm);
	limits_want(m, vm);
	vm_set_gate(m, vm);
}

/* Asks for the command line, unless it is known. Does not wait for it. */
static void ask_args(struct lp_manager *m, struct vm_entry *vm)
{
	const struct lp_vmm_query query = {vm->vm.id, vm->vm.pid, vm->vm.uid, vm->vm.pid_start_ns};
	const struct lp_manager_hooks *hooks = m->options.hooks;

	if (vm->args.known || vm->args.asked || !vm->vm.pid || !hooks || !hooks->ask_args)
		return;
	vm->args.asked = hooks->ask_args(m->options.hooks_ctx, &query) == 0;
	vm->args.awaited = vm->args.asked && !vm->decided;
}

static void identify(struct lp_manager *m, struct vm_entry *vm)
{
	names_leave(m, vm);
	lp_identity_read(m->options.procfs, &vm->vm, vm->args.known ? &vm->args.args : NULL,
			 &vm->identity);
	names_enter(m, vm);
	vm->identity_ns = manager_now(m);
}

void vms_identify(struct lp_manager *m, struct vm_entry *vm)
{
	identify(m, vm);
	ask_args(m, vm);
}

void lp_manager_vmm_args(struct lp_manager *m, const struct lp_vmm_query *query, int error,
			 const struct lp_vmm_args *args)
{
	struct vm_entry *vm = vm_find(m, query->vm_id);

	/* The VM may have gone, and its id be another's. */
	if (!vm || !vm->args.asked || vm->vm.pid != query->pid ||
	    vm->vm.pid_start_ns != query->start_ns)
		return;
	vm->args.asked = vm->args.awaited = false;
	vm->args.known = error == 0;
	if (error == 0)
		vm->args.args = *args;
	identify(m, vm);
	if (error == -ETIMEDOUT)
		vm_log(m, LOG_WARNING, LP_MESSAGE_VM, vm,
		       "the command line of its process %u could not be read in time", vm->vm.pid);
	vms_apply_rule(m, vm);
	manager_wake(m);
}

static int insert(struct lp_manager *m, struct vm_entry *vm)
{
	size_t at = vm_position(m, vm->vm.id);
	struct vm_entry **place;

	if (array_reserve(&m->vms, &m->vms_capacity, m->nr_vms + 1, sizeof(*m->vms)) < 0)
		return -ENOMEM;
	if (due_add(m, vm) < 0)
		return -ENOMEM;
	place = array_open(m->vms, m->nr_vms++, at, sizeof(*m->vms));
	*place = vm;
	return 0;
}

static struct vm_entry *add(struct lp_manager *m, const struct lp_vm *init)
{
	struct vm_entry *vm = blocks_get_zeroed(&m->blocks, sizeof(*vm));
	uint64_t now_ns = manager_now(m);
	int r;

	if (!vm)
		return NULL;
	vm->vm.id = init->id;
	vm->regions.blocks = &m->blocks;
	accounts_describe(m, vm, init);
	vm->seen_ns = now_ns;
	vm->family_round = m->family_round;
	vm->sync.need_dump = DUMP_FULL;
	vm->sync.settle_ns = now_ns + SETTLE_NS;
	limits_found(m, vm);
	vms_identify(m, vm);
	r = policy_vm_add(m->policy, init->id, &m->config->defaults, now_ns);
	if (r == 0)
		r = insert(m, vm);
	if (r < 0) {
		(void)policy_vm_remove(m->policy, init->id, now_ns);
		accounts_remove(m, vm);
		names_leave(m, vm);
		blocks_put(&m->blocks, vm, sizeof(*vm));
		return NULL;
	}
	TAILQ_INSERT_HEAD(&m->by_stats, vm, by_stats);
	shadow_add_vm(m, vm, &m->config->defaults);
	return vm;
}

/* Only a full description has the statistics; what a short one leaves out is not zero. */
static void take_description(struct lp_manager *m, struct vm_entry *vm, const struct lp_vm *init,
			     bool full, uint64_t now_ns)
{
	struct lp_vm before = vm->vm;

	if (full) {
		accounts_describe(m, vm, init);
		vm->has_stats = true;
		vm->sync.stats_ns = now_ns;
		TAILQ_REMOVE(&m->by_stats, vm, by_stats);
		TAILQ_INSERT_TAIL(&m->by_stats, vm, by_stats);
		limits_lease_read(vm, now_ns);
		return;
	}
	memcpy(vm->vm.name, init->name, sizeof(before.name));
	vm->vm.running |= init->running;
	if (init->limits.set)
		vm->vm.limits = init->limits;
	vm->sync.need_stats = true;
}

static void teach_split_cost(struct lp_manager *m, const struct vm_entry *vm,
			     const struct lp_vm *now)
{
	uint64_t splits = now->splits - vm->vm.splits;

	if (!vm->has_stats || now->splits <= vm->vm.splits || now->split_ns <= vm->vm.split_ns)
		return;
	(void)policy_split_cost(m->policy, now->id, splits, now->split_ns - vm->vm.split_ns);
	shadow_split_cost(m, now->id, splits, now->split_ns - vm->vm.split_ns);
}

/* Ids begin anew when kvm is loaded again. */
static bool is_another(const struct vm_entry *vm, const struct lp_vm *now)
{
	return vm->vm.pid_start_ns && now->pid_start_ns &&
	       (vm->vm.pid_start_ns != now->pid_start_ns || vm->vm.pid != now->pid);
}

/* No memory for a VM: it is looked for again. */
static void vm_without_memory(struct lp_manager *m, uint32_t vm_id)
{
	lp_log(m->log, LOG_ERR, NULL, "out of memory for VM %u, trying again", vm_id);
	m->listing.need = true;
	m->listing.retry_ns = manager_now(m) + VM_RETRY_NS;
	manager_wake(m);
}

static void remove_lost(struct lp_manager *m, struct vm_entry *vm)
{
	/* The next family may be there, with VMs. */
	if (vm_is_lost(m, vm))
		vms_remove(m, vm, m->lost_why);
}

/* A new VM has come before its turn. */
static void remove_lost_id(struct lp_manager *m, uint32_t vm_id)
{
	size_t at = vm_position(m, vm_id);

	if (at < m->nr_vms && m->vms[at]->vm.id == vm_id)
		remove_lost(m, m->vms[at]);
}

void vms_update(struct lp_manager *m, const struct lp_vm *init, bool full)
{
	struct vm_entry *vm = vm_find(m, init->id);
	uint64_t now_ns = manager_now(m);
	bool is_new, named;

	if (!vm)
		remove_lost_id(m, init->id);
	if (vm && is_another(vm, init)) {
		vms_remove(m, vm, "gone, its id is another VM's now");
		vm = NULL;
	}
	is_new = !vm;

	if (is_new) {
		vm = add(m, init);
		if (!vm) {
			vm_without_memory(m, init->id);
			return;
		}
	} else if (full) {
		teach_split_cost(m, vm, init);
	}
	named = strcmp(vm->vm.name, init->name) != 0;
	if (full && init->resync_generation > vm->vm.resync_generation)
		vm->sync.need_dump = DUMP_FULL;
	take_description(m, vm, init, full, now_ns);
	vm->listed_round = m->listing.round;
	if (named)
		vms_identify(m, vm);
	vm->identity.memory_bytes = vm->vm.memory_pages * 4096;
	vms_apply_rule(m, vm);
	due_touch(m, vm);
	if (is_new || full)
		recorders_notify_vm(m, init->id, LP_RECORD_VM);
	manager_status_soon(m);
	manager_wake(m);
}

static void end_entry(struct lp_manager *m, struct vm_entry *vm, const char *why)
{
	flights_cancel(m, vm->vm.id, -ESRCH, why);
	summary_vm_end(m, vm);
	accounts_remove(m, vm);
	TAILQ_REMOVE(vm_is_lost(m, vm) ? &m->lost : &m->by_stats, vm, by_stats);
	names_leave(m, vm);
	shadow_remove_vm(m, vm);
	(void)policy_vm_remove(m->policy, vm->vm.id, manager_now(m));
	watchers_notify_vm(m, LP_WATCH_VM_GONE, vm, "%s", why);
	recorders_notify_vm(m, vm->vm.id, LP_RECORD_VM_GONE);
	vm_log(m, LOG_INFO, LP_MESSAGE_VM, vm, "%s", why);
	remains_add_vm(m, vm);
}

void vms_remove(struct lp_manager *m, struct vm_entry *vm, const char *why)
{
	size_t at = vm_position(m, vm->vm.id);

	array_close(m->vms, m->nr_vms--, at, sizeof(*m->vms));
	m->nr_lost -= vm_is_lost(m, vm);
	due_remove(m, vm);
	m->vms_left = true;
	give_back_soon(m);
	end_entry(m, vm, why);
	manager_status_soon(m);
	manager_wake(m);
}

void vms_lose_all(struct lp_manager *m, const char *why)
{
	accounts_lose_all(m);
	policy_lose_all(m->policy, manager_now(m));
	shadow_lose_all(m);
	TAILQ_CONCAT(&m->lost, &m->by_stats, by_stats);
	m->family_round++;
	m->nr_lost = m->nr_vms;
	snprintf(m->lost_why, sizeof(m->lost_why), "%s", why);
	walk_begin(m, WALK_LOST, remove_lost, NULL);
}

static void remove_unlisted(struct lp_manager *m, struct vm_entry *vm)
{
	/* The next listing may be under way. */
	if ((int32_t)(vm->listed_round - m->listing.complete_round) < 0)
		vms_remove(m, vm, "gone");
}

void vms_remove_unlisted(struct lp_manager *m)
{
	m->listing.complete_round = m->listing.round;
	walk_begin(m, WALK_UNLISTED, remove_unlisted, NULL);
}
