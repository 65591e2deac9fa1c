// SPDX-License-Identifier: GPL-2.0-or-later
/* What record makes out of looks at regions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <linux/kvm_lpage.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/rebuild/rebuild.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

struct record_fixture {
	struct rebuild *rebuild;
	struct rebuild_observation obs; /* of the next tell() */
	FILE *f;
	char *text; /* one line per record, times in ms */
	size_t size;
	uint64_t widened;
};

static int take(void *ctx, const struct rebuild_out *out)
{
	static const char ops[] = {'S', 'P', 'A', 'W', 'N', 'X', 'E'};
	static const char *const marks[] = {"",	       " was-table", " was-shared", " became-table",
					    " hidden", " tried",     " vm",	    " lost",
					    " loss"};
	const struct trace_record *r = &out->record;
	struct record_fixture *w = ctx;

	fprintf(w->f, "%" PRIu64, r->t_ns / (uint64_t)MS);
	if (out->only_mark) {
		fprintf(w->f, "%s %" PRIu64 "\n", marks[out->mark], out->number);
		return 0;
	}
	fprintf(w->f, " %c", ops[r->op]);
	if (r->op == TRACE_VM)
		fprintf(w->f, " %u %s %" PRIu64 " %" PRIu64, r->vm_id, r->name, r->regions,
			r->walk_ns_per_s);
	else if (r->op == TRACE_VM_GONE)
		fprintf(w->f, " %u", r->vm_id);
	else if (r->op != TRACE_END)
		fprintf(w->f, " %u %" PRIu64 " %" PRIu64, r->vm_id, r->gfn, r->npages);
	fprintf(w->f, "%s\n", marks[out->mark]);
	return 0;
}

static int widen(void *ctx, uint32_t trace_vm, uint64_t regions)
{
	struct record_fixture *w = ctx;

	assert_int_equal(trace_vm, 1);
	w->widened = regions;
	return 0;
}

static void vm(struct record_fixture *w, int64_t now_ns, uint32_t id, bool is_new)
{
	const struct rebuild_vm init = {
		.id = id,
		.name = "web-1",
		.memory_bytes = 16 << 20,
		.walk_ns_per_s = 12000,
		.notify_interval_ns = 100 * MS,
		.is_new = is_new,
	};

	assert_int_equal(rebuild_vm(w->rebuild, (uint64_t)now_ns, &init), 0);
}

static void begin(struct record_fixture *w, bool raw)
{
	const struct rebuild_options options = {
		.raw = raw, .write = take, .widen = widen, .ctx = w};

	memset(w, 0, sizeof(*w));
	w->f = open_memstream(&w->text, &w->size);
	w->rebuild = rebuild_new(&options);
	w->obs = (struct rebuild_observation){.rfn = 70,
					      .to_shared_ns = REBUILD_NEVER,
					      .to_private_ns = REBUILD_NEVER,
					      .last_op_ns = REBUILD_NEVER};
}

/* With VM 9, of which nothing was known. */
static void begin_vm(struct record_fixture *w)
{
	begin(w, false);
	vm(w, 0, 9, true);
	rebuild_synced(w->rebuild);
}

static void tell(struct record_fixture *w, int64_t now_ns)
{
	assert_int_equal(rebuild_observe(w->rebuild, (uint64_t)now_ns, 9, &w->obs, 1), 0);
}

/* @events conversions of one page each, the last one at @ns. */
static void to_shared(struct record_fixture *w, uint32_t events, int64_t ns)
{
	w->obs.state = KVM_LPAGE_STATE_MIXED;
	w->obs.to_shared_events += events;
	w->obs.to_shared_pages += events;
	w->obs.to_shared_ns = ns;
}

static void to_private(struct record_fixture *w, uint32_t events, int64_t ns)
{
	w->obs.state = KVM_LPAGE_STATE_TABLE;
	w->obs.to_private_events += events;
	w->obs.to_private_pages += events;
	w->obs.to_private_ns = ns;
}

static void tried(struct record_fixture *w, uint32_t reason, int64_t ns)
{
	w->obs.last_op = KVM_LPAGE_OP_MERGE;
	w->obs.last_reason = reason;
	w->obs.last_op_ns = ns;
	if (!reason)
		w->obs.state = KVM_LPAGE_STATE_LARGE;
}

