// SPDX-License-Identifier: GPL-2.0-or-later
/* The simulated host as a link, in virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "daemon/link/sim.h"
#include "daemon/link/sim_host.h"
#include "tests/lib/link_seen.h"

#define MS    UINT64_C(1000000)
#define S     (1000 * MS)
#define EPOCH SIM_EPOCH_NS
#define VM    2 /* of the trace: 1 */

static const char text[] = "lptrace 1\n"
			   "cost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
			   "vm 1 name=web regions=64 walk_ns_per_s=12000\n"
			   "1000000000 S 1 512 1\n"
			   "1001000000 P 1 512 1\n"
			   "1002000000 A 1 512 1\n"
			   "2000000000 S 1 1024 512\n"
			   "3000000000 S 1 2048 1\n"
			   "3001000000 P 1 2048 1\n"
			   "20000000000 S 1 512 1\n"
			   "30000000000 N 3 name=late regions=8 walk_ns_per_s=1\n"
			   "40000000000 X 3\n"
			   "end 50000000000\n";

struct world {
	struct event_base *base;
	struct lp_link *link;
	char path[32];
	struct link_seen seen;
};

/* Like text, but nobody uses most of it. */
static const char idle_text[] = "lptrace 1\n"
				"cost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
				"vm 1 name=web regions=80 walk_ns_per_s=0\n"
				"0 W 1 2 12000\n"
				"1000000000 S 1 2048 1\n"
				"1000000000 S 1 2560 1\n"
				"1000000001 P 1 2560 1\n"
				"1000000002 A 1 2560 1\n"
				"8000000000 S 1 512 1\n"
				"9000000000 W 1 3 1\n"
				"9000000001 P 1 512 1\n"
				"end 50000000000\n";

static void begin_with(struct world *w, const char *trace, const char *options)
{
	char error[256] = "";
	char spec[256];
	FILE *f;
	int fd;

	*w = (struct world){.path = "/tmp/sim-XXXXXX"};
	fd = mkstemp(w->path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	fputs(trace, f);
	fclose(f);
	w->base = event_base_new();
	snprintf(spec, sizeof(spec), "%s,virtual%s", w->path, options);
	if (lp_sim_new(w->base, spec, &w->link, error, sizeof(error)))
		fail_msg("%s", error);
	lp_link_listen(w->link, &link_seen_events, &w->seen);
	assert_int_equal(w->link->ops->start(w->link), 0);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_true(w->seen.present);
	assert_string_equal(w->seen.why, "simulated host");
}

static void begin(struct world *w, const char *options)
{
	begin_with(w, text, options);
}

static void end(struct world *w)
{
	w->link->ops->stop(w->link);
	w->link->ops->free(w->link);
	event_base_free(w->base);
	unlink(w->path);
}

static void dump(struct world *w, uint64_t since)
{
	const struct lp_region_query query = {.vm_id = VM, .since = since};

	w->seen.nr_regions = 0;
	assert_int_equal(w->link->ops->dump_regions(w->link, &query, NULL), 0);
	lp_sim_advance(w->link, w->link->ops->now_ns(w->link));
	assert_int_equal(w->seen.end.error, 0);
}

/* Asks for one region; returns the reason. */
static uint32_t operate(struct world *w, uint32_t op, uint64_t rfn)
{
	const struct lp_range range = {rfn, 1};
	unsigned int before = w->seen.dones;

	assert_int_equal(w->link->ops->range_op(w->link, VM, op, &range, 1, 5 * S, NULL), 0);
	lp_sim_advance(w->link, w->link->ops->now_ns(w->link));
	assert_int_equal(w->seen.dones, before + 1);
	assert_int_equal(w->seen.result.done + w->seen.result.refused, 1);
	return w->seen.result.reason;
}

static void regions_follow_the_trace(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(w.seen.vms, 1);
	assert_string_equal(w.seen.vm.name, "web");
	dump(&w, 0);
	assert_int_equal(w.seen.nr_regions, 3);
	assert_int_equal(w.seen.regions[0].rfn, 1);
	assert_int_equal(w.seen.regions[0].state, KVM_LPAGE_STATE_TABLE);
	assert_int_equal(w.seen.regions[0].last_to_private_ns, EPOCH + 1001 * MS);
	assert_int_equal(w.seen.regions[1].rfn, 2);
	assert_int_equal(w.seen.regions[1].state, KVM_LPAGE_STATE_MIXED);
	assert_int_equal(w.seen.regions[1].to_shared_pages, 512);
	dump(&w, w.seen.end.generation);
	assert_int_equal(w.seen.nr_regions, 0);
	assert_int_equal(w.link->ops->dump_vms(w.link, 0, NULL), 0);
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(w.seen.vm.table, 2);
	assert_int_equal(w.seen.vm.mixed, 1);
	assert_int_equal(w.seen.vm.large, 61);
	end(&w);
}

static void look_at_the_vm(struct world *w)
{
	assert_int_equal(w->link->ops->dump_vms(w->link, 0, NULL), 0);
	lp_sim_advance(w->link, w->link->ops->now_ns(w->link));
}

static void limits_end_with_their_lease(void **state)
{
	const struct lp_limits off = {.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE),
				      .mode = KVM_LPAGE_MODE_OFF};
	static const struct lp_limits none;
	struct world w;

	(void)state;
	begin(&w, "");
	lp_sim_advance(w.link, EPOCH + S);
	assert_int_equal(w.link->ops->set_policy(w.link, VM, &none, 0, NULL), -EINVAL);
	assert_int_equal(w.link->ops->set_policy(w.link, VM, &off, 2 * S, NULL), 0);
	look_at_the_vm(&w);
	assert_int_equal(w.seen.vm.admin_lease_ns, 2 * S);
	lp_sim_advance(w.link, EPOCH + 2 * S);
	assert_int_equal(w.link->ops->set_policy(w.link, VM, &none, 3 * S, NULL), 0);
	lp_sim_advance(w.link, EPOCH + 4 * S);
	look_at_the_vm(&w);
	assert_int_equal(w.seen.vm.limits.mode, KVM_LPAGE_MODE_OFF);
	assert_int_equal(w.seen.vm.admin_lease_ns, S);
	lp_sim_advance(w.link, EPOCH + 6 * S);
	look_at_the_vm(&w);
	assert_int_equal(w.seen.vm.limits.mode, KVM_LPAGE_MODE_MANAGED);
	assert_int_equal(w.seen.vm.limits_admin.set, 0);
	assert_int_equal(w.seen.vm.admin_lease_ns, 0);
	end(&w);
}

