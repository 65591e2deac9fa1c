// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/identity.h"

/* A VM that is new gets mapped without conversions, of which the kernel does not tell. */
#define SETTLE_NS (60 * NS_PER_S)

static size_t position(const struct lp_manager *m, uint32_t vm_id)
{
	size_t low = 0, high = m->nr_vms;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->vms[mid]->vm.id < vm_id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct vm_entry *vms_find(const struct lp_manager *m, uint32_t vm_id)
{
	size_t at = position(m, vm_id);

	return at < m->nr_vms && m->vms[at]->vm.id == vm_id ? m->vms[at] : NULL;
}

bool vms_dry_run(const struct lp_manager *m, const struct vm_entry *vm)
{
	return manager_dry_run(m) || vm->settings->dry_run;
}

void vms_set_global(struct lp_manager *m)
{
	struct config_global global = m->config->global;

	global.dry_run = manager_dry_run(m);
	policy_set_global(m->policy, &global, manager_now(m));
}

static enum lpage_reason find_gate(const struct lp_manager *m, const struct vm_entry *vm,
				   uint64_t now_ns)
{
	if (vm->stale)
		return LPAGE_REASON_STALE;
	if (lp_state_vm_paused(&m->state, vm->vm.id))
		return LPAGE_REASON_PAUSED;
	if (vm->has_figures && !vm->vm.running)
		return LPAGE_REASON_NOT_RUNNING;
	if (vm->has_figures && vm->vm.incapable && !vm->vm.capable)
		return LPAGE_REASON_NOT_CAPABLE;
	/* Where we may set the mode, the kernel's answer to that comes first. */
	if (vm->has_figures && !vm->need_push && !vm->push_tag &&
	    (vm->vm.limits.set & LP_LIMIT(KVM_LPAGE_A_POLICY_MODE)) &&
	    vm->vm.limits.mode == KVM_LPAGE_MODE_OFF)
		return LPAGE_REASON_MODE_OFF;
	return vm->backoff_ns > now_ns ? LPAGE_REASON_BACKOFF : LPAGE_REASON_NONE;
}

void vms_set_gate(struct lp_manager *m, struct vm_entry *vm)
{
	uint64_t now_ns = manager_now(m);
	enum lpage_reason gate = find_gate(m, vm, now_ns);

	if (gate != vm->gate)
		manager_log_vm(m, LOG_DEBUG, LP_MESSAGE_VM, vm, "gate %s, was %s",
			       lpage_reason_name(gate), lpage_reason_name(vm->gate));
	vm->gate = gate;
	if (gate == LPAGE_REASON_NONE && vm->nr_awaited)
		gate = LPAGE_REASON_IN_FLIGHT;
	if (gate == vm->policy_gate)
		return;
	vm->policy_gate = gate;
	(void)policy_vm_gate(m->policy, vm->vm.id, gate, now_ns);
}

void vms_failed(struct lp_manager *m, struct vm_entry *vm, const char *what, int error,
		const char *text)
{
	enum lp_triage triage = lp_triage(error);
	const char *words = text && text[0] ? text : strerror(-error);
	uint64_t now_ns = manager_now(m);

	vm->failures = vm->failing && !strcmp(vm->failing, what) ? vm->failures + 1 : 1;
	vm->failing = what;
	vm->tally.failed_requests++;
	vm->backoff_ns = now_ns + lp_triage_delay_ns(triage, vm->failures);
	vm->last_error = error;
	vm->last_error_ns = now_ns;
	snprintf(vm->last_error_text, sizeof(vm->last_error_text), "%s: %s", what, words);
	if (triage == LP_TRIAGE_VM_GONE)
		m->need_vms = true;
	if (triage == LP_TRIAGE_HOST)
		snprintf(m->host_error, sizeof(m->host_error), "kernel refuses requests: %.100s%s",
			 words, error == -EPERM ? " (CAP_NET_ADMIN is missing)" : "");
	/* 1, 2, 4, 8 ... in a row: a lasting fault must not fill the journal. */
	if ((vm->failures & (vm->failures - 1)) == 0)
		manager_log_vm(m, triage == LP_TRIAGE_TRANSIENT ? LOG_INFO : LOG_WARNING,
			       LP_MESSAGE_FAILURE, vm, "%s failed (%u in a row): %s", what,
			       vm->failures, words);
	vms_set_gate(m, vm);
	report_status_soon(m);
}

void vms_succeeded(struct lp_manager *m, struct vm_entry *vm, const char *what)
{
	if (!vm->failures || strcmp(vm->failing, what) != 0)
		return;
	m->host_error[0] = '\0';
	vm->failing = NULL;
	vm->failures = 0;
	vm->backoff_ns = 0;
	vms_set_gate(m, vm);
}

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

static void want_limits(struct lp_manager *m, struct vm_entry *vm)
{
	struct lp_limits wanted = limits_of(vm->settings);

	vm->need_push |= !vms_dry_run(m, vm) && !vm->foreign &&
			 memcmp(&wanted, &vm->pushed, sizeof(wanted)) != 0;
	if (vms_dry_run(m, vm))
		vm->need_push = false;
	if (vm->need_push)
		vm->pushed = wanted;
}

static void tell_rule(const struct lp_manager *m, const struct vm_entry *vm,
		      const struct config_selected *selected)
{
	if (selected->unknown_rule >= 0)
		manager_log_vm(
			m, LOG_WARNING, LP_MESSAGE_VM, vm,
			"rule \"%s\" asks for what could not be read of the VMM, passed over",
			m->config->rules[selected->unknown_rule].name);
	manager_log_vm(m, LOG_INFO, LP_MESSAGE_VM, vm, "%s%s%s, mode %s, policy %s%s",
		       vm->rule[0] ? "rule \"" : "no rule, defaults", vm->rule,
		       vm->rule[0] ? "\"" : "", config_mode_name(vm->settings->mode),
		       config_policy_name(vm->settings->policy),
		       vms_dry_run(m, vm) ? ", dry-run" : "");
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
	changed = !vm->settings || strcmp(rule, vm->rule ? vm->rule : "") != 0 ||
		  memcmp(&before, selected.settings, sizeof(before)) != 0;
	vm->settings = selected.settings;
	vm->rule = rule;
	if (changed) {
		vm->foreign = false;
		(void)policy_vm_configure(m->policy, vm->vm.id, vm->settings, manager_now(m));
		tell_rule(m, vm, &selected);
	}
	want_limits(m, vm);
	vms_set_gate(m, vm);
}

void vms_identify(struct lp_manager *m, struct vm_entry *vm)
{
	lp_identity_read(m->options.procfs, &vm->vm, &vm->identity);
	vm->identity_ns = manager_now(m);
}

static int insert(struct lp_manager *m, struct vm_entry *vm)
{
	size_t at = position(m, vm->vm.id);

	if (m->nr_vms == m->vms_room) {
		size_t room = m->vms_room ? 2 * m->vms_room : 16;
		void *bigger = realloc(m->vms, room * sizeof(*m->vms));

		if (!bigger)
			return -ENOMEM;
		m->vms = bigger;
		m->vms_room = room;
	}
	memmove(m->vms + at + 1, m->vms + at, (m->nr_vms - at) * sizeof(*m->vms));
	m->vms[at] = vm;
	m->nr_vms++;
	return 0;
}

static struct vm_entry *add(struct lp_manager *m, const struct lp_vm *init)
{
	struct vm_entry *vm = calloc(1, sizeof(*vm));
	uint64_t now_ns = manager_now(m);
	int r;

	if (!vm)
		return NULL;
	vm->vm = *init;
	vm->seen_ns = now_ns;
	vm->need_dump = DUMP_FULL;
	vm->settle_ns = now_ns + SETTLE_NS;
	vm->pushed = init->limits_admin;
	vms_identify(m, vm);
	r = policy_vm_add(m->policy, init->id, &m->config->defaults, now_ns);
	if (r == 0)
		r = insert(m, vm);
	if (r < 0) {
		(void)policy_vm_remove(m->policy, init->id, now_ns);
		free(vm);
		return NULL;
	}
	return vm;
}

static void tell_new(struct lp_manager *m, const struct vm_entry *vm)
{
	char memory[32] = "";

	/* A VM that is just being made has none yet. */
	if (vm->identity.memory_bytes)
		snprintf(memory, sizeof(memory), ", %llu MiB",
			 (unsigned long long)(vm->identity.memory_bytes >> 20));
	manager_log_vm(m, LOG_INFO, LP_MESSAGE_VM, vm, "new, pid %u, name from %s%s", vm->vm.pid,
		       lp_name_source_name(vm->identity.name_source), memory);
	report_text(m, LP_WATCH_VM, vm->vm.id, "VM %u %s is new", vm->vm.id, vm->identity.name);
}

/* Only a full description has the figures; what a short one leaves out is not zero. */
static void take_description(struct vm_entry *vm, const struct lp_vm *init, bool full,
			     uint64_t now_ns)
{
	struct lp_vm before = vm->vm;

	if (full) {
		vm->vm = *init;
		vm->has_figures = true;
		vm->figures_ns = now_ns;
		return;
	}
	memcpy(vm->vm.name, init->name, sizeof(before.name));
	vm->vm.running |= init->running;
	if (init->limits.set)
		vm->vm.limits = init->limits;
	vm->need_figures = true;
}

static void teach_split_cost(struct lp_manager *m, const struct vm_entry *vm,
			     const struct lp_vm *now)
{
	if (vm->has_figures && now->splits > vm->vm.splits && now->split_ns > vm->vm.split_ns)
		(void)policy_split_cost(m->policy, now->id, now->splits - vm->vm.splits,
					now->split_ns - vm->vm.split_ns);
}

void vms_update(struct lp_manager *m, const struct lp_vm *init, bool full)
{
	struct vm_entry *vm = vms_find(m, init->id);
	uint64_t now_ns = manager_now(m);
	bool is_new = !vm;
	bool named;

	if (is_new) {
		vm = add(m, init);
		if (!vm) {
			lp_log(m->log, LOG_ERR, NULL, "out of memory for VM %u, ignoring it",
			       init->id);
			return;
		}
	} else if (full) {
		teach_split_cost(m, vm, init);
	}
	named = strcmp(vm->vm.name, init->name) != 0;
	if (full && init->resync_generation > vm->vm.resync_generation)
		vm->need_dump = DUMP_FULL;
	take_description(vm, init, full, now_ns);
	vm->listed_round = m->vms_round;
	if (named)
		vms_identify(m, vm);
	vm->identity.memory_bytes = vm->vm.memory_pages * 4096;
	if (is_new)
		tell_new(m, vm);
	vms_apply_rule(m, vm);
	if (is_new || full)
		record_vm(m, init->id, LP_RECORD_VM);
	report_status_soon(m);
	manager_wake(m);
}

static void free_entry(struct lp_manager *m, struct vm_entry *vm, const char *why)
{
	actions_cancel(m, vm->vm.id, -ESRCH, why);
	report_vm_end(m, vm);
	tally_add(&m->gone_tally, &vm->tally);
	(void)policy_vm_remove(m->policy, vm->vm.id, manager_now(m));
	report_text(m, LP_WATCH_VM_GONE, vm->vm.id, "VM %u %s: %s", vm->vm.id, vm->identity.name,
		    why);
	record_vm(m, vm->vm.id, LP_RECORD_VM_GONE);
	manager_log_vm(m, LOG_INFO, LP_MESSAGE_VM, vm, "%s", why);
	lp_regions_done(&vm->regions);
	free(vm);
}

void vms_remove(struct lp_manager *m, struct vm_entry *vm, const char *why)
{
	size_t at = position(m, vm->vm.id);

	memmove(m->vms + at, m->vms + at + 1, (m->nr_vms - at - 1) * sizeof(*m->vms));
	m->nr_vms--;
	free_entry(m, vm, why);
	report_status_soon(m);
	manager_wake(m);
}

void vms_remove_all(struct lp_manager *m, const char *why)
{
	while (m->nr_vms)
		vms_remove(m, m->vms[m->nr_vms - 1], why);
}

void vms_remove_unlisted(struct lp_manager *m)
{
	for (size_t i = m->nr_vms; i-- > 0;) {
		if (m->vms[i]->listed_round != m->vms_round)
			vms_remove(m, m->vms[i], "gone");
	}
}