static const struct rebuild_stats *stats(const struct record_fixture *w)
{
	return rebuild_stats(w->rebuild);
}

static void end(struct record_fixture *w, int64_t now_ns, const char *want)
{
	assert_int_equal(rebuild_end(w->rebuild, (uint64_t)now_ns), 0);
	fflush(w->f);
	if (strcmp(w->text, want) != 0)
		print_error("want:\n%sgot:\n%s", want, w->text);
	assert_string_equal(w->text, want);
	fclose(w->f);
	free(w->text);
	rebuild_free(w->rebuild);
}

static void one_conversion_is_exact(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 300 * MS);
	tell(&w, 400 * MS);
	to_private(&w, 1, 450 * MS);
	tell(&w, 500 * MS);
	/* Both within one look. */
	to_shared(&w, 1, 1010 * MS);
	to_private(&w, 1, 1020 * MS);
	tell(&w, 1100 * MS);
	assert_int_equal(stats(&w)->hidden, 0);
	assert_int_equal(stats(&w)->accepts_assumed, 2);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n"
	    "300 S 1 0 1\n450 P 1 0 1\n450 A 1 0 512\n"
	    "1010 S 1 0 1\n1020 P 1 0 1\n1020 A 1 0 512\n5000 E\n");
}

/* The shared pages go up and down; A covers what came back before. */
static void pages_return_in_parts(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 300 * MS);
	w.obs.to_shared_pages = 10;
	tell(&w, 400 * MS);
	to_private(&w, 1, 450 * MS);
	w.obs.to_private_pages = 4;
	w.obs.state = KVM_LPAGE_STATE_MIXED;
	tell(&w, 500 * MS);
	to_private(&w, 1, 600 * MS);
	w.obs.to_private_pages = 10;
	tell(&w, 700 * MS);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n300 S 1 0 10\n450 P 1 6 4\n600 P 1 0 6\n600 A 1 0 512\n5000 E\n");
}

static void a_whole_region_is_converted_as_such(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 300 * MS);
	w.obs.to_shared_pages = 512;
	w.obs.shared = true;
	tell(&w, 400 * MS);
	to_private(&w, 1, 500 * MS);
	w.obs.to_private_pages = 512;
	w.obs.shared = false;
	w.obs.state = KVM_LPAGE_STATE_LARGE;
	tell(&w, 600 * MS);
	/* The kernel mapped it at 4 KiB: no conversion says so. */
	w.obs.state = KVM_LPAGE_STATE_TABLE;
	tell(&w, 3600 * MS);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n300 S 1 0 512\n500 P 1 0 512\n500 A 1 0 512\n"
	    "3600 S 1 0 1 became-table\n3600 P 1 0 1\n3600 A 1 0 1\n5000 E\n");
}

/* The kernel splits a region before it counts the conversion. */
static void a_split_precedes_its_conversion(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	w.obs.state = KVM_LPAGE_STATE_TABLE;
	tell(&w, 400 * MS);
	tell(&w, 405 * MS);
	to_shared(&w, 1, 410 * MS);
	tell(&w, 500 * MS);
	to_private(&w, 1, 600 * MS);
	tell(&w, 700 * MS);
	/* This one was not: no conversion comes. */
	w.obs = (struct rebuild_observation){.rfn = 5, .state = KVM_LPAGE_STATE_TABLE};
	tell(&w, 800 * MS);
	assert_int_equal(rebuild_advance(w.rebuild, 4 * S), 0);
	to_shared(&w, 1, 3900 * MS);
	tell(&w, 4 * S);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n410 S 1 0 1\n600 P 1 0 1\n600 A 1 0 512\n"
	    "800 S 1 512 1 became-table\n800 P 1 512 1\n800 A 1 512 1\n3900 S 1 512 1\n5000 E\n");
}