static void changes_are_notified_once(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	lp_sim_advance(w.link, EPOCH + 10 * S);
	assert_int_equal(w.seen.changes, 1);
	assert_true(w.seen.generation > 1);
	dump(&w, 0);
	lp_sim_advance(w.link, EPOCH + 15 * S);
	assert_int_equal(w.seen.changes, 1);
	lp_sim_advance(w.link, EPOCH + 25 * S);
	assert_int_equal(w.seen.changes, 2);
	end(&w);
}

static void operations_are_carried_out(void **state)
{
	struct world w;

	(void)state;
	begin(&w, ",stall=7");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 2), KVM_LPAGE_REASON_NOT_PRIVATE);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 4), KVM_LPAGE_REASON_NOT_ACCEPTED);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 9), KVM_LPAGE_REASON_ALREADY_LARGE);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 64), KVM_LPAGE_REASON_BAD_RANGE);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_HOLD, 1), KVM_LPAGE_REASON_NONE);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_HELD);
	lp_sim_advance(w.link, EPOCH + 11 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_NONE);
	assert_int_equal(w.seen.batch.merged, 1);
	assert_int_equal(w.seen.batch.regions_ns, 30000);
	assert_int_equal(w.seen.batch.stall_ns, 7000);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_ALREADY_LARGE);
	lp_sim_advance(w.link, EPOCH + 21 * S);
	assert_int_equal(w.link->ops->dump_vms(w.link, VM, NULL), 0);
	lp_sim_advance(w.link, EPOCH + 21 * S);
	assert_int_equal(w.seen.vm.merges, 1);
	/* Two first ones, and that of the merged region. */
	assert_int_equal(w.seen.vm.splits, 3);
	end(&w);
}

static uint32_t state_of(struct world *w, uint64_t rfn)
{
	dump(w, 0);
	for (size_t i = 0; i < w->seen.nr_regions; i++) {
		if (w->seen.regions[i].rfn == rfn)
			return w->seen.regions[i].state;
	}
	return KVM_LPAGE_STATE_LARGE;
}

