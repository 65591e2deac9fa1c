// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/verbs.h"

#define FRESH                                                                                      \
	{                                                                                          \
		"--fresh", NULL, "ask the kernel first, instead of showing what was learnt last",  \
			0                                                                          \
	}
#define RANGE_HELP                                                                                 \
	"RANGE is START-END (without END), START+SIZE or START alone for one region, in bytes of " \
	"guest-physical address, such as 0x80000000-0xc0000000 or 2G+512M, in whole regions of "   \
	"2 MiB."

const struct ctl_verb ctl_verbs[] = {
	{
		.name = "status",
		.args = "",
		.help = "the daemon and every VM at a glance",
		.about = "This is also what happens without a verb. COVERAGE is large / (large + "
			 "table); AGE says how old a VM's statistics are.",
		.run = verb_status,
		.options = {FRESH},
	},
	{
		.name = "vm list",
		.args = "",
		.help = "every VM, who runs it and which rule is in force",
		.run = verb_vm_list,
		.options = {FRESH},
	},
	{
		.name = "vm show",
		.args = "VM",
		.help = "all about one VM",
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
		.help = "the regions of a VM that are not simply large",
		.about = "Regions that were large from the start and never touched are left out. "
			 "A range that is not in whole regions is rounded outwards.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_region_list,
		.options = {{"--state", "STATE",
			     "only unmapped, large, table or mixed ones; a list "
			     "with commas is good",
			     CTL_COMPLETE_STATE},
			    {"--range", "RANGE", "only this range", 0},
			    {"--limit", "N", "at most so many", 0},
			    FRESH},
	},
	{
		.name = "region map",
		.args = "VM",
		.help = "a picture of what is mapped at 4 KiB or shared",
		.about = "Each character stands for some regions: the more of them are mapped at "
			 "4 KiB, the darker (. : + #); s where some page is shared, h where some "
			 "region is held; blank where all are large or unmapped.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_region_map,
		.options = {{"--range", "RANGE", "only this range", 0},
			    {"--width", "N", "characters in a line, 8 to 512; 64 when left out", 0},
			    {"--height", "N", "lines at most, 1 to 1024; 16 when left out", 0},
			    FRESH},
	},
	{
		.name = "explain",
		.args = "VM [GPA]",
		.help = "why regions are not merged, and what would help",
		.about =
			"GPA is a guest-physical address such as 0x80000000 or 2G; without one, all "
			"regions of the VM that are mapped at 4 KiB are counted by what keeps them "
			"there.",
		.min_args = 1,
		.max_args = 2,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_explain,
		.options = {FRESH},
	},
	{
		.name = "merge",
		.args = "VM RANGE...",
		.help = "merge regions now, whatever policy and pause say",
		.about = RANGE_HELP,
		.min_args = 2,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_merge,
	},
	{
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
		.name = "hold",
		.args = "VM RANGE...",
		.help = "keep regions from being merged for a time",
		.about =
			"A hold does not split what is large. It ends by itself; hold again to make "
			"it longer. " RANGE_HELP,
		.min_args = 2,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_hold,
		.options = {{"--for", "TIME", "how long, at most 1h; 60s when left out", 0}},
	},
	{
		.name = "release",
		.args = "VM RANGE...",
		.help = "end holds",
		.about = "Holds of the VMM's own stay. " RANGE_HELP,
		.min_args = 2,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_release,
	},
	{
		.name = "probe",
		.args = "VM [RANGE...]",
		.help = "find out which regions the guest uses",
		.about = "Watches 64 regions at a time for one window; more of them take more "
			 "windows. Without RANGE, the regions that region list shows as large or "
			 "table are probed. It stalls the guest for a moment, once for each window "
			 "and on TDX once for each region that is touched. A region that is "
			 "converted, merged or split meanwhile is unknown. FIRST-TOUCH is known on "
			 "TDX only. Exit status 1 says that all regions are unknown. " RANGE_HELP,
		.min_args = 1,
		.max_args = 65,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_probe,
		.options = {{"--window", "TIME", "how long to watch, 10us to 10s; 1s when left out",
			     0},
			    {"--hot", NULL, "show only regions that were touched", 0},
			    {"--cold", NULL, "show only regions that were not", 0}},
	},
	{
		.name = "pause",
		.args = "[VM]",
		.help = "carry out no decisions, for one VM or for all",
		.about = "Kept over restarts of the daemon, until resume.",
		.max_args = 1,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_pause,
	},
	{
		.name = "resume",
		.args = "[VM]",
		.help = "end a pause",
		.about = "Without VM, a pause of a single VM stays.",
		.max_args = 1,
		.write = true,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_resume,
	},
	{
		.name = "dry-run",
		.args = "on|off",
		.help = "decide and log, but ask the kernel for nothing",
		.about = "Kept over restarts of the daemon. The configuration can ask for it too.",
		.min_args = 1,
		.max_args = 1,
		.write = true,
		.run = verb_dry_run,
	},
	{
		.name = "reload",
		.args = "",
		.help = "read the configuration again",
		.about = "All or nothing: when something is wrong, everything wrong is listed with "
			 "its place, and the old configuration stays in force.",
		.write = true,
		.run = verb_reload,
	},
	{
		.name = "config show",
		.args = "",
		.help = "the configuration in force",
		.run = verb_config_show,
	},
	{
		.name = "config check",
		.args = "[FILE]",
		.help = "check a file without using it",
		.about = "Needs no daemon. FILE is /etc/tdx-lpage.yaml when left out.",
		.max_args = 1,
		.complete = {CTL_COMPLETE_FILE},
		.run = verb_config_check,
	},
	{
		.name = "watch",
		.args = "[VM]",
		.help = "show what happens, as it happens",
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_watch,
		.options = {{"--limit", "N", "end after so many events", 0}},
	},
	{
		.name = "record",
		.args = "FILE",
		.help = "record conversions to a trace for simulate",
		.about =
			"Writes what the daemon learns from the kernel as a trace (lptrace 1), until "
			"interrupted. FILE is made with mode 0600. VMs are called vm-1, vm-2 and so "
			"on, and regions are numbered as they appear; numbers of VMs, their memory, "
			"counts and times are as they were. What the kernel does not show is "
			"reconstructed and marked with comments.",
		.min_args = 1,
		.max_args = 1,
		.complete = {CTL_COMPLETE_FILE},
		.run = verb_record,
		.options = {{"--vm", "VM",
			     "only this VM, by id or name, also one yet to come; a list with "
			     "commas is good",
			     CTL_COMPLETE_VM, true},
			    {"--duration", "TIME", "end after this time, 1s to 168h", 0, false},
			    {"--max-size", "SIZE",
			     "end when the file is this long, such as 10M; 100M when left out", 0,
			     false},
			    {"--raw", NULL,
			     "keep names, ids and region numbers; needs the control socket", 0,
			     false},
			    {"--force", NULL, "write over a file that is there", 0, false}},
	},
	{
		.name = "top",
		.args = "",
		.help = "the status, kept up to date on the screen",
		.about =
			"Keys: q ends, c sorts by coverage, m by merges, t by regions at 4 KiB, i by "
			"id. Needs a terminal.",
		.run = verb_top,
		.options = {{"--interval", "TIME", "how often, 100ms to 1h; 1s when left out", 0}},
	},
	{
		.name = "wait",
		.args = "[VM]",
		.help = "wait until enough is mapped at 2 MiB",
		.about = "Without VM, the coverage of all VMs together counts, and no VM at all is "
			 "enough. Exit status 1 says that the time was up.",
		.max_args = 1,
		.complete = {CTL_COMPLETE_VM},
		.run = verb_wait,
		.options = {{"--coverage", "PERCENT", "how much, such as 95%; 95% when left out", 0},
			    {"--timeout", "TIME",
			     "how long at most, such as 5m; without limit when "
			     "left out",
			     0}},
	},
	{
		.name = "doctor",
		.args = "",
		.help = "check kernel, module, sockets and VMs, and say what to set",
		.about = "Works without a daemon too. Exit status 1 says that something is wrong.",
		.run = verb_doctor,
	},
	{
		.name = "simulate",
		.args = "",
		.help = "run the policy over a trace and score it",
		.about =
			"Needs no daemon. Drives the daemon's own policy, budgets included, in "
			"virtual time, and compares what it costs with the best possible. The costs "
			"of merge, split, refusal and page walks come from the trace, all else from "
			"the configuration. A malformed trace is one line FILE:LINE: on standard "
			"error and exit status 2. --report runs every policy and writes one page of "
			"HTML, without scripts and without anything from elsewhere: coverage over "
			"time, cost by part, how long intervals last, and the regions that cost "
			"most beyond their optimum. The file is replaced as a whole or not at all; "
			"it names the VMs of the trace.",
		.run = verb_simulate,
		.options = {{"--trace", "FILE", "the trace (lptrace 1); - for standard input",
			     CTL_COMPLETE_FILE},
			    {"--config", "FILE",
			     "the configuration; the built-in defaults when left "
			     "out",
			     CTL_COMPLETE_FILE},
			    {"--policy", "adaptive|threshold|eager|never",
			     "this policy, whatever the configuration says", 0},
			    {"--observe", "exact|100ms",
			     "show each conversion at once, or at ticks as the kernel "
			     "does; exact when left out",
			     0},
			    {"--decisions", "FILE", "write a log of the tries", CTL_COMPLETE_FILE},
			    {"--compare", NULL, "run every policy, both ways of observing", 0},
			    {"--report", "FILE",
			     "write a page with charts of every policy, for a browser",
			     CTL_COMPLETE_FILE}},
	},
	{
		.name = "tune",
		.args = "",
		.help = "look for settings that would have cost less on a trace",
		.about =
			"Needs no daemon. Runs the policy over the trace again and again, with the "
			"values that tdx-lpage.yaml(5) calls tunable, and writes the best as a "
			"configuration with comments. It is fitted to every other VM, or to the "
			"first part of the trace when there are less than four, and checked on the "
			"rest; what gains nothing there is not proposed. Estimates: the costs of "
			"merges, splits and page walks are those of the trace.",
		.run = verb_tune,
		.options = {{"--trace", "FILE", "the trace (lptrace 1)", CTL_COMPLETE_FILE, false},
			    {"--config", "FILE",
			     "what to begin from; the built-in defaults when left out",
			     CTL_COMPLETE_FILE, false},
			    {"--objective", "cost",
			     "what shall be small: the cost, as simulate has it", 0, false},
			    {"--budget", "N|TIME",
			     "so many runs at most, or so long, such as 60s; 400 runs when left out",
			     0, false}},
	},
	{
		.name = "help",
		.args = "[VERB]",
		.help = "this, or more about a verb",
		.max_args = 2,
		.complete = {CTL_COMPLETE_VERB, CTL_COMPLETE_VERB},
		.run = verb_help,
	},
	{
		.name = "complete",
		.args = "WORD...",
		.help = "words that may stand last; for shells",
		.max_args = CTL_ARGS_MAX - 1,
		.hidden = true,
		.run = verb_complete,
	},
	{.name = NULL},
};