/* The kernel counts a conversion before the region is mixed, or no longer. */
static void a_state_lags_behind_its_counter(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 410 * MS);
	w.obs.state = KVM_LPAGE_STATE_TABLE;
	tell(&w, 411 * MS);
	w.obs.state = KVM_LPAGE_STATE_MIXED;
	tell(&w, 500 * MS);
	to_private(&w, 1, 600 * MS);
	w.obs.state = KVM_LPAGE_STATE_MIXED;
	tell(&w, 601 * MS);
	w.obs.state = KVM_LPAGE_STATE_TABLE;
	tell(&w, 700 * MS);
	end(&w, 5 * S, "0 N 1 vm-1 8 12000\n410 S 1 0 1\n600 P 1 0 1\n600 A 1 0 512\n5000 E\n");
}

/* Four cycles within one look: three are spread over the time since the notice before. */
static void hidden_conversions_are_spread(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 4, 980 * MS);
	to_private(&w, 4, 990 * MS);
	tell(&w, 1000 * MS);
	assert_int_equal(stats(&w)->hidden, 6);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n"
	    "882 S 1 0 1 hidden\n892 P 1 0 1\n892 A 1 0 512\n"
	    "915 S 1 0 1\n925 P 1 0 1\n925 A 1 0 512\n"
	    "947 S 1 0 1\n957 P 1 0 1\n957 A 1 0 512\n"
	    "980 S 1 0 1\n990 P 1 0 1\n990 A 1 0 512\n5000 E\n");
}

static void excess_hidden_conversions_are_counted(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	/* Over the end of the counters. */
	w.obs.to_shared_events = w.obs.to_private_events = UINT32_MAX - 10;
	w.obs.to_shared_pages = w.obs.to_private_pages = UINT32_MAX - 10;
	to_shared(&w, 0, 10 * MS);
	to_private(&w, 0, 20 * MS);
	tell(&w, 30 * MS);
	to_shared(&w, 1000, 80 * MS);
	to_private(&w, 1000, 90 * MS);
	tell(&w, 100 * MS);
	/* Each look is cut at so many cycles, of which one has the stamps. */
	assert_int_equal(stats(&w)->hidden, 2 * 2 * (REBUILD_CYCLES_MAX - 1));
	assert_int_equal(stats(&w)->left_out,
			 2 * (UINT64_C(1000) - REBUILD_CYCLES_MAX) +
				 2 * (UINT64_C(0xfffffff5) - REBUILD_CYCLES_MAX));
	assert_int_equal(rebuild_end(w.rebuild, 200 * MS), 0);
	fclose(w.f);
	free(w.text);
	rebuild_free(w.rebuild);
}

static void a_refusal_delays_the_acceptance(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 100 * MS);
	to_private(&w, 1, 110 * MS);
	tried(&w, KVM_LPAGE_REASON_NOT_ACCEPTED, 150 * MS);
	tell(&w, 200 * MS);
	tried(&w, KVM_LPAGE_REASON_NOT_MAPPED, 500 * MS);
	tell(&w, 600 * MS);
	tried(&w, KVM_LPAGE_REASON_NONE, 900 * MS);
	tell(&w, 1000 * MS);
	assert_int_equal(stats(&w)->accepts_assumed, 0);
	assert_int_equal(stats(&w)->accepts_tried, 1);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n100 S 1 0 1\n110 P 1 0 1\n700 A 1 0 512 tried\n5000 E\n");
}

/* Other refusals say nothing of it, and neither does one from before the last conversion. */
static void other_refusals_do_not_delay_it(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 100 * MS);
	to_private(&w, 1, 110 * MS);
	tried(&w, KVM_LPAGE_REASON_BUSY, 150 * MS);
	tell(&w, 200 * MS);
	to_shared(&w, 1, 600 * MS);
	to_private(&w, 1, 610 * MS);
	tried(&w, KVM_LPAGE_REASON_NOT_ACCEPTED, 605 * MS);
	tell(&w, 700 * MS);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n100 S 1 0 1\n110 P 1 0 1\n110 A 1 0 512\n"
	    "600 S 1 0 1\n610 P 1 0 1\n610 A 1 0 512\n5000 E\n");
}

static void without_acceptance_no_accept_is_written(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 100 * MS);
	to_private(&w, 1, 110 * MS);
	tried(&w, KVM_LPAGE_REASON_NOT_ACCEPTED, 150 * MS);
	tell(&w, 200 * MS);
	to_shared(&w, 1, 600 * MS);
	tell(&w, 700 * MS);
	end(&w, 5 * S, "0 N 1 vm-1 8 12000\n100 S 1 0 1\n110 P 1 0 1\n600 S 1 0 1\n5000 E\n");
}