/* Large is large, whatever made it so: never converted, merged, converted as a whole. */
static void what_is_large_is_split_once(void **state)
{
	static const struct {
		uint64_t rfn;
		uint32_t reason; /* of the first split */
	} regions[] = {
		{1, KVM_LPAGE_REASON_NONE},	     /* was merged */
		{2, KVM_LPAGE_REASON_ALREADY_SMALL}, /* shared */
		{4, KVM_LPAGE_REASON_ALREADY_SMALL}, /* not accepted */
		{9, KVM_LPAGE_REASON_NONE},	     /* nothing ever happened to it */
	};
	struct world w;

	(void)state;
	begin(&w, "");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_NONE);
	for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++) {
		uint64_t rfn = regions[i].rfn;

		assert_int_equal(operate(&w, KVM_LPAGE_OP_SPLIT, rfn), regions[i].reason);
		assert_int_equal(operate(&w, KVM_LPAGE_OP_SPLIT, rfn),
				 KVM_LPAGE_REASON_ALREADY_SMALL);
		if (regions[i].reason)
			continue;
		assert_int_equal(state_of(&w, rfn), KVM_LPAGE_STATE_TABLE);
		assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, rfn), KVM_LPAGE_REASON_NONE);
		assert_int_equal(state_of(&w, rfn), KVM_LPAGE_STATE_LARGE);
	}
	end(&w);
}

/* From the split on, walks cost again; what the merge has saved until then stays saved. */
static void walks_cost_from_the_split_on(void **state)
{
	static const char trace[] = "lptrace 1\ncost merge_ns=0 split_ns=0 fail_ns=0\n"
				    "vm 1 name=web regions=8 walk_ns_per_s=1000\n"
				    "1000000000 S 1 512 1\n2000000000 P 1 512 1\n"
				    "2000000000 A 1 512 1\nend 50000000000\n";
	struct model_score score;
	struct world w;

	(void)state;
	begin_with(&w, trace, "");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_NONE);
	lp_sim_advance(w.link, EPOCH + 15 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_SPLIT, 1), KVM_LPAGE_REASON_NONE);
	lp_sim_advance(w.link, EPOCH + 22 * S);
	score = model_score_at(&lp_sim_host(w.link)->model, EPOCH + 22 * S);
	/* From 2 s to 5 s, and from 15 s to 22 s. */
	assert_true(score.walk == (model_walk)10 * S * 1000);
	end(&w);
}

static int ask_probe(struct world *w, uint64_t rfn, uint32_t nr, uint64_t window_ns)
{
	const struct lp_range range = {rfn, nr};

	return w->link->ops->range_op(w->link, VM, KVM_LPAGE_OP_PROBE, &range, 1, window_ns, NULL);
}

/* Walks are accesses; where there are none, conversions are. */
static void probes_see_touched_regions(void **state)
{
	struct world w;

	(void)state;
	begin_with(&w, idle_text, ",stall=7");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(ask_probe(&w, 0, 6, 10 * S), 0);
	lp_sim_advance(w.link, EPOCH + 6 * S);
	assert_int_equal(w.seen.dones, 0);
	/* One of them is taken, and there is room for 59 more. */
	assert_int_equal(ask_probe(&w, 5, 61, S), 0);
	lp_sim_advance(w.link, EPOCH + 7 * S);
	assert_int_equal(w.seen.dones, 1);
	assert_int_equal(w.seen.nr_probed, 61);
	assert_int_equal(w.seen.probed[0].reason, KVM_LPAGE_REASON_BUSY);
	assert_int_equal(w.seen.probed[1].reason, KVM_LPAGE_REASON_NONE);
	assert_int_equal(w.seen.probed[59].reason, KVM_LPAGE_REASON_NONE);
	assert_int_equal(w.seen.probed[60].reason, KVM_LPAGE_REASON_PROBE_LIMIT);
	assert_int_equal(w.seen.result.done, 59);
	assert_int_equal(w.seen.result.refused, 2);
	assert_int_equal(w.seen.result.reason_rfn, 5);
	lp_sim_advance(w.link, EPOCH + 15 * S);
	assert_int_equal(w.seen.dones, 2);
	assert_int_equal(w.seen.nr_probed, 6);
	assert_int_equal(w.seen.batch.stall_ns, 7000);
	/* Converted in the window; walked all the time; from the middle of it; mixed. */
	assert_true(w.seen.probed[1].touched && w.seen.probed[1].first_touch_ns == EPOCH + 8 * S);
	assert_true(w.seen.probed[2].touched && w.seen.probed[2].first_touch_ns == EPOCH + 5 * S);
	assert_true(w.seen.probed[3].touched && !w.seen.probed[3].first_touch_ns);
	assert_int_equal(w.seen.probed[4].reason, KVM_LPAGE_REASON_MIXED);
	assert_false(w.seen.probed[0].touched || w.seen.probed[4].touched ||
		     w.seen.probed[5].touched);
	assert_int_equal(w.seen.result.done, 5);
	assert_int_equal(w.seen.result.refused, 1);
	assert_int_equal(w.seen.result.reason, KVM_LPAGE_REASON_MIXED);
	assert_int_equal(ask_probe(&w, 0, 65, S), -EINVAL);
	/* The end of the link ends a probe without a word. */
	assert_int_equal(ask_probe(&w, 0, 1, S), 0);
	lp_sim_advance(w.link, EPOCH + 15 * S);
	end(&w);
	assert_int_equal(w.seen.dones, 2);
}

