// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real manager on the simulated host, through whole traces and through faults. The manager's
 * view is compared with the state of the host, and its merges with the score of the trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/context.h"
#include "daemon/core/vm.h"
#include "tests/lib/sim_world.h"
#include "tests/lib/tracegen.h"

#define SEED  5
#define SCALE 0.1
#define HOUR  (3600 * NS_PER_S)
/* Longer than all the daemon waits for but a backoff: the policy merges within 28 s. */
#define QUIET (30 * NS_PER_S)

static const char adaptive[] = "version: 1\n";
static const char threshold[] = "version: 1\n"
				"defaults: {policy: threshold, quiet-time: 2s}\n";

/* ---- comparing ---- */

static void check_region(const struct sim_world *world, uint32_t vm_id,
			 const struct lp_region *want)
{
	const struct vm_entry *vm = vm_find(world->manager, vm_id);
	const struct lp_region_record *record = lp_regions_get(&vm->regions, want->rfn);
	struct policy_explanation why;

	assert_non_null(record);
	/* The kernel does not report regions populated by faults. */
	if (record->region.state != KVM_LPAGE_STATE_UNMAPPED ||
	    want->state != KVM_LPAGE_STATE_LARGE)
		assert_int_equal(record->region.state, want->state);
	assert_int_equal(record->region.to_shared_pages, want->to_shared_pages);
	assert_int_equal(record->region.to_private_pages, want->to_private_pages);
	assert_int_equal(record->region.last_to_shared_ns, want->last_to_shared_ns);
	assert_int_equal(record->region.last_to_private_ns, want->last_to_private_ns);
	/* The policy knows the same. */
	assert_int_equal(policy_explain(world->manager->policy, vm_id, want->rfn,
					sim_world_now_ns(world), &why),
			 0);
	assert_true(why.tracked);
	assert_int_equal(why.reason == LPAGE_REASON_MIXED, want->state == KVM_LPAGE_STATE_MIXED);
	assert_int_equal(why.reason == LPAGE_REASON_ALREADY_LARGE,
			 want->state == KVM_LPAGE_STATE_LARGE);
}

static uint64_t check_vm(const struct sim_world *world, const struct sim_vm *sim_vm)
{
	const struct lp_region_query all = {.vm_id = sim_vm->id};
	struct lp_vm_snapshot shown;
	struct lp_region region;
	uint64_t rfn = 0, nr = 0;
	struct lp_vm want;

	sim_host_describe(sim_world_host(world), sim_vm, &want);
	assert_int_equal(world->core->ops->vm(world->core, sim_vm->id, &shown), 0);
	assert_int_equal(shown.vm.large + shown.vm.unmapped, want.large + want.unmapped);
	assert_int_equal(shown.vm.table, want.table);
	assert_int_equal(shown.vm.mixed, want.mixed);
	assert_int_equal(shown.queued_regions, 0);
	assert_false(shown.stale);
	for (; sim_host_regions(sim_world_host(world), &all, &rfn, &region, 1); nr++)
		check_region(world, sim_vm->id, &region);
	assert_int_equal(shown.tracked_regions, nr);
	return nr;
}

/* The manager knows the VMs and regions of the host, and no others. */
static void check_same(const struct sim_world *world)
{
	const struct sim_host *host = sim_world_host(world);
	uint64_t regions = 0;
	size_t vms = 0;

	for (size_t i = 0; i < host->nr_vms; i++) {
		if (host->vms[i].gone)
			continue;
		regions += check_vm(world, &host->vms[i]);
		vms++;
	}
	assert_int_equal(world->core->ops->vm_ids(world->core, 0, NULL, 0), vms);
	assert_true(regions > 0);
}

/* All that is private has been merged. */
static void check_nothing_left(const struct sim_world *world)
{
	const struct sim_host *host = sim_world_host(world);
	struct lp_vm vm;

	for (size_t i = 0; i < host->nr_vms; i++) {
		if (host->vms[i].gone)
			continue;
		sim_host_describe(host, &host->vms[i], &vm);
		assert_int_equal(vm.table, 0);
	}
}

static struct policy_ledger ledger_of(const struct sim_world *world)
{
	struct policy_ledger ledger;

	policy_total_ledger(world->manager->policy, manager_now(world->manager), &ledger);
	return ledger;
}

/* ---- scoring ---- */

static void make_trace(enum tracegen_kind kind, char **text, size_t *len)
{
	assert_int_equal(tracegen_buffer(kind, SEED, SCALE, text, len), 0);
}

static FILE *open_decisions(const struct sim_world *world)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/decisions", world->dir);
	fflush(sim_world_host(world)->decisions);
	f = fopen(path, "r");
	assert_non_null(f);
	return f;
}

