// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/views.h"
#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/core/identity.h"

#define ROW(name, kind, type, member)                                                              \
	{                                                                                          \
		name, FIELD_##kind, offsetof(type, member), NULL                                   \
	}
#define OBJECT(name, fields, type, member)                                                         \
	{                                                                                          \
		name, FIELD_OBJECT, offsetof(type, member), fields                                 \
	}

#define TALLY(name, kind, member) ROW(name, kind, struct lp_tally, member)
static const struct field tally_rows[] = {
	TALLY("batches", U64, batches),
	TALLY("tried", U64, tried_regions),
	TALLY("merged", U64, merged_regions),
	TALLY("refused", U64, refused_regions),
	TALLY("split", U64, split_regions),
	TALLY("holds", U64, holds),
	TALLY("releases", U64, releases),
	TALLY("dry", U64, dry_regions),
	TALLY("lost", U64, lost_regions),
	TALLY("failed_requests", U64, failed_requests),
	TALLY("work_us", US, work_ns),
	TALLY("stall_max_us", US, stall_max_ns),
	TALLY("refused_by_reason", REASONS, refused),
};
static const struct fields tally_fields = FIELDS("Tally", tally_rows);

#define LINK(name, member) ROW(name, U64, struct lp_link_stats, member)
static const struct field link_rows[] = {
	LINK("requests", requests),
	LINK("failed_requests", failed_requests),
	LINK("timeouts", timeouts),
	LINK("messages", messages),
	LINK("dump_restarts", dump_restarts),
	LINK("stray", stray),
	LINK("lost_overrun", lost[LP_LOSS_OVERRUN]),
	LINK("lost_truncated", lost[LP_LOSS_TRUNCATED]),
	LINK("lost_malformed", lost[LP_LOSS_MALFORMED]),
};
static const struct fields link_fields = FIELDS("Link", link_rows);

#define HOST(name, kind, member) ROW(name, kind, struct lp_status, member)
static const struct field host_region_rows[] = {
	HOST("capable", U64, capable), HOST("large", U64, large),	HOST("table", U64, table),
	HOST("mixed", U64, mixed),     HOST("unmapped", U64, unmapped), HOST("held", U64, held),
};
static const struct fields host_regions_fields = FIELDS("Regions", host_region_rows);

static const struct field host_rows[] = {
	HOST("version", STRING, version),
	HOST("link", STRING, link),
	HOST("degraded", BOOL, degraded),
	HOST("degraded_why", OPT_TEXT, degraded_why),
	HOST("paused", BOOL, paused),
	HOST("dry_run", BOOL, dry_run),
	HOST("config_file", STRING, config_file),
	ROW("config_missing", BOOL, struct host_view, config_missing),
	ROW("rules", U64, struct host_view, rules),
	HOST("config_error", OPT_TEXT, config_error),
	HOST("config_age_us", OPT_US, config_age_ns),
	HOST("uptime_us", US, uptime_ns),
	HOST("vms", U32, nr_vms),
	{"regions", FIELD_OBJECT, 0, &host_regions_fields},
	HOST("coverage_percent", PERCENT, coverage_ppm),
	HOST("stats_age_us", OPT_US, stats_age_ns),
	HOST("merges_per_s", U64, merges_per_s),
	OBJECT("tally", &tally_fields, struct lp_status, tally),
	OBJECT("link_stats", &link_fields, struct lp_status, link_stats),
	HOST("resyncs", U64, resyncs),
	HOST("resync_age_us", OPT_US, resync_age_ns),
	HOST("wakeups", U64, wakeups),
};
const struct fields control_host_fields = FIELDS("Host", host_rows);

#define VM(name, kind, member) ROW(name, kind, struct lp_vm_snapshot, member)
static const struct field vm_region_rows[] = {
	VM("capable", U64, vm.capable),	  VM("large", U64, vm.large),
	VM("table", U64, vm.table),	  VM("mixed", U64, vm.mixed),
	VM("unmapped", U64, vm.unmapped), VM("held", U64, vm.held),
};
/* The same type as the host's, out of another struct. */
static const struct fields vm_regions_fields = FIELDS("Regions", vm_region_rows);

