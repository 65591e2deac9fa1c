// SPDX-License-Identifier: GPL-2.0-or-later
/* The protocol without sockets: frames in, frames out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/buffer.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/control/call.h"
#include "daemon/control/session.h"
#include "tests/lib/fake_core.h"

#define OWN "org.tdxlpage.Control."

struct peer {
	struct fake_core fake;
	struct control_session *session;
	struct evbuffer *input;
	json_t *frames; /* what was sent to the client */
	int send_result;
	int resumed;
};

static int take(void *ctx, const char *frame, size_t len)
{
	struct peer *peer = ctx;
	json_t *json = json_loadb(frame, len, 0, NULL);

	assert_non_null(json);
	json_array_append_new(peer->frames, json);
	return peer->send_result;
}

static void resumed(void *ctx)
{
	((struct peer *)ctx)->resumed++;
}

static void peer_open(struct peer *peer, bool write)
{
	const struct control_session_options options = {
		.core = &peer->fake.core,
		.write = write,
		.send = take,
		.resume = resumed,
		.ctx = peer,
	};

	memset(peer, 0, sizeof(*peer));
	fake_core_init(&peer->fake);
	peer->input = evbuffer_new();
	peer->frames = json_array();
	peer->session = control_session_new(&options);
	assert_non_null(peer->session);
}

static void peer_close(struct peer *peer)
{
	control_session_free(peer->session);
	evbuffer_free(peer->input);
	json_decref(peer->frames);
	fake_core_done(&peer->fake);
}

static int feed(struct peer *peer, const char *frame)
{
	evbuffer_add(peer->input, frame, strlen(frame) + 1);
	return control_session_input(peer->session, peer->input);
}

/* Takes the oldest frame that was sent. */
static json_t *reply(struct peer *peer)
{
	json_t *frame = json_incref(json_array_get(peer->frames, 0));

	assert_non_null(frame);
	json_array_remove(peer->frames, 0);
	return frame;
}

static int call(struct peer *peer, const char *method, const char *params)
{
	char frame[1024];

	snprintf(frame, sizeof(frame), "{\"method\":\"%s\",\"parameters\":%s}", method, params);
	return feed(peer, frame);
}

/* Is the oldest frame what @want says, written with single quotes? */
static void expect(struct peer *peer, const char *want)
{
	json_t *got = reply(peer), *wanted;
	char text[4096];

	assert_true(strlen(want) < sizeof(text));
	strcpy(text, want);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	wanted = json_loads(text, 0, NULL);
	assert_non_null(wanted);
	if (!json_equal(got, wanted)) {
		char *dump = json_dumps(got, JSON_INDENT(2));

		print_error("want %s\ngot %s\n", text, dump);
		free(dump);
	}
	assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
}

static void expect_error(struct peer *peer, const char *name)
{
	json_t *got = reply(peer);

	assert_string_equal(json_string_value(json_object_get(got, "error")), name);
	json_decref(got);
}

static void calls(struct peer *peer, const char *want)
{
	assert_true(peer->fake.nr_calls > 0);
	assert_string_equal(peer->fake.calls[--peer->fake.nr_calls], want);
}

static void the_service_describes_itself(void **state)
{
	struct peer p;
	json_t *frame;
	const char *text;

	(void)state;
	peer_open(&p, false);
	assert_int_equal(call(&p, "org.varlink.service.GetInfo", "{}"), 0);
	frame = reply(&p);
	text = json_string_value(json_array_get(
		json_object_get(json_object_get(frame, "parameters"), "interfaces"), 1));
	assert_string_equal(text, "org.tdxlpage.Control");
	json_decref(frame);
	call(&p, "org.varlink.service.GetInterfaceDescription",
	     "{\"interface\":\"org.tdxlpage.Control\"}");
	frame = reply(&p);
	text = json_string_value(
		json_object_get(json_object_get(frame, "parameters"), "description"));
	assert_non_null(strstr(text, "\ninterface org.tdxlpage.Control\n"));
	for (const struct method *m = control_methods; m->name; m++) {
		char line[64];

		snprintf(line, sizeof(line), "\nmethod %s(", m->name);
		assert_non_null(strstr(text, line));
	}
	json_decref(frame);
	call(&p, "org.varlink.service.GetInterfaceDescription",
	     "{\"interface\":\"org.varlink.service\"}");
	json_decref(reply(&p));
	call(&p, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"a.b\"}");
	expect(&p, "{'error':'org.varlink.service.InterfaceNotFound',"
		   "'parameters':{'interface':'a.b'}}");
	call(&p, "org.varlink.service.GetInterfaceDescription", "{}");
	expect(&p, "{'error':'org.varlink.service.InvalidParameter',"
		   "'parameters':{'parameter':'interface'}}");
	peer_close(&p);
}

