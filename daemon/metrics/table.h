/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of metrics. docs/metrics.md is generated from it.
 *
 * X(name, TYPE, "unit", "help", value): one sample, of the host, of each VM, or of each rule
 * L(name, TYPE, "unit", "help", "labels"): a sample per value of a label
 * S(name, "label", "value of the label", value): such a sample of each VM; others are written in exposition.c
 *
 * Names and units as OpenMetrics wants them: base units; counters end in _total and infos in _info when they are
 * written. @value is an expression over `s` (struct lp_status) `v` (struct lp_vm_snapshot) or `r`
 * (struct lp_rule_snapshot).
 */
#ifndef TDX_LPAGE_METRICS_TABLE_H
#define TDX_LPAGE_METRICS_TABLE_H

#define METRICS_SECONDS(ns) ((double)(ns) / NS_PER_S)
/* Statistics that were never read have no age. */
#define METRICS_AGE(ns)	   ((ns) == LP_AGE_NEVER ? NAN : METRICS_SECONDS(ns))
#define METRICS_RATIO(ppm) ((ppm) == UINT64_MAX ? NAN : (double)(ppm) / 1e6)

/* What the merges of the daemon cost and what they are worth, by the accounting of the policy. */
#define METRICS_LEDGER(X, of, ledger)                                                              \
	X(of##spent_seconds, COUNTER, "seconds",                                                   \
	  "Time that merges and refused merges of this daemon took.",                              \
	  METRICS_SECONDS((ledger).spent_ns))                                                      \
	X(of##caused_splits, COUNTER, "", "Splits of regions that this daemon had merged.",        \
	  (ledger).splits)                                                                         \
	X(of##caused_split_seconds, COUNTER, "seconds",                                            \
	  "Time that those splits took (estimated).", METRICS_SECONDS((ledger).split_ns))          \
	X(of##walk_saved_seconds, COUNTER, "seconds",                                              \
	  "Guest time that merges of this daemon saved in page walks (estimated).",                \
	  METRICS_SECONDS((ledger).walk_saved_ns))                                                 \
	X(of##regrets, COUNTER, "",                                                                \
	  "Merges of regions that did not stay merged long enough to pay for merge and split.",    \
	  (ledger).regrets)                                                                        \
	X(of##regret_seconds, COUNTER, "seconds",                                                  \
	  "What those merges cost beyond what they saved (estimated).",                            \
	  METRICS_SECONDS((ledger).regret_ns))

