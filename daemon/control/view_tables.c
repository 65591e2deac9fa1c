// SPDX-License-Identifier: GPL-2.0-or-later
/* Which members of which struct are shown, under which names. */
#include "daemon/config/config.h"
#include "daemon/control/views.h"

#define ROW(name_, kind_, type, member)                                                            \
	{                                                                                          \
		.name = name_, .kind = FIELD_##kind_, .offset = offsetof(type, member)             \
	}
/* A row of another table. */
#define PART(name_, kind_, fields, type, member)                                                   \
	{                                                                                          \
		.name = name_, .kind = FIELD_##kind_, .offset = offsetof(type, member),            \
		.object = fields                                                                   \
	}
#define OBJECT(name, fields, type, member) PART(name, OBJECT, fields, type, member)

static const struct field range_rows[] = {
	ROW("start_rfn", U64, struct lp_range, start_rfn),
	ROW("nr_regions", U32, struct lp_range, nr_regions),
};
const struct fields control_range_fields =
	FIELDS("Range", "Consecutive regions of a VM.", range_rows);

#define LIMIT(name_, kind_, member, attr)                                                          \
	{                                                                                          \
		.name = name_, .kind = FIELD_##kind_,                                              \
		.offset = offsetof(struct lp_limits, member),                                      \
		.set_bit = LP_LIMIT(KVM_LPAGE_A_POLICY_##attr)                                     \
	}
static const struct field limits_rows[] = {
	LIMIT("mode", MODE, mode, MODE),
	LIMIT("min_quiet_us", US, min_quiet_ns, MIN_QUIET_NS),
	LIMIT("merge_rate", U32, rate_per_s, RATE),
	LIMIT("burst", U32, burst_regions, BURST),
	LIMIT("batch", U32, batch_regions, BATCH),
	LIMIT("max_stall_us", US, max_stall_ns, MAX_STALL_NS),
	LIMIT("notify_interval_us", US, notify_interval_ns, NOTIFY_INTERVAL_NS),
};
_Static_assert(offsetof(struct lp_limits, set) == 0, "set_bit reads the first member");
static const struct fields limits_fields =
	FIELDS("Limits", "Safety limits of the kernel for a VM, null for those that are not set.",
	       limits_rows);

#define TALLY(name, kind, member) ROW(name, kind, struct lp_tally, member)
static const struct field tally_rows[] = {
	TALLY("batches", U64, batches),		TALLY("tried", U64, tried_regions),
	TALLY("merged", U64, merged_regions),	TALLY("refused", U64, refused_regions),
	TALLY("split", U64, split_regions),	TALLY("holds", U64, holds),
	TALLY("releases", U64, releases),	TALLY("dry", U64, dry_regions),
	TALLY("lost", U64, lost_regions),	TALLY("failed_requests", U64, failed_requests),
	TALLY("work_us", US, work_ns),		TALLY("stall_max_us", US, stall_max_ns),
	TALLY("stalled", U64, stalled_batches), TALLY("refused_by_reason", REASONS, refused),
};
static const struct fields tally_fields = FIELDS(
	"Tally",
	"Totals of what the daemon did since it started: dry are merges left out in dry-run, lost those whose outcome is unknown, work_us the time of the kernel's workers, stalled the batches that stalled a vCPU for longer than max-stall.",
	tally_rows);

#define LEDGER(name, kind, member) ROW(name, kind, struct policy_ledger, member)
static const struct field ledger_rows[] = {
	LEDGER("waiting", U64, waiting_regions), LEDGER("merges", U64, merges),
	LEDGER("refusals", U64, refusals),	 LEDGER("splits", U64, splits),
	LEDGER("regrets", U64, regrets),	 LEDGER("spent_us", US, spent_ns),
	LEDGER("split_us", US, split_ns),	 LEDGER("walk_saved_us", US, walk_saved_ns),
	LEDGER("regret_us", US, regret_ns),	 {.name = "net_us", .kind = FIELD_NET_US},
};
static const struct fields ledger_fields = FIELDS(
	"Ledger",
	"What the merges of the daemon cost and are worth, by the accounting of the policy: spent_us is the time of merges and refusals, split_us that of splits of merged regions, walk_saved_us guest time saved in page walks (estimated). regrets are merges of regions that did not stay merged long enough to pay, regret_us what these cost beyond what they saved (estimated). net_us is what was saved less what was spent. waiting are regions that could be merged now.",
	ledger_rows);

#define RULE(name, kind, member) ROW(name, kind, struct lp_rule_snapshot, member)
static const struct field rule_rows[] = {
	RULE("rule", NAME, rule),
	RULE("vms", U64, nr_vms),
	RULE("large", U64, large),
	RULE("table", U64, table),
	RULE("coverage_percent", PERCENT, coverage_ppm),
	OBJECT("ledger", &ledger_fields, struct lp_rule_snapshot, ledger),
};
const struct fields control_rule_fields = FIELDS(
	"RuleLedger",
	"What merges cost and are worth while a rule was in force for their VM, and the VMs that it is in force for now. rule is (defaults) where no rule matched, and (removed) for all rules that are no longer in the configuration. The ledgers of all rules add up to the host's.",
	rule_rows);

#define SHADOW(name, kind, member) ROW(name, kind, struct lp_shadow_snapshot, member)
static const struct field shadow_rows[] = {
	SHADOW("settings", TEXT, settings),
	SHADOW("age_us", US, age_ns),
	SHADOW("vms", U64, nr_vms),
	OBJECT("active", &ledger_fields, struct lp_shadow_snapshot, active),
	OBJECT("shadow", &ledger_fields, struct lp_shadow_snapshot, shadow),
	SHADOW("assumed", U64, assumed),
	SHADOW("disproved", U64, disproved),
	SHADOW("active_bytes", U64, active_bytes),
	SHADOW("shadow_bytes", U64, shadow_bytes),
};
const struct fields control_shadow_fields = FIELDS(
	"Shadow",
	"The configuration in force (active) and the one under shadow, on the same events since age_us. settings is what the shadow has instead. Its merges are not carried out: assumed are its tries of regions that nobody had merged by then, which are assumed to succeed; disproved are those that were taken back, and are refusals now, because the kernel refused the region later. The bytes are the memory of either policy, that of the shadow with what is left of earlier ones.",
	shadow_rows);

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
static const struct fields link_fields = FIELDS(
	"Link",
	"Statistics of the connection to the kernel: stray are messages that nobody waits for, lost_* are losses of events by cause.",
	link_rows);

#define REGIONS_DOC		 "Regions by state; held regions may be in any state."
#define HOST(name, kind, member) ROW(name, kind, struct lp_status, member)
static const struct field host_region_rows[] = {
	HOST("capable", U64, capable), HOST("large", U64, large),	HOST("table", U64, table),
	HOST("mixed", U64, mixed),     HOST("unmapped", U64, unmapped), HOST("held", U64, held),
};
static const struct fields host_regions_fields = FIELDS("Regions", REGIONS_DOC, host_region_rows);

static const struct field host_rows[] = {
	HOST("version", STRING, version),
	HOST("link", STRING, link),
	HOST("degraded", BOOL, degraded),
	HOST("degraded_why", OPT_TEXT, degraded_why),
	HOST("paused", BOOL, paused),
	HOST("pause_left_us", OPT_US, pause_left_ns),
	HOST("vm_holds", U64, nr_holds),
	ROW("pressure", STRING, struct host_view, pressure),
	HOST("memory_pressure_percent", PERCENT, memory_pressure_ppm),
	HOST("cpu_pressure_percent", PERCENT, cpu_pressure_ppm),
	HOST("free_huge_blocks", OPT_U64, free_huge_blocks),
	HOST("dry_run", BOOL, dry_run),
	HOST("pid_namespace", BOOL, pid_namespace),
	HOST("time_namespace", BOOL, time_namespace),
	HOST("config_file", STRING, config_file),
	ROW("config_missing", BOOL, struct host_view, config_missing),
	ROW("rules", U64, struct host_view, rules),
	HOST("config_error", OPT_TEXT, config_error),
	HOST("config_age_us", OPT_US, config_age_ns),
	HOST("uptime_us", US, uptime_ns),
	HOST("vms", U32, nr_vms),
	{.name = "regions", .kind = FIELD_OBJECT, .object = &host_regions_fields},
	HOST("coverage_percent", PERCENT, coverage_ppm),
	HOST("stats_age_us", OPT_US, stats_age_ns),
	HOST("merges_per_s", U64, merges_per_s),
	OBJECT("tally", &tally_fields, struct lp_status, tally),
	OBJECT("ledger", &ledger_fields, struct lp_status, ledger),
	OBJECT("link_stats", &link_fields, struct lp_status, link_stats),
	HOST("resyncs", U64, resyncs),
	HOST("resync_age_us", OPT_US, resync_age_ns),
	HOST("wakeups", U64, wakeups),
};
const struct fields control_host_fields = FIELDS(
	"Host",
	"The host. pressure is memory_pressure or cpu_pressure while it is short of one of them and no merges are begun; the percentages were read then last, null without a limit in the configuration. free_huge_blocks are free blocks of 2 MiB. pid_namespace and time_namespace say whether the daemon is in one of its own: in the former it cannot identify the processes of VMMs.",
	host_rows);

#define VM_HOLD(name, kind, member) ROW(name, kind, struct lp_vm_hold, member)
static const struct field vm_hold_rows[] = {
	VM_HOLD("owner", TEXT, owner),
	VM_HOLD("left_us", OPT_US, left_ns),
	VM_HOLD("attached", BOOL, attached),
};
const struct fields control_vm_hold_fields = FIELDS(
	"VmHold",
	"A hold of a whole VM. left_us is null if it has no end but that of its owner's connection; attached says that this ends it.",
	vm_hold_rows);

#define VM(name, kind, member) ROW(name, kind, struct lp_vm_snapshot, member)
static const struct field vm_region_rows[] = {
	VM("capable", U64, vm.capable),	  VM("large", U64, vm.large),
	VM("table", U64, vm.table),	  VM("mixed", U64, vm.mixed),
	VM("unmapped", U64, vm.unmapped), VM("held", U64, vm.held),
};
/* The same type as the host's, out of another struct. */
static const struct fields vm_regions_fields = FIELDS("Regions", REGIONS_DOC, vm_region_rows);

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
	VM("pause_left_us", OPT_US, pause_left_ns),                                                \
	PART("holds", LIST, &control_vm_hold_fields, struct vm_view, holds),                       \
	VM("dry_run", BOOL, dry_run),                                                              \
	VM("stale", BOOL, stale),                                                                  \
	VM("incapable", INCAPABLE, vm.incapable),                                                  \
	{.name = "regions", .kind = FIELD_OBJECT, .object = &vm_regions_fields},                                          \
	VM("coverage_percent", PERCENT, coverage_ppm),                                             \
	VM("merges", U64, vm.merges),                                                              \
	VM("splits", U64, vm.splits),                                                              \
	VM("refusals", U64, vm.refusals),                                                          \
	VM("queued", U64, queued_regions),                                                         \
	VM("last_merge_age_us", OPT_US, last_merge_age_ns),                                        \
	VM("stats_age_us", OPT_US, stats_age_ns)
/* clang-format on */

static const struct field vm_rows[] = {VM_ROWS};
const struct fields control_vm_fields = FIELDS("Vm", "A VM, as in a list.", vm_rows);

static const struct field vm_detail_rows[] = {
	VM_ROWS,
	VM("uid", U32, identity.uid),
	VM("uid_known", BOOL, identity.has_uid),
	VM("name_known", BOOL, identity.name_known),
	VM("uuid", OPT_TEXT, identity.uuid),
	VM("command", OPT_TEXT, identity.command),
	VM("command_known", BOOL, identity.command_known),
	VM("slice", OPT_TEXT, identity.slice),
	VM("cgroup", OPT_TEXT, identity.cgroup),
	VM("cgroup_known", BOOL, identity.cgroup_known),
	VM("vcpus", U32, vm.nr_vcpus),
	OBJECT("limits", &limits_fields, struct lp_vm_snapshot, vm.limits),
	OBJECT("limits_vmm", &limits_fields, struct lp_vm_snapshot, vm.limits_vmm),
	OBJECT("limits_admin", &limits_fields, struct lp_vm_snapshot, vm.limits_admin),
	VM("limits_lease_left_us", OPT_US, lease_left_ns),
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
	OBJECT("ledger", &ledger_fields, struct lp_vm_snapshot, ledger),
	VM("tracked", U64, tracked_regions),
	VM("regions_age_us", OPT_US, regions_age_ns),
	VM("identity_age_us", OPT_US, identity_age_ns),
	VM("seen_age_us", OPT_US, seen_age_ns),
	VM("last_error", ERRNO, last_error),
	VM("last_error_text", OPT_TEXT, last_error_text),
	VM("last_error_age_us", OPT_US, last_error_age_ns),
};
const struct fields control_vm_detail_fields = FIELDS(
	"VmDetail",
	"A VM with all that is known about it. limits are in force, limits_vmm and limits_admin were set by the VMM and by the host; limits_lease_left_us is what is left of the lease of the latter, which the daemon renews; null: they have none.",
	vm_detail_rows);

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
const struct fields control_region_fields = FIELDS(
	"Region",
	"A region: 2 MiB of a VM's private guest-physical memory, named by its region frame number (gpa divided by 2 MiB).",
	region_rows);

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
const struct fields control_observation_fields = FIELDS(
	"Observation",
	"A snapshot of a region in a recording. Times are ns from begin, negative before it, null for never.",
	observation_rows);

#define EXPLAIN(name, kind, member) ROW(name, kind, struct explain_view, member)
static const struct field explain_rows[] = {
	EXPLAIN("vm", U32, vm_id),	     EXPLAIN("gpa", U64, gpa),
	EXPLAIN("reason", REASON, reason),   EXPLAIN("why", STRING, why),
	EXPLAIN("text", STRING, text),	     EXPLAIN("remedy", STRING, remedy),
	EXPLAIN("wait_us", OPT_US, wait_ns), EXPLAIN("estimated", BOOL, estimated),
};
const struct fields control_explain_fields = FIELDS(
	"Explanation",
	"Why a region is not merged: the first gate that is shut, none if it may be merged. wait_us is the time until the gate opens by itself, null if unknown; estimated says that text rests on an estimate.",
	explain_rows);

#define GATE(name, kind, member) ROW(name, kind, struct gate_view, member)
static const struct field gate_rows[] = {
	GATE("reason", REASON, reason), GATE("why", STRING, why),
	GATE("remedy", STRING, remedy), GATE("regions", U64, regions),
	GATE("first_gpa", U64, gpa),	GATE("wait_us", OPT_US, wait_ns),
};
const struct fields control_gate_fields =
	FIELDS("Gate", "The regions of a VM that one gate keeps at 4 KiB.", gate_rows);

#define PLAN(name, kind, member) ROW(name, kind, struct plan_view, member)
static const struct field plan_rows[] = {
	PLAN("coverage_percent", PERCENT, coverage_ppm),
	PLAN("large", U64, large),
	PLAN("table", U64, table),
	PLAN("merges", U64, merges),
	PLAN("due_now", U64, due_now),
	PLAN("work_us", US, work_ns),
	PLAN("stall_us", US, stall_ns),
	PLAN("merges_per_s", U64, merges_per_s),
	PLAN("limit", REASON, limit),
	PLAN("done_us", OPT_US, done_ns),
	PLAN("coverage_after_percent", PERCENT, after_ppm),
	PLAN("goal_percent", PERCENT, goal_ppm),
	PLAN("goal_us", OPT_US, goal_ns),
};
const struct fields control_plan_fields = FIELDS(
	"Plan",
	"What the policy is about to do with a VM, if the guest converts nothing, no try is refused, and the VM has the budgets for itself (estimated). merges are those of all regions that it means to try, due_now those that only wait for a budget; work_us is the time of the kernel's workers, stall_us the longest stall of a vCPU, merges_per_s the tightest rate and limit the limit that it is from. goal_us is when goal_percent is reached, null if these merges do not reach it.",
	plan_rows);

#define RESULT(name, kind, member) ROW(name, kind, struct result_view, member)
static const struct field result_rows[] = {
	RESULT("start_rfn", U64, result.start_rfn), RESULT("nr_regions", U32, result.nr_regions),
	RESULT("done", U32, result.done),	    RESULT("refused", U32, result.refused),
	RESULT("reason", REASON, result.reason),    RESULT("reason_rfn", U64, result.reason_rfn),
	RESULT("reason_layer", OPT_LAYER, layer),   RESULT("us", US, result.ns),
};
const struct fields control_result_fields = FIELDS(
	"Result",
	"The outcome of one range of a request. reason is that of the first refusal, of region reason_rfn.",
	result_rows);

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
const struct fields control_batches_fields =
	FIELDS("Batches", "Totals of the TLB tracking cycles of a request.", batches_rows);

#define PROBED(name, kind, member) ROW(name, kind, struct probed_view, member)
static const struct field probed_rows[] = {
	PROBED("rfn", U64, probed.rfn),
	PROBED("gpa", U64, gpa),
	PROBED("touched", BOOL, probed.touched),
	PROBED("first_touch_age_us", OPT_US, first_touch_age_ns),
	PROBED("reason", REASON, probed.reason),
};
const struct fields control_probed_fields = FIELDS(
	"Probed", "A region that was probed. reason says why there is no verdict.", probed_rows);

#define EVENT(name, kind, member) ROW(name, kind, struct event_view, member)
static const struct field event_rows[] = {
	EVENT("kind", NAME, kind),
	EVENT("time_us", US, now_ns),
	EVENT("vm", OPT_U64, vm_id),
	EVENT("name", STRING, vm_name),
	EVENT("text", NAME, text),
	EVENT("op", STRING, op),
	EVENT("error", ERRNO, error),
	PART("ranges", LIST, &control_range_fields, struct event_view, ranges),
	PART("results", LIST, &control_result_fields, struct event_view, results),
	PART("batches", OPT_OBJECT, &control_batches_fields, struct event_view, batches),
};
const struct fields control_event_fields = FIELDS(
	"Event",
	"An event. kind is family, vm, vm_gone, op_done, op_failed, dry_run, policy, pause, hold, loss or "
	"reload; time_us is CLOCK_MONOTONIC. op_done has results and batches, op_failed and dry_run "
	"have ranges.",
	event_rows);

static const struct field costs_rows[] = {
	ROW("merge_ns", U64, struct config_settings, merge_cost_ns),
	ROW("split_ns", U64, struct config_settings, split_cost_ns),
	ROW("fail_ns", U64, struct config_settings, fail_cost_ns),
};
static const struct fields costs_fields =
	FIELDS("Costs", "Configured costs of operations on a region.", costs_rows);

#define RECORD(name, kind, member) ROW(name, kind, struct record_view, member)
static const struct field record_rows[] = {
	RECORD("kind", NAME, kind),
	RECORD("time_ns", I64, time_ns),
	RECORD("speed", OPT_U64, speed),
	PART("costs", OPT_OBJECT, &costs_fields, struct record_view, costs),
	RECORD("vm", OPT_U64, vm_id),
	RECORD("name", STRING, name),
	RECORD("memory_bytes", OPT_U64, memory_bytes),
	RECORD("walk_ns_per_s", OPT_U64, walk_ns_per_s),
	RECORD("notify_interval_us", OPT_US, notify_interval_ns),
	RECORD("known_regions", OPT_U64, known_regions),
	PART("regions", OPT_LIST, &control_observation_fields, struct record_view, regions),
	RECORD("lost", OPT_U64, lost_regions),
};
const struct fields control_record_fields = FIELDS(
	"Record",
	"A part of a recording; members that do not apply to its kind are left out. kind is begin "
	"(speed: ns of these times per ns of the client's clock), vm (new, or described again), gone, "
	"regions (their current state), synced (everything known has been sent), lost (the number of "
	"observations not sent because the client was too slow; everything known is sent again) or "
	"loss (events of the kernel were lost). Times are ns from begin, negative before it.",
	record_rows, .sparse = true);

const struct fields *const control_all_fields[] = {
	&control_range_fields,
	&limits_fields,
	&tally_fields,
	&ledger_fields,
	&control_rule_fields,
	&control_shadow_fields,
	&link_fields,
	&host_regions_fields,
	&control_host_fields,
	&control_vm_hold_fields,
	&control_vm_fields,
	&control_vm_detail_fields,
	&control_region_fields,
	&control_explain_fields,
	&control_gate_fields,
	&control_plan_fields,
	&control_result_fields,
	&control_batches_fields,
	&control_probed_fields,
	&control_event_fields,
	&control_observation_fields,
	&costs_fields,
	&control_record_fields,
	NULL,
};