static bool next_decision(FILE *f, uint64_t *t_ns, uint32_t *vm_id, uint64_t *rfn)
{
	return fscanf(f, "%" SCNu64 " M %" SCNu32 " %" SCNu64, t_ns, vm_id, rfn) == 3;
}

/* Replays the trace and the log of tries without a manager. Returns when the trace ends. */
static uint64_t score_decisions(const struct sim_world *world, const char *text, size_t len,
				struct model *model)
{
	struct trace_reader *reader;
	struct trace_record record;
	uint64_t t_ns = 0, rfn = 0;
	uint32_t vm_id = 0;
	FILE *f = open_decisions(world);
	bool more = next_decision(f, &t_ns, &vm_id, &rfn);

	assert_int_equal(trace_open_buffer("trace", text, len, &reader), 0);
	model_init(model, trace_costs(reader));
	while (trace_next(reader, &record) > 0) {
		for (; more && t_ns < record.t_ns; more = next_decision(f, &t_ns, &vm_id, &rfn))
			(void)model_try(model, vm_id, rfn, t_ns);
		assert_int_equal(model_apply(model, &record), 0);
	}
	assert_false(more);
	trace_close(reader);
	fclose(f);
	return record.t_ns;
}

/* The scores of the host, those of the log, and the daemon's ledger agree. */
static void check_score(const struct sim_world *world, const char *text, size_t len)
{
	struct model host = sim_world_host(world)->model;
	struct policy_ledger ledger = ledger_of(world);
	struct lp_status status;
	struct model model;
	uint64_t end_ns = score_decisions(world, text, len, &model);

	assert_int_equal(sim_world_now_ns(world), SIM_EPOCH_NS + end_ns - 1);
	host.score = model_score_at(&host, SIM_EPOCH_NS + end_ns);
	assert_true(host.score.merges > 0);
	assert_int_equal(model_cost_ns(&model), model_cost_ns(&host));
	assert_int_equal(model_opt_ns(&model), model_opt_ns(&host));
	assert_int_equal(model.score.merges, host.score.merges);
	assert_int_equal(model.score.splits, host.score.splits);
	assert_int_equal(model.score.refusals, host.score.refusals);
	assert_int_equal(ledger.merges, host.score.merges);
	assert_int_equal(ledger.refusals, host.score.refusals);
	assert_int_equal(ledger.tries, ledger.merges + ledger.refusals);
	assert_int_equal(ledger.reasons[LPAGE_REASON_NONE], ledger.merges);
	world->core->ops->status(world->core, &status);
	assert_int_equal(status.tally.merged_regions, ledger.merges);
	assert_int_equal(status.tally.refused_regions, ledger.refusals);
	assert_int_equal(status.tally.lost_regions, 0);
	assert_memory_equal(&status.ledger, &ledger, sizeof(ledger));
	assert_true(ledger.walk_saved_ns > 0 && ledger.spent_ns > 0);
	/*
	 * But for a few: those that the host has not told of yet, and regions that were converted as a
	 * whole, which lose their mapping without a split.
	 */
	assert_in_range(ledger.splits + 4, host.score.splits, host.score.splits + 8);
	model_done(&model);
}

static void replay(enum tracegen_kind kind, const char *config)
{
	struct sim_world world;
	char *text;
	size_t len;

	make_trace(kind, &text, &len);
	assert_int_equal(sim_world_open(&world, text, len, "", config), 0);
	sim_world_run_trace(&world);
	check_score(&world, text, len);
	sim_world_run(&world, sim_world_now_ns(&world) + QUIET);
	check_same(&world);
	assert_int_equal(world.spins, 0);
	sim_world_close(&world);
	free(text);
}

static void whole_traces_are_followed_exactly(void **state)
{
	static const enum tracegen_kind kinds[] = {
		TRACEGEN_BOOT,	 TRACEGEN_WEB,	 TRACEGEN_DATABASE, TRACEGEN_BURSTS,
		TRACEGEN_THRASH, TRACEGEN_FLEET, TRACEGEN_WHOLE,    TRACEGEN_SLOW,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		print_message("%s\n", tracegen_name(kinds[i]));
		replay(kinds[i], adaptive);
	}
	replay(TRACEGEN_WEB, threshold);
}

/* ---- faults ---- */

static void add_conversion(FILE *f, uint64_t t_ns, unsigned int vm, uint64_t rfn)
{
	fprintf(f,
		"%" PRIu64 " S %u %" PRIu64 " 1\n%" PRIu64 " P %u %" PRIu64 " 1\n%" PRIu64
		" A %u %" PRIu64 " 1\n",
		t_ns, vm, rfn << 9, t_ns + 1, vm, rfn << 9, t_ns + 2, vm, rfn << 9);
}

