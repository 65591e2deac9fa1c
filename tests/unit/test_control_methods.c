// SPDX-License-Identifier: GPL-2.0-or-later
/* What each method of the control interface answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/control/call.h"
#include "tests/lib/control_peer.h"

static void vms_are_named_by_id_or_name(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "Pause", "{\"vm\":\"7\"}");
	peer_calls(&p, "set_paused 7 1");
	peer_call(&p, OWN "Resume", "{\"vm\":\"db\"}");
	peer_calls(&p, "set_paused 7 0");
	json_array_clear(p.frames);
	peer_call(&p, OWN "Pause", "{\"vm\":\"8\"}");
	peer_expect(&p, "{'error':'" OWN "NoSuchVm','parameters':{'vm':'8'}}");
	strcpy(p.fake.vms[1].identity.name, "web-1");
	peer_call(&p, OWN "Pause", "{\"vm\":\"web-1\"}");
	peer_expect(&p, "{'error':'" OWN "AmbiguousName',"
			"'parameters':{'vm':'web-1','candidates':[1,7]}}");
	strcpy(p.fake.vms[1].identity.name, "42");
	json_array_clear(p.frames);
	/* The number of a VM that is gone is not the name of another. */
	peer_call(&p, OWN "Pause", "{\"vm\":\"42\"}");
	peer_expect(&p, "{'error':'" OWN "AmbiguousName',"
			"'parameters':{'vm':'42','candidates':[7]}}");
	peer_call(&p, OWN "Pause", "{\"vm\":\"name:42\"}");
	peer_calls(&p, "set_paused 7 1");
	strcpy(p.fake.vms[1].identity.name, "1");
	json_array_clear(p.frames);
	peer_call(&p, OWN "Pause", "{\"vm\":\"1\"}");
	peer_expect(&p, "{'error':'" OWN "AmbiguousName',"
			"'parameters':{'vm':'1','candidates':[1,7]}}");
	peer_call(&p, OWN "Pause", "{\"vm\":\"id:1\"}");
	peer_calls(&p, "set_paused 1 1");
	peer_call(&p, OWN "Pause", "{\"vm\":\"name:1\"}");
	peer_calls(&p, "set_paused 7 1");
	json_array_clear(p.frames);
	peer_call(&p, OWN "Pause", "{\"vm\":\"id:web-1\"}");
	peer_expect(&p, "{'error':'" OWN "NoSuchVm','parameters':{'vm':'id:web-1'}}");
	/* Its own number may be its name. */
	strcpy(p.fake.vms[1].identity.name, "7");
	peer_call(&p, OWN "Pause", "{\"vm\":\"7\"}");
	peer_calls(&p, "set_paused 7 1");
	json_array_clear(p.frames);
	peer_call(&p, OWN "Pause", "{\"vm\":\"99999999999999999999\"}");
	peer_expect_error(&p, OWN "NoSuchVm");
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

static void lists_go_on_where_they_stopped(void **state)
{
	struct peer p;
	json_t *frame, *params;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "ListVms", "{\"limit\":1}");
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "vms")), 1);
	assert_int_equal(json_integer_value(json_object_get(params, "next")), 7);
	json_decref(frame);
	peer_call(&p, OWN "ListVms", "{\"limit\":1,\"start\":7}");
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "vms")), 1);
	assert_true(json_is_null(json_object_get(params, "next")));
	json_decref(frame);
	peer_call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"limit\":2}");
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "regions")), 2);
	assert_int_equal(json_integer_value(json_object_get(params, "next_rfn")), 2048);
	json_decref(frame);
	peer_call(&p, OWN "ListRegions",
		  "{\"vm\":\"1\",\"states\":[\"mixed\",\"large\"],\"limit\":2}");
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "regions")), 2);
	assert_true(json_is_null(json_object_get(params, "next_rfn")));
	json_decref(frame);
	peer_call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"start_rfn\":5,\"nr_regions\":1}");
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "regions")), 1);
	json_decref(frame);
	peer_close(&p);
}

