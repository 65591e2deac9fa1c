// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/sim_host.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#define VM_TYPE_TDX	5
#define VCPUS		4
#define MANAGED_DEFAULT KVM_LPAGE_MODE_MANAGED

/* ---- VMs ---- */

static size_t vm_index(const struct sim_host *host, uint32_t vm_id)
{
	size_t i = 0;

	/* Ids mostly ascend: the newest VMs are at the end. */
	for (i = host->nr_vms; i > 0 && host->vms[i - 1].id >= vm_id; i--)
		;
	return i;
}

static struct sim_vm *vm_any(const struct sim_host *host, uint32_t vm_id)
{
	size_t i = vm_index(host, vm_id);

	return i < host->nr_vms && host->vms[i].id == vm_id ? &host->vms[i] : NULL;
}

struct sim_vm *sim_host_vm(const struct sim_host *host, uint32_t vm_id)
{
	struct sim_vm *vm = vm_any(host, vm_id);

	return vm && !vm->gone ? vm : NULL;
}

static int vm_add(struct sim_host *host, uint32_t vm_id)
{
	size_t at = vm_index(host, vm_id);
	struct sim_vm *vm;

	if (array_reserve(&host->vms, &host->vms_capacity, host->nr_vms + 1, sizeof(*host->vms)) <
	    0)
		return -ENOMEM;
	vm = array_open(host->vms, host->nr_vms++, at, sizeof(*host->vms));
	*vm = (struct sim_vm){.id = vm_id, .generation = 1, .armed = true};
	if (vm_id > host->id_max)
		host->id_max = vm_id;
	if (host->vm_new)
		host->vm_new(host->ctx, &host->vms[at]);
	return 0;
}

/* A change of a region for which the kernel would send an event. */
static void advance_generation(struct sim_vm *vm, struct model_region *region)
{
	region->generation = ++vm->generation;
	vm->pending = true;
}

static void on_changed(void *ctx, struct model_vm *model_vm, uint64_t rfn,
		       struct model_region *region)
{
	struct sim_host *host = ctx;
	struct sim_vm *vm = vm_any(host, model_vm->id);

	(void)rfn;
	if (vm)
		advance_generation(vm, region);
}

/* ---- the trace ---- */

/* Ids start at 1: 0 stands for all VMs. */
static uint32_t host_id(const struct sim_host *host, uint32_t trace_id)
{
	return host->id_base + trace_id + 1;
}

static int read_next(struct sim_host *host)
{
	int more = trace_next(host->reader, &host->next);

	host->have_next = more > 0;
	if (more <= 0)
		return more;
	host->next.t_ns += host->base_ns;
	if (host->next.op != TRACE_END)
		host->next.vm_id = host_id(host, host->next.vm_id);
	return 0;
}

static int open_trace(struct sim_host *host)
{
	int err;

	host->reader = trace_close(host->reader);
	err = trace_open(host->path, &host->reader);
	if (err)
		return err;
	model_done(&host->model);
	model_init(&host->model, trace_costs(host->reader));
	host->model.changed = on_changed;
	host->model.ctx = host;
	host->ended = false;
	return read_next(host);
}

int sim_host_open(struct sim_host *host, const char *path, uint64_t epoch_ns)
{
	host->base_ns = epoch_ns;
	host->path = strdup(path);
	return host->path ? open_trace(host) : -ENOMEM;
}

void sim_host_close(struct sim_host *host)
{
	trace_close(host->reader);
	model_done(&host->model);
	free(host->vms);
	free(host->path);
}

const char *sim_host_error(const struct sim_host *host)
{
	return trace_error(host->reader);
}

uint64_t sim_host_next_ns(const struct sim_host *host)
{
	return host->have_next && !host->ended ? host->next.t_ns : UINT64_MAX;
}

static void forget_vm(struct sim_host *host, struct sim_vm *vm)
{
	if (!vm || vm->gone)
		return;
	vm->gone = true;
	if (host->vm_gone)
		host->vm_gone(host->ctx, vm);
}

void sim_host_clear(struct sim_host *host)
{
	for (size_t i = 0; i < host->nr_vms; i++)
		forget_vm(host, &host->vms[i]);
}

/* The splits that a record forces are the kernel's to report. */
static void count_splits(struct sim_host *host, const struct trace_record *record, uint64_t before)
{
	struct sim_vm *vm = vm_any(host, record->vm_id);
	uint64_t splits = host->model.score.splits + host->model.score.forced_splits - before;

	if (!vm || !splits)
		return;
	vm->splits += splits;
	vm->split_ns += splits * host->model.costs.split_ns;
}

static int apply_next(struct sim_host *host)
{
	const struct trace_record record = host->next;
	uint64_t splits = host->model.score.splits + host->model.score.forced_splits;
	int err;

	host->now_ns = record.t_ns;
	if (record.op == TRACE_END) {
		/* The VMs stay as they are. */
		host->ended = true;
		host->end_ns = record.t_ns;
		return 0;
	}
	err = model_apply(&host->model, &record);
	if (err)
		return err;
	if (record.op == TRACE_VM)
		err = vm_add(host, record.vm_id);
	else if (record.op == TRACE_VM_GONE)
		forget_vm(host, vm_any(host, record.vm_id));
	else
		count_splits(host, &record, splits);
	return err ? err : read_next(host);
}