/* Runs a trace with faults, and on until all is merged that can be. Frees @text. */
static void faulty_trace_fixture(struct sim_world *world, char *text, size_t len,
				 const char *faults)
{
	assert_int_equal(sim_world_open(world, text, len, faults, threshold), 0);
	sim_world_run_trace(world);
	/* The host stays when the trace has ended. */
	sim_world_run(world, sim_world_now_ns(world) + 24 * HOUR);
	check_same(world);
	check_nothing_left(world);
	free(text);
}

static void web_trace_fixture(struct sim_world *world, const char *faults)
{
	char *text;
	size_t len;

	make_trace(TRACEGEN_WEB, &text, &len);
	faulty_trace_fixture(world, text, len, faults);
}

#define GROUPED 256

/* Regions become due in eight groups of a batch each, from second 3 to 10; then nothing happens. */
static void grouped_trace_fixture(struct sim_world *world, const char *faults)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs("lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
	      "vm 1 name=web-1 regions=1024 walk_ns_per_s=12000\n",
	      f);
	for (uint64_t i = 0; i < GROUPED; i++)
		add_conversion(f, (1 + i / 32) * NS_PER_S + 10 * i, 1, i);
	fputs("end 60000000000\n", f);
	assert_int_equal(fclose(f), 0);
	faulty_trace_fixture(world, text, len, faults);
}

static void busy_regions_are_merged_in_the_end(void **state)
{
	struct policy_ledger ledger;
	struct sim_world world;

	(void)state;
	web_trace_fixture(&world, ",busy=30,seed=1");
	ledger = ledger_of(&world);
	assert_true(ledger.reasons[LPAGE_REASON_BUSY] > ledger.merges / 10);
	assert_int_equal(ledger.merges, sim_world_host(&world)->model.score.merges);
	sim_world_close(&world);
	/* Neighbours are one range, whose outcome names the first refusal only. */
	grouped_trace_fixture(&world, ",busy=30,seed=1");
	ledger = ledger_of(&world);
	assert_true(ledger.reasons[LPAGE_REASON_BUSY] > GROUPED / 10);
	assert_int_equal(ledger.reasons[LPAGE_REASON_ALREADY_LARGE], 0);
	assert_int_equal(ledger.merges, GROUPED);
	sim_world_close(&world);
}

static void interrupted_merges_are_repeated(void **state)
{
	struct policy_ledger ledger;
	struct sim_world world;

	(void)state;
	web_trace_fixture(&world, ",interrupt=30,seed=2");
	ledger = ledger_of(&world);
	assert_true(ledger.reasons[LPAGE_REASON_INTERRUPTED] > ledger.merges / 50);
	assert_int_equal(ledger.merges, sim_world_host(&world)->model.score.merges);
	sim_world_close(&world);
}

/* A third of all events is lost: changes, outcomes, new VMs. */
static void lost_events_are_made_up_for(void **state)
{
	struct sim_world world;
	struct lp_status status;

	(void)state;
	web_trace_fixture(&world, ",lose=33,seed=3");
	world.core->ops->status(world.core, &status);
	assert_true(status.link_stats.lost[LP_LOSS_OVERRUN] > 100);
	assert_true(status.resyncs > 10);
	sim_world_close(&world);
}

static struct lp_tally tally_of_stalls(const char *stall)
{
	struct sim_world world;
	struct lp_status status;

	grouped_trace_fixture(&world, stall);
	world.core->ops->status(world.core, &status);
	assert_int_equal(ledger_of(&world).merges, GROUPED);
	assert_int_equal(status.tally.merged_regions, GROUPED);
	sim_world_close(&world);
	return status.tally;
}

/* Every batch stalls longer than max-stall: the following ones are smaller, and rarer. */
static void stalls_make_batches_smaller(void **state)
{
	struct lp_tally calm = tally_of_stalls(",stall=1000");
	struct lp_tally stalled = tally_of_stalls(",stall=5000");

	(void)state;
	assert_int_equal(calm.stall_max_ns, NS_PER_MS);
	assert_int_equal(calm.batches, GROUPED / 32);
	assert_int_equal(stalled.stall_max_ns, 5 * NS_PER_MS);
	/* Each report counts before the next batch: 32, 16, 8, 4 and 2 regions, the rest one by one. */
	assert_int_equal(stalled.batches, 5 + GROUPED - (32 + 16 + 8 + 4 + 2));
}

