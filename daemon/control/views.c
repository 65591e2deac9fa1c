// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/views.h"

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/core/identity.h"

int control_vm_view(const struct lp_core *core, uint32_t vm_id, struct vm_view *ret)
{
	const struct config *config = core->ops->config(core);
	struct config_identity identity;
	struct config_selected selected;
	int r = core->ops->vm(core, vm_id, &ret->vm);

	if (r < 0)
		return r;
	lp_identity_for_rules(&ret->vm.identity, &identity);
	ret->rule_passed_over = NULL;
	if (config_match(config, &identity, &selected) == CONFIG_MATCH_UNKNOWN)
		ret->rule_passed_over = config->rules[selected.unknown_rule].name;
	return 0;
}

json_t *control_vm_json(const struct fields *fields, struct vm_view *vm)
{
	json_t *json;

	vm->holds = json_array();
	for (size_t i = 0; i < vm->vm.nr_holds; i++)
		json_array_append_new(vm->holds,
				      fields_json(&control_vm_hold_fields, &vm->vm.holds[i]));
	json = fields_json(fields, vm);
	json_decref(vm->holds);
	vm->holds = NULL;
	return json;
}

static uint64_t age(uint64_t now_ns, uint64_t stamp_ns)
{
	if (stamp_ns == 0)
		return LP_AGE_NEVER;
	return now_ns > stamp_ns ? now_ns - stamp_ns : 0;
}

/* A hold's end: 0 for none, UINT64_MAX for the life of the VM. */
static bool hold_left(uint64_t now_ns, uint64_t end_ns, uint64_t *ret_left_ns)
{
	*ret_left_ns = UINT64_MAX;
	if (end_ns == 0 || (end_ns != UINT64_MAX && end_ns <= now_ns))
		return false;
	if (end_ns != UINT64_MAX)
		*ret_left_ns = end_ns - now_ns;
	return true;
}

void control_region_view(const struct lp_region_snapshot *snapshot, uint64_t now_ns,
			 struct region_view *ret)
{
	const struct lp_region *r = &snapshot->region;

	*ret = (struct region_view){
		.region = *r,
		.gpa = rfn_to_gpa(r->rfn),
		.to_shared_age_ns = age(now_ns, r->last_to_shared_ns),
		.to_private_age_ns = age(now_ns, r->last_to_private_ns),
		.op_age_ns = age(now_ns, r->last_op_ns),
		.age_ns = snapshot->age_ns,
	};
	ret->held_by_vmm = hold_left(now_ns, r->hold_vmm_ns, &ret->hold_vmm_left_ns);
	ret->held_by_admin = hold_left(now_ns, r->hold_admin_ns, &ret->hold_admin_left_ns);
}

json_t *control_result_json(const struct lp_result *result)
{
	const struct result_view view = {
		.result = *result,
		.layer = result->has_layer ? result->reason_layer : UINT32_MAX,
	};

	return fields_json(&control_result_fields, &view);
}

json_t *control_probed_json(const struct lp_probed *probed, uint64_t now_ns)
{
	const struct probed_view view = {
		.probed = *probed,
		.gpa = rfn_to_gpa(probed->rfn),
		.first_touch_age_ns = age(now_ns, probed->first_touch_ns),
	};

	return fields_json(&control_probed_fields, &view);
}

void control_add_batches(struct batches_view *sum, const struct lp_done *done)
{
	for (size_t i = 0; i < done->nr_batches; i++) {
		const struct lp_batch *batch = &done->batches[i];

		sum->nr++;
		sum->regions += batch->regions;
		sum->merged += batch->merged;
		sum->kicked += batch->kicked;
		sum->fixed_ns += batch->fixed_ns;
		sum->regions_ns += batch->regions_ns;
		if (batch->stall_ns > sum->stall_max_ns)
			sum->stall_max_ns = batch->stall_ns;
	}
}