/* Every type that the interface uses is declared in it, once. */
static void the_interface_is_complete(void **state)
{
	char *text = NULL, name[32], line[64];
	size_t size, used = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	control_print_interface(f);
	fclose(f);
	for (const char *p = text; (p = strstr(p, ": ")); p++) {
		const char *type = p + 2 + strspn(p + 2, "?[]string");

		if (sscanf(type, "%31[A-Za-z]", name) != 1 || name[0] > 'Z')
			continue;
		used++;
		snprintf(line, sizeof(line), "\ntype %s (", name);
		if (!strstr(text, line))
			print_error("%s is not declared\n", name);
		assert_non_null(strstr(text, line));
		assert_null(strstr(strstr(text, line) + 1, line));
	}
	assert_true(used > 20);
	free(text);
}

static void unknown_names_are_refused(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	call(&p, "a.b.C", "{}");
	expect(&p, "{'error':'org.varlink.service.InterfaceNotFound',"
		   "'parameters':{'interface':'a.b'}}");
	call(&p, "x", "{}");
	expect_error(&p, "org.varlink.service.InterfaceNotFound");
	call(&p, "", "{}");
	expect_error(&p, "org.varlink.service.InterfaceNotFound");
	call(&p, OWN "Nothing", "{}");
	expect(&p, "{'error':'org.varlink.service.MethodNotFound',"
		   "'parameters':{'method':'Nothing'}}");
	call(&p, "org.varlink.service.Nothing", "{}");
	expect_error(&p, "org.varlink.service.MethodNotFound");
	call(&p, OWN "Ping", "{\"x\":1}");
	expect(&p, "{'error':'org.varlink.service.InvalidParameter',"
		   "'parameters':{'parameter':'x'}}");
	call(&p, OWN "Ping", "null");
	expect(&p, "{'parameters':{}}");
	peer_close(&p);
}

static void frames_that_are_no_calls_end_the_conversation(void **state)
{
	static const char *const frames[] = {
		"",
		"x",
		"[]",
		"1",
		"{}",
		"{\"method\":1}",
		"{\"method\":\"a.b\",\"parameters\":[]}",
		"{\"method\":\"a.b\",\"more\":1}",
		"{\"method\":\"a.b\",\"method\":\"a.b\"}",
		"{\"method\":\"a.b\"} x",
		"{\"method\":\"\\u0000\"}",
		"\xff",
	};
	struct peer p;

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		peer_open(&p, true);
		assert_int_equal(feed(&p, frames[i]), -EBADMSG);
		assert_int_equal(json_array_size(p.frames), 0);
		peer_close(&p);
	}
}

static void a_frame_may_come_in_pieces_but_not_be_endless(void **state)
{
	static const char frame[] = "{\"method\":\"" OWN "Ping\"}";
	struct peer p;
	char *junk = calloc(1, CONTROL_FRAME_MAX_BYTES + 1);

	(void)state;
	peer_open(&p, false);
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(json_array_size(p.frames), 0);
		evbuffer_add(p.input, frame + i, 1);
		assert_int_equal(control_session_input(p.session, p.input), 0);
	}
	expect(&p, "{'parameters':{}}");
	memset(junk, ' ', CONTROL_FRAME_MAX_BYTES + 1);
	evbuffer_add(p.input, junk, CONTROL_FRAME_MAX_BYTES);
	assert_int_equal(control_session_input(p.session, p.input), 0);
	evbuffer_add(p.input, junk, 1);
	assert_int_equal(control_session_input(p.session, p.input), -EMSGSIZE);
	free(junk);
	peer_close(&p);
}

static void pipelined_calls_are_answered_in_order(void **state)
{
	static const char two[] = "{\"method\":\"" OWN "Status\",\"parameters\":{\"fresh\":true}}\0"
				  "{\"method\":\"" OWN "Ping\"}";
	struct peer p;
	json_t *frame;

	(void)state;
	peer_open(&p, false);
	evbuffer_add(p.input, two, sizeof(two));
	assert_int_equal(control_session_input(p.session, p.input), 0);
	calls(&p, "refresh 0");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	assert_int_equal(p.resumed, 1);
	assert_int_equal(json_array_size(p.frames), 1);
	assert_int_equal(control_session_input(p.session, p.input), 0);
	assert_int_equal(json_array_size(p.frames), 2);
	frame = reply(&p);
	assert_non_null(json_object_get(json_object_get(frame, "parameters"), "host"));
	json_decref(frame);
	expect(&p, "{'parameters':{}}");
	peer_close(&p);
}

