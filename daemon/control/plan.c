// SPDX-License-Identifier: GPL-2.0-or-later
/* What the policy is about to do with a VM: how many merges, at what cost, and when they are done. */
#include <math.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/control/gates.h"
#include "daemon/control/methods.h"

/* The tightest of the limits that let merges through, per second. */
static double find_rate(const struct config_global *global, const struct lp_vm_snapshot *vm,
			uint32_t *ret_reason)
{
	const struct {
		double rate_per_s;
		enum lpage_reason reason;
	} limits[] = {
		{(double)vm->merge_rate_per_s, LPAGE_REASON_VM_RATE},
		{(double)global->merge_rate_per_s, LPAGE_REASON_GLOBAL_RATE},
		{vm->costs.merge_ns ? 1000.0 * global->cpu_budget_ppm / (double)vm->costs.merge_ns :
				      0,
		 LPAGE_REASON_CPU_BUDGET},
	};
	double rate = 0;

	*ret_reason = LPAGE_REASON_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (limits[i].rate_per_s <= 0 || (rate > 0 && limits[i].rate_per_s >= rate))
			continue;
		rate = limits[i].rate_per_s;
		*ret_reason = limits[i].reason;
	}
	return rate;
}

/* Merges until so much of what is mapped is large; 0: it is. */
static uint64_t merges_to(uint64_t large, uint64_t table, uint64_t goal_ppm)
{
	uint64_t wanted = (uint64_t)ceil((double)(large + table) * (double)goal_ppm / 1e6);

	return wanted > large ? wanted - large : 0;
}

static uint64_t share_ppm(uint64_t part, uint64_t all)
{
	return all ? (uint64_t)((double)part * 1e6 / (double)all) : UINT64_MAX;
}

/* Longer stalls make the kernel's batches smaller. */
static uint64_t stall_ns(const struct lp_vm_snapshot *vm, uint64_t merges)
{
	uint64_t batch = merges < vm->batch_regions ? merges : vm->batch_regions;
	uint64_t ns = batch * vm->costs.merge_ns;

	return ns < vm->max_stall_ns ? ns : vm->max_stall_ns;
}

static void fill_plan(const struct gates *gates, const struct lp_vm_snapshot *vm, uint64_t goal_ppm,
		      struct plan_view *ret)
{
	const struct config_global *global = &gates->core->ops->config(gates->core)->global;
	uint64_t large = vm->vm.large, table = vm->vm.table, merges = gates->tries.nr;
	double rate;

	*ret = (struct plan_view){
		.coverage_ppm = share_ppm(large, large + table),
		.large = large,
		.table = table,
		.merges = merges,
		.due_now = gates->tries.due_now,
		.work_ns = merges * vm->costs.merge_ns,
		.stall_ns = stall_ns(vm, merges),
		/* The figures of the kernel may be older than those of the regions. */
		.after_ppm = share_ppm(large + (merges < table ? merges : table), large + table),
		.goal_ppm = goal_ppm,
	};
	rate = find_rate(global, vm, &ret->limit);
	ret->merges_per_s = (uint64_t)rate;
	ret->done_ns = forecast_done_ns(&gates->tries, merges, rate);
	ret->goal_ns = UINT64_MAX;
	if (large + table)
		ret->goal_ns =
			forecast_done_ns(&gates->tries, merges_to(large, table, goal_ppm), rate);
}

void method_plan_vm(struct control_call *call)
{
	struct gates *gates = gates_count(call);
	struct lp_vm_snapshot vm;
	struct plan_view plan;
	int r;

	if (!gates)
		return;
	r = gates->core->ops->vm(gates->core, gates->vm_id, &vm);
	if (r < 0) {
		control_failed(call, r, NULL);
	} else {
		fill_plan(gates, &vm, (uint64_t)control_param_int(call, "goal_ppm", 950000), &plan);
		control_reply(call, json_pack("{s:I, s:b, s:o, s:o}", "vm",
					      (json_int_t)gates->vm_id, "cut", gates_cut(gates),
					      "plan", fields_json(&control_plan_fields, &plan),
					      "gates", gates_json(gates)));
	}
	free(gates);
}
