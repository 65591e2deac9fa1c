// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/verbs.h"

#define FRESH                                                                                      \
	{                                                                                          \
		"--fresh", NULL, "query the kernel first instead of showing the last known state", \
			0                                                                          \
	}
#define RANGE_HELP                                                                                 \
	"RANGE is START-END (END exclusive), START+SIZE, or START for a single region: "           \
	"guest-physical addresses in bytes, aligned to 2 MiB, such as 0x80000000-0xc0000000 or "   \
	"2G+512M."

const struct ctl_verb ctl_verbs[] = {
	{
		.name = "status",
		.args = "",
		.help = "show the daemon and all VMs",
		.about = "The default when no verb is given. COVERAGE is large / (large + "
			 "table); AGE is the age of a VM's statistics. Rules are listed as soon as "
			 "there is one beside the defaults: what merges cost and saved while the "
			 "rule was in force for their VM. --shadow compares the configuration in "
			 "force with the one under shadow, see tdx-lpage.yaml(5).",
		.run = verb_status,
		.options = {{"--shadow", NULL,
			     "compare what is in force with the shadow configuration", 0},
			    FRESH},
	},
	{
		.name = "vm list",
		.args = "",
		.help = "list VMs, who runs them and which rules apply",
		.run = verb_vm_list,
		.options = {FRESH},
	},
	{
		.name = "vm show",
		.args = "VM",
		.help = "show details of one VM",
		.about = "VM is an id or a name.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_vm_show,
		.options = {FRESH},
	},
	{
		.name = "region list",
		.args = "VM",
		.help = "list the regions of a VM that have ever been split or shared",
		.about = "Regions that have always been large are left out. "
			 "A range is extended to whole regions.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_region_list,
		.options = {{"--state", "STATE",
			     "only regions in this state: unmapped, large, table or mixed; "
			     "several are separated by commas",
			     CTL_COMPLETE_STATE},
			    {"--range", "RANGE", "only this range", 0},
			    {"--limit", "N", "show at most N regions", 0},
			    FRESH},
	},
	{
		.name = "region map",
		.args = "VM",
		.help = "draw a map of what is mapped at 4 KiB or shared",
		.about =
			"Each character stands for some regions: the more of them are mapped at "
			"4 KiB, the darker (. : + #); s where some page is shared, h where some "
			"region is held; blank where all are large or unmapped. With --by, it stands for "
			"the state, the age, or the refusal of most of them, of ages for the "
			"youngest; a line above says which character is which. --histogram counts "
			"the regions of the same classes instead.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_region_map,
		.options =
			{{"--by", "WHAT",
			  "show state, age (time since the last conversion), or reason (why the last "
			  "merge was refused)",
			  0},
			 {"--histogram", NULL, "count regions by class, by state without --by", 0},
			 {"--range", "RANGE", "only this range", 0},
			 {"--width", "N", "characters per line, 8 to 512 (default: 64)", 0},
			 {"--height", "N", "maximum number of lines, 1 to 1024 (default: 16)", 0},
			 FRESH},
	},
	{
		.name = "explain",
		.args = "VM [GPA]",
		.help = "explain why regions are not merged, and how to change that",
		.about =
			"GPA is a guest-physical address such as 0x80000000 or 2G. Without GPA, the "
			"regions of the VM that are mapped at 4 KiB are counted by reason.",
		.min_args = 1,
		.max_args = 2,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_explain,
		.options = {FRESH},
	},
	{
		.name = "plan",
		.args = "[VM]",
		.help = "estimate what is going to be merged, at what cost, and when",
		.about =
			"Counts the regions by reason, as explain does, and estimates how many merges the "
			"policy is about to make, their kernel time, the longest stall of a vCPU, when they "
			"are done at the budgets in force, and when a coverage is reached. Assumes that the "
			"guest converts nothing meanwhile, that no attempt is refused, and that each VM has "
			"the budgets for itself. Also of use in dry-run, before anything is merged.",
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_plan,
		.options = {{"--coverage", "PERCENT", "the coverage to be reached (default: 95%)",
			     0},
			    FRESH},
	},
	{
		.group = CTL_ACT,
		.name = "merge",
		.args = "VM RANGE...",
		.help = "merge regions now, regardless of policy and pause",
		.about = RANGE_HELP,
		.min_args = 2,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_merge,
	},
	{
		.group = CTL_ACT,
		.name = "split",
		.args = "VM RANGE...",
		.help = "split large regions now",
		.about = RANGE_HELP,
		.min_args = 2,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_split,
	},
	{
		.group = CTL_ACT,
		.name = "hold",
		.args = "VM [RANGE...]",
		.help = "prevent a VM, or regions of it, from being merged for some time",
		.about =
			"A hold does not split large regions. It expires by itself; hold again to "
			"replace its time. Without RANGE, the whole VM is held, by an owner: it is merged "
			"again when no owner holds it any more. Such a hold persists across restarts of "
			"the daemon; with --attached, it ends with this command instead. Merges that are under "
			"way end within max-stall. " RANGE_HELP,
		.min_args = 1,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_hold,
		.options = {{"--for", "TIME",
			     "duration, 1s to 1h, and to 168h of a whole VM (default: 60s; with "
			     "--attached: no end)",
			     0},
			    {"--owner", "NAME", "who holds the whole VM (default: admin)", 0},
			    {"--attached", NULL,
			     "keep running, and hold the whole VM until interrupted", 0}},
	},
	{
		.group = CTL_ACT,
		.name = "release",
		.args = "VM [RANGE...]",
		.help = "release holds",
		.about =
			"Without RANGE, ends the hold of the whole VM that --owner has; that there is "
			"none is no error. Holds set by the VMM remain. " RANGE_HELP,
		.min_args = 1,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_release,
		.options = {{"--owner", "NAME", "who holds the whole VM (default: admin)", 0},
			    {"--all", NULL, "end the holds of all owners", 0}},
	},
	{
		.group = CTL_ACT,
		.name = "probe",
		.args = "VM [RANGE...]",
		.help = "find out which regions the guest uses",
		.about =
			"Watches up to 64 regions for one window; more regions take several "
			"windows. Without RANGE, probes the regions that region list shows as "
			"large or table. The guest is stalled briefly, once per window, and on TDX "
			"once for each region that it touches. The result of a region that is "
			"converted, merged or split during the window is unknown. FIRST-TOUCH is "
			"available on TDX only. The exit status is 1 if all results are unknown. " RANGE_HELP,
		.min_args = 1,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_probe,
		.options = {{"--window", "TIME", "length of the window, 10us to 10s (default: 1s)",
			     0},
			    {"--hot", NULL, "show only regions that were touched", 0},
			    {"--cold", NULL, "show only regions that were not touched", 0}},
	},
	{
		.group = CTL_ACT,
		.name = "pause",
		.args = "[VM]",
		.help = "stop carrying out decisions, for one VM or for all",
		.about =
			"Persists across restarts of the daemon, until resume or the end of --for. "
			"A new pause replaces the one before.",
		.max_args = 1,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_pause,
		.options = {{"--for", "TIME",
			     "resume after this time, 1s to 168h, such as 30m (default: never)", 0}},
	},
	{
		.group = CTL_ACT,
		.name = "resume",
		.args = "[VM]",
		.help = "resume carrying out decisions",
		.about =
			"Without VM, ends the pause of the host; VMs paused individually stay paused.",
		.max_args = 1,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_resume,
	},
	{
		.group = CTL_ACT,
		.name = "dry-run",
		.args = "on|off",
		.help = "decide and log, but send no requests to the kernel",
		.about =
			"Persists across restarts of the daemon. Can also be set in the configuration.",
		.min_args = 1,
		.max_args = 1,
		.write = true,
		.run = verb_dry_run,
	},
	{
		.group = CTL_CONFIGURATION,
		.name = "reload",
		.args = "",
		.help = "reload the configuration",
		.about =
			"All or nothing: if the file has errors, all of them are listed with their "
			"positions, and the old configuration remains in force.",
		.write = true,
		.run = verb_reload,
	},
	{
		.group = CTL_CONFIGURATION,
		.name = "config show",
		.args = "",
		.help = "show the configuration in force",
		.run = verb_config_show,
		.options = {{"--effective", NULL,
			     "say where each value comes from, and show what rules inherit", 0}},
	},
	{
		.group = CTL_CONFIGURATION,
		.name = "config check",
		.args = "[FILE]",
		.help = "check a configuration file without loading it",
		.about =
			"Does not need the daemon. FILE defaults to /etc/tdx-lpage.yaml, which need not "
			"exist. Drop-ins, such as /etc/tdx-lpage.d/*.yaml, are checked with it. Warns of rules "
			"that no VM can match and of rules that an earlier rule shadows.",
		.max_args = 1,
		.complete = {CTL_COMPLETE_FILE},
		.run = verb_config_check,
	},
	{
		.name = "watch",
		.args = "[VM]",
		.help = "show events as they happen",
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_watch,
		.options = {{"--limit", "N", "exit after N events", 0}},
	},
	{
		.group = CTL_TRACES,
		.name = "record",
		.args = "FILE",
		.help = "record conversions to a trace for simulate",
		.about =
			"Writes what the kernel reports to the daemon as a trace (lptrace 1), until "
			"interrupted. FILE is created with mode 0600; - is standard output, where the trace "
			"appears at the end. The trace is anonymous: VMs "
			"are named vm-1, vm-2 and so on, and regions are numbered in the order in "
			"which they appear. The number of VMs, their memory sizes, counts and times "
			"are real. What the kernel does not report is reconstructed and marked with "
			"comments.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_FILE},
		.run = verb_record,
		.options = {{"--vm", "VM",
			     "only this VM, by id or name, even if it is yet to start; several "
			     "are separated by commas",
			     CTL_COMPLETE_VM, true},
			    {"--duration", "TIME", "stop after this time, 1s to 168h", 0, false},
			    {"--max-size", "SIZE",
			     "stop at this file size, such as 10M (default: 100M)", 0, false},
			    {"--raw", NULL,
			     "keep names, ids and region numbers; needs the control socket", 0,
			     false},
			    {"--force", NULL, "overwrite an existing file", 0, false},
			    {"--salvage", NULL,
			     "do not record, but complete FILE, which a kill or a full disk cut off",
			     0, false}},
	},
	{
		.name = "top",
		.args = "",
		.help = "show the status, updated continuously",
		.about =
			"Rates are per second, of the last 5 to 10 seconds. Keys: q quits; i, n, c, t, "
			"m, r and s sort by id, name, coverage, regions at 4 KiB, merges, refusals and "
			"splits per second; R reverses. / asks for a filter, a part of the name or the "
			"id; an empty one ends it. Cursor keys, page up, page down, home and end scroll. "
			"Requires a terminal.",
		.run = verb_top,
		.options = {{"--interval", "TIME", "refresh interval, 100ms to 1h (default: 1s)", 0},
			    {"--sort", "KEY", "begin with this key: i, n, c, t, m, r or s", 0},
			    {"--filter", "TEXT", "only VMs with this in their name, or of this id",
			     0}},
	},
	{
		.name = "wait",
		.args = "[VM]",
		.help = "wait until coverage reaches a threshold",
		.about = "Without VM, waits for the coverage of all VMs together; a host "
			 "without VMs counts as reached. VM need not have started yet. The exit "
			 "status is 1 on a timeout. The unit tdx-lpage-wait@VM.service waits for a "
			 "VM, to order other units after it.",
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_wait,
		.options = {{"--coverage", "PERCENT", "the threshold (default: 95%)", 0},
			    {"--timeout", "TIME",
			     "give up after this time, such as 5m (default: never)", 0}},
	},
	{
		.name = "doctor",
		.args = "",
		.help = "check kernel, modules, sockets and VMs, and suggest fixes",
		.about = "Also works without the daemon. The exit status is 1 if a check fails.",
		.run = verb_doctor,
	},
	{
		.group = CTL_TRACES,
		.name = "simulate",
		.args = "",
		.help = "run the policy on a trace and score it",
		.about =
			"Does not need the daemon. Drives the daemon's own policy, budgets included, "
			"in virtual time, and compares its cost with the offline optimum. The costs "
			"of merges, splits, refusals and page walks come from the trace, everything "
			"else from the configuration. A malformed trace is reported as FILE:LINE: "
			"with exit status 2; one that is cut off is read up to its last whole record, with a "
			"warning. --report runs every policy and writes one "
			"self-contained HTML page without scripts: coverage over time, cost by "
			"part, lengths of intervals, and the regions that cost most beyond their "
			"optimum. The file is replaced atomically; it contains the names of the "
			"trace's VMs. --against runs a second configuration, without --policy, and "
			"tells which merges --config adds, drops or moves in time, and what that costs; "
			"less than nothing is better. With the refused attempts, the costs add up to the "
			"difference of both runs.",
		.run = verb_simulate,
		.options = {{"--trace", "FILE", "the trace (lptrace 1); - for standard input",
			     CTL_COMPLETE_FILE},
			    {"--config", "FILE", "the configuration (default: built-in defaults)",
			     CTL_COMPLETE_FILE},
			    {"--policy", "adaptive|threshold|eager|never",
			     "override the policy of the configuration", 0},
			    {"--observe", "exact|100ms",
			     "report conversions immediately, or at 100 ms ticks as the "
			     "kernel does (default: exact)",
			     0},
			    {"--decisions", "FILE", "write a log of all merge attempts",
			     CTL_COMPLETE_FILE},
			    {"--compare", NULL, "run every policy with both ways of observing", 0},
			    {"--report", "FILE", "write an HTML page with charts of every policy",
			     CTL_COMPLETE_FILE},
			    {"--against", "FILE",
			     "compare the decisions with those of this configuration",
			     CTL_COMPLETE_FILE},
			    {"--limit", "N", "list N decisions of --against (default: 10)", 0}},
	},
	{
		.group = CTL_TRACES,
		.name = "tune",
		.args = "",
		.help = "search for settings that cost less on a trace",
		.about =
			"Does not need the daemon. Runs the policy on the trace repeatedly with the "
			"values that tdx-lpage.yaml(5) lists as tunable, and writes the best "
			"configuration with comments. It is fitted to every other VM, or to the "
			"first part of the trace if there are fewer than four, and validated on "
			"the rest; what does not help there is not proposed. Results are estimates: "
			"the costs of merges, splits and page walks are those of the trace.",
		.run = verb_tune,
		.options = {{"--trace", "FILE", "the trace (lptrace 1)", CTL_COMPLETE_FILE, false},
			    {"--config", "FILE", "starting point (default: built-in defaults)",
			     CTL_COMPLETE_FILE, false},
			    {"--objective", "cost",
			     "what to minimize: the cost as defined by simulate", 0, false},
			    {"--budget", "N|TIME",
			     "maximum number of runs or maximum time, such as 60s (default: 400)",
			     0, false}},
	},
	{
		.name = "help",
		.args = "[VERB]",
		.help = "show this help, or the help of a verb",
		.max_args = 2,
		.complete = {CTL_COMPLETE_VERB, CTL_COMPLETE_VERB},
		.run = verb_help,
	},
	{
		.name = "complete",
		.args = "WORD...",
		.help = "complete the last word; for shells",
		.max_args = CTL_ARGS_MAX - 1,
		.hidden = true,
		.run = verb_complete,
	},
	{.name = NULL},
};