static void vms_come_and_go(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	lp_sim_advance(w.link, EPOCH + 35 * S);
	assert_int_equal(w.seen.vms, 2);
	assert_string_equal(w.seen.vm.name, "late");
	assert_int_equal(w.seen.vms_gone, 0);
	lp_sim_advance(w.link, EPOCH + 60 * S);
	assert_int_equal(w.seen.vms_gone, 1);
	assert_true(lp_sim_ended(w.link));
	end(&w);
	/* Round and round, with new ids. */
	begin(&w, ",loop");
	lp_sim_advance(w.link, EPOCH + 60 * S);
	assert_false(lp_sim_ended(w.link));
	assert_int_equal(w.seen.vms_gone, 2);
	assert_int_equal(w.seen.vms, 3);
	assert_true(w.seen.vm.id > 4);
	end(&w);
}

static void injected_faults_happen(void **state)
{
	struct world w;

	(void)state;
	begin(&w, ",busy=100");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_BUSY);
	end(&w);
	begin(&w, ",interrupt=100");
	lp_sim_advance(w.link, EPOCH + 5 * S);
	assert_int_equal(operate(&w, KVM_LPAGE_OP_MERGE, 1), KVM_LPAGE_REASON_INTERRUPTED);
	end(&w);
	begin(&w, ",lose=100");
	lp_sim_advance(w.link, EPOCH + 60 * S);
	assert_int_equal(w.seen.vms + w.seen.vms_gone + w.seen.changes, 0);
	assert_true(w.seen.losses > 0);
	end(&w);
	begin(&w, ",vanish=4");
	lp_sim_advance(w.link, EPOCH + 6 * S);
	assert_false(w.seen.present);
	assert_int_equal(w.link->ops->dump_vms(w.link, 0, NULL), -ENOTCONN);
	lp_sim_advance(w.link, EPOCH + 12 * S);
	assert_true(w.seen.present);
	assert_int_equal(w.seen.families, 3);
	end(&w);
}

static void expect_error(const char *spec, const char *want)
{
	struct event_base *base = event_base_new();
	struct lp_link *link = NULL;
	char error[256];

	assert_true(lp_sim_new(base, spec, &link, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, want));
	event_base_free(base);
}

static void bad_specifications_are_refused(void **state)
{
	(void)state;
	expect_error("/nonexistent", "/nonexistent: No such file or directory");
	expect_error("/dev/null", "/dev/null:1: not a trace");
	/* As in QEMU's options, two commas are one of the path. */
	expect_error("/nonexistent/a,,b,,c,speed=2",
		     "/nonexistent/a,b,c: No such file or directory");
	expect_error("/dev/null,speed=0", "speed=0 is not a number from 1 to 1000000");
	expect_error("/dev/null,fast", "\"fast\" must be one of: speed=N");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_follow_the_trace),
		cmocka_unit_test(limits_end_with_their_lease),
		cmocka_unit_test(changes_are_notified_once),
		cmocka_unit_test(operations_are_carried_out),
		cmocka_unit_test(what_is_large_is_split_once),
		cmocka_unit_test(walks_cost_from_the_split_on),
		cmocka_unit_test(probes_see_touched_regions),
		cmocka_unit_test(vms_come_and_go),
		cmocka_unit_test(injected_faults_happen),
		cmocka_unit_test(bad_specifications_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
