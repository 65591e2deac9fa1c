// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/link/sim_internal.h"

#define REGIONS_CHUNK 128

static bool chance(struct sim *sim, uint64_t percent)
{
	sim->rng = sim->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (sim->rng >> 33) % 100 < percent;
}

/* ---- events ---- */

/* Is an event lost? */
static bool lost(struct sim *sim)
{
	if (!chance(sim, sim->spec.lose_percent))
		return false;
	sim->stats.lost[LP_LOSS_OVERRUN]++;
	sim->untold_loss = true;
	return true;
}

void sim_tell_loss(struct sim *sim)
{
	if (!sim->untold_loss || !sim->present)
		return;
	sim->untold_loss = false;
	if (sim->link.events->loss)
		sim->link.events->loss(sim->link.ctx, LP_LOSS_OVERRUN);
}

void sim_tell_vm_new(void *ctx, struct sim_vm *vm)
{
	struct sim *sim = ctx;
	struct lp_vm description;

	if (!sim->present || !sim->link.events->vm || lost(sim))
		return;
	sim_host_describe(&sim->host, vm, &description);
	sim->link.events->vm(sim->link.ctx, &description, false);
}

void sim_tell_vm_gone(void *ctx, struct sim_vm *vm)
{
	struct sim *sim = ctx;

	if (sim->present && sim->link.events->vm_gone && !lost(sim))
		sim->link.events->vm_gone(sim->link.ctx, vm->id);
}

uint64_t sim_tell_at_ns(const struct sim *sim, const struct sim_vm *vm)
{
	struct lp_limits admin = sim_host_admin_limits(&sim->host, vm);
	uint64_t interval_ns = admin.set & LP_LIMIT(KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS) ?
				       admin.notify_interval_ns :
				       NS_PER_S / 10;

	return vm->armed && vm->pending && !vm->gone ? vm->told_ns + interval_ns : UINT64_MAX;
}

void sim_tell_changes(struct sim *sim)
{
	for (size_t i = 0; sim->present && i < sim->host.nr_vms; i++) {
		struct sim_vm *vm = &sim->host.vms[i];

		if (sim_tell_at_ns(sim, vm) > sim->host.now_ns)
			continue;
		vm->armed = vm->pending = false;
		vm->told_ns = sim->host.now_ns;
		if (sim->link.events->changed && !lost(sim))
			sim->link.events->changed(sim->link.ctx, vm->id, vm->generation);
	}
}

/* ---- answers ---- */

static void answer_vms(struct sim *sim, const struct sim_request *request)
{
	struct lp_dump_end end = {.tag = request->tag, .vm_id = request->vm_id, .text = ""};
	struct lp_vm description;

	for (size_t i = 0; i < sim->host.nr_vms; i++) {
		struct sim_vm *vm = &sim->host.vms[i];

		if (vm->gone || (request->vm_id && request->vm_id != vm->id))
			continue;
		sim_host_describe(&sim->host, vm, &description);
		if (sim->link.events->vm)
			sim->link.events->vm(sim->link.ctx, &description, true);
	}
	if (sim->link.events->dump_end)
		sim->link.events->dump_end(sim->link.ctx, &end);
}

static void answer_regions(struct sim *sim, const struct sim_request *request)
{
	struct sim_vm *vm = sim_host_vm(&sim->host, request->vm_id);
	struct lp_dump_end end = {
		.tag = request->tag, .vm_id = request->vm_id, .of_regions = true, .text = ""};
	struct lp_region regions[REGIONS_CHUNK];
	struct lp_region_chunk chunk = {.vm_id = request->vm_id, .regions = regions};
	uint64_t rfn = 0;

	if (!vm) {
		end.error = -ENOENT;
		end.text = "no such VM";
	} else {
		end.generation = chunk.generation = vm->generation;
		/* What changes from now on is news. */
		vm->armed = true;
		vm->pending = false;
		while ((chunk.nr_regions = sim_host_regions(&sim->host, &request->query, &rfn,
							    regions, REGIONS_CHUNK)) > 0)
			if (sim->link.events->regions)
				sim->link.events->regions(sim->link.ctx, request->tag, &chunk);
	}
	if (sim->link.events->dump_end)
		sim->link.events->dump_end(sim->link.ctx, &end);
}