/* A try is refused when acceptance was assumed long ago. */
static void begin_refused_late(struct record_fixture *w)
{
	begin_vm(w);
	to_shared(w, 1, 100 * MS);
	to_private(w, 1, 110 * MS);
	tell(w, 200 * MS);
	tried(w, KVM_LPAGE_REASON_NOT_ACCEPTED, 8 * S);
	assert_int_equal(rebuild_advance(w->rebuild, 8 * S), 0);
	tell(w, 8 * S);
}

static void a_late_refusal_is_counted(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_refused_late(&w);
	assert_int_equal(stats(&w)->accepts_contradicted, 1);
	end(&w, 9 * S, "0 N 1 vm-1 8 12000\n100 S 1 0 1\n110 P 1 0 1\n110 A 1 0 512\n9000 E\n");
}

static void the_next_refusal_that_late_is_waited_for(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_refused_late(&w);
	to_shared(&w, 1, 9000 * MS);
	to_private(&w, 1, 9010 * MS);
	tell(&w, 9100 * MS);
	assert_int_equal(rebuild_advance(w.rebuild, 16 * S), 0);
	tried(&w, KVM_LPAGE_REASON_NOT_ACCEPTED, 16 * S);
	tell(&w, 16 * S);
	tried(&w, KVM_LPAGE_REASON_NONE, 17 * S);
	tell(&w, 17 * S);
	assert_int_equal(stats(&w)->accepts_contradicted, 1);
	assert_int_equal(stats(&w)->accepts_tried, 1);
	end(&w, 18 * S,
	    "0 N 1 vm-1 8 12000\n100 S 1 0 1\n110 P 1 0 1\n110 A 1 0 512\n9000 S 1 0 1\n9010 P 1 0 1\n"
	    "16500 A 1 0 512 tried\n18000 E\n");
}

/* One region of each state, all from before. */
static void the_initial_state_is_reconstructed(void **state)
{
	static const uint32_t states[] = {KVM_LPAGE_STATE_LARGE, KVM_LPAGE_STATE_TABLE,
					  KVM_LPAGE_STATE_MIXED, KVM_LPAGE_STATE_UNMAPPED};
	struct record_fixture w;

	(void)state;
	begin(&w, false);
	vm(&w, 3 * MS, 9, false);
	for (uint64_t i = 0; i < 4; i++) {
		w.obs = (struct rebuild_observation){
			.rfn = 1000 + i,
			.state = states[i],
			.to_shared_events = 7,
			.to_shared_pages = 20,
			.to_private_events = 7,
			.to_private_pages = states[i] == KVM_LPAGE_STATE_MIXED ? 15 : 20,
			.to_shared_ns = -5 * S,
			.to_private_ns = -4 * S,
			.last_op_ns = REBUILD_NEVER,
		};
		tell(&w, 5 * MS);
	}
	rebuild_synced(w.rebuild);
	assert_int_equal(stats(&w)->initial, 2);
	/* The shared one comes back. */
	w.obs.rfn = 1002;
	w.obs.state = KVM_LPAGE_STATE_TABLE;
	w.obs.to_private_events++;
	w.obs.to_private_pages = 20;
	w.obs.to_private_ns = 700 * MS;
	tell(&w, 800 * MS);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n"
	    "0 S 1 512 1 was-table\n0 P 1 512 1\n0 A 1 512 512\n"
	    "0 S 1 1024 5 was-shared\n700 P 1 1024 5\n700 A 1 1024 512\n5000 E\n");
}

/* Converted while all that was known was being told: its past is not the recording's. */
static void conversions_before_the_start_are_not_counted(void **state)
{
	struct record_fixture w;

	(void)state;
	begin(&w, false);
	vm(&w, 0, 9, false);
	w.obs.to_shared_events = w.obs.to_shared_pages = 500;
	w.obs.to_private_events = w.obs.to_private_pages = 499;
	to_shared(&w, 0, 2 * MS);
	to_private(&w, 1, 3 * MS);
	tell(&w, 5 * MS);
	rebuild_synced(w.rebuild);
	assert_int_equal(stats(&w)->hidden, 0);
	end(&w, 5 * S, "0 N 1 vm-1 8 12000\n2 S 1 0 1\n3 P 1 0 1\n3 A 1 0 512\n5000 E\n");
}