static void regions_show_ages_and_holds(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"start_rfn\":0,\"nr_regions\":6}");
	peer_expect(&p,
		    "{'parameters':{'vm':1,'next_rfn':null,'regions':["
		    "{'rfn':0,'gpa':0,'state':'table','inhibited':false,'held_by_vmm':false,"
		    "'held_by_admin':false,'hold_vmm_left_us':null,'hold_admin_left_us':null,"
		    "'to_shared_pages':40,'to_private_pages':40,'to_shared_events':3,"
		    "'to_private_events':3,'to_shared_age_us':10000000,'to_private_age_us':5000000,"
		    "'last_op':'merge','last_reason':'not_accepted','last_op_age_us':4000000,"
		    "'generation':17,'age_us':80000},"
		    "{'rfn':5,'gpa':10485760,'state':'mixed','inhibited':false,'held_by_vmm':false,"
		    "'held_by_admin':true,'hold_vmm_left_us':null,'hold_admin_left_us':30000000,"
		    "'to_shared_pages':512,'to_private_pages':0,'to_shared_events':1,"
		    "'to_private_events':0,'to_shared_age_us':1000000,'to_private_age_us':null,"
		    "'last_op':'none','last_reason':'none','last_op_age_us':null,"
		    "'generation':18,'age_us':80000}]}}");
	peer_close(&p);
}

static void explain_says_why_and_what_helps(void **state)
{
	struct peer p;
	json_t *frame;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "Explain", "{\"vm\":\"web-1\",\"gpa\":2097151}");
	frame = peer_reply(&p);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(json_object_get(frame, "parameters"), "region"), "rfn")),
		0);
	json_object_del(json_object_get(frame, "parameters"), "region");
	json_array_append_new(p.frames, frame);
	peer_expect(&p,
		    "{'parameters':{'explanation':{'vm':1,'gpa':0,'reason':'not_due',"
		    "'why':'the region has not been quiet long enough',"
		    "'text':'quiet for 5 s, due after 9 s',"
		    "'remedy':'wait until it is due, or lower quiet-time under policy threshold',"
		    "'wait_us':4000000,'estimated':true}}}");
	peer_call(&p, OWN "Explain", "{\"vm\":\"web-1\",\"gpa\":17179869184}");
	peer_expect(
		&p,
		"{'error':'" OWN "BadValue','parameters':{'parameter':'gpa',"
		"'value':17179869184,'allowed':'an address in the VM\\u0027s private memory'}}");
	peer_close(&p);
}

static void explaining_a_vm_counts_by_gate(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "ExplainVm", "{\"vm\":\"web-1\"}");
	peer_expect(&p,
		    "{'parameters':{'vm':1,'cut':false,'gates':[{'reason':'not_due',"
		    "'why':'the region has not been quiet long enough',"
		    "'remedy':'wait until it is due, or lower quiet-time under policy threshold',"
		    "'regions':2,'first_gpa':0,'wait_us':4000000}]}}");
	p.fake.nr_regions = 0;
	peer_call(&p, OWN "ExplainVm", "{\"vm\":\"web-1\"}");
	peer_expect(&p, "{'parameters':{'vm':1,'cut':false,'gates':[]}}");
	peer_close(&p);
}

/* However large the VM: a turn looks at few regions, and the answer is the same. */
static void explaining_a_large_vm_takes_turns(void **state)
{
	json_t *reply, *gates;
	struct peer p;
	int turns = 0;

	(void)state;
	peer_open(&p, false);
	p.fake.nr_generated = 5000;
	peer_call(&p, OWN "ExplainVm", "{\"vm\":\"web-1\"}");
	for (; !json_array_size(p.frames); turns++) {
		uint64_t before = p.fake.nr_explained;

		assert_int_equal(p.resumed, turns + 1);
		assert_int_equal(control_session_input(p.session, p.input), 0);
		assert_true(p.fake.nr_explained - before <= 256);
	}
	assert_true(turns >= 5000 / 256);
	reply = peer_reply(&p);
	gates = json_object_get(json_object_get(reply, "parameters"), "gates");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(gates, 0), "regions")),
			 5000);
	json_decref(reply);
	peer_close(&p);
}

static void long_ranges_become_several_requests(void **state)
{
	struct peer p;
	json_t *frame, *params;

	(void)state;
	peer_open(&p, true);
	/* 64 ranges of 512, then 1 of 512 and 1 of 8, then the second range of 3 */
	peer_call(&p, OWN "Merge",
		  "{\"vm\":\"1\",\"ranges\":[{\"start_rfn\":8,\"nr_regions\":33288},"
		  "{\"start_rfn\":50000,\"nr_regions\":3}]}");
	peer_calls(&p, "op 1 vm 1: 64 ranges, 32768 regions from 8, ttl 0");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	peer_calls(&p, "op 1 vm 1: 3 ranges, 523 regions from 32776, ttl 0");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	assert_int_equal(p.fake.nr_calls, 0);
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_integer_value(json_object_get(params, "done")), 33291);
	assert_int_equal(json_integer_value(json_object_get(params, "refused")), 0);
	json_array_append(p.frames, json_object_get(params, "results"));
	json_array_append(p.frames, json_object_get(params, "batches"));
	json_decref(frame);
	peer_expect(&p,
		    "[{'start_rfn':8,'nr_regions':33288,'done':33288,'refused':0,'reason':'none',"
		    "'reason_rfn':0,'reason_layer':null,'us':1980},"
		    "{'start_rfn':50000,'nr_regions':3,'done':3,'refused':0,'reason':'none',"
		    "'reason_rfn':0,'reason_layer':null,'us':30}]");
	peer_expect(&p, "{'count':2,'regions':64,'merged':60,'kicked':4,'fixed_us':18,"
			"'regions_us':1280,'stall_max_us':700}");
	peer_close(&p);
}

