/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the policy over a trace in virtual time, and scores it. */
#ifndef TDX_LPAGE_REPLAY_SIMULATE_H
#define TDX_LPAGE_REPLAY_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/config/config.h"
#include "daemon/policy/policy.h"
#include "daemon/trace/model.h"
#include "daemon/trace/trace.h"

struct simulate_options {
	const struct config *config;
	/* Instead of the one that the configuration names, when @override_policy. */
	bool override_policy;
	enum config_policy policy;
	uint64_t observe_ns; /* 0: each change at once; else at multiples of this */
	FILE *decisions;     /* decision log, or NULL */
	/* Called for each batch and each interval; may be NULL. */
	void (*on_batch)(void *ctx, uint64_t now_ns, const struct policy_batch *batch);
	void (*on_interval)(void *ctx, const struct model_vm *vm, uint64_t rfn,
			    const struct model_region *region, uint64_t end_ns);
	/* Called as time passes, at most once per sample_ns of the trace; may be NULL. */
	void (*on_sample)(void *ctx, uint64_t now_ns, const struct policy_ledger *ledger);
	uint64_t sample_ns;
	/*
	 * What really happens, in the order of time; each may be NULL: a record of the trace before
	 * it takes effect, a region whose state (KVM_LPAGE_STATE_*) changed, a try and its outcome.
	 */
	void (*on_record)(void *ctx, const struct trace_record *record);
	void (*on_state)(void *ctx, const struct model_vm *vm, uint64_t rfn, uint32_t before,
			 uint32_t after, uint64_t t_ns);
	void (*on_try)(void *ctx, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason,
		       uint64_t now_ns);
	void *ctx;
};

struct simulate_result {
	uint64_t events;
	uint64_t end_ns;
	uint64_t cost_ns;
	uint64_t opt_ns;
	uint64_t walk_ns;
	uint64_t merge_ns;
	uint64_t split_ns;
	uint64_t fail_ns;
	uint64_t forced_split_ns;
	uint64_t merges;
	uint64_t splits;
	uint64_t fails;
	uint64_t intervals;
	double ratio; /* NAN when the optimum is 0 */
	struct trace_costs costs;
	struct policy_ledger ledger;
};

/*
 * Reads @reader to its end. Costs come from the trace, all else from the configuration. Negative
 * errno; -EINVAL: trace_error() says why.
 */
int simulate_run(const struct simulate_options *options, struct trace_reader *reader,
		 struct simulate_result *ret);

#endif
