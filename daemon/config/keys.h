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
	  "Decide and log, but ask the kernel for nothing, whatever the rules say.")               \
	X(cpu_budget_ppm, "cpu-budget", PERCENT, "0.1%", "1000%", "5%",                            \
	  "Most time that the kernel's workers may spend on merges, in percent of one CPU over "   \
	  "10 seconds; refused tries count too.")                                                  \
	X(merge_rate_per_s, "merge-rate", RATE, "1/s", "1000000/s", "2000/s",                      \
	  "Most merges tried per second, all VMs together.")                                       \
	X(metrics, "metrics", LISTEN, NULL, NULL, "false",                                         \
	  "Where to serve OpenMetrics over HTTP: false, or ADDRESS:PORT such as 127.0.0.1:9477.")  \
	X(metrics_names, "metrics-names", BOOL, NULL, NULL, "false",                               \
	  "Put VM names into the metrics beside the ids. Whoever reads the metrics then learns "   \
	  "them.")                                                                                 \
	X(log_level, "log-level", LOG_LEVEL, NULL, NULL, "info",                                   \
	  "Least important message that is logged. Single batches are logged at debug.")           \
	X(log_interval_ns, "log-interval", OPT_DURATION, "1s", "24h", "60s",                       \
	  "How often one line per VM sums up what was done.")

#define CONFIG_SETTING_KEYS(X)                                                                     \
	X(mode, "mode", MODE, NULL, NULL, "managed", NULL,                                         \
	  "Who may merge: off, nobody; managed, this daemon and the VMM; fault, also the kernel "  \
	  "by itself after page faults. The VMM can only make it stricter.")                       \
	X(policy, "policy", POLICY, NULL, NULL, "adaptive", "adaptive threshold eager",            \
	  "When to merge: adaptive learns from the past conversions of each region; threshold "    \
	  "waits for quiet-time; eager merges at once; never merges nothing.")                     \
	X(dry_run, "dry-run", BOOL, NULL, NULL, "false", NULL,                                     \
	  "Decide and log, but ask the kernel for nothing.")                                       \
	X(min_quiet_ns, "min-quiet", DURATION, "0s", "1h", "0s", "0s 20ms 100ms 500ms 2s 10s",     \
	  "Never merge a region sooner than this after its last conversion; the kernel enforces "  \
	  "it.")                                                                                   \
	X(quiet_time_ns, "quiet-time", DURATION, "0s", "24h", "5s",                                \
	  "10ms 100ms 500ms 1s 2s 5s 10s 20s 60s",                                                 \
	  "Policy threshold merges a region this long after its last conversion.")                 \
	X(merge_rate_per_s, "merge-rate", RATE, "1/s", "1000000/s", "1000/s", NULL,                \
	  "Most merges tried per second and VM.")                                                  \
	X(batch, "batch", COUNT, "1", "64", "32", NULL,                                            \
	  "Most regions merged under one TLB tracking cycle. Nothing waits to fill a batch.")      \
	X(max_stall_ns, "max-stall", DURATION, "50us", "1s", "2ms", NULL,                          \
	  "Longest time that a vCPU may wait for a batch. Bounds the batch, and stops a VM's "     \
	  "merges for a while when it is exceeded.")                                               \
	X(notify_interval_ns, "notify-interval", DURATION, "10ms", "60s", "100ms", NULL,           \
	  "Least time between two notices from the kernel that a VM's regions changed.")           \
	X(walk_cost_ns_per_s, "walk-cost", COST, "0us/s", "100ms/s", "12us/s", NULL,               \
	  "What a region costs its guest per second while it is mapped at 4 KiB, in time lost "    \
	  "to page walks. An estimate: it cannot be measured on TDX.")                             \
	X(merge_cost_ns, "merge-cost", DURATION, "100ns", "100ms", "30us", NULL,                   \
	  "What one merge costs.")                                                                 \
	X(split_cost_ns, "split-cost", DURATION, "100ns", "100ms", "45us", NULL,                   \
	  "What one split costs when a conversion hits a region that was merged.")                 \
	X(fail_cost_ns, "fail-cost", DURATION, "100ns", "100ms", "12us", NULL,                     \
	  "What one refused try costs.")                                                           \
	X(learn_costs, "learn-costs", BOOL, NULL, NULL, "true", NULL,                              \
	  "Replace the costs by what the kernel measures, within a quarter to four times the "     \
	  "values given here.")                                                                    \
	X(hold_after, "hold-after", COUNT_PER, "1/1s", "1000/1h", "false",                         \
	  "false 3/2s 3/10s 5/30s",                                                                \
	  "Hold a region at 4 KiB after this many conversions within this time, such as 3/60s.")   \
	X(hold_for_ns, "hold-for", DURATION, "1s", "1h", "60s", "10s 60s 300s",                    \
	  "A hold ends after this time without a conversion.")

/*
 * What rules match on: X(field, "key", TYPE, "doc"). Every key takes one value or a list, of which
 * one has to match; of several keys, all have to match.
 */
#define CONFIG_MATCH_KEYS(X)                                                                       \
	X(vm_name, "vm-name", GLOB,                                                                \
	  "Glob of the VM's name: as set by the VMM through its ioctl, else the libvirt scope, "   \
	  "else QEMU's -name. The VM's owner chooses it: a convenience, not a boundary.")          \
	X(uid, "uid", UID, "Real user id of the process that created the VM.")                     \
	X(slice, "slice", GLOB, "Glob of any systemd slice that the VMM runs in.")                 \
	X(cgroup, "cgroup", GLOB, "Glob of the VMM's cgroup path; * matches / too.")               \
	X(vmm, "vmm", GLOB, "Glob of the VMM's command name, such as qemu-system-x86*.")           \
	X(memory, "memory", SIZE_COMPARE,                                                          \
	  "Private guest memory compared with a size: \">=16G\", \"<512M\". Quote it, for YAML "   \
	  "gives > a meaning.")                                                                    \
	X(type, "type", VM_TYPE, "Kind of VM: tdx, snp, sev-es, sev, sw-protected or default.")

#endif