/* clang-format off */
#define VM_ROWS                                                                                    \
	VM("id", U32, vm.id),                                                                      \
	VM("name", OPT_TEXT, identity.name),                                                       \
	VM("name_source", NAME_SOURCE, identity.name_source),                                      \
	VM("pid", U32, vm.pid),                                                                    \
	VM("type", VM_TYPE, vm.type),                                                              \
	VM("running", BOOL, vm.running),                                                           \
	VM("memory_bytes", U64, identity.memory_bytes),                                            \
	VM("mode", MODE, vm.limits.mode),                                                          \
	VM("rule", STRING, rule),                                                                  \
	ROW("rule_passed_over", STRING, struct vm_view, rule_passed_over),                                              \
	VM("policy", STRING, policy),                                                              \
	VM("gate", REASON, gate),                                                                  \
	VM("paused", BOOL, paused),                                                                \
	VM("dry_run", BOOL, dry_run),                                                              \
	VM("stale", BOOL, stale),                                                                  \
	VM("incapable", INCAPABLE, vm.incapable),                                                  \
	{"regions", FIELD_OBJECT, 0, &vm_regions_fields},                                          \
	VM("coverage_percent", PERCENT, coverage_ppm),                                             \
	VM("merges", U64, vm.merges),                                                              \
	VM("splits", U64, vm.splits),                                                              \
	VM("refusals", U64, vm.refusals),                                                          \
	VM("queued", U64, queued_regions),                                                         \
	VM("last_merge_age_us", OPT_US, last_merge_age_ns),                                        \
	VM("stats_age_us", OPT_US, stats_age_ns)
/* clang-format on */

static const struct field vm_rows[] = {VM_ROWS};
const struct fields control_vm_fields = FIELDS("Vm", vm_rows);

static const struct field vm_detail_rows[] = {
	VM_ROWS,
	VM("uid", U32, identity.uid),
	VM("uid_known", BOOL, identity.has_uid),
	VM("name_known", BOOL, identity.name_known),
	VM("command", OPT_TEXT, identity.command),
	VM("command_known", BOOL, identity.command_known),
	VM("slice", OPT_TEXT, identity.slice),
	VM("cgroup", OPT_TEXT, identity.cgroup),
	VM("cgroup_known", BOOL, identity.cgroup_known),
	VM("vcpus", U32, vm.nr_vcpus),
	VM("limits", LIMITS, vm.limits),
	VM("limits_vmm", LIMITS, vm.limits_vmm),
	VM("limits_admin", LIMITS, vm.limits_admin),
	VM("generation", U64, vm.generation),
	VM("to_shared_pages", U64, vm.to_shared_pages),
	VM("to_private_pages", U64, vm.to_private_pages),
	VM("to_shared_events", U64, vm.to_shared_events),
	VM("to_private_events", U64, vm.to_private_events),
	VM("split_us", US, vm.split_ns),
	VM("work_us", US, vm.work_ns),
	VM("overflows", U64, vm.overflows),
	VM("huge_bytes", U64, vm.huge_bytes),
	VM("retained_bytes", U64, vm.retained_bytes),
	VM("record_chunks", U64, vm.chunks),
	VM("probes", U64, vm.probes),
	VM("probe_touches", U64, vm.probe_touches),
	VM("probe_cancels", U64, vm.probe_cancels),
	OBJECT("tally", &tally_fields, struct lp_vm_snapshot, tally),
	VM("tracked", U64, tracked_regions),
	VM("regions_age_us", OPT_US, regions_age_ns),
	VM("identity_age_us", OPT_US, identity_age_ns),
	VM("seen_age_us", OPT_US, seen_age_ns),
	VM("last_error", ERRNO, last_error),
	VM("last_error_text", OPT_TEXT, last_error_text),
	VM("last_error_age_us", OPT_US, last_error_age_ns),
};
const struct fields control_vm_detail_fields = FIELDS("VmDetail", vm_detail_rows);

#define REGION(name, kind, member) ROW(name, kind, struct region_view, member)
static const struct field region_rows[] = {
	REGION("rfn", U64, region.rfn),
	REGION("gpa", U64, gpa),
	REGION("state", STATE, region.state),
	REGION("inhibited", BOOL, region.inhibited),
	REGION("held_by_vmm", BOOL, held_by_vmm),
	REGION("held_by_admin", BOOL, held_by_admin),
	REGION("hold_vmm_left_us", OPT_US, hold_vmm_left_ns),
	REGION("hold_admin_left_us", OPT_US, hold_admin_left_ns),
	REGION("to_shared_pages", U32, region.to_shared_pages),
	REGION("to_private_pages", U32, region.to_private_pages),
	REGION("to_shared_events", U32, region.to_shared_events),
	REGION("to_private_events", U32, region.to_private_events),
	REGION("to_shared_age_us", OPT_US, to_shared_age_ns),
	REGION("to_private_age_us", OPT_US, to_private_age_ns),
	REGION("last_op", OP, region.last_op),
	REGION("last_reason", REASON, region.last_reason),
	REGION("last_op_age_us", OPT_US, op_age_ns),
	REGION("generation", U64, region.generation),
	REGION("age_us", OPT_US, age_ns),
};
const struct fields control_region_fields = FIELDS("Region", region_rows);