/* Fields that are set replace the old ones. */
static void merge_limits(struct lp_limits *to, const struct lp_limits *from)
{
#define TAKE(attr, field)                                                                          \
	if (from->set & LP_LIMIT(KVM_LPAGE_A_POLICY_##attr))                                       \
	to->field = from->field
	TAKE(MODE, mode);
	TAKE(RATE, rate_per_s);
	TAKE(BURST, burst_regions);
	TAKE(BATCH, batch_regions);
	TAKE(MIN_QUIET_NS, min_quiet_ns);
	TAKE(MAX_STALL_NS, max_stall_ns);
	TAKE(NOTIFY_INTERVAL_NS, notify_interval_ns);
#undef TAKE
	to->set |= from->set;
}

static void answer_policy(struct sim *sim, const struct sim_request *request)
{
	struct sim_vm *vm = sim_host_vm(&sim->host, request->vm_id);

	if (vm) {
		vm->admin = sim_host_admin_limits(&sim->host, vm);
		if (!vm->admin.set)
			vm->lease_until_ns = 0;
		merge_limits(&vm->admin, &request->limits);
		if (request->ttl_ns)
			vm->lease_until_ns = sim->host.now_ns + request->ttl_ns;
	}
	if (sim->link.events->policy_set)
		sim->link.events->policy_set(sim->link.ctx, request->tag, request->vm_id,
					     vm ? 0 : -ENOENT, vm ? NULL : "no such VM");
}

/* What became of the whole operation so far. */
struct progress {
	struct lp_batch batch;
	uint64_t fail_ns;
	uint64_t merge_ns;
	bool interrupted;
};

static uint32_t operate(struct sim *sim, struct sim_vm *vm, const struct sim_request *request,
			uint64_t rfn, struct progress *progress)
{
	uint32_t reason = KVM_LPAGE_REASON_NONE;

	if (progress->interrupted)
		reason = KVM_LPAGE_REASON_INTERRUPTED;
	else if (request->op == KVM_LPAGE_OP_MERGE && chance(sim, sim->spec.busy_percent))
		reason = KVM_LPAGE_REASON_BUSY;
	if (reason == KVM_LPAGE_REASON_NONE)
		return sim_host_operate(&sim->host, vm, request->op, rfn, request->ttl_ns);
	sim_host_refuse(&sim->host, vm, request->op, rfn, reason);
	return reason;
}

static struct lp_result operate_range(struct sim *sim, struct sim_vm *vm,
				      const struct sim_request *request,
				      const struct lp_range *range, struct progress *progress)
{
	struct lp_result result = {.start_rfn = range->start_rfn,
				   .level = KVM_LPAGE_LEVEL_2M,
				   .nr_regions = range->nr_regions};

	for (uint32_t i = 0; i < range->nr_regions; i++) {
		uint32_t reason = operate(sim, vm, request, range->start_rfn + i, progress);
		uint64_t ns = reason ? progress->fail_ns : progress->merge_ns;

		result.ns += ns;
		progress->batch.regions_ns += ns;
		progress->batch.regions++;
		if (reason == KVM_LPAGE_REASON_NONE) {
			result.done++;
			progress->batch.merged++;
		} else if (!result.refused++) {
			result.reason = reason;
			result.reason_rfn = range->start_rfn + i;
		}
	}
	return result;
}

static void finish_operation(struct sim *sim, struct sim_vm *vm, const struct sim_request *request)
{
	struct lp_result results[KVM_LPAGE_RANGES_MAX];
	struct progress progress = {
		.batch = {.kicked = 1, .stall_ns = sim->spec.stall_us * NS_PER_US},
		.fail_ns = sim->host.model.costs.fail_ns,
		.merge_ns = sim->host.model.costs.merge_ns,
	};
	struct lp_done done = {
		.tag = request->tag,
		.cookie = ++sim->cookies,
		.vm_id = request->vm_id,
		.op = request->op,
		.results = results,
		.nr_results = request->nr_ranges,
		.batches = &progress.batch,
		.nr_batches = request->op == KVM_LPAGE_OP_MERGE,
	};
	bool cut = chance(sim, sim->spec.interrupt_percent);

	for (size_t i = 0; i < request->nr_ranges; i++) {
		progress.interrupted = cut && i >= request->nr_ranges / 2;
		results[i] = operate_range(sim, vm, request, &request->ranges[i], &progress);
	}
	if (sim->link.events->op_done && !lost(sim))
		sim->link.events->op_done(sim->link.ctx, &done);
}

static void begin_probe(struct sim *sim, const struct sim_request *request)
{
	struct sim_probe *probe = sim_probe_begin(&sim->host, sim->probes, request->vm_id,
						  request->ranges, request->nr_ranges,
						  request->ttl_ns);

	/* Without memory: as if its end was lost. */
	if (!probe)
		return;
	probe->tag = request->tag;
	probe->next = sim->probes;
	sim->probes = probe;
}

static void end_probe(struct sim *sim, const struct sim_probe *probe)
{
	const struct lp_batch batch = {.regions = (uint32_t)probe->nr_regions,
				       .kicked = 1,
				       .stall_ns = sim->spec.stall_us * NS_PER_US};
	struct sim_probe_outcome outcome;

	sim_probe_end(&sim->host, probe, &outcome);
	outcome.done.cookie = ++sim->cookies;
	outcome.done.batches = &batch;
	outcome.done.nr_batches = 1;
	if (sim->link.events->op_done && !lost(sim))
		sim->link.events->op_done(sim->link.ctx, &outcome.done);
}

void sim_end_probes(struct sim *sim)
{
	struct sim_probe **at = &sim->probes;

	while (*at) {
		struct sim_probe *probe = *at;

		if (probe->end_ns > sim->host.now_ns) {
			at = &probe->next;
			continue;
		}
		*at = probe->next;
		end_probe(sim, probe);
		free(probe);
		/* The listener may have done anything. */
		at = &sim->probes;
	}
}

void sim_drop_probes(struct sim *sim)
{
	struct sim_probe *probe;

	while ((probe = sim->probes)) {
		sim->probes = probe->next;
		free(probe);
	}
}

static void answer_op(struct sim *sim, const struct sim_request *request)
{
	struct sim_vm *vm = sim_host_vm(&sim->host, request->vm_id);

	if (sim->link.events->op_sent)
		sim->link.events->op_sent(sim->link.ctx, request->tag, request->vm_id,
					  vm ? 0 : -ENOENT, vm ? NULL : "no such VM");
	if (vm && request->op == KVM_LPAGE_OP_PROBE)
		begin_probe(sim, request);
	else if (vm)
		finish_operation(sim, vm, request);
}

void sim_answer(struct sim *sim, const struct sim_request *request)
{
	sim->stats.messages++;
	switch (request->kind) {
	case SIM_REQUEST_VMS:
		answer_vms(sim, request);
		break;
	case SIM_REQUEST_REGIONS:
		answer_regions(sim, request);
		break;
	case SIM_REQUEST_POLICY:
		answer_policy(sim, request);
		break;
	case SIM_REQUEST_OP:
		answer_op(sim, request);
		break;
	}
}
