// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/methods.h"
#include <tdx-lpage/base.h>

#define PARAM_VM(is_required)                                                                      \
	{                                                                                          \
		"vm", PARAM_STRING, is_required, 1, CONTROL_WORD_MAX                               \
	}
#define PARAM_FRESH                                                                                \
	{                                                                                          \
		"fresh", PARAM_BOOL, false, 0, 0                                                   \
	}
#define PARAM_OWNER(is_required)                                                                   \
	{                                                                                          \
		"owner", PARAM_STRING, is_required, 1, CONTROL_OWNER_MAX                           \
	}
#define PARAM_LEASE(name, is_required)                                                             \
	{                                                                                          \
		name, PARAM_INT, is_required, US_PER_S, CONTROL_LEASE_MAX_US                       \
	}
#define RANGES_REPLY                                                                               \
	"vm: int, op: string, done: int, refused: int, results: []Result, batches: Batches"

const struct method control_methods[] = {
	{
		.name = "Ping",
		.doc = "Answers.",
		.returns = "",
		.call = method_ping,
	},
	{
		.name = "Status",
		.doc = "Returns the state of the host, and the ledger of each rule. With fresh, queries the "
		       "kernel first.",
		.returns = "host: Host, rules: []RuleLedger",
		.call = method_status,
		.cancel = method_unfresh,
		.params = {PARAM_FRESH},
	},
	{
		.name = "GetShadow",
		.doc = "Compares the configuration in force with the one under shadow; null if there is "
		       "none.",
		.returns = "shadow: ?Shadow",
		.call = method_get_shadow,
	},
	{
		.name = "ListVms",
		.doc = "Lists VMs in ascending order of id, at most 128; next is where to continue, null at "
		       "the end.",
		.returns = "vms: []Vm, next: ?int",
		.call = method_list_vms,
		.cancel = method_unfresh,
		.params = {{"start", PARAM_INT, false, 0, UINT32_MAX},
			   {"limit", PARAM_INT, false, 1, CONTROL_REGIONS_LIMIT},
			   PARAM_FRESH},
	},
	{
		.name = "ShowVm",
		.doc = "Returns the details of one VM, and the ledger of its rule.",
		.returns = "vm: VmDetail, rule: ?RuleLedger",
		.call = method_show_vm,
		.cancel = method_unfresh,
		.params = {PARAM_VM(true), PARAM_FRESH},
	},
	{
		.name = "ListRegions",
		.doc = "Lists the regions of a VM in ascending order, as last known; regions that have "
		       "always been large are left out. next_rfn is where to continue, also when a "
		       "reply has fewer regions than the limit, or none; null at the end.",
		.returns = "vm: int, regions: []Region, next_rfn: ?int",
		.call = method_list_regions,
		.cancel = method_unfresh,
		.params = {PARAM_VM(true),
			   {"states", PARAM_STATES, false, 0, 0},
			   {"start_rfn", PARAM_INT, false, 0, CONTROL_RFN_MAX - 1},
			   {"nr_regions", PARAM_INT, false, 1, CONTROL_RFN_MAX},
			   {"limit", PARAM_INT, false, 1, CONTROL_REGIONS_LIMIT},
			   PARAM_FRESH},
	},
	{
		.name = "Explain",
		.doc = "Explains why the region at a guest-physical address is not merged.",
		.returns = "explanation: Explanation, region: ?Region",
		.call = method_explain,
		.cancel = method_unfresh,
		.params = {PARAM_VM(true),
			   {"gpa", PARAM_INT, true, 0, (CONTROL_RFN_MAX << REGION_BYTES_SHIFT) - 1},
			   PARAM_FRESH},
	},
	{
		.name = "ExplainVm",
		.doc = "Counts the regions of a VM that are mapped at 4 KiB by gate, with the first region "
		       "and the shortest wait of each. cut: there are more regions than one call "
		       "examines.",
		.returns = "vm: int, cut: bool, gates: []Gate",
		.call = method_explain_vm,
		.cancel = method_explain_vm_cancel,
		.params = {PARAM_VM(true), PARAM_FRESH},
	},
	{
		.name = "PlanVm",
		.doc = "Counts the regions of a VM by gate as ExplainVm does, and estimates what the policy "
		       "is about to do with them: how many merges, what they cost, and when they are "
		       "done. goal_ppm: the coverage to be reached, in millionths.",
		.returns = "vm: int, cut: bool, plan: Plan, gates: []Gate",
		.call = method_plan_vm,
		.cancel = method_explain_vm_cancel,
		.params = {PARAM_VM(true), {"goal_ppm", PARAM_INT, false, 0, 1000000}, PARAM_FRESH},
	},
	{
		.name = "GetConfig",
		.doc = "Returns the configuration in force, as YAML and as an object, and the files that it "
		       "is from. With origins, says where each value was given: its file and line, or "
		       "default.",
		.returns =
			"path: string, missing: bool, files: []string, text: string, config: object, "
			"origins: ?object",
		.call = method_get_config,
		.params = {{"origins", PARAM_BOOL, false, 0, 0}},
	},
	{
		.name = "Watch",
		.doc = "Streams events until the client disconnects or reads too slowly.",
		.returns = "event: Event",
		.streams = true,
		.call = method_watch,
		.cancel = method_unwatch,
		.params = {PARAM_VM(false)},
	},
	{
		.name = "Record",
		.doc = "Streams what the kernel reports of VMs and their regions, for a recording. "
		       "Observations that a client does not read in time are dropped and counted. "
		       "Without vms, all VMs; a name may be that of a VM yet to start. raw, on the "
		       "control socket only, adds names.",
		.returns = "record: Record",
		.streams = true,
		.call = method_record,
		.cancel = method_unrecord,
		.drained = method_record_drained,
		.params = {{"vms", PARAM_NAMES, false, 1, CONTROL_WORD_MAX},
			   {"raw", PARAM_BOOL, false, 0, 0}},
	},
	{
		.name = "Reload",
		.doc = "Reloads the configuration, all or nothing, and replies once it is in force.",
		.returns = "path: string, missing: bool, rules: int",
		.write = true,
		.call = method_reload,
	},
	{
		.name = "Pause",
		.doc = "Stops carrying out decisions, for one VM or all; persists across restarts. With "
		       "for_us, the pause ends by itself. A new pause replaces the one before.",
		.returns = "",
		.write = true,
		.call = method_pause,
		.params = {PARAM_VM(false), PARAM_LEASE("for_us", false)},
	},
	{
		.name = "Resume",
		.doc = "Ends a pause. Without vm, VMs that were paused individually stay paused.",
		.returns = "",
		.write = true,
		.call = method_resume,
		.params = {PARAM_VM(false)},
	},
	{
		.name = "SetDryRun",
		.doc = "Decides, but sends no requests to the kernel; persists across restarts.",
		.returns = "",
		.write = true,
		.call = method_set_dry_run,
		.params = {{"on", PARAM_BOOL, true, 0, 0}},
	},
	{
		.name = "Merge",
		.doc = "Merges regions, regardless of policy and pause.",
		.returns = RANGES_REPLY,
		.write = true,
		.call = method_merge,
		.cancel = method_ranges_cancel,
		.params = {PARAM_VM(true), {"ranges", PARAM_RANGES, true, 0, 0}},
	},
	{
		.name = "Split",
		.doc = "Splits large regions.",
		.returns = RANGES_REPLY,
		.write = true,
		.call = method_split,
		.cancel = method_ranges_cancel,
		.params = {PARAM_VM(true), {"ranges", PARAM_RANGES, true, 0, 0}},
	},
	{
		.name = "Hold",
		.doc = "Prevents regions from being merged for ttl_us.",
		.returns = RANGES_REPLY,
		.write = true,
		.call = method_hold,
		.cancel = method_ranges_cancel,
		.params = {PARAM_VM(true),
			   {"ranges", PARAM_RANGES, true, 0, 0},
			   {"ttl_us", PARAM_INT, true, CONTROL_HOLD_MIN_US, CONTROL_HOLD_MAX_US}},
	},
	{
		.name = "Release",
		.doc = "Ends the admin's holds.",
		.returns = RANGES_REPLY,
		.write = true,
		.call = method_release,
		.cancel = method_ranges_cancel,
		.params = {PARAM_VM(true), {"ranges", PARAM_RANGES, true, 0, 0}},
	},
	{
		.name = "HoldVm",
		.doc = "Prevents the whole VM from being merged for for_us. Several owners may hold it: "
		       "it is merged again when no hold is left. An owner has one hold of this kind; "
		       "holding again replaces its time. Persists across restarts.",
		.returns = "vm: int, owner: string",
		.write = true,
		.call = method_hold_vm,
		.params = {PARAM_VM(true), PARAM_OWNER(true), PARAM_LEASE("for_us", true)},
	},
	{
		.name = "HoldVmAttached",
		.doc = "As HoldVm, but one more hold each time, which ends when the client disconnects, "
		       "or after for_us. Replies when it begins, and when it has ended without the "
		       "client: ended is expired, released or gone (the VM).",
		.returns = "vm: int, owner: string, ended: ?string",
		.write = true,
		.streams = true,
		.call = method_hold_vm_attached,
		.cancel = method_unhold_vm,
		.params = {PARAM_VM(true), PARAM_OWNER(true), PARAM_LEASE("for_us", false)},
	},
	{
		.name = "ReleaseVm",
		.doc = "Ends the holds of the whole VM that an owner has, or all without owner. Returns "
		       "how many there were.",
		.returns = "vm: int, released: int",
		.write = true,
		.call = method_release_vm,
		.params = {PARAM_VM(true), PARAM_OWNER(false)},
	},
	{
		.name = "Probe",
		.doc = "Finds out which of at most 64 regions the guest touches within window_us, and "
		       "answers when the window is over. Each costs the guest a short stall.",
		.returns = "vm: int, window_us: int, touched: int, untouched: int, unknown: int, "
			   "regions: []Probed, batches: Batches",
		.write = true,
		.call = method_probe,
		.cancel = method_probe_cancel,
		.params = {PARAM_VM(true),
			   {"ranges", PARAM_RANGES, true, 0, 0},
			   {"window_us", PARAM_INT, true, CONTROL_PROBE_MIN_US,
			    CONTROL_PROBE_MAX_US}},
	},
	{.name = NULL},
};