#define METRICS_HOST(X)                                                                            \
	X(degraded, GAUGE, "", "1 if the kernel cannot be reached.", s->degraded)                  \
	X(paused, GAUGE, "", "1 if all VMs are paused.", s->paused)                                \
	X(pressure, GAUGE, "",                                                                     \
	  "1 while the host is short of memory or CPU and no merges are begun.", s->pressure != 0) \
	X(free_huge_blocks, GAUGE, "", "Free blocks of 2 MiB of the host's memory.",               \
	  s->free_huge_blocks == UINT64_MAX ? NAN : (double)s->free_huge_blocks)                   \
	X(dry_run, GAUGE, "", "1 if no requests are sent to the kernel.", s->dry_run)              \
	X(config_error, GAUGE, "", "1 if the last reload failed.", s->config_error[0] != 0)        \
	X(vms, GAUGE, "", "VMs with private memory.", s->nr_vms)                                   \
	X(uptime_seconds, GAUGE, "seconds", "Time since the daemon started.",                      \
	  METRICS_SECONDS(s->uptime_ns))                                                           \
	X(batches, COUNTER, "", "TLB tracking cycles of merges.", s->tally.batches)                \
	X(tried_regions, COUNTER, "", "Regions for which a merge was requested by this daemon.",   \
	  s->tally.tried_regions)                                                                  \
	X(merged_regions, COUNTER, "", "Regions merged by this daemon.", s->tally.merged_regions)  \
	X(split_regions, COUNTER, "", "Regions split on request.", s->tally.split_regions)         \
	X(dry_run_regions, COUNTER, "", "Merges skipped by dry-run.", s->tally.dry_regions)        \
	X(lost_regions, COUNTER, "", "Merges whose outcome was never reported.",                   \
	  s->tally.lost_regions)                                                                   \
	X(holds, COUNTER, "", "Regions held at 4 KiB.", s->tally.holds)                            \
	X(work_seconds, COUNTER, "seconds",                                                        \
	  "Kernel worker time spent on operations of this daemon.",                                \
	  METRICS_SECONDS(s->tally.work_ns))                                                       \
	X(stall_max_seconds, GAUGE, "seconds",                                                     \
	  "Longest time that a batch may have stalled a vCPU.",                                    \
	  METRICS_SECONDS(s->tally.stall_max_ns))                                                  \
	X(stalled_batches, COUNTER, "", "Batches that stalled a vCPU for longer than max-stall.",  \
	  s->tally.stalled_batches)                                                                \
	X(failed_requests, COUNTER, "", "Requests that the kernel rejected.",                      \
	  s->tally.failed_requests)                                                                \
	X(resyncs, COUNTER, "", "Full resynchronizations with the kernel.", s->resyncs)            \
	X(link_requests, COUNTER, "", "Requests sent to the kernel.", s->link_stats.requests)      \
	X(link_timeouts, COUNTER, "", "Requests that timed out.", s->link_stats.timeouts)          \
	X(link_messages, COUNTER, "", "Messages received from the kernel.",                        \
	  s->link_stats.messages)                                                                  \
	X(wakeups, COUNTER, "", "Wake-ups of the daemon for due work.", s->wakeups)                \
	METRICS_LEDGER(X, , s->ledger)

#define METRICS_VM(X)                                                                              \
	X(vm_running, GAUGE, "", "1 if a vCPU has run.", v->vm.running)                            \
	X(vm_paused, GAUGE, "", "1 if this VM is paused.", v->paused)                              \
	X(vm_holds, GAUGE, "", "Holds of the whole VM, by any owner.", v->nr_holds)                \
	X(vm_stale, GAUGE, "", "1 while the VM is resynchronized after lost events.", v->stale)    \
	X(vm_coverage_ratio, GAUGE, "ratio",                                                       \
	  "Share of private mapped regions that are mapped at 2 MiB.",                             \
	  METRICS_RATIO(v->coverage_ppm))                                                          \
	X(vm_capable_regions, GAUGE, "", "Regions that can be mapped at 2 MiB.", v->vm.capable)    \
	X(vm_held_regions, GAUGE, "", "Regions on hold.", v->vm.held)                              \
	X(vm_tracked_regions, GAUGE, "", "Regions that the daemon tracks.", v->tracked_regions)    \
	X(vm_queued_regions, GAUGE, "", "Regions with an operation in flight.", v->queued_regions) \
	X(vm_stats_age_seconds, GAUGE, "seconds", "Age of the VM's statistics from the kernel.",   \
	  METRICS_AGE(v->stats_age_ns))                                                            \
	X(vm_private_bytes, GAUGE, "bytes", "Private guest memory.", v->vm.memory_pages * 4096.0)  \
	X(vm_huge_bytes, GAUGE, "bytes", "Guest memory backed by 2 MiB folios.", v->vm.huge_bytes) \
	X(vm_retained_bytes, GAUGE, "bytes",                                                       \
	  "Bytes of 2 MiB folios that were punched but not freed.", v->vm.retained_bytes)          \
	X(vm_merges, COUNTER, "", "Merges requested by anyone.", v->vm.merges)                     \
	X(vm_splits, COUNTER, "", "Splits, for any cause.", v->vm.splits)                          \
	X(vm_refusals, COUNTER, "", "Refused merges.", v->vm.refusals)                             \
	X(vm_work_seconds, COUNTER, "seconds", "Time spent in merge attempts of anyone.",          \
	  METRICS_SECONDS(v->vm.work_ns))                                                          \
	X(vm_split_seconds, COUNTER, "seconds", "Time that conversions spent splitting.",          \
	  METRICS_SECONDS(v->vm.split_ns))                                                         \
	X(vm_stalled_batches, COUNTER, "",                                                         \
	  "Batches that stalled a vCPU for longer than max-stall.", v->tally.stalled_batches)      \
	X(vm_waiting_regions, GAUGE, "", "Private regions at 4 KiB that the daemon could merge.",  \
	  v->ledger.waiting_regions)                                                               \
	X(vm_walk_loss_ratio, GAUGE, "ratio",                                                      \
	  "Guest time lost to page walks in regions at 4 KiB, per time (estimated).",              \
	  METRICS_SECONDS(v->vm.table * v->costs.walk_ns_per_s))                                   \
	METRICS_LEDGER(X, vm_, v->ledger)

