/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of configuration keys. It makes the structs of config.h, and drives parsing, range
 * checks, printing, /etc/tdx-lpage.yaml and tdx-lpage.yaml(5).
 *
 * X(field, "key", TYPE, min, max, "default", "doc"); for settings X(field, "key", TYPE, min, max,
 * "default", "values that `tdx-lpctl tune` tries, with blanks", "doc"), NULL where it tries none: what
 * a simulation cannot show, costs that are measured, and what is a matter of safety.
 *
 * Fields hold ns, ns per second, events per second or millionths, as their names say. min and max
 * are written as in the file. The types are those of enum config_type.
 */
#ifndef TDX_LPAGE_CONFIG_KEYS_H
#define TDX_LPAGE_CONFIG_KEYS_H

#define CONFIG_GLOBAL_KEYS(X)                                                                      \
	X(dry_run, "dry-run", BOOL, NULL, NULL, "false",                                           \
	  "Decide and log, but send no requests to the kernel, regardless of the rules.")          \
	X(cpu_budget_ppm, "cpu-budget", PERCENT, "0.1%", "1000%", "5%",                            \
	  "Maximum time that the kernel's workers spend on merges, in percent of one CPU over "    \
	  "10 seconds, refused attempts included.")                                                \
	X(merge_rate_per_s, "merge-rate", RATE, "1/s", "1000000/s", "2000/s",                      \
	  "Maximum merge attempts per second, all VMs.")                                           \
	X(memory_pressure_limit_ppm, "memory-pressure-limit", OPT_PERCENT, "0.1%", "100%",         \
	  "false",                                                                                 \
	  "Begin no merges while some tasks of the host wait for memory for more than this share " \
	  "of the time (avg10 of some in /proc/pressure/memory), until it is below half of that.") \
	X(cpu_pressure_limit_ppm, "cpu-pressure-limit", OPT_PERCENT, "0.1%", "100%", "false",      \
	  "The same for tasks that wait for a CPU (/proc/pressure/cpu).")                          \
	X(metrics, "metrics", LISTEN, NULL, NULL, "false",                                         \
	  "Where to serve OpenMetrics over HTTP: false, or ADDRESS:PORT such as 127.0.0.1:9477.")  \
	X(metrics_names, "metrics-names", BOOL, NULL, NULL, "false",                               \
	  "Add VM names to the metrics, beside the ids. This exposes them to everyone who can "    \
	  "read the metrics.")                                                                     \
	X(log_level, "log-level", LOG_LEVEL, NULL, NULL, "info",                                   \
	  "Lowest priority of messages that are logged. Batches are logged at debug.")             \
	X(log_interval_ns, "log-interval", OPT_DURATION, "1s", "24h", "60s",                       \
	  "Interval of the summary lines, one per VM.")

