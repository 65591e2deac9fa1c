// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host that is recorded as `record` does it gives a trace on which `simulate` comes to nearly the
 * same as on the host itself. The host is simulated out of a generated trace, looked at every
 * 100 ms, and merged by the real policy meanwhile.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/link/sim.h"
#include "daemon/link/sim_host.h"
#include "daemon/rebuild/trace_file.h"
#include "daemon/replay/simulate.h"
#include "tests/lib/tracegen.h"

#define MS   UINT64_C(1000000)
#define TICK (100 * MS)
#define SEED 77

/*
 * What a look each 100 ms cannot show: conversions that were over before the look are spread over
 * the time since the one before, which moves intervals of less than 100 ms about; and a guest that
 * takes long to accept is taken for one that does so at once, which makes its intervals longer.
 * The second changes the optimum, but cost along with it. Over seeds 77 and 100 to 103 the ratio
 * moved by 1.5 % at most; the optimum by 3 %, and by 11 % in guests that are slow to accept. One
 * that accepts after seconds loses most of its refusals.
 */
#define RATIO_TOLERANCE	       0.03
#define RATIO_TOLERANCE_LAZY   0.1
#define OPTIMUM_TOLERANCE      0.05
#define OPTIMUM_TOLERANCE_SLOW 0.15

/* A recording has the configured costs, not those of the kinds from here on. */
#define KINDS_END TRACEGEN_LINUX_FLEET

struct world {
	struct sim_host host;
	struct policy *policy;
	struct config *config;
	struct rebuild *rebuild;
	struct trace_file file;
	uint64_t begin_ns; /* of the recording */
	bool recording;
	char path[40];
	char recorded[40];
};

static int64_t relative(const struct world *w, uint64_t ns)
{
	return ns ? (int64_t)(ns - w->begin_ns) : REBUILD_NEVER;
}

static void tell_regions(struct world *w, const struct sim_vm *vm, uint64_t since)
{
	const struct lp_region_query query = {.vm_id = vm->id, .since = since};
	struct lp_region regions[64];
	uint64_t rfn = 0;
	size_t nr;

	while ((nr = sim_host_regions(&w->host, &query, &rfn, regions, 64)) > 0) {
		for (size_t i = 0; i < nr; i++) {
			const struct lp_region *r = &regions[i];
			const struct rebuild_observation recorded = {
				.rfn = r->rfn,
				.state = r->state,
				.shared = r->shared,
				.to_shared_pages = r->to_shared_pages,
				.to_private_pages = r->to_private_pages,
				.to_shared_events = r->to_shared_events,
				.to_private_events = r->to_private_events,
				.to_shared_ns = relative(w, r->last_to_shared_ns),
				.to_private_ns = relative(w, r->last_to_private_ns),
				.last_op = r->last_op,
				.last_reason = r->last_reason,
				.last_op_ns = relative(w, r->last_op_ns),
			};
			const struct policy_observation obs = {
				.rfn = r->rfn,
				.to_shared_pages = r->to_shared_pages,
				.to_private_pages = r->to_private_pages,
				.last_to_shared_ns = r->last_to_shared_ns,
				.last_to_private_ns = r->last_to_private_ns,
				.state = (int)r->state,
			};

			assert_int_equal(policy_observe(w->policy, vm->id, &obs, w->host.now_ns),
					 0);
			if (w->recording)
				assert_int_equal(rebuild_observe(w->rebuild,
								 w->host.now_ns - w->begin_ns,
								 vm->id, &recorded, 1),
						 0);
		}
	}
}

static void tell_vm(struct world *w, const struct sim_vm *vm, bool is_new)
{
	const struct model_vm *model = model_vm_find(&w->host.model, vm->id);
	const struct rebuild_vm init = {
		.id = vm->id,
		.name = model->name,
		.memory_bytes = model->regions << 21,
		.walk_ns_per_s = model->walk_ns_per_s,
		.notify_interval_ns = TICK,
		.is_new = is_new,
	};

	if (w->recording)
		assert_int_equal(rebuild_vm(w->rebuild, w->host.now_ns - w->begin_ns, &init), 0);
}

static void on_vm_new(void *ctx, struct sim_vm *vm)
{
	struct world *w = ctx;

	assert_int_equal(policy_vm_add(w->policy, vm->id, &w->config->defaults, w->host.now_ns), 0);
	tell_vm(w, vm, true);
}

static void on_vm_gone(void *ctx, struct sim_vm *vm)
{
	struct world *w = ctx;

	/* What it did since the last look is still to be seen. */
	if (w->recording)
		assert_int_equal(rebuild_vm_gone(w->rebuild, w->host.now_ns - w->begin_ns, vm->id),
				 0);
	policy_vm_remove(w->policy, vm->id, w->host.now_ns);
}

static void merge(struct world *w)
{
	struct policy_batch batch;

	while (policy_next_batch(w->policy, w->host.now_ns, &batch)) {
		struct sim_vm *vm = sim_host_vm(&w->host, batch.vm_id);

		for (unsigned int i = 0; vm && !batch.gate && i < batch.nr; i++) {
			uint32_t reason = sim_host_operate(&w->host, vm, KVM_LPAGE_OP_MERGE,
							   batch.actions[i].rfn, 0);

			policy_outcome(w->policy, vm->id, batch.actions[i].rfn,
				       (enum lpage_reason)reason, 30000, w->host.now_ns);
		}
	}
}

