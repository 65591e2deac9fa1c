// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/sim_probe.h"

#include <stdlib.h>
#include <string.h>

static uint64_t walk_of(const struct model_vm *vm, uint64_t rfn)
{
	const struct model_region *region = model_region_find(vm, rfn);

	return region ? region->walk_ns_per_s : vm->walk_ns_per_s;
}

static bool is_probed(const struct sim_probe *probe, uint64_t rfn)
{
	for (size_t i = 0; i < probe->nr_regions; i++) {
		if (probe->regions[i].rfn == rfn && !probe->regions[i].reason)
			return true;
	}
	return false;
}

static uint32_t admit(const struct sim_host *host, const struct sim_probe *open,
		      const struct sim_probe *probe, uint64_t rfn)
{
	const struct model_vm *vm = model_vm_find(&host->model, probe->vm_id);
	const struct model_region *region;
	size_t nr_open = 0;

	if (rfn >= vm->regions)
		return KVM_LPAGE_REASON_BAD_RANGE;
	region = model_region_find(vm, rfn);
	if (region && region->nr_shared == REGION_PAGES)
		return KVM_LPAGE_REASON_NOT_PRIVATE;
	if (region && region->nr_shared)
		return KVM_LPAGE_REASON_MIXED;
	if (is_probed(probe, rfn))
		return KVM_LPAGE_REASON_BUSY;
	for (; open; open = open->next) {
		if (open->vm_id != probe->vm_id)
			continue;
		if (is_probed(open, rfn))
			return KVM_LPAGE_REASON_BUSY;
		for (size_t i = 0; i < open->nr_regions; i++)
			nr_open += !open->regions[i].reason;
	}
	for (size_t i = 0; i < probe->nr_regions; i++)
		nr_open += !probe->regions[i].reason;
	return nr_open < KVM_LPAGE_PROBES_MAX ? KVM_LPAGE_REASON_NONE :
						KVM_LPAGE_REASON_PROBE_LIMIT;
}

static void add_region(const struct sim_host *host, const struct sim_probe *open,
		       struct sim_probe *probe, uint64_t rfn)
{
	const struct model_vm *vm = model_vm_find(&host->model, probe->vm_id);
	struct sim_probe_region region = {.rfn = rfn, .reason = admit(host, open, probe, rfn)};

	region.walked_already = !region.reason && walk_of(vm, rfn);
	probe->regions[probe->nr_regions++] = region;
}

struct sim_probe *sim_probe_begin(const struct sim_host *host, const struct sim_probe *open,
				  uint32_t vm_id, const struct lp_range *ranges, size_t nr_ranges,
				  uint64_t window_ns)
{
	struct sim_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return NULL;
	probe->vm_id = vm_id;
	probe->begin_ns = host->now_ns;
	probe->end_ns = host->now_ns + window_ns;
	probe->nr_ranges = nr_ranges;
	memcpy(probe->ranges, ranges, nr_ranges * sizeof(*ranges));
	for (size_t i = 0; i < nr_ranges; i++) {
		for (uint32_t k = 0; k < ranges[i].nr_regions; k++)
			add_region(host, open, probe, ranges[i].start_rfn + k);
	}
	return probe;
}

/* The first of two stamps that lies in the window, 0: none. */
static uint64_t converted_ns(const struct sim_probe *probe, const struct model_region *region)
{
	uint64_t to_shared_ns = region->last_to_shared_ns;
	uint64_t to_private_ns = region->last_to_private_ns;

	if (to_shared_ns <= probe->begin_ns)
		return to_private_ns > probe->begin_ns ? to_private_ns : 0;
	if (to_private_ns <= probe->begin_ns || to_shared_ns < to_private_ns)
		return to_shared_ns;
	return to_private_ns;
}

static void look(const struct model_vm *vm, const struct sim_probe *probe,
		 const struct sim_probe_region *asked, struct lp_probed *ret)
{
	const struct model_region *region;

	*ret = (struct lp_probed){.rfn = asked->rfn, .reason = asked->reason};
	if (asked->reason)
		return;
	/* The trace may have restarted. */
	if (!vm || vm->gone) {
		ret->reason = KVM_LPAGE_REASON_VM_GONE;
		return;
	}
	region = model_region_find(vm, asked->rfn);
	if (asked->walked_already)
		ret->first_touch_ns = probe->begin_ns;
	else if (region)
		ret->first_touch_ns = converted_ns(probe, region);
	/* When the walks began is not known. */
	ret->touched = ret->first_touch_ns || walk_of(vm, asked->rfn);
}

static void sum_up(const struct sim_probe *probe, struct sim_probe_outcome *ret)
{
	const struct lp_probed *probed = ret->probed;

	for (size_t i = 0; i < probe->nr_ranges; i++) {
		struct lp_result *result = &ret->results[i];

		*result = (struct lp_result){.start_rfn = probe->ranges[i].start_rfn,
					     .nr_regions = probe->ranges[i].nr_regions,
					     .ns = probe->end_ns - probe->begin_ns};
		for (uint32_t k = 0; k < result->nr_regions; k++, probed++) {
			if (!probed->reason) {
				result->done++;
			} else if (!result->refused++) {
				result->reason = probed->reason;
				result->reason_rfn = probed->rfn;
			}
		}
	}
}

void sim_probe_end(const struct sim_host *host, const struct sim_probe *probe,
		   struct sim_probe_outcome *ret)
{
	const struct model_vm *vm = model_vm_find(&host->model, probe->vm_id);

	for (size_t i = 0; i < probe->nr_regions; i++)
		look(vm, probe, &probe->regions[i], &ret->probed[i]);
	sum_up(probe, ret);
	ret->done = (struct lp_done){
		.tag = probe->tag,
		.vm_id = probe->vm_id,
		.op = KVM_LPAGE_OP_PROBE,
		.results = ret->results,
		.nr_results = probe->nr_ranges,
		.probed = ret->probed,
		.nr_probed = probe->nr_regions,
	};
}