static void operations_say_what_became_of_them(void **state)
{
	static const char range[] = "{\"vm\":\"1\",\"ttl_us\":60000000,"
				    "\"ranges\":[{\"start_rfn\":8,\"nr_regions\":2}]}";
	struct peer p;

	(void)state;
	peer_open(&p, true);
	p.fake.answer_at_once = true;
	p.fake.refuse_reason = LPAGE_REASON_HELD;
	peer_call(&p, OWN "Hold", range);
	peer_calls(&p, "op 3 vm 1: 1 ranges, 2 regions from 8, ttl 60000000000");
	peer_expect(
		&p,
		"{'parameters':{'vm':1,'op':'hold','done':0,'refused':2,'batches':{'count':0,'regions':0,"
		"'merged':0,'kicked':0,'fixed_us':0,'regions_us':0,'stall_max_us':0},'results':"
		"[{'start_rfn':8,'nr_regions':2,'done':0,'refused':2,'reason':'held',"
		"'reason_rfn':8,'reason_layer':'vmm','us':30}]}}");
	p.fake.result = -EPERM;
	peer_call(&p, OWN "Hold", range);
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EPERM',"
			"'text':'dry-run is on: no requests are sent to the kernel'}}");
	p.fake.result = 0;
	p.fake.answer_at_once = false;
	peer_call(&p, OWN "Hold", range);
	fake_core_answer(&p.fake, -EBUSY);
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EBUSY',"
			"'text':'the kernel said no'}}");
	peer_close(&p);
}

static void a_probe_tells_of_every_region(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "Probe",
		  "{\"vm\":\"web-1\",\"window_us\":1500000,\"ranges\":["
		  "{\"start_rfn\":6,\"nr_regions\":2},{\"start_rfn\":11,\"nr_regions\":1}]}");
	peer_calls(&p, "op 5 vm 1: 2 ranges, 3 regions from 6, ttl 1500000000");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	peer_expect(&p, "{'parameters':{'vm':1,'window_us':1500000,'touched':2,'untouched':1,"
			"'unknown':0,'regions':["
			"{'rfn':6,'gpa':12582912,'touched':true,'first_touch_age_us':2000000,"
			"'reason':'none'},"
			"{'rfn':7,'gpa':14680064,'touched':true,'first_touch_age_us':null,"
			"'reason':'none'},"
			"{'rfn':11,'gpa':23068672,'touched':false,'first_touch_age_us':null,"
			"'reason':'none'}],"
			"'batches':{'count':1,'regions':32,'merged':30,'kicked':2,'fixed_us':9,"
			"'regions_us':640,'stall_max_us':700}}}");
	p.fake.answer_at_once = true;
	p.fake.refuse_reason = LPAGE_REASON_CANCELLED;
	peer_call(
		&p, OWN "Probe",
		"{\"vm\":\"1\",\"window_us\":10,\"ranges\":[{\"start_rfn\":0,\"nr_regions\":1}]}");
	peer_expect(&p, "{'parameters':{'vm':1,'window_us':10,'touched':0,'untouched':0,"
			"'unknown':1,'regions':["
			"{'rfn':0,'gpa':0,'touched':false,'first_touch_age_us':null,"
			"'reason':'cancelled'}],"
			"'batches':{'count':1,'regions':32,'merged':30,'kicked':2,'fixed_us':9,"
			"'regions_us':640,'stall_max_us':700}}}");
	peer_close(&p);
}

