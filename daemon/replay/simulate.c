// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/replay/simulate.h"
#include <tdx-lpage/base.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* A region that changed since the policy last looked. */
struct change {
	uint32_t vm_id;
	uint64_t rfn;
};

struct run {
	const struct simulate_options *options;
	struct model model;
	struct policy *policy;
	uint64_t now_ns;
	struct change *changes;
	size_t nr_changes;
	size_t changes_capacity;
	uint64_t tick_ns;   /* next look, when changes are not shown at once */
	uint64_t sample_ns; /* next sample */
	int error;
};

static struct policy_observation observation(uint64_t rfn, const struct model_region *region)
{
	return (struct policy_observation){
		.rfn = rfn,
		.to_shared_pages = region->to_shared_pages,
		.to_private_pages = region->to_private_pages,
		.last_to_shared_ns = region->last_to_shared_ns,
		.last_to_private_ns = region->last_to_private_ns,
		.state = POLICY_STATE_UNKNOWN,
	};
}

static void show(struct run *run, uint32_t vm_id, uint64_t rfn, const struct model_region *region)
{
	struct policy_observation obs = observation(rfn, region);
	int err = policy_observe(run->policy, vm_id, &obs, run->now_ns);

	if (err)
		run->error = err;
}

static void on_interval(void *ctx, const struct model_vm *vm, uint64_t rfn,
			const struct model_region *region, uint64_t end_ns)
{
	struct run *run = ctx;

	run->options->on_interval(run->options->ctx, vm, rfn, region, end_ns);
}

static void on_state(void *ctx, const struct model_vm *vm, uint64_t rfn, uint32_t before,
		     uint32_t after, uint64_t t_ns)
{
	struct run *run = ctx;

	run->options->on_state(run->options->ctx, vm, rfn, before, after, t_ns);
}

/* Callback of the model: shows the change, or keeps it for the next tick. */
static void on_changed(void *ctx, struct model_vm *vm, uint64_t rfn, struct model_region *region)
{
	struct run *run = ctx;

	if (!run->options->observe_ns) {
		show(run, vm->id, rfn, region);
		return;
	}
	if (region->noted)
		return;
	if (array_reserve(&run->changes, &run->changes_capacity, run->nr_changes + 1,
			  sizeof(*run->changes)) < 0) {
		run->error = -ENOMEM;
		return;
	}
	region->noted = true;
	run->changes[run->nr_changes++] = (struct change){vm->id, rfn};
	if (run->nr_changes == 1) {
		uint64_t step = run->options->observe_ns;

		run->tick_ns = (run->now_ns + step - 1) / step * step;
	}
}

static void show_changes(struct run *run)
{
	for (size_t i = 0; i < run->nr_changes; i++) {
		struct change *change = &run->changes[i];
		struct model_vm *vm = model_vm_find(&run->model, change->vm_id);
		struct model_region *region = vm ? model_region_find(vm, change->rfn) : NULL;

		if (!region)
			continue; /* the VM is gone */
		region->noted = false;
		show(run, change->vm_id, change->rfn, region);
	}
	run->nr_changes = 0;
	run->tick_ns = UINT64_MAX;
}

static void log_action(struct run *run, char what, const struct policy_batch *batch, uint64_t rfn)
{
	if (run->options->decisions)
		fprintf(run->options->decisions, "%" PRIu64 " %c %" PRIu32 " %" PRIu64 "\n",
			run->now_ns, what, batch->vm_id, rfn);
}

/* The region that a decision is about; NULL: none, or its VM is gone. */
static struct model_region *region_of(struct run *run, const struct policy_batch *batch,
				      uint64_t rfn)
{
	struct model_vm *vm = model_vm_find(&run->model, batch->vm_id);

	return vm ? model_region_find(vm, rfn) : NULL;
}

static void hold(struct run *run, const struct policy_batch *batch, uint64_t rfn)
{
	struct model_region *region = region_of(run, batch, rfn);

	if (region)
		region->hold_ns = run->now_ns + batch->hold_ns;
	log_action(run, 'H', batch, rfn);
}

static void try_merge(struct run *run, const struct policy_batch *batch, uint64_t rfn)
{
	struct model_region *region = region_of(run, batch, rfn);
	enum lpage_reason reason = model_try(&run->model, batch->vm_id, rfn, run->now_ns);
	uint64_t ns = reason == LPAGE_REASON_NONE ? run->model.costs.merge_ns :
						    run->model.costs.fail_ns;

	if (region && region->hold_ns) {
		/* It has run out, or the policy would not try. */
		region->hold_ns = 0;
		log_action(run, 'R', batch, rfn);
	}
	log_action(run, 'M', batch, rfn);
	if (run->options->on_try)
		run->options->on_try(run->options->ctx, batch->vm_id, rfn, reason, run->now_ns);
	policy_outcome(run->policy, batch->vm_id, rfn, reason, ns, run->now_ns);
}

static void carry_out(struct run *run, const struct policy_batch *batch)
{
	if (batch->gate != LPAGE_REASON_NONE)
		return;
	for (unsigned int i = 0; i < batch->nr; i++) {
		if (batch->op == POLICY_OP_MERGE)
			try_merge(run, batch, batch->actions[i].rfn);
		else
			hold(run, batch, batch->actions[i].rfn);
	}
}

