// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/shadow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config/value.h"
#include "daemon/core/remains.h"
#include "daemon/core/walks.h"

/* ---- what it is told ---- */

void shadow_set_global(struct lp_manager *m)
{
	struct config_global global = m->config->global;

	if (!m->shadow.policy)
		return;
	global.dry_run = false;
	policy_set_global(m->shadow.policy, &global, manager_now(m));
}

void shadow_set_paused(struct lp_manager *m)
{
	if (m->shadow.policy)
		policy_pause_all(m->shadow.policy, manager_stands_still(m), manager_now(m));
}

static struct config_settings settings_of(const struct lp_manager *m,
					  const struct config_settings *settings)
{
	struct config_settings ret = *settings;

	config_shadow_apply(m->config, &ret);
	return ret;
}

void shadow_add_vm(struct lp_manager *m, const struct vm_entry *vm,
		   const struct config_settings *settings)
{
	struct config_settings own;

	if (!m->shadow.policy)
		return;
	own = settings_of(m, settings);
	if (policy_vm_add(m->shadow.policy, vm->vm.id, &own, manager_now(m)) == -ENOMEM)
		vm_log(m, LOG_WARNING, LP_MESSAGE_VM, vm,
		       "out of memory: the shadow configuration ignores it");
	(void)policy_vm_gate(m->shadow.policy, vm->vm.id, vm->gate, manager_now(m));
}

void shadow_configure_vm(struct lp_manager *m, const struct vm_entry *vm)
{
	struct config_settings own;

	if (!m->shadow.policy)
		return;
	own = settings_of(m, vm->settings);
	(void)policy_vm_configure(m->shadow.policy, vm->vm.id, &own, manager_now(m));
}

void shadow_remove_vm(struct lp_manager *m, const struct vm_entry *vm)
{
	if (m->shadow.policy)
		(void)policy_vm_remove(m->shadow.policy, vm->vm.id, manager_now(m));
}

void shadow_lose_all(struct lp_manager *m)
{
	if (m->shadow.policy)
		policy_lose_all(m->shadow.policy, manager_now(m));
}

void shadow_observe(struct lp_manager *m, uint32_t vm_id, const struct policy_observation *obs,
		    size_t nr)
{
	if (m->shadow.policy)
		(void)policy_observe_all(m->shadow.policy, vm_id, obs, nr, manager_now(m));
}

void shadow_forget(struct lp_manager *m, uint32_t vm_id, uint64_t rfn)
{
	if (m->shadow.policy)
		(void)policy_forget(m->shadow.policy, vm_id, rfn);
}

void shadow_batch_cost(struct lp_manager *m, uint32_t vm_id, const struct policy_batch_cost *cost)
{
	if (m->shadow.policy)
		(void)policy_batch_done(m->shadow.policy, vm_id, cost, manager_now(m));
}

void shadow_split_cost(struct lp_manager *m, uint32_t vm_id, uint64_t splits, uint64_t ns)
{
	if (m->shadow.policy)
		(void)policy_split_cost(m->shadow.policy, vm_id, splits, ns);
}

/* ---- what would have become of its merges ---- */

/* Does the reason hold for an earlier try since the same conversion, too? Others are of the moment. */
static bool was_so_before(enum lpage_reason reason)
{
	switch (reason) {
	case LPAGE_REASON_BAD_RANGE:
	case LPAGE_REASON_NOT_CAPABLE:
	case LPAGE_REASON_INHIBITED:
	case LPAGE_REASON_NOT_MAPPED:
	case LPAGE_REASON_NOT_CONTIGUOUS:
	case LPAGE_REASON_NOT_UNIFORM:
	case LPAGE_REASON_NOT_ACCEPTED:
		return true;
	default:
		return false;
	}
}

void shadow_outcome(struct lp_manager *m, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason)
{
	if (m->shadow.policy && was_so_before(reason) &&
	    policy_disprove(m->shadow.policy, vm_id, rfn, reason, manager_now(m)) > 0)
		m->shadow.disproved++;
}

/* NONE: merged. NOT_ACCEPTED is over sooner or later, so an earlier refusal says nothing of now. */
static enum lpage_reason outcome_of(struct lp_manager *m, const struct vm_entry *vm, uint64_t rfn)
{
	const struct lp_region_record *record = lp_regions_get(&vm->regions, rfn);
	const struct lp_region *region = record ? &record->region : NULL;
	enum lpage_reason reason;

	if (region && region->state == KVM_LPAGE_STATE_LARGE)
		return LPAGE_REASON_NONE;
	m->shadow.assumed++;
	if (!region || region->last_op != KVM_LPAGE_OP_MERGE ||
	    region->last_op_ns < region->last_to_private_ns)
		return LPAGE_REASON_NONE;
	reason = lpage_reason_from_kernel(region->last_reason);
	if (!was_so_before(reason) || reason == LPAGE_REASON_NOT_ACCEPTED)
		return LPAGE_REASON_NONE;
	m->shadow.assumed--;
	return reason;
}