static void oneway_calls_are_not_answered(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	feed(&p, "{\"method\":\"" OWN "Pause\",\"oneway\":true}");
	calls(&p, "set_paused 0 1");
	feed(&p, "{\"method\":\"" OWN "Nothing\",\"oneway\":true}");
	assert_int_equal(json_array_size(p.frames), 0);
	peer_close(&p);
}

static void the_read_socket_changes_nothing(void **state)
{
	struct peer p;
	size_t writers = 0;

	(void)state;
	peer_open(&p, false);
	for (const struct method *m = control_methods; m->name; m++) {
		char name[64];

		if (!m->write)
			continue;
		writers++;
		snprintf(name, sizeof(name), OWN "%s", m->name);
		call(&p, name, "{\"vm\":\"1\"}");
		expect(&p, "{'error':'org.varlink.service.PermissionDenied','parameters':{}}");
	}
	assert_int_equal(writers, 9);
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

static void values_out_of_range_name_the_range(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	call(&p, OWN "ShowVm", "{}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'vm','value':null,"
		   "'allowed':'a string of 1 to 63 bytes'}}");
	call(&p, OWN "ShowVm", "{\"vm\":1}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'vm','value':1,"
		   "'allowed':'a string of 1 to 63 bytes'}}");
	call(&p, OWN "SetDryRun", "{\"on\":null}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'on','value':null,"
		   "'allowed':'true or false'}}");
	call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"limit\":1001}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'limit','value':1001,"
		   "'allowed':'1 to 1000'}}");
	call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"states\":[\"tabel\"]}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'states',"
		   "'value':['tabel'],'allowed':'a list of unmapped, large, table, mixed'}}");
	call(&p, OWN "Hold", "{\"vm\":\"1\",\"ranges\":[{\"start_rfn\":0,\"nr_regions\":1}]}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'ttl_us','value':null,"
		   "'allowed':'1000000 to 3600000000'}}");
	for (int i = 0; i < 6; i++) {
		static const char *const ranges[] = {
			"[]",
			"[1]",
			"[{\"start_rfn\":0}]",
			"[{\"start_rfn\":-1,\"nr_regions\":1}]",
			"[{\"start_rfn\":0,\"nr_regions\":0}]",
			"[{\"start_rfn\":2147483647,\"nr_regions\":2}]",
		};
		char params[128];

		snprintf(params, sizeof(params), "{\"vm\":\"1\",\"ranges\":%s}", ranges[i]);
		call(&p, OWN "Merge", params);
		expect_error(&p, OWN "BadValue");
	}
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

