/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a region was not merged: the kernel's refusals, then the daemon's own gates.
 * One list feeds decisions, logs, JSON, `tdx-lpctl explain` and the man page.
 */
#ifndef TDX_LPAGE_REASONS_H
#define TDX_LPAGE_REASONS_H

#include <stddef.h>

/*
 * X(IDENTIFIER, "name", "why", "what would let it pass")
 *
 * The kernel's reasons in the order and with the values of enum kvm_lpage_reason
 * (include/uapi/linux/kvm_lpage.h); tests/unit/test_base_reasons.c ties each to its value.
 */
#define LPAGE_KERNEL_REASONS(X)                                                                      \
	X(NONE, "none", "nothing prevents a merge", "")                                              \
	X(VM_GONE, "vm-gone", "the VM is being destroyed or is dead", "")                            \
	X(NOT_RUNNING, "not-running", "the VM has not run yet", "start a vCPU")                      \
	X(MODE_OFF, "mode-off", "the mode in force is off",                                          \
	  "set mode: managed in the rule, or kvm.lpage_mode=managed, or ask the VMM's owner")        \
	X(BAD_RANGE, "bad-range",                                                                    \
	  "the region is not inside one memory slot, or the slot has no guest_memfd",                \
	  "align the VM's memory slots to 2 MiB")                                                    \
	X(NOT_CAPABLE, "not-capable", "the slot cannot hold a 2 MiB mapping at this address",        \
	  "see the VM's incapable flags in `tdx-lpctl doctor`")                                      \
	X(NOT_PRIVATE, "not-private", "no page of the region is private",                            \
	  "the guest has to convert the region back to private")                                     \
	X(MIXED, "mixed", "some page of the region is shared",                                       \
	  "the guest has to convert the shared pages back to private")                               \
	X(DIRTY_LOGGING, "dirty-logging", "the slot tracks dirty pages",                             \
	  "wait for the end of the migration")                                                       \
	X(HELD, "held", "a hold is in force", "release the hold, or wait for its deadline")          \
	X(INHIBITED, "inhibited",                                                                    \
	  "the guest asked for 4 KiB pages here and has not accepted all of them",                   \
	  "the guest has to accept every page")                                                      \
	X(TOO_RECENT, "too-recent", "less than the kernel's minimum quiet time has passed",          \
	  "wait, or lower min-quiet")                                                                \
	X(RATE_LIMITED, "rate-limited", "the kernel's token bucket is empty",                        \
	  "wait, or raise merge-rate")                                                               \
	X(BUSY, "busy",                                                                              \
	  "an invalidation overlaps the region, a lock is contended, or the region is being probed", \
	  "wait; retried after a delay")                                                             \
	X(NOT_MAPPED, "not-mapped", "at least one of the 512 pages is not mapped",                   \
	  "the guest has to touch every page")                                                       \
	X(ALREADY_LARGE, "already-large", "there is a 2 MiB mapping already", "")                    \
	X(ALREADY_SMALL, "already-small", "there is no 2 MiB mapping to split", "")                  \
	X(NOT_CONTIGUOUS, "not-contiguous",                                                          \
	  "the pages are not one aligned 2 MiB block of host memory",                                \
	  "make the guest_memfd with the 2M flag (kvm.gmem_2m=1), with free 2 MiB host memory")      \
	X(NOT_UNIFORM, "not-uniform", "the mappings differ in their permissions", "")                \
	X(NOT_ACCEPTED, "not-accepted", "the guest has not accepted every page",                     \
	  "wait; retried after a delay")                                                             \
	X(NO_MEMORY, "no-memory", "a page table or a region record could not be allocated",          \
	  "free host memory, or raise the VMM's memory limit")                                       \
	X(INTERRUPTED, "interrupted",                                                                \
	  "the operation was interrupted before it reached this region",                             \
	  "wait; retried after a delay")                                                             \
	X(PROBE_LIMIT, "probe-limit", "too many regions of the VM are being probed",                 \
	  "wait for the end of the other probes")                                                    \
	X(CANCELLED, "cancelled",                                                                    \
	  "a conversion, merge or split happened before the end of the probe", "probe again")