static void regions_are_put_in_order(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 500 * MS);
	tell(&w, 600 * MS);
	w.obs = (struct rebuild_observation){.rfn = 3, .to_private_ns = REBUILD_NEVER};
	to_shared(&w, 1, 400 * MS);
	tell(&w, 610 * MS);
	/* This one comes when 5 s have been written: moved, and counted. */
	w.obs.rfn = 4;
	w.obs.to_shared_ns = 4 * S;
	assert_int_equal(rebuild_gap(w.rebuild, 5 * S, REBUILD_OBSERVATIONS_LOST, 3), 0);
	assert_int_equal(rebuild_advance(w.rebuild, 9 * S), 0);
	tell(&w, 9 * S);
	assert_int_equal(stats(&w)->late, 1);
	assert_int_equal(stats(&w)->lost, 3);
	end(&w, 10 * S,
	    "0 N 1 vm-1 8 12000\n400 S 1 512 1\n500 S 1 0 1\n5000 lost 3\n5000 S 1 1024 1\n"
	    "10000 E\n");
}

static void vms_come_and_go(void **state)
{
	struct record_fixture w;

	(void)state;
	begin_vm(&w);
	to_shared(&w, 1, 100 * MS);
	to_private(&w, 1, 110 * MS);
	tell(&w, 200 * MS);
	assert_int_equal(rebuild_vm_gone(w.rebuild, 300 * MS, 9), 0);
	assert_int_equal(rebuild_vm_gone(w.rebuild, 300 * MS, 9), 0);
	/* What is told of it now is told of none. */
	tell(&w, 310 * MS);
	/* The link was away: the same one again. An id of the trace is not used twice. */
	vm(&w, 400 * MS, 9, false);
	tell(&w, 410 * MS);
	rebuild_synced(w.rebuild);
	assert_int_equal(stats(&w)->vms, 2);
	end(&w, 5 * S,
	    "0 N 1 vm-1 8 12000\n100 S 1 0 1\n110 P 1 0 1\n110 A 1 0 512\n300 X 1\n"
	    "400 N 2 vm-2 8 12000\n400 S 2 0 1 was-table\n400 P 2 0 1\n400 A 2 0 512\n5000 E\n");
}

static void raw_keeps_names_and_numbers(void **state)
{
	struct record_fixture w;

	(void)state;
	begin(&w, true);
	vm(&w, 0, 9, true);
	rebuild_synced(w.rebuild);
	to_shared(&w, 1, 100 * MS);
	tell(&w, 200 * MS);
	/* Written by now, with as many regions as were known of. */
	assert_int_equal(rebuild_advance(w.rebuild, 5 * S), 0);
	w.obs.rfn = 99;
	w.obs.to_shared_ns = 4900 * MS;
	tell(&w, 5 * S);
	assert_int_equal(w.widened, 100);
	end(&w, 6 * S, "0 N 1 web-1 71 12000 vm\n100 S 1 35840 1\n4900 S 1 50688 1\n6000 E\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_conversion_is_exact),
		cmocka_unit_test(pages_return_in_parts),
		cmocka_unit_test(a_whole_region_is_converted_as_such),
		cmocka_unit_test(a_split_precedes_its_conversion),
		cmocka_unit_test(a_state_lags_behind_its_counter),
		cmocka_unit_test(hidden_conversions_are_spread),
		cmocka_unit_test(excess_hidden_conversions_are_counted),
		cmocka_unit_test(a_refusal_delays_the_acceptance),
		cmocka_unit_test(other_refusals_do_not_delay_it),
		cmocka_unit_test(without_acceptance_no_accept_is_written),
		cmocka_unit_test(a_late_refusal_is_counted),
		cmocka_unit_test(the_next_refusal_that_late_is_waited_for),
		cmocka_unit_test(the_initial_state_is_reconstructed),
		cmocka_unit_test(conversions_before_the_start_are_not_counted),
		cmocka_unit_test(regions_are_put_in_order),
		cmocka_unit_test(vms_come_and_go),
		cmocka_unit_test(raw_keeps_names_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