#define METRICS_RULE(X)                                                                            \
	X(rule_vms, GAUGE, "", "VMs that the rule is in force for.", r->nr_vms)                    \
	X(rule_coverage_ratio, GAUGE, "ratio",                                                     \
	  "Share of their private mapped regions that are mapped at 2 MiB.",                       \
	  METRICS_RATIO(r->coverage_ppm))                                                          \
	X(rule_merges, COUNTER, "", "Merges of this daemon while the rule was in force.",          \
	  r->ledger.merges)                                                                        \
	X(rule_refusals, COUNTER, "",                                                              \
	  "Refused merges of this daemon while the rule was in force.", r->ledger.refusals)        \
	METRICS_LEDGER(X, rule_, r->ledger)

#define METRICS_LABELLED(L)                                                                        \
	L(build, INFO, "", "Version of the daemon, and how it reaches the kernel.",                \
	  "version, link")                                                                         \
	L(refused_regions, COUNTER, "", "Refused merges, by reason.", "reason")                    \
	L(lost_events, COUNTER, "", "Lost kernel events, by cause.", "cause")                      \
	L(vm_gate, GAUGE, "",                                                                      \
	  "1 for what blocks all merges of the VM, reason none if nothing does.", "vm, reason")    \
	L(vm_cost_seconds, GAUGE, "seconds",                                                       \
	  "Cost of an operation on a region, as the daemon reckons.", "vm, op")                    \
	L(vm_regions, GAUGE, "", "Regions by state.", "vm, state")                                 \
	L(vm_conversions, COUNTER, "", "Conversions that changed at least one page of a region.",  \
	  "vm, to")                                                                                \
	L(vm_converted_pages, COUNTER, "", "Pages converted.", "vm, to")

#define METRICS_VM_LABELLED(S)                                                                     \
	S(vm_gate, "reason", NULL, 1)                                                              \
	S(vm_cost_seconds, "op", "merge", METRICS_SECONDS(v->costs.merge_ns))                      \
	S(vm_cost_seconds, "op", "split", METRICS_SECONDS(v->costs.split_ns))                      \
	S(vm_cost_seconds, "op", "refusal", METRICS_SECONDS(v->costs.fail_ns))                     \
	S(vm_regions, "state", "large", v->vm.large)                                               \
	S(vm_regions, "state", "table", v->vm.table)                                               \
	S(vm_regions, "state", "mixed", v->vm.mixed)                                               \
	S(vm_regions, "state", "unmapped", v->vm.unmapped)                                         \
	S(vm_conversions, "to", "shared", v->vm.to_shared_events)                                  \
	S(vm_conversions, "to", "private", v->vm.to_private_events)                                \
	S(vm_converted_pages, "to", "shared", v->vm.to_shared_pages)                               \
	S(vm_converted_pages, "to", "private", v->vm.to_private_pages)

#endif