static void run_batches(struct run *run)
{
	struct policy_batch batch;

	while (policy_next_batch(run->policy, run->now_ns, &batch)) {
		if (run->options->on_batch)
			run->options->on_batch(run->options->ctx, run->now_ns, &batch);
		carry_out(run, &batch);
	}
}

static void take_sample(struct run *run)
{
	struct policy_ledger ledger;

	policy_total_ledger(run->policy, run->now_ns, &ledger);
	run->options->on_sample(run->options->ctx, run->now_ns, &ledger);
	run->sample_ns = run->now_ns + run->options->sample_ns;
}

/* Lets the time pass until just before the records at @until_ns. */
static void advance(struct run *run, uint64_t until_ns)
{
	for (;;) {
		uint64_t next = policy_next_deadline(run->policy);

		if (next > run->tick_ns)
			next = run->tick_ns;
		if (next < run->now_ns)
			next = run->now_ns;
		if (next >= until_ns)
			break;
		run->now_ns = next;
		if (run->tick_ns <= next)
			show_changes(run);
		run_batches(run);
		if (run->now_ns >= run->sample_ns)
			take_sample(run);
	}
	run->now_ns = until_ns;
	if (run->now_ns >= run->sample_ns)
		take_sample(run);
}

/* The costs of the trace are what the policy counts with. */
static struct config_settings vm_settings(const struct run *run, const struct trace_record *record)
{
	const struct config_identity identity = {.vm_name = record->name,
						 .uid = -1,
						 .type = -1,
						 .memory_bytes = record->regions * REGION_BYTES};
	struct config_selected selected;
	struct config_settings settings;

	config_match(run->options->config, &identity, &selected);
	settings = *selected.settings;
	settings.walk_cost_ns_per_s = record->walk_ns_per_s;
	settings.merge_cost_ns = run->model.costs.merge_ns;
	settings.split_cost_ns = run->model.costs.split_ns;
	settings.fail_cost_ns = run->model.costs.fail_ns;
	if (run->options->override_policy)
		settings.policy = run->options->policy;
	return settings;
}

/* Nobody waits for a turn here. */
static int forget_vm(struct policy *policy, uint32_t vm_id, uint64_t now_ns)
{
	int r = policy_vm_remove(policy, vm_id, now_ns);

	while (policy_clear(policy))
		;
	return r;
}

static int tell_policy(struct run *run, const struct trace_record *record)
{
	struct config_settings settings;

	switch (record->op) {
	case TRACE_VM:
		settings = vm_settings(run, record);
		return policy_vm_add(run->policy, record->vm_id, &settings, run->now_ns);
	case TRACE_VM_GONE:
		return forget_vm(run->policy, record->vm_id, run->now_ns);
	default:
		return run->error;
	}
}

static int run_records(struct run *run, struct trace_reader *reader, struct simulate_result *ret)
{
	struct trace_record record;
	int more;

	while ((more = trace_next(reader, &record)) > 0) {
		int err;

		/* At equal times all records come before all tries. */
		if (record.t_ns > run->now_ns)
			advance(run, record.t_ns);
		ret->events++;
		if (run->options->on_record)
			run->options->on_record(run->options->ctx, &record);
		err = model_apply(&run->model, &record);
		if (!err)
			err = tell_policy(run, &record);
		if (err)
			return err;
		if (record.op == TRACE_END)
			ret->end_ns = record.t_ns;
	}
	return more;
}

static void fill_result(const struct run *run, struct simulate_result *ret)
{
	const struct model_score *score = &run->model.score;
	const struct trace_costs *costs = &run->model.costs;

	ret->cost_ns = model_cost_ns(&run->model);
	ret->opt_ns = model_opt_ns(&run->model);
	ret->walk_ns = model_walk_ns(&run->model);
	ret->merges = score->merges;
	ret->splits = score->splits;
	ret->fails = score->refusals;
	ret->intervals = score->intervals;
	ret->merge_ns = score->merges * costs->merge_ns;
	ret->split_ns = score->splits * costs->split_ns;
	ret->fail_ns = score->refusals * costs->fail_ns;
	ret->forced_split_ns = score->forced_splits * costs->split_ns;
	ret->ratio = model_ratio(&run->model);
	ret->costs = *costs;
	policy_total_ledger(run->policy, run->now_ns, &ret->ledger);
}

int simulate_run(const struct simulate_options *options, struct trace_reader *reader,
		 struct simulate_result *ret)
{
	struct run run = {
		.options = options,
		.tick_ns = UINT64_MAX,
		.sample_ns = options->on_sample ? 0 : UINT64_MAX,
	};
	int err;

	*ret = (struct simulate_result){0};
	model_init(&run.model, trace_costs(reader));
	run.model.ctx = &run;
	run.model.changed = on_changed;
	run.model.interval = options->on_interval ? on_interval : NULL;
	run.model.state = options->on_state ? on_state : NULL;
	run.policy = policy_new(&options->config->global, 0);
	if (!run.policy)
		return -ENOMEM;
	err = run_records(&run, reader, ret);
	if (!err)
		fill_result(&run, ret);
	free(run.changes);
	policy_free(run.policy);
	model_done(&run.model);
	return err;
}