static void a_bad_probe_is_refused(void **state)
{
	static const struct {
		const char *window;
		int nr;
		const char *want;
	} rows[] = {
		{"9", 1, "'parameter':'window_us','value':9,'allowed':'10 to 10000000'"},
		{"10000001", 1,
		 "'parameter':'window_us','value':10000001,'allowed':'10 to 10000000'"},
		{"10", 65,
		 "'parameter':'ranges','value':[{'start_rfn':0,'nr_regions':65}],"
		 "'allowed':'at most 64 regions all together'"},
	};
	char params[128], want[256];
	struct peer p;

	(void)state;
	peer_open(&p, true);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(params, sizeof(params),
			 "{\"vm\":\"1\",\"window_us\":%s,"
			 "\"ranges\":[{\"start_rfn\":0,\"nr_regions\":%d}]}",
			 rows[i].window, rows[i].nr);
		snprintf(want, sizeof(want), "{'error':'" OWN "BadValue','parameters':{%s}}",
			 rows[i].want);
		peer_call(&p, OWN "Probe", params);
		peer_expect(&p, want);
	}
	assert_int_equal(p.fake.nr_calls, 0);
	/* What the core says at once, and what the kernel says later. */
	strcpy(params,
	       "{\"vm\":\"1\",\"window_us\":10,\"ranges\":[{\"start_rfn\":0,\"nr_regions\":64}]}");
	p.fake.result = -EPERM;
	peer_call(&p, OWN "Probe", params);
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EPERM',"
			"'text':'dry-run is on: no requests are sent to the kernel'}}");
	p.fake.result = 0;
	peer_call(&p, OWN "Probe", params);
	fake_core_answer(&p.fake, -EOPNOTSUPP);
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EOPNOTSUPP',"
			"'text':'the kernel\\u0027s kvm-lpage does not support probes'}}");
	peer_close(&p);
	peer_open(&p, false);
	peer_call(&p, OWN "Probe", params);
	peer_expect_error(&p, "org.varlink.service.PermissionDenied");
	peer_close(&p);
}

static void reload_tells_every_complaint(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "Reload", "{}");
	peer_expect(&p, "{'parameters':{'path':'/etc/tdx-lpage.yaml','missing':false,'rules':2}}");
	p.fake.result = -EINVAL;
	p.fake.reload_text = "f:1:2: one\nf:3:4: two\n";
	peer_call(&p, OWN "Reload", "{}");
	peer_expect(&p, "{'error':'" OWN "BadConfig',"
			"'parameters':{'errors':['f:1:2: one','f:3:4: two']}}");
	peer_close(&p);
}

static void watching_streams_what_happens(void **state)
{
	const struct lp_range range = {.start_rfn = 9, .nr_regions = 2};
	struct lp_watch_event event = {
		.kind = LP_WATCH_DRY_RUN,
		.now_ns = 5000,
		.vm_id = 1,
		.text = "would merge 2 regions",
		.op = KVM_LPAGE_OP_MERGE,
		.ranges = &range,
		.nr_ranges = 1,
	};
	struct peer p;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "Watch", "{}");
	peer_expect(&p, "{'error':'org.varlink.service.ExpectedMore','parameters':{}}");
	peer_feed(&p,
		  "{\"method\":\"" OWN "Watch\",\"parameters\":{\"vm\":\"web-1\"},\"more\":true}");
	peer_calls(&p, "watch");
	fake_core_event(&p.fake, &event);
	peer_expect(&p, "{'parameters':{'event':{'kind':'dry_run','time_us':5,'vm':1,'name':null,"
			"'text':'would merge 2 regions','op':'merge','error':null,"
			"'ranges':[{'start_rfn':9,'nr_regions':2}],'results':[],'batches':null}},"
			"'continues':true}");
	event.vm_id = 7;
	fake_core_event(&p.fake, &event);
	assert_int_equal(json_array_size(p.frames), 0);
	event.vm_id = 0;
	fake_core_event(&p.fake, &event);
	assert_int_equal(json_array_size(p.frames), 1);
	peer_close(&p);
	assert_string_equal(p.fake.calls[0], "unwatch");
}

static void a_refresh_that_fails_is_told(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "ShowVm", "{\"vm\":\"db\",\"fresh\":true}");
	peer_calls(&p, "refresh 7");
	fake_core_answer(&p.fake, -ENOTCONN);
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'ENOTCONN',"
			"'text':'the kernel could not be queried'}}");
	p.fake.result = -EAGAIN;
	peer_call(&p, OWN "Status", "{\"fresh\":true}");
	peer_expect_error(&p, OWN "Failed");
	/* The VM goes away while the kernel is asked. */
	p.fake.result = 0;
	peer_call(&p, OWN "ShowVm", "{\"vm\":\"db\",\"fresh\":true}");
	p.fake.nr_vms = 1;
	fake_core_answer(&p.fake, 0);
	peer_expect_error(&p, OWN "NoSuchVm");
	peer_close(&p);
}