static void vms_are_named_by_id_or_name(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	call(&p, OWN "Pause", "{\"vm\":\"7\"}");
	calls(&p, "set_paused 7 1");
	call(&p, OWN "Resume", "{\"vm\":\"db\"}");
	calls(&p, "set_paused 7 0");
	json_array_clear(p.frames);
	call(&p, OWN "Pause", "{\"vm\":\"8\"}");
	expect(&p, "{'error':'" OWN "NoSuchVm','parameters':{'vm':'8'}}");
	strcpy(p.fake.vms[1].identity.name, "web-1");
	call(&p, OWN "Pause", "{\"vm\":\"web-1\"}");
	expect(&p, "{'error':'" OWN "AmbiguousName',"
		   "'parameters':{'vm':'web-1','candidates':[1,7]}}");
	strcpy(p.fake.vms[1].identity.name, "42");
	call(&p, OWN "Pause", "{\"vm\":\"42\"}");
	calls(&p, "set_paused 7 1");
	call(&p, OWN "Pause", "{\"vm\":\"99999999999999999999\"}");
	json_array_remove(p.frames, 0);
	expect_error(&p, OWN "NoSuchVm");
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

static void lists_go_on_where_they_stopped(void **state)
{
	struct peer p;
	json_t *frame, *params;

	(void)state;
	peer_open(&p, false);
	call(&p, OWN "ListVms", "{\"limit\":1}");
	frame = reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "vms")), 1);
	assert_int_equal(json_integer_value(json_object_get(params, "next")), 7);
	json_decref(frame);
	call(&p, OWN "ListVms", "{\"limit\":1,\"start\":7}");
	frame = reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "vms")), 1);
	assert_true(json_is_null(json_object_get(params, "next")));
	json_decref(frame);
	call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"limit\":2}");
	frame = reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "regions")), 2);
	assert_int_equal(json_integer_value(json_object_get(params, "next_rfn")), 2048);
	json_decref(frame);
	call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"states\":[\"mixed\",\"large\"],\"limit\":2}");
	frame = reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_array_size(json_object_get(params, "regions")), 2);
	assert_true(json_is_null(json_object_get(params, "next_rfn")));
	json_decref(frame);
	call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"start_rfn\":5,\"nr_regions\":1}");
	frame = reply(&p);
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
	call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"start_rfn\":0,\"nr_regions\":6}");
	expect(&p, "{'parameters':{'vm':1,'next_rfn':null,'regions':["
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
	call(&p, OWN "Explain", "{\"vm\":\"web-1\",\"gpa\":2097151}");
	frame = reply(&p);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(json_object_get(frame, "parameters"), "region"), "rfn")),
		0);
	json_object_del(json_object_get(frame, "parameters"), "region");
	json_array_append_new(p.frames, frame);
	expect(&p, "{'parameters':{'explanation':{'vm':1,'gpa':0,'reason':'not_due',"
		   "'why':'the region has not been quiet for long enough',"
		   "'text':'quiet for 5 s, due after 9 s',"
		   "'remedy':'wait until it is due, or lower quiet-time under policy threshold',"
		   "'wait_us':4000000,'estimated':true}}}");
	call(&p, OWN "Explain", "{\"vm\":\"web-1\",\"gpa\":17179869184}");
	expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'gpa',"
		   "'value':17179869184,'allowed':'an address in the VM\\u0027s private memory'}}");
	peer_close(&p);
}

static void explaining_a_vm_counts_by_gate(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, false);
	call(&p, OWN "ExplainVm", "{\"vm\":\"web-1\"}");
	expect(&p, "{'parameters':{'vm':1,'cut':false,'gates':[{'reason':'not_due',"
		   "'why':'the region has not been quiet for long enough',"
		   "'remedy':'wait until it is due, or lower quiet-time under policy threshold',"
		   "'regions':2,'first_gpa':0,'wait_us':4000000}]}}");
	p.fake.nr_regions = 0;
	call(&p, OWN "ExplainVm", "{\"vm\":\"web-1\"}");
	expect(&p, "{'parameters':{'vm':1,'cut':false,'gates':[]}}");
	peer_close(&p);
}

static void long_ranges_become_several_requests(void **state)
{
	struct peer p;
	json_t *frame, *params;

	(void)state;
	peer_open(&p, true);
	/* 64 ranges of 512, then 1 of 512 and 1 of 8, then the second range of 3 */
	call(&p, OWN "Merge",
	     "{\"vm\":\"1\",\"ranges\":[{\"start_rfn\":8,\"nr_regions\":33288},"
	     "{\"start_rfn\":50000,\"nr_regions\":3}]}");
	calls(&p, "op 1 vm 1: 64 ranges, 32768 regions from 8, ttl 0");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	calls(&p, "op 1 vm 1: 3 ranges, 523 regions from 32776, ttl 0");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	assert_int_equal(p.fake.nr_calls, 0);
	frame = reply(&p);
	params = json_object_get(frame, "parameters");
	assert_int_equal(json_integer_value(json_object_get(params, "done")), 33291);
	assert_int_equal(json_integer_value(json_object_get(params, "refused")), 0);
	json_array_append(p.frames, json_object_get(params, "results"));
	json_array_append(p.frames, json_object_get(params, "batches"));
	json_decref(frame);
	expect(&p, "[{'start_rfn':8,'nr_regions':33288,'done':33288,'refused':0,'reason':'none',"
		   "'reason_rfn':0,'reason_layer':null,'us':1980},"
		   "{'start_rfn':50000,'nr_regions':3,'done':3,'refused':0,'reason':'none',"
		   "'reason_rfn':0,'reason_layer':null,'us':30}]");
	expect(&p, "{'count':2,'regions':64,'merged':60,'kicked':4,'fixed_us':18,"
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
	call(&p, OWN "Hold", range);
	calls(&p, "op 3 vm 1: 1 ranges, 2 regions from 8, ttl 60000000000");
	expect(&p,
	       "{'parameters':{'vm':1,'op':'hold','done':0,'refused':2,'batches':{'count':0,'regions':0,"
	       "'merged':0,'kicked':0,'fixed_us':0,'regions_us':0,'stall_max_us':0},'results':"
	       "[{'start_rfn':8,'nr_regions':2,'done':0,'refused':2,'reason':'held',"
	       "'reason_rfn':8,'reason_layer':'vmm','us':30}]}}");
	p.fake.result = -EPERM;
	call(&p, OWN "Hold", range);
	expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EPERM',"
		   "'text':'dry-run is on: nothing is asked of the kernel'}}");
	p.fake.result = 0;
	p.fake.answer_at_once = false;
	call(&p, OWN "Hold", range);
	fake_core_answer(&p.fake, -EBUSY);
	expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EBUSY',"
		   "'text':'the kernel said no'}}");
	peer_close(&p);
}