static void begin_recording(struct world *w)
{
	const struct rebuild_options options = {
		.write = trace_file_write, .widen = trace_file_widen, .ctx = &w->file};

	w->recording = true;
	w->begin_ns = w->host.now_ns;
	w->rebuild = rebuild_new(&options);
	assert_int_equal(trace_file_open(&w->file, w->recorded, NULL, true, UINT64_C(1) << 40), 0);
	assert_int_equal(trace_file_header(&w->file, &w->host.model.costs, false), 0);
	for (size_t i = 0; i < w->host.nr_vms; i++) {
		if (w->host.vms[i].gone)
			continue;
		tell_vm(w, &w->host.vms[i], false);
		tell_regions(w, &w->host.vms[i], 0);
	}
	rebuild_synced(w->rebuild);
}

/* Plays the trace to its end, recorded from @from_ns on. */
static void play(struct world *w, uint64_t from_ns)
{
	uint64_t seen[64] = {0};

	w->host.vm_new = on_vm_new;
	w->host.vm_gone = on_vm_gone;
	w->host.ctx = w;
	w->policy = policy_new(&w->config->global, 0);
	assert_int_equal(sim_host_open(&w->host, w->path, SIM_EPOCH_NS), 0);
	for (uint64_t now_ns = SIM_EPOCH_NS; !w->host.ended; now_ns += TICK) {
		assert_int_equal(sim_host_advance(&w->host, now_ns), 0);
		if (!w->recording && now_ns >= SIM_EPOCH_NS + from_ns)
			begin_recording(w);
		for (size_t i = 0; i < w->host.nr_vms; i++) {
			struct sim_vm *vm = &w->host.vms[i];

			assert_true(vm->id < 64);
			if (vm->gone || vm->generation == seen[vm->id])
				continue;
			tell_regions(w, vm, seen[vm->id]);
			seen[vm->id] = vm->generation;
		}
		merge(w);
	}
	assert_int_equal(rebuild_end(w->rebuild, w->host.end_ns - w->begin_ns), 0);
	assert_int_equal(trace_file_end(&w->file, w->host.end_ns - w->begin_ns,
					rebuild_stats(w->rebuild)),
			 0);
	assert_int_equal(trace_file_close(&w->file), 0);
}

static struct simulate_result simulate(const struct world *w, const char *path)
{
	const struct simulate_options options = {.config = w->config, .observe_ns = TICK};
	struct simulate_result result;
	struct trace_reader *reader;
	int err = trace_open(path, &reader);

	if (!err)
		err = simulate_run(&options, reader, &result);
	if (err)
		print_error("%s\n", trace_error(reader));
	assert_int_equal(err, 0);
	trace_close(reader);
	return result;
}

static void world_new(struct world *w, enum tracegen_kind kind, uint64_t seed)
{
	FILE *f;

	memset(w, 0, sizeof(*w));
	strcpy(w->path, "/tmp/record_ratio.XXXXXX");
	strcpy(w->recorded, "/tmp/record_ratio.XXXXXX");
	close(mkstemp(w->recorded));
	f = fdopen(mkstemp(w->path), "w");
	assert_int_equal(tracegen_write(f, kind, seed, 0.03), 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(config_new_defaults("defaults", &w->config), 0);
}

static void world_free(struct world *w)
{
	sim_host_close(&w->host);
	policy_free(w->policy);
	config_free(w->config);
	rebuild_free(w->rebuild);
	unlink(w->path);
	unlink(w->recorded);
}

static void compare(enum tracegen_kind kind, uint64_t seed)
{
	double tolerance = kind == TRACEGEN_SLOW ? OPTIMUM_TOLERANCE_SLOW : OPTIMUM_TOLERANCE;
	struct simulate_result was, got;
	struct world w;
	double opt, ratio;

	world_new(&w, kind, seed);
	play(&w, 0);
	was = simulate(&w, w.path);
	got = simulate(&w, w.recorded);
	opt = (double)got.opt_ns / (double)was.opt_ns - 1;
	ratio = got.ratio / was.ratio - 1;
	print_message("%-10s %ju: ratio %.4f, recorded %.4f (%+.2f %%); optimum %+.2f %%; "
		      "%ju assumed, %ju tried, %ju contradicted, %ju hidden, %ju late\n",
		      tracegen_name(kind), (uintmax_t)seed, was.ratio, got.ratio, 100 * ratio,
		      100 * opt, (uintmax_t)rebuild_stats(w.rebuild)->accepts_assumed,
		      (uintmax_t)rebuild_stats(w.rebuild)->accepts_tried,
		      (uintmax_t)rebuild_stats(w.rebuild)->accepts_contradicted,
		      (uintmax_t)rebuild_stats(w.rebuild)->hidden,
		      (uintmax_t)rebuild_stats(w.rebuild)->late);
	assert_true(fabs(ratio) <=
		    (kind == TRACEGEN_LINUX_HOTPLUG ? RATIO_TOLERANCE_LAZY : RATIO_TOLERANCE));
	assert_true(fabs(opt) <= tolerance);
	world_free(&w);
}

static void recorded_ratios_are_near(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS_END; kind++)
		compare((enum tracegen_kind)kind, SEED);
}

/* From the middle on: regions have a past, some are at 4 KiB, some shared. */
static void a_late_begin_is_sound(void **state)
{
	struct simulate_result got;
	struct world w;

	(void)state;
	for (int kind = 0; kind < KINDS_END; kind++) {
		world_new(&w, (enum tracegen_kind)kind, SEED + 1);
		play(&w, 60000 * MS);
		got = simulate(&w, w.recorded);
		print_message("%-10s ratio %.4f, %ju regions before\n",
			      tracegen_name((enum tracegen_kind)kind), got.ratio,
			      (uintmax_t)rebuild_stats(w.rebuild)->initial);
		assert_true(got.opt_ns > 0 && got.ratio >= 1 && got.ratio < 2);
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_ratios_are_near),
		cmocka_unit_test(a_late_begin_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