/* The daemon's own gates, in the order in which they are checked. */
#define LPAGE_DAEMON_REASONS(X)                                                                    \
	X(DEGRADED, "degraded", "the kernel cannot be reached", "see `tdx-lpctl doctor`")          \
	X(STALE, "stale", "the VM is being resynchronized",                                        \
	  "wait for the end of the resynchronization")                                             \
	X(IDENTIFYING, "identifying", "the VMM's command line has not been read yet",              \
	  "wait; given up after a few seconds")                                                    \
	X(RULE, "rule", "the rule in force says mode: off or policy: never",                       \
	  "change the rule, then `tdx-lpctl reload`")                                              \
	X(PAUSED, "paused", "decisions are paused", "`tdx-lpctl resume`")                          \
	X(VM_HELD, "vm-held", "the VM is held as a whole", "wait, or `tdx-lpctl release VM`")      \
	X(MEMORY_PRESSURE, "memory-pressure", "the host is short of memory",                       \
	  "free memory, or raise memory-pressure-limit")                                           \
	X(CPU_PRESSURE, "cpu-pressure", "the host is short of CPU time",                           \
	  "wait, or raise cpu-pressure-limit")                                                     \
	X(NOT_DUE, "not-due", "the region has not been quiet long enough",                         \
	  "wait until it is due, or lower quiet-time under policy threshold")                      \
	X(KEPT_SMALL, "kept-small", "past conversions suggest that a merge would not pay off",     \
	  "wait for fewer conversions, or raise walk-cost")                                        \
	X(BACKOFF, "backoff", "an earlier attempt was refused",                                    \
	  "wait; retried with a delay that doubles")                                               \
	X(LATENCY_GUARD, "latency-guard", "recent batches stalled vCPUs longer than max-stall",    \
	  "wait, or raise max-stall")                                                              \
	X(VM_RATE, "vm-rate", "the rule's merge-rate is exhausted", "wait, or raise merge-rate")   \
	X(GLOBAL_RATE, "global-rate", "the global merge-rate is exhausted",                        \
	  "wait, or raise global merge-rate")                                                      \
	X(CPU_BUDGET, "cpu-budget", "the global cpu-budget is exhausted",                          \
	  "wait, or raise cpu-budget")                                                             \
	X(QUEUED, "queued", "due, waiting for the next batch", "")                                 \
	X(IN_FLIGHT, "in-flight", "requested, no outcome yet", "")                                 \
	X(DRY_RUN, "dry-run", "due, but dry-run is on", "set dry-run: off")                        \
	X(OTHER, "other", "the kernel refused for a reason that this version does not know",       \
	  "update tdx-lpage to the version of the kernel")

/* The daemon's values start here, so that a later kernel can append to its own list. */
#define LPAGE_REASON_DAEMON_BASE 64

enum lpage_reason {
#define X(id, name, why, remedy) LPAGE_REASON_##id,
	LPAGE_KERNEL_REASONS(X) LPAGE_REASON_KERNEL_END,
	LPAGE_REASON_DAEMON_FIRST_ = LPAGE_REASON_DAEMON_BASE - 1,
	LPAGE_DAEMON_REASONS(X)
#undef X
		LPAGE_REASON_END,
};

/* One row of the list; the strings are static. */
struct lpage_reason_info {
	const char *name;   /* as in YAML and netlink; JSON writes "_" for "-" */
	const char *why;    /* half a sentence without a full stop */
	const char *remedy; /* what would let it pass; "" when nothing does */
};

/* Returns the row of @reason, or NULL for a value in neither list (a newer kernel). */
const struct lpage_reason_info *lpage_reason_info(unsigned int reason);

/* What a value of the kernel's enum kvm_lpage_reason is here: itself, or LPAGE_REASON_OTHER for one that is not in the list. */
enum lpage_reason lpage_reason_from_kernel(unsigned int reason);

/* Like lpage_reason_info()->name, but "unknown" for a value in neither list; never NULL. */
const char *lpage_reason_name(unsigned int reason);

/* Finds a reason by name, "-" and "_" being the same. Returns its value or -ENOENT. */
int lpage_reason_from_name(const char *name);

/*
 * Walks both lists: returns the first reason after @reason, -1 at the end; start with -1.
 */
int lpage_reason_next(int reason);

#endif