static void the_state_is_caught_up_after_the_family_returns(void **state)
{
	struct sim_world world;

	(void)state;
	web_trace_fixture(&world, ",vanish=40");
	assert_non_null(strstr(world.log_text, "degraded: the simulated host is absent"));
	sim_world_close(&world);
	/* No later event triggers the merges that are left. */
	grouped_trace_fixture(&world, ",vanish=9");
	assert_int_equal(sim_world_host(&world)->model.score.merges, GROUPED);
	sim_world_close(&world);
}

static void all_faults_at_once_are_survived(void **state)
{
	struct sim_world world;

	(void)state;
	web_trace_fixture(&world, ",busy=20,interrupt=20,lose=20,vanish=60,stall=3000,seed=4");
	sim_world_close(&world);
}

/* ---- fairness ---- */

#define NINE	   9
#define GREEDY	   10
#define SECONDS	   60
#define EACH	   SECONDS /* conversions of each of the nine */
#define GREEDY_ALL (100 * EACH)

/* Nine VMs that convert a region a second each, and one that, if @greedy, converts a hundred. */
static void write_ten(bool greedy, char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);

	fputs("lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n", f);
	for (unsigned int vm = 1; vm <= GREEDY; vm++)
		fprintf(f, "vm %u name=vm-%u regions=8192 walk_ns_per_s=12000\n", vm, vm);
	for (uint64_t i = 0; i < GREEDY_ALL; i++) {
		uint64_t t_ns = NS_PER_S + i * (NS_PER_S / 100);

		if (greedy)
			add_conversion(f, t_ns, GREEDY, i);
		if (i % 100 < NINE)
			add_conversion(f, t_ns + 1000, (unsigned int)(i % 100) + 1, i / 100);
	}
	fprintf(f, "end %" PRIu64 "\n", (SECONDS + 60) * NS_PER_S);
	assert_int_equal(fclose(f), 0);
}

/* How long the regions of the nine stayed small in all, and how often the tenth was merged. */
static uint64_t small_ns_of_nine(bool greedy, unsigned int *merges_of_tenth)
{
	static const char tight[] = "version: 1\n"
				    "global: {merge-rate: 20/s}\n"
				    "defaults: {policy: threshold, quiet-time: 1s}\n";
	unsigned int merges[GREEDY + 1] = {0};
	struct sim_world world;
	uint64_t t_ns, rfn, sum_ns = 0;
	uint32_t vm_id;
	char *text;
	size_t len;
	FILE *f;

	write_ten(greedy, &text, &len);
	assert_int_equal(sim_world_open(&world, text, len, "", tight), 0);
	sim_world_run_trace(&world);
	f = open_decisions(&world);
	while (next_decision(f, &t_ns, &vm_id, &rfn)) {
		assert_in_range(vm_id, 1, GREEDY);
		merges[vm_id]++;
		/* Region rfn of the nine became private in second 1 + rfn. */
		if (vm_id <= NINE)
			sum_ns += t_ns - (1 + rfn) * NS_PER_S;
	}
	fclose(f);
	for (uint32_t vm = 1; vm <= NINE; vm++)
		assert_int_equal(merges[vm], EACH);
	*merges_of_tenth = merges[GREEDY];
	sim_world_close(&world);
	free(text);
	return sum_ns;
}

static void a_greedy_vm_does_not_delay_others(void **state)
{
	unsigned int merges;
	uint64_t alone_ns, beside_ns;

	(void)state;
	alone_ns = small_ns_of_nine(false, &merges);
	assert_int_equal(merges, 0);
	beside_ns = small_ns_of_nine(true, &merges);
	/* It asks for five times the host's rate, and gets what the others leave. */
	assert_in_range(merges, 1000, 20 * (SECONDS + 60 + 10));
	print_message("each merge of the nine: %.3f ms after the conversion, alone %.3f ms\n",
		      (double)beside_ns / (NINE * EACH) / 1e6,
		      (double)alone_ns / (NINE * EACH) / 1e6);
	/* Less than one tick of the policy each. */
	assert_true(beside_ns <= alone_ns + (uint64_t)NINE * EACH * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_traces_are_followed_exactly),
		cmocka_unit_test(busy_regions_are_merged_in_the_end),
		cmocka_unit_test(interrupted_merges_are_repeated),
		cmocka_unit_test(lost_events_are_made_up_for),
		cmocka_unit_test(stalls_make_batches_smaller),
		cmocka_unit_test(the_state_is_caught_up_after_the_family_returns),
		cmocka_unit_test(all_faults_at_once_are_survived),
		cmocka_unit_test(a_greedy_vm_does_not_delay_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
