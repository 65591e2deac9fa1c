// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/due.h"
#include "daemon/core/triage.h"

static int is_before(const void *element, const void *vm_id)
{
	const struct vm_entry *vm = *(struct vm_entry *const *)element;

	return vm->vm.id < *(const uint32_t *)vm_id;
}

size_t vm_position(const struct lp_manager *m, uint32_t vm_id)
{
	return lower_bound(m->vms, m->nr_vms, sizeof(struct vm_entry *), &vm_id, is_before);
}

bool vm_is_lost(const struct lp_manager *m, const struct vm_entry *vm)
{
	return vm->family_round != m->family_round;
}

size_t vms_there(const struct lp_manager *m)
{
	return m->nr_vms - m->nr_lost;
}

struct vm_entry *vm_find(const struct lp_manager *m, uint32_t vm_id)
{
	size_t at = vm_position(m, vm_id);
	struct vm_entry *vm = at < m->nr_vms ? m->vms[at] : NULL;

	return vm && vm->vm.id == vm_id && !vm_is_lost(m, vm) ? vm : NULL;
}

void vm_log(const struct lp_manager *m, int priority, enum lp_message message,
	    const struct vm_entry *vm, const char *format, ...)
{
	struct lp_log_about about = {message, vm->vm.id, vm->identity.name};
	char text[512];
	va_list args;

	if (priority > m->log->max_priority)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (vm->identity.name[0])
		lp_log(m->log, priority, &about, "VM %u (%s): %s", vm->vm.id, vm->identity.name,
		       text);
	else
		lp_log(m->log, priority, &about, "VM %u: %s", vm->vm.id, text);
}

bool vm_dry_run(const struct lp_manager *m, const struct vm_entry *vm)
{
	return manager_dry_run(m) || vm->settings->dry_run;
}

struct lp_vm_key vm_key(const struct vm_entry *vm)
{
	return (struct lp_vm_key){vm->vm.id, vm->vm.pid, vm->vm.pid_start_ns};
}

const struct lp_paused_vm *vm_pause(const struct lp_manager *m, const struct vm_entry *vm)
{
	struct lp_vm_key key = vm_key(vm);

	return lp_state_vm_pause(&m->state, &key);
}

struct lp_hold *vm_holds(const struct lp_manager *m, const struct vm_entry *vm, size_t *ret_nr)
{
	struct lp_vm_key key = vm_key(vm);

	return lp_state_vm_holds(&m->state, &key, ret_nr);
}

bool vm_held(const struct lp_manager *m, const struct vm_entry *vm)
{
	size_t nr;

	return vm_holds(m, vm, &nr);
}

static enum lpage_reason find_gate(const struct lp_manager *m, const struct vm_entry *vm,
				   uint64_t now_ns)
{
	if (vm->stale || vm->sync.behind_ns)
		return LPAGE_REASON_STALE;
	if (!vm->decided)
		return LPAGE_REASON_IDENTIFYING;
	if (vm_pause(m, vm))
		return LPAGE_REASON_PAUSED;
	if (vm_held(m, vm))
		return LPAGE_REASON_VM_HELD;
	if (vm->has_stats && !vm->vm.running)
		return LPAGE_REASON_NOT_RUNNING;
	if (vm->has_stats && vm->vm.incapable && !vm->vm.capable)
		return LPAGE_REASON_NOT_CAPABLE;
	/* A mode that the daemon is about to change is no reason to wait. */
	if (vm->has_stats && !vm->limits.need_push && !vm->limits.push_tag &&
	    (vm->vm.limits.set & LP_LIMIT(KVM_LPAGE_A_POLICY_MODE)) &&
	    vm->vm.limits.mode == KVM_LPAGE_MODE_OFF)
		return LPAGE_REASON_MODE_OFF;
	return vm->trouble.backoff_ns > now_ns ? LPAGE_REASON_BACKOFF : LPAGE_REASON_NONE;
}

void vm_set_gate(struct lp_manager *m, struct vm_entry *vm)
{
	uint64_t now_ns = manager_now(m);
	enum lpage_reason gate = find_gate(m, vm, now_ns);

	if (gate != vm->gate)
		vm_log(m, LOG_DEBUG, LP_MESSAGE_VM, vm, "gate %s, was %s", lpage_reason_name(gate),
		       lpage_reason_name(vm->gate));
	/* At once, also where the policy in force is told later: a shadow has no requests under way. */
	if (gate != vm->gate && m->shadow.policy)
		(void)policy_vm_gate(m->shadow.policy, vm->vm.id, gate, now_ns);
	if (gate != vm->gate)
		due_touch(m, vm);
	vm->gate = gate;
	if (gate == LPAGE_REASON_NONE && vm->nr_awaited)
		gate = LPAGE_REASON_IN_FLIGHT;
	if (gate == vm->policy_gate)
		return;
	vm->policy_gate = gate;
	(void)policy_vm_gate(m->policy, vm->vm.id, gate, now_ns);
}

/*
 * The 1st, 2nd, 4th, 8th ... in a row, and one per interval: neither a lasting fault nor one that comes
 * and goes must flood the journal.
 */
static bool is_worth_a_line(const struct lp_manager *m, struct vm_entry *vm, uint64_t now_ns)
{
	struct vm_trouble *trouble = &vm->trouble;

	if ((trouble->failures & (trouble->failures - 1)) != 0)
		return false;
	if (trouble->logged_ns && now_ns - trouble->logged_ns < m->config->global.log_interval_ns)
		return false;
	trouble->logged_ns = now_ns;
	return true;
}

void vm_failed(struct lp_manager *m, struct vm_entry *vm, const char *what, int error,
	       const char *text)
{
	enum lp_triage triage = lp_triage(error);
	const char *words = text && text[0] ? text : strerror(-error);
	uint64_t now_ns = manager_now(m);

	vm->trouble.failures = vm->trouble.failing && !strcmp(vm->trouble.failing, what) ?
				       vm->trouble.failures + 1 :
				       1;
	vm->trouble.failing = what;
	TALLY_ADD(m, vm, failed_requests, 1);
	vm->trouble.backoff_ns = now_ns + lp_triage_delay_ns(triage, vm->trouble.failures);
	vm->trouble.last_error = error;
	vm->trouble.last_error_ns = now_ns;
	snprintf(vm->trouble.last_error_text, sizeof(vm->trouble.last_error_text), "%s: %s", what,
		 words);
	if (triage == LP_TRIAGE_VM_GONE)
		m->listing.need = true;
	if (triage == LP_TRIAGE_HOST)
		manager_set_host_error(m, error, words);
	if (is_worth_a_line(m, vm, now_ns))
		vm_log(m, triage == LP_TRIAGE_TRANSIENT ? LOG_INFO : LOG_WARNING,
		       LP_MESSAGE_FAILURE, vm, "%s failed (%u in a row): %s", what,
		       vm->trouble.failures, words);
	vm_set_gate(m, vm);
	due_touch(m, vm);
	manager_status_soon(m);
}

void vm_succeeded(struct lp_manager *m, struct vm_entry *vm, const char *what)
{
	if (!vm->trouble.failures || strcmp(vm->trouble.failing, what) != 0)
		return;
	m->host_error[0] = '\0';
	vm->trouble.failing = NULL;
	vm->trouble.failures = 0;
	vm->trouble.backoff_ns = 0;
	vm_set_gate(m, vm);
	due_touch(m, vm);
}

void vm_want_dump(struct lp_manager *m, struct vm_entry *vm, enum dump_need need)
{
	if (vm->sync.need_dump < need)
		vm->sync.need_dump = need;
	due_touch(m, vm);
}