#define OBSERVATION(name, kind, member) ROW(name, kind, struct observation_view, member)
static const struct field observation_rows[] = {
	OBSERVATION("rfn", U64, region.rfn),
	OBSERVATION("state", STATE, region.state),
	OBSERVATION("shared", BOOL, region.shared),
	OBSERVATION("to_shared_pages", U32, region.to_shared_pages),
	OBSERVATION("to_private_pages", U32, region.to_private_pages),
	OBSERVATION("to_shared_events", U32, region.to_shared_events),
	OBSERVATION("to_private_events", U32, region.to_private_events),
	OBSERVATION("to_shared_ns", OPT_NS, to_shared_ns),
	OBSERVATION("to_private_ns", OPT_NS, to_private_ns),
	OBSERVATION("last_op", OP, region.last_op),
	OBSERVATION("last_reason", REASON, region.last_reason),
	OBSERVATION("last_op_ns", OPT_NS, op_ns),
};
const struct fields control_observation_fields = FIELDS("Observation", observation_rows);

#define EXPLAIN(name, kind, member) ROW(name, kind, struct explain_view, member)
static const struct field explain_rows[] = {
	EXPLAIN("vm", U32, vm_id),	     EXPLAIN("gpa", U64, gpa),
	EXPLAIN("reason", REASON, reason),   EXPLAIN("why", STRING, why),
	EXPLAIN("text", STRING, text),	     EXPLAIN("remedy", STRING, remedy),
	EXPLAIN("wait_us", OPT_US, wait_ns), EXPLAIN("estimated", BOOL, estimated),
};
const struct fields control_explain_fields = FIELDS("Explanation", explain_rows);

#define GATE(name, kind, member) ROW(name, kind, struct gate_view, member)
static const struct field gate_rows[] = {
	GATE("reason", REASON, reason), GATE("why", STRING, why),
	GATE("remedy", STRING, remedy), GATE("regions", U64, regions),
	GATE("first_gpa", U64, gpa),	GATE("wait_us", OPT_US, wait_ns),
};
const struct fields control_gate_fields = FIELDS("Gate", gate_rows);

#define RESULT(name, kind, member) ROW(name, kind, struct result_view, member)
static const struct field result_rows[] = {
	RESULT("start_rfn", U64, result.start_rfn), RESULT("nr_regions", U32, result.nr_regions),
	RESULT("done", U32, result.done),	    RESULT("refused", U32, result.refused),
	RESULT("reason", REASON, result.reason),    RESULT("reason_rfn", U64, result.reason_rfn),
	RESULT("reason_layer", OPT_LAYER, layer),   RESULT("us", US, result.ns),
};
const struct fields control_result_fields = FIELDS("Result", result_rows);

#define BATCHES(name, kind, member) ROW(name, kind, struct batches_view, member)
static const struct field batches_rows[] = {
	BATCHES("count", U64, nr),
	BATCHES("regions", U64, regions),
	BATCHES("merged", U64, merged),
	BATCHES("kicked", U64, kicked),
	BATCHES("fixed_us", US, fixed_ns),
	BATCHES("regions_us", US, regions_ns),
	BATCHES("stall_max_us", US, stall_max_ns),
};
const struct fields control_batches_fields = FIELDS("Batches", batches_rows);

#define PROBED(name, kind, member) ROW(name, kind, struct probed_view, member)
static const struct field probed_rows[] = {
	PROBED("rfn", U64, probed.rfn),
	PROBED("gpa", U64, gpa),
	PROBED("touched", BOOL, probed.touched),
	PROBED("first_touch_age_us", OPT_US, first_touch_age_ns),
	PROBED("reason", REASON, probed.reason),
};
const struct fields control_probed_fields = FIELDS("Probed", probed_rows);

const struct fields *const control_all_fields[] = {
	&tally_fields,		 &link_fields,
	&host_regions_fields,	 &control_host_fields,
	&control_vm_fields,	 &control_vm_detail_fields,
	&control_region_fields,	 &control_observation_fields,
	&control_explain_fields, &control_gate_fields,
	&control_result_fields,	 &control_batches_fields,
	&control_probed_fields,	 NULL,
};

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