static void take_batch(struct lp_manager *m, const struct policy_batch *batch)
{
	const struct vm_entry *vm = vm_find(m, batch->vm_id);

	/* A hold is its own business: it waits for its end. */
	if (!vm || batch->op != POLICY_OP_MERGE)
		return;
	for (unsigned int i = 0; i < batch->nr; i++) {
		uint64_t rfn = batch->actions[i].rfn;

		(void)policy_outcome(m->shadow.policy, vm->vm.id, rfn, outcome_of(m, vm, rfn), 0,
				     manager_now(m));
	}
}

void shadow_run(struct lp_manager *m)
{
	struct policy_batch batch;

	m->shadow.busy = m->shadow.policy;
	for (unsigned int i = 0; m->shadow.busy && i < BATCHES_PER_TURN; i++) {
		m->shadow.busy = policy_next_batch(m->shadow.policy, manager_now(m), &batch) > 0;
		if (m->shadow.busy)
			take_batch(m, &batch);
	}
}

uint64_t shadow_deadline_ns(const struct lp_manager *m)
{
	return m->shadow.policy ? policy_next_deadline(m->shadow.policy) : NS_NEVER;
}

/* ---- begin and end ---- */

static void end(struct lp_manager *m)
{
	remains_add_policy(m, m->shadow.policy);
	m->shadow = (struct shadow){.policy = NULL};
}

static void begin_vm(struct lp_manager *m, struct vm_entry *vm)
{
	shadow_add_vm(m, vm, vm->settings);
	/* What is known of regions goes over as they are seen. */
	vm_want_dump(m, vm, DUMP_FULL);
}

static void begin(struct lp_manager *m)
{
	uint64_t now_ns = manager_now(m);

	m->shadow.policy = policy_new_shadow(&m->config->global, m->policy, now_ns);
	if (!m->shadow.policy) {
		lp_log(m->log, LOG_WARNING, NULL, "out of memory for the shadow configuration");
		return;
	}
	m->shadow.settings = m->config->shadow;
	m->shadow.since_ns = now_ns;
	policy_total_ledger(m->policy, now_ns, &m->shadow.before);
	shadow_set_global(m);
	shadow_set_paused(m);
	walk_begin(m, WALK_SHADOW, begin_vm, NULL);
	manager_wake(m);
}

/* Places may be others. */
static bool has_changed(const struct lp_manager *m)
{
	const struct config_shadow *now = &m->config->shadow, *before = &m->shadow.settings;

	return now->set != before->set ||
	       memcmp(&now->settings, &before->settings, sizeof(now->settings)) != 0;
}

void shadow_apply_config(struct lp_manager *m)
{
	if (m->shadow.policy && (!m->config->shadow.given || has_changed(m)))
		end(m);
	if (m->config->shadow.given && !m->shadow.policy)
		begin(m);
}

/* ---- view ---- */

static void write_settings(const struct lp_manager *m, char *ret, size_t size)
{
	const struct config_shadow *shadow = &m->shadow.settings;
	char value[CONFIG_TEXT_MAX];
	size_t len = 0;

	*ret = '\0';
	for (size_t i = 0; i < config_setting_keys.nr && len < size; i++) {
		const struct config_key *key = &config_setting_keys.keys[i];

		if (!(shadow->set >> i & 1))
			continue;
		config_value_format(key->type, (const char *)&shadow->settings + key->offset,
				    value);
		len += (size_t)snprintf(ret + len, size - len, "%s%s %s", len ? ", " : "",
					key->name, value);
	}
}

int shadow_view(const struct lp_core *core, struct lp_shadow_snapshot *ret)
{
	const struct lp_manager *m = manager_of_const(core);
	uint64_t now_ns = manager_now(m);

	if (!m->shadow.policy)
		return -ENOENT;
	*ret = (struct lp_shadow_snapshot){
		.age_ns = now_ns - m->shadow.since_ns,
		.nr_vms = vms_there(m),
		.assumed = m->shadow.assumed,
		.disproved = m->shadow.disproved,
		.active_bytes = policy_memory_bytes(m->policy),
		.shadow_bytes = policy_memory_bytes(m->shadow.policy) + remains_policy_bytes(m),
	};
	write_settings(m, ret->settings, sizeof(ret->settings));
	policy_total_ledger(m->policy, now_ns, &ret->active);
	policy_ledger_since(&ret->active, &m->shadow.before);
	policy_total_ledger(m->shadow.policy, now_ns, &ret->shadow);
	return 0;
}