#define CONFIG_SETTING_KEYS(X)                                                                     \
	X(mode, "mode", MODE, NULL, NULL, "managed", NULL,                                         \
	  "Who may merge: nobody (off), this daemon and the VMM (managed), or also the kernel by " \
	  "itself after page faults (fault). The VMM can only restrict it further.")               \
	X(policy, "policy", POLICY, NULL, NULL, "adaptive", "adaptive threshold eager",            \
	  "When to merge: adaptive learns from each region's past conversions; threshold waits "   \
	  "for quiet-time; eager merges immediately; never does not merge.")                       \
	X(dry_run, "dry-run", BOOL, NULL, NULL, "false", NULL,                                     \
	  "Decide and log, but send no requests to the kernel.")                                   \
	X(min_quiet_ns, "min-quiet", DURATION, "0s", "1h", "0s", "0s 20ms 100ms 500ms 2s 10s",     \
	  "Minimum time between a region's last conversion and a merge; enforced by the kernel.")  \
	X(quiet_time_ns, "quiet-time", DURATION, "0s", "24h", "5s",                                \
	  "10ms 100ms 500ms 1s 2s 5s 10s 20s 60s",                                                 \
	  "Policy threshold merges a region this long after its last conversion.")                 \
	X(merge_rate_per_s, "merge-rate", RATE, "1/s", "1000000/s", "1000/s", NULL,                \
	  "Maximum merge attempts per second, per VM.")                                            \
	X(batch, "batch", COUNT, "1", "64", "32", NULL,                                            \
	  "Maximum regions merged under one TLB tracking cycle. No merge waits to fill a batch.")  \
	X(max_stall_ns, "max-stall", DURATION, "50us", "1s", "2ms", NULL,                          \
	  "Maximum time that a vCPU may be stalled by a batch. Limits the batch size; if it is "   \
	  "exceeded, the VM's merges are suspended for a while.")                                  \
	X(notify_interval_ns, "notify-interval", DURATION, "10ms", "60s", "100ms", NULL,           \
	  "Minimum time between two notifications that a VM's regions changed.")                   \
	X(walk_cost_ns_per_s, "walk-cost", COST, "0us/s", "100ms/s", "12us/s", NULL,               \
	  "Cost of a region mapped at 4 KiB: guest time lost to page walks per second. An "        \
	  "estimate; it cannot be measured on TDX.")                                               \
	X(merge_cost_ns, "merge-cost", DURATION, "100ns", "100ms", "30us", NULL,                   \
	  "Cost of a merge.")                                                                      \
	X(split_cost_ns, "split-cost", DURATION, "100ns", "100ms", "45us", NULL,                   \
	  "Cost of a split when a merged region is converted.")                                    \
	X(fail_cost_ns, "fail-cost", DURATION, "100ns", "100ms", "12us", NULL,                     \
	  "Cost of a refused merge attempt.")                                                      \
	X(learn_costs, "learn-costs", BOOL, NULL, NULL, "true", NULL,                              \
	  "Replace the configured costs by measured ones, limited to between a quarter and four "  \
	  "times the configured values.")                                                          \
	X(hold_after, "hold-after", COUNT_PER, "1/1s", "1000/1h", "false",                         \
	  "false 3/2s 3/10s 5/30s",                                                                \
	  "Hold a region at 4 KiB after this many conversions in this time, such as 3/60s.")       \
	X(hold_for_ns, "hold-for", DURATION, "1s", "1h", "60s", "10s 60s 300s",                    \
	  "A hold ends after this time without a conversion.")

/*
 * What rules match on: X(field, "key", TYPE, "doc"). Every key takes one value or a list, of which
 * one has to match; of several keys, all have to match.
 */
#define CONFIG_MATCH_KEYS(X)                                                                       \
	X(vm_name, "vm-name", GLOB,                                                                \
	  "Glob of the VM's name: as set by the VMM through its ioctl, else QEMU's -name, else "   \
	  "the libvirt scope. Characters other than A-Z a-z 0-9 . _ : @ + - are _ in it; from 64 " \
	  "on it is cut and ends in a hash. Chosen by the VM's owner: a convenience, not a "       \
	  "security boundary.")                                                                    \
	X(uuid, "uuid", UUID,                                                                      \
	  "UUID of QEMU's -uuid, which libvirt gives. Chosen by the VM's owner, too.")             \
	X(uid, "uid", UID, "Real user id of the process that created the VM.")                     \
	X(slice, "slice", GLOB, "Glob of any systemd slice that the VMM runs in.")                 \
	X(cgroup, "cgroup", GLOB, "Glob of the VMM's cgroup path; * matches / too.")               \
	X(vmm, "vmm", GLOB, "Glob of the VMM's command name, such as qemu-system-x86*.")           \
	X(memory, "memory", SIZE_COMPARE,                                                          \
	  "Private guest memory compared with a size: \">=16G\", \"<512M\". Quote it, for YAML "   \
	  "gives > a meaning.")                                                                    \
	X(type, "type", VM_TYPE, "Kind of VM: tdx, snp, sev-es, sev, sw-protected or default.")

#endif