int sim_host_advance(struct sim_host *host, uint64_t now_ns)
{
	while (sim_host_next_ns(host) <= now_ns) {
		int err = apply_next(host);

		if (err)
			return err;
	}
	if (now_ns > host->now_ns)
		host->now_ns = now_ns;
	return 0;
}

int sim_host_rewind(struct sim_host *host)
{
	host->base_ns = host->now_ns;
	host->id_base = host->id_max;
	host->nr_vms = 0;
	return open_trace(host);
}

/* ---- descriptions ---- */

static void count_regions(const struct sim_host *host, const struct model_vm *model_vm,
			  struct lp_vm *ret)
{
	uint64_t *const counts[] = {
		[KVM_LPAGE_STATE_UNMAPPED] = &ret->unmapped,
		[KVM_LPAGE_STATE_LARGE] = &ret->large,
		[KVM_LPAGE_STATE_TABLE] = &ret->table,
		[KVM_LPAGE_STATE_MIXED] = &ret->mixed,
	};
	const struct model_region *region;
	uint64_t rfn = 0;

	ret->large = model_vm->regions - model_vm->touched_regions;
	for (; (region = model_region_next(model_vm, &rfn)); rfn++) {
		++*counts[model_region_state(region)];
		ret->held += region->hold_ns > host->now_ns;
		ret->to_shared_pages += region->to_shared_pages;
		ret->to_private_pages += region->to_private_pages;
		ret->to_shared_events += region->to_shared_events;
		ret->to_private_events += region->to_private_events;
	}
}

/* What is left of the lease of the admin's layer, which holds nothing once that is over. */
static uint64_t lease_left_ns(const struct sim_host *host, const struct sim_vm *vm)
{
	return vm->lease_until_ns > host->now_ns ? vm->lease_until_ns - host->now_ns : 0;
}

struct lp_limits sim_host_admin_limits(const struct sim_host *host, const struct sim_vm *vm)
{
	static const struct lp_limits none;

	return vm->lease_until_ns && !lease_left_ns(host, vm) ? none : vm->admin;
}

static struct lp_limits limits_in_force(const struct sim_host *host, const struct sim_vm *vm)
{
	struct lp_limits limits = sim_host_admin_limits(host, vm);

	if (!(limits.set & LP_LIMIT(KVM_LPAGE_A_POLICY_MODE)))
		limits.mode = MANAGED_DEFAULT;
	if (!(limits.set & LP_LIMIT(KVM_LPAGE_A_POLICY_BATCH)))
		limits.batch_regions = KVM_LPAGE_BATCH_MAX;
	if (!(limits.set & LP_LIMIT(KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS)))
		limits.notify_interval_ns = 100 * NS_PER_MS;
	limits.set = (1U << (KVM_LPAGE_A_POLICY_MAX + 1)) - 2;
	return limits;
}

void sim_host_describe(const struct sim_host *host, const struct sim_vm *vm, struct lp_vm *ret)
{
	const struct model_vm *model_vm = model_vm_find(&host->model, vm->id);

	*ret = (struct lp_vm){
		.id = vm->id,
		.type = VM_TYPE_TDX,
		.nr_vcpus = VCPUS,
		.running = true,
		.pid = host->pid,
		.pid_start_ns = host->pid_start_ns,
		.memory_pages = model_vm->regions << REGION_PAGES_SHIFT,
		.limits = limits_in_force(host, vm),
		.limits_admin = sim_host_admin_limits(host, vm),
		.admin_lease_ns = lease_left_ns(host, vm),
		.generation = vm->generation,
		.capable = model_vm->regions,
		.merges = vm->merges,
		.splits = vm->splits,
		.split_ns = vm->split_ns,
		.refusals = vm->refusals,
		.work_ns = vm->work_ns,
		.huge_bytes = model_vm->regions * REGION_BYTES,
	};
	memcpy(ret->name, model_vm->name, sizeof(model_vm->name));
	count_regions(host, model_vm, ret);
}

static struct lp_region describe_region(uint64_t rfn, const struct model_region *region)
{
	return (struct lp_region){
		.rfn = rfn,
		.level = KVM_LPAGE_LEVEL_2M,
		.state = model_region_state(region),
		.present_pages = REGION_PAGES - region->nr_shared - region->nr_pending,
		.to_shared_pages = region->to_shared_pages,
		.to_private_pages = region->to_private_pages,
		.to_shared_events = region->to_shared_events,
		.to_private_events = region->to_private_events,
		.last_op = region->last_op,
		.last_reason = region->last_op_reason,
		.hold_admin_ns = region->hold_ns,
		.last_to_shared_ns = region->last_to_shared_ns,
		.last_to_private_ns = region->last_to_private_ns,
		.last_op_ns = region->last_op_ns,
		.generation = region->generation,
	};
}