static void a_probe_tells_of_every_region(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	call(&p, OWN "Probe",
	     "{\"vm\":\"web-1\",\"window_us\":1500000,\"ranges\":["
	     "{\"start_rfn\":6,\"nr_regions\":2},{\"start_rfn\":11,\"nr_regions\":1}]}");
	calls(&p, "op 5 vm 1: 2 ranges, 3 regions from 6, ttl 1500000000");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	expect(&p, "{'parameters':{'vm':1,'window_us':1500000,'touched':2,'untouched':1,"
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
	call(&p, OWN "Probe",
	     "{\"vm\":\"1\",\"window_us\":10,\"ranges\":[{\"start_rfn\":0,\"nr_regions\":1}]}");
	expect(&p, "{'parameters':{'vm':1,'window_us':10,'touched':0,'untouched':0,"
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(params, sizeof(params),
			 "{\"vm\":\"1\",\"window_us\":%s,"
			 "\"ranges\":[{\"start_rfn\":0,\"nr_regions\":%d}]}",
			 rows[i].window, rows[i].nr);
		snprintf(want, sizeof(want), "{'error':'" OWN "BadValue','parameters':{%s}}",
			 rows[i].want);
		call(&p, OWN "Probe", params);
		expect(&p, want);
	}
	assert_int_equal(p.fake.nr_calls, 0);
	/* What the core says at once, and what the kernel says later. */
	strcpy(params,
	       "{\"vm\":\"1\",\"window_us\":10,\"ranges\":[{\"start_rfn\":0,\"nr_regions\":64}]}");
	p.fake.result = -EPERM;
	call(&p, OWN "Probe", params);
	expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EPERM',"
		   "'text':'dry-run is on: nothing is asked of the kernel'}}");
	p.fake.result = 0;
	call(&p, OWN "Probe", params);
	fake_core_answer(&p.fake, -EOPNOTSUPP);
	expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'EOPNOTSUPP',"
		   "'text':'the kernel\\u0027s kvm-lpage has no probes'}}");
	peer_close(&p);
	peer_open(&p, false);
	call(&p, OWN "Probe", params);
	expect_error(&p, "org.varlink.service.PermissionDenied");
	peer_close(&p);
}

static void reload_tells_every_complaint(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	call(&p, OWN "Reload", "{}");
	expect(&p, "{'parameters':{'path':'/etc/tdx-lpage.yaml','missing':false,'rules':2}}");
	p.fake.result = -EINVAL;
	p.fake.reload_text = "f:1:2: one\nf:3:4: two\n";
	call(&p, OWN "Reload", "{}");
	expect(&p, "{'error':'" OWN "BadConfig',"
		   "'parameters':{'errors':['f:1:2: one','f:3:4: two']}}");
	peer_close(&p);
}

