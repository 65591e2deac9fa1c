// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/sums.h"

#include <errno.h>

#include "daemon/policy/internal.h"

_Static_assert(PHASE_END <= POLICY_PHASES, "a group counts regions of each phase");

void sums_init(struct policy_vm *vm)
{
	vm->groups[GROUP_OWN] = &vm->own;
	vm->groups[GROUP_ALL] = &vm->policy->all;
	vm->groups[GROUP_CALLER] = NULL;
}

/* ---- regions ---- */

void sums_enter_region(struct policy_vm *vm, unsigned int phase)
{
	for (struct policy_group **group = vm->groups; *group; group++)
		(*group)->phases[phase]++;
}

void sums_leave_region(struct policy_vm *vm, unsigned int phase)
{
	for (struct policy_group **group = vm->groups; *group; group++)
		(*group)->phases[phase]--;
}

void sums_move_region(struct policy_vm *vm, unsigned int from, unsigned int to)
{
	for (struct policy_group **group = vm->groups; *group; group++) {
		(*group)->phases[from]--;
		(*group)->phases[to]++;
	}
}

/* ---- savings ---- */

static uint64_t savings_ns(const struct policy_group *group, uint64_t now_ns)
{
	unsigned __int128 all = (unsigned __int128)group->walk_ns_per_s * now_ns;

	return all > group->walks_since ? (uint64_t)((all - group->walks_since) / NS_PER_S) : 0;
}

/* Takes what the VM saves now out of the group, or puts it in. */
static void add_rate(struct policy_group *group, uint64_t ns_per_s, uint64_t since_ns)
{
	group->walk_ns_per_s += ns_per_s;
	group->walks_since += (unsigned __int128)ns_per_s * since_ns;
}

static void take_rate(struct policy_group *group, uint64_t ns_per_s, uint64_t since_ns)
{
	group->walk_ns_per_s -= ns_per_s;
	group->walks_since -= (unsigned __int128)ns_per_s * since_ns;
}

void sums_count_savings(struct policy_vm *vm, uint64_t now_ns)
{
	uint64_t saved_ns = savings_ns(&vm->own, now_ns), rate = vm->own.walk_ns_per_s;

	SUMS_ADD(vm, walk_saved_ns, saved_ns);
	for (struct policy_group **group = vm->groups; *group; group++) {
		take_rate(*group, rate, vm->saved_until_ns);
		add_rate(*group, vm->merged_regions * vm->cost.walk_ns_per_s, now_ns);
	}
	vm->saved_until_ns = now_ns;
}

/* ---- groups ---- */

static void move_figures(struct policy_group *from, struct policy_group *to,
			 const struct policy_vm *vm)
{
	for (unsigned int i = 0; i < POLICY_PHASES; i++) {
		if (from)
			from->phases[i] -= vm->own.phases[i];
		if (to)
			to->phases[i] += vm->own.phases[i];
	}
	if (from)
		take_rate(from, vm->own.walk_ns_per_s, vm->saved_until_ns);
	if (to)
		add_rate(to, vm->own.walk_ns_per_s, vm->saved_until_ns);
}

void sums_set_group(struct policy_vm *vm, struct policy_group *group, uint64_t now_ns)
{
	sums_count_savings(vm, now_ns);
	move_figures(vm->groups[GROUP_CALLER], group, vm);
	vm->groups[GROUP_CALLER] = group;
}

void sums_remove_vm(struct policy_vm *vm, uint64_t now_ns)
{
	sums_set_group(vm, NULL, now_ns);
	move_figures(&vm->policy->all, NULL, vm);
}

int policy_vm_group(struct policy *policy, uint32_t vm_id, struct policy_group *group,
		    uint64_t now_ns)
{
	struct policy_vm *vm = policy_vm_find(policy, vm_id);

	now_ns = policy_clock(policy, now_ns);
	if (!vm)
		return -ENOENT;
	if (vm->groups[GROUP_CALLER] != group)
		sums_set_group(vm, group, now_ns);
	return 0;
}

void policy_group_clear(struct policy *policy, struct policy_group *group, uint64_t now_ns)
{
	group->ledger.walk_saved_ns += savings_ns(group, policy_clock(policy, now_ns));
	*group = (struct policy_group){.ledger = group->ledger};
}

/* ---- ledgers ---- */

void policy_group_ledger(const struct policy *policy, const struct policy_group *group,
			 uint64_t now_ns, struct policy_ledger *ret)
{
	now_ns = now_ns > policy->now_ns ? now_ns : policy->now_ns;
	*ret = group->ledger;
	for (unsigned int i = 0; i < POLICY_PHASES; i++)
		ret->tracked_regions += group->phases[i];
	ret->waiting_regions = group->phases[PHASE_WAIT] + group->phases[PHASE_QUEUED] +
			       group->phases[PHASE_FLIGHT] + group->phases[PHASE_SETTLED] +
			       group->phases[PHASE_BACKOFF];
	ret->large_regions = group->phases[PHASE_LARGE];
	ret->queued_regions = group->phases[PHASE_QUEUED];
	ret->walk_saved_ns += savings_ns(group, now_ns);
}

int policy_vm_ledger(const struct policy *policy, uint32_t vm_id, uint64_t now_ns,
		     struct policy_ledger *ret)
{
	const struct policy_vm *vm = vm_any(policy, vm_id);

	if (!vm)
		return -ENOENT;
	policy_group_ledger(policy, &vm->own, now_ns, ret);
	return 0;
}

void policy_total_ledger(const struct policy *policy, uint64_t now_ns, struct policy_ledger *ret)
{
	policy_group_ledger(policy, &policy->all, now_ns, ret);
}

void policy_ledger_add(struct policy_ledger *to, const struct policy_ledger *from)
{
	uint64_t *sum = (uint64_t *)to;
	const uint64_t *value = (const uint64_t *)from;

	_Static_assert(sizeof(*to) % sizeof(uint64_t) == 0, "the ledger is uint64_t throughout");
	for (size_t i = 0; i < sizeof(*to) / sizeof(*sum); i++)
		sum[i] += value[i];
}

void policy_ledger_since(struct policy_ledger *ledger, const struct policy_ledger *before)
{
	uint64_t *total = (uint64_t *)ledger;
	const uint64_t *value = (const uint64_t *)before;
	const size_t first = offsetof(struct policy_ledger, conversions) / sizeof(*total);

	for (size_t i = first; i < sizeof(*ledger) / sizeof(*total); i++)
		total[i] -= value[i];
}

/* ---- memory ---- */

static size_t vm_bytes(const struct policy_vm *vm)
{
	return sizeof(*vm) + vm->table.bytes + queue_bytes(&vm->queue) + queue_bytes(&vm->holds) +
	       (vm->adaptive ? sizeof(*vm->adaptive) : 0);
}

void vm_weigh(struct policy_vm *vm)
{
	size_t bytes = vm_bytes(vm);

	vm->policy->vm_bytes += bytes - vm->weighed_bytes;
	vm->weighed_bytes = bytes;
}

size_t policy_memory_bytes(const struct policy *policy)
{
	size_t bytes = sizeof(*policy) + policy->vms_capacity * sizeof(*policy->vms) +
		       policy->heap.capacity * sizeof(*policy->heap.items) + policy->vm_bytes;

	for (unsigned int unit = 0; unit < ADAPTIVE_UNITS; unit++)
		bytes += policy->adaptive[unit] ? sizeof(*policy->adaptive[unit]) : 0;
	return bytes;
}