static void the_configuration_is_shown_as_text_and_object(void **state)
{
	struct peer p;
	json_t *frame, *params, *config;

	(void)state;
	peer_open(&p, false);
	peer_call(&p, OWN "GetConfig", "{}");
	frame = peer_reply(&p);
	params = json_object_get(frame, "parameters");
	assert_non_null(strstr(json_string_value(json_object_get(params, "text")),
			       "\n    min-quiet: 2s\n"));
	config = json_object_get(params, "config");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(config, "global"), "cpu_budget")),
		"5%");
	assert_true(json_is_integer(json_object_get(json_object_get(config, "defaults"), "batch")));
	json_array_append(p.frames, json_object_get(config, "rules"));
	json_decref(frame);
	peer_expect(&p, "[{'name':'web','match':{'vm_name':['web-*']},'min_quiet':'2s'},"
			"{'name':'far','match':{'cgroup':['/x/*']},'mode':'off'}]");
	peer_close(&p);
}

static uint64_t plan_int(const json_t *frame, const char *name)
{
	const json_t *params = json_object_get(frame, "parameters");

	return (uint64_t)json_integer_value(json_object_get(json_object_get(params, "plan"), name));
}

/* 5000 regions, all due now: counted in slices, merged at the tightest of the limits. */
static void a_plan_says_when_a_coverage_is_reached(void **state)
{
	json_t *reply;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	p.fake.nr_generated = 5000;
	p.fake.explain = (struct lp_explain){.reason = LPAGE_REASON_QUEUED};
	p.fake.vms[0].vm.large = 5000;
	p.fake.vms[0].vm.table = 5000;
	p.fake.vms[0].merge_rate_per_s = 100;
	peer_call(&p, OWN "PlanVm", "{\"vm\":\"web-1\",\"goal_ppm\":750000}");
	while (!json_array_size(p.frames)) {
		uint64_t before = p.fake.nr_explained;

		assert_int_equal(control_session_input(p.session, p.input), 0);
		assert_true(p.fake.nr_explained - before <= 256);
	}
	reply = peer_reply(&p);
	assert_int_equal(plan_int(reply, "merges"), 5000);
	assert_int_equal(plan_int(reply, "due_now"), 5000);
	assert_int_equal(plan_int(reply, "merges_per_s"), 100);
	assert_int_equal(plan_int(reply, "goal_us"), 25 * US_PER_S);
	assert_int_equal(plan_int(reply, "done_us"), 50 * US_PER_S);
	/* 31 us each; a batch of 32. */
	assert_int_equal(plan_int(reply, "work_us"), 5000 * 31);
	assert_int_equal(plan_int(reply, "stall_us"), 32 * 31);
	json_decref(reply);
	peer_close(&p);
}

/* What the policy does not mean to try is in the table of gates, and is no merge. */
static void a_plan_leaves_out_what_is_not_tried(void **state)
{
	json_t *reply;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	p.fake.explain = (struct lp_explain){.reason = LPAGE_REASON_VM_HELD, .try_ns = UINT64_MAX};
	peer_call(&p, OWN "PlanVm", "{\"vm\":\"web-1\"}");
	reply = peer_reply(&p);
	assert_int_equal(plan_int(reply, "merges"), 0);
	assert_int_equal(plan_int(reply, "done_us"), 0);
	assert_int_equal(plan_int(reply, "goal_us"), 0);
	json_decref(reply);
	peer_call(&p, OWN "PlanVm", "{\"vm\":\"web-1\",\"goal_ppm\":1000000}");
	reply = peer_reply(&p);
	assert_true(json_is_null(json_object_get(
		json_object_get(json_object_get(reply, "parameters"), "plan"), "goal_us")));
	json_decref(reply);
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vms_are_named_by_id_or_name),
		cmocka_unit_test(lists_go_on_where_they_stopped),
		cmocka_unit_test(regions_show_ages_and_holds),
		cmocka_unit_test(explain_says_why_and_what_helps),
		cmocka_unit_test(explaining_a_vm_counts_by_gate),
		cmocka_unit_test(explaining_a_large_vm_takes_turns),
		cmocka_unit_test(long_ranges_become_several_requests),
		cmocka_unit_test(operations_say_what_became_of_them),
		cmocka_unit_test(a_probe_tells_of_every_region),
		cmocka_unit_test(a_bad_probe_is_refused),
		cmocka_unit_test(reload_tells_every_complaint),
		cmocka_unit_test(watching_streams_what_happens),
		cmocka_unit_test(a_refresh_that_fails_is_told),
		cmocka_unit_test(the_configuration_is_shown_as_text_and_object),
		cmocka_unit_test(a_plan_says_when_a_coverage_is_reached),
		cmocka_unit_test(a_plan_leaves_out_what_is_not_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