/* A file's name may hold any byte, JSON may not: there is an answer all the same. */
static void a_path_that_is_not_utf8_is_answered(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	p.fake.config->path[0] = '\xff';
	call(&p, OWN "Reload", "{}");
	expect_error(&p, OWN "Failed");
	call(&p, OWN "GetConfig", "{}");
	expect_error(&p, OWN "Failed");
	p.fake.result = -EINVAL;
	p.fake.reload_text = "\xff:1:2: one\nf:3:4: two\n";
	call(&p, OWN "Reload", "{}");
	expect(&p, "{'error':'" OWN "BadConfig',"
		   "'parameters':{'errors':['(a line that is not UTF-8)','f:3:4: two']}}");
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
	call(&p, OWN "Watch", "{}");
	expect(&p, "{'error':'org.varlink.service.ExpectedMore','parameters':{}}");
	feed(&p, "{\"method\":\"" OWN "Watch\",\"parameters\":{\"vm\":\"web-1\"},\"more\":true}");
	calls(&p, "watch");
	fake_core_event(&p.fake, &event);
	expect(&p, "{'parameters':{'event':{'kind':'dry_run','time_us':5,'vm':1,"
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

static void a_client_that_leaves_cancels_what_it_asked(void **state)
{
	static const struct {
		const char *frame;
		const char *cancel;
	} rows[] = {
		{"{\"method\":\"" OWN "Status\",\"parameters\":{\"fresh\":true}}",
		 "refresh_cancel"},
		{"{\"method\":\"" OWN "Split\",\"parameters\":{\"vm\":\"1\",\"ranges\":["
		 "{\"start_rfn\":1,\"nr_regions\":1}]}}",
		 "range_op_cancel"},
		{"{\"method\":\"" OWN "Probe\",\"parameters\":{\"vm\":\"1\",\"window_us\":10,"
		 "\"ranges\":[{\"start_rfn\":1,\"nr_regions\":1}]}}",
		 "range_op_cancel"},
		{"{\"method\":\"" OWN "Watch\",\"more\":true}", "unwatch"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer p;

		peer_open(&p, true);
		assert_int_equal(feed(&p, rows[i].frame), 0);
		p.fake.nr_calls = 0;
		peer_close(&p);
		assert_int_equal(p.fake.nr_calls, 1);
		assert_string_equal(p.fake.calls[0], rows[i].cancel);
		assert_null(p.fake.op_cb);
		assert_null(p.fake.refresh_cb);
		assert_null(p.fake.watch_cb);
	}
}

static void a_refresh_that_fails_is_told(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, false);
	call(&p, OWN "ShowVm", "{\"vm\":\"db\",\"fresh\":true}");
	calls(&p, "refresh 7");
	fake_core_answer(&p.fake, -ENOTCONN);
	expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'ENOTCONN',"
		   "'text':'the kernel could not be asked'}}");
	p.fake.result = -EAGAIN;
	call(&p, OWN "Status", "{\"fresh\":true}");
	expect_error(&p, OWN "Failed");
	/* The VM goes away while the kernel is asked. */
	p.fake.result = 0;
	call(&p, OWN "ShowVm", "{\"vm\":\"db\",\"fresh\":true}");
	p.fake.nr_vms = 1;
	fake_core_answer(&p.fake, 0);
	expect_error(&p, OWN "NoSuchVm");
	peer_close(&p);
}

static void the_configuration_is_shown_as_text_and_object(void **state)
{
	struct peer p;
	json_t *frame, *params, *config;

	(void)state;
	peer_open(&p, false);
	call(&p, OWN "GetConfig", "{}");
	frame = reply(&p);
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
	expect(&p, "[{'name':'web','match':{'vm_name':['web-*']},'min_quiet':'2s'},"
		   "{'name':'far','match':{'cgroup':['/x/*']},'mode':'off'}]");
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_service_describes_itself),
		cmocka_unit_test(the_interface_is_complete),
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(frames_that_are_no_calls_end_the_conversation),
		cmocka_unit_test(a_frame_may_come_in_pieces_but_not_be_endless),
		cmocka_unit_test(pipelined_calls_are_answered_in_order),
		cmocka_unit_test(oneway_calls_are_not_answered),
		cmocka_unit_test(the_read_socket_changes_nothing),
		cmocka_unit_test(values_out_of_range_name_the_range),
		cmocka_unit_test(vms_are_named_by_id_or_name),
		cmocka_unit_test(lists_go_on_where_they_stopped),
		cmocka_unit_test(regions_show_ages_and_holds),
		cmocka_unit_test(explain_says_why_and_what_helps),
		cmocka_unit_test(explaining_a_vm_counts_by_gate),
		cmocka_unit_test(long_ranges_become_several_requests),
		cmocka_unit_test(operations_say_what_became_of_them),
		cmocka_unit_test(a_probe_tells_of_every_region),
		cmocka_unit_test(a_bad_probe_is_refused),
		cmocka_unit_test(reload_tells_every_complaint),
		cmocka_unit_test(a_path_that_is_not_utf8_is_answered),
		cmocka_unit_test(watching_streams_what_happens),
		cmocka_unit_test(a_client_that_leaves_cancels_what_it_asked),
		cmocka_unit_test(a_refresh_that_fails_is_told),
		cmocka_unit_test(the_configuration_is_shown_as_text_and_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