/* Without a filter: what was ever converted, held or refused. */
static bool wanted(const struct lp_region_query *query, uint64_t rfn,
		   const struct model_region *region)
{
	if (query->nr_regions && rfn >= query->start_rfn + query->nr_regions)
		return false;
	if (!region->generation || region->generation <= query->since)
		return false;
	return !query->states || (query->states & 1U << model_region_state(region));
}

size_t sim_host_regions(const struct sim_host *host, const struct lp_region_query *query,
			uint64_t *rfn, struct lp_region *ret, size_t capacity)
{
	const struct model_vm *vm = model_vm_find(&host->model, query->vm_id);
	const struct model_region *region;
	size_t nr = 0;

	if (*rfn < query->start_rfn)
		*rfn = query->start_rfn;
	for (; nr < capacity && (region = model_region_next(vm, rfn)); ++*rfn) {
		if (!wanted(query, *rfn, region))
			continue;
		ret[nr] = describe_region(*rfn, region);
		if (!query->present)
			ret[nr].present_pages = 0;
		nr++;
	}
	return nr;
}

/* ---- operations ---- */

static uint32_t merge_region(struct sim_host *host, struct sim_vm *vm, struct model_region *region,
			     uint64_t rfn)
{
	struct lp_limits limits = limits_in_force(host, vm);
	uint64_t last_ns = region->last_to_shared_ns > region->last_to_private_ns ?
				   region->last_to_shared_ns :
				   region->last_to_private_ns;
	uint32_t reason;

	if (limits.mode == KVM_LPAGE_MODE_OFF)
		return KVM_LPAGE_REASON_MODE_OFF;
	if (region->hold_ns > host->now_ns)
		return KVM_LPAGE_REASON_HELD;
	if (last_ns && host->now_ns - last_ns < limits.min_quiet_ns)
		return KVM_LPAGE_REASON_TOO_RECENT;
	reason = model_try(&host->model, vm->id, rfn, host->now_ns);
	if (host->decisions && !host->ended)
		fprintf(host->decisions, "%" PRIu64 " M %" PRIu32 " %" PRIu64 "\n",
			host->now_ns - host->base_ns, vm->id - host->id_base - 1, rfn);
	return reason;
}

static void note_outcome(struct sim_host *host, struct sim_vm *vm, struct model_region *region,
			 uint32_t op, uint32_t reason)
{
	region->last_op = op;
	region->last_op_reason = reason;
	region->last_op_ns = host->now_ns;
	advance_generation(vm, region);
	if (op != KVM_LPAGE_OP_MERGE)
		return;
	vm->work_ns += reason ? host->model.costs.fail_ns : host->model.costs.merge_ns;
	if (reason)
		vm->refusals++;
	else
		vm->merges++;
}

uint32_t sim_host_operate(struct sim_host *host, struct sim_vm *vm, uint32_t op, uint64_t rfn,
			  uint64_t ttl_ns)
{
	struct model_vm *model_vm = model_vm_find(&host->model, vm->id);
	struct model_region *region;
	uint32_t reason = KVM_LPAGE_REASON_NONE;

	if (rfn >= model_vm->regions)
		return KVM_LPAGE_REASON_BAD_RANGE;
	region = model_region_get(model_vm, rfn);
	if (!region)
		return KVM_LPAGE_REASON_NO_MEMORY;
	if (op == KVM_LPAGE_OP_MERGE)
		reason = merge_region(host, vm, region, rfn);
	else if (op == KVM_LPAGE_OP_SPLIT)
		reason = model_split(&host->model, vm->id, rfn, host->now_ns);
	else
		region->hold_ns = op == KVM_LPAGE_OP_HOLD ? host->now_ns + ttl_ns : 0;
	note_outcome(host, vm, region, op, reason);
	return reason;
}

void sim_host_refuse(struct sim_host *host, struct sim_vm *vm, uint32_t op, uint64_t rfn,
		     uint32_t reason)
{
	struct model_vm *model_vm = model_vm_find(&host->model, vm->id);
	struct model_region *region = rfn < model_vm->regions ? model_region_get(model_vm, rfn) :
								NULL;

	if (region)
		note_outcome(host, vm, region, op, reason);
}

void sim_host_print_score(const struct sim_host *host, FILE *f)
{
	struct model model = host->model;

	model.score = model_score_at(&host->model, host->end_ns);
	fprintf(f,
		"{\"cost_ns\":%" PRIu64 ",\"opt_ns\":%" PRIu64 ",\"merges\":%" PRIu64
		",\"splits\":%" PRIu64 ",\"fails\":%" PRIu64 ",\"ratio\":",
		model_cost_ns(&model), model_opt_ns(&model), model.score.merges, model.score.splits,
		model.score.refusals);
	if (isnan(model_ratio(&model)))
		fputs("null}\n", f);
	else
		fprintf(f, "%.9g}\n", model_ratio(&model));
	fflush(f);
}
