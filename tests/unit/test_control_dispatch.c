// SPDX-License-Identifier: GPL-2.0-or-later
/* The protocol without sockets: frames in, frames out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/control/call.h"
#include "tests/lib/control_peer.h"

static void the_service_describes_itself(void **state)
{
	struct peer p;
	json_t *frame;
	const char *text;

	(void)state;
	peer_open(&p, false);
	assert_int_equal(peer_call(&p, "org.varlink.service.GetInfo", "{}"), 0);
	frame = peer_reply(&p);
	text = json_string_value(json_array_get(
		json_object_get(json_object_get(frame, "parameters"), "interfaces"), 1));
	assert_string_equal(text, "org.tdxlpage.Control");
	json_decref(frame);
	peer_call(&p, "org.varlink.service.GetInterfaceDescription",
		  "{\"interface\":\"org.tdxlpage.Control\"}");
	frame = peer_reply(&p);
	text = json_string_value(
		json_object_get(json_object_get(frame, "parameters"), "description"));
	assert_non_null(strstr(text, "\ninterface org.tdxlpage.Control\n"));
	for (const struct method *m = control_methods; m->name; m++) {
		char line[64];

		snprintf(line, sizeof(line), "\nmethod %s(", m->name);
		assert_non_null(strstr(text, line));
	}
	json_decref(frame);
	peer_call(&p, "org.varlink.service.GetInterfaceDescription",
		  "{\"interface\":\"org.varlink.service\"}");
	json_decref(peer_reply(&p));
	peer_call(&p, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"a.b\"}");
	peer_expect(&p, "{'error':'org.varlink.service.InterfaceNotFound',"
			"'parameters':{'interface':'a.b'}}");
	peer_call(&p, "org.varlink.service.GetInterfaceDescription", "{}");
	peer_expect(&p, "{'error':'org.varlink.service.InvalidParameter',"
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
	peer_call(&p, "a.b.C", "{}");
	peer_expect(&p, "{'error':'org.varlink.service.InterfaceNotFound',"
			"'parameters':{'interface':'a.b'}}");
	peer_call(&p, "x", "{}");
	peer_expect_error(&p, "org.varlink.service.InterfaceNotFound");
	peer_call(&p, "", "{}");
	peer_expect_error(&p, "org.varlink.service.InterfaceNotFound");
	peer_call(&p, OWN "Nothing", "{}");
	peer_expect(&p, "{'error':'org.varlink.service.MethodNotFound',"
			"'parameters':{'method':'Nothing'}}");
	peer_call(&p, "org.varlink.service.Nothing", "{}");
	peer_expect_error(&p, "org.varlink.service.MethodNotFound");
	peer_call(&p, OWN "Ping", "{\"x\":1}");
	peer_expect(&p, "{'error':'org.varlink.service.InvalidParameter',"
			"'parameters':{'parameter':'x'}}");
	peer_call(&p, OWN "Ping", "null");
	peer_expect(&p, "{'parameters':{}}");
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
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		peer_open(&p, true);
		assert_int_equal(peer_feed(&p, frames[i]), -EBADMSG);
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
	peer_expect(&p, "{'parameters':{}}");
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
	peer_calls(&p, "refresh 0");
	assert_int_equal(json_array_size(p.frames), 0);
	fake_core_answer(&p.fake, 0);
	assert_int_equal(p.resumed, 1);
	assert_int_equal(json_array_size(p.frames), 1);
	assert_int_equal(control_session_input(p.session, p.input), 0);
	assert_int_equal(json_array_size(p.frames), 2);
	frame = peer_reply(&p);
	assert_non_null(json_object_get(json_object_get(frame, "parameters"), "host"));
	json_decref(frame);
	peer_expect(&p, "{'parameters':{}}");
	peer_close(&p);
}

static void oneway_calls_are_not_answered(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_feed(&p, "{\"method\":\"" OWN "Pause\",\"oneway\":true}");
	peer_calls(&p, "set_paused 0 1");
	peer_feed(&p, "{\"method\":\"" OWN "Nothing\",\"oneway\":true}");
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
		peer_call(&p, name, "{\"vm\":\"1\"}");
		peer_expect(&p, "{'error':'org.varlink.service.PermissionDenied','parameters':{}}");
	}
	assert_int_equal(writers, 12);
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

static void values_out_of_range_name_the_range(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "ShowVm", "{}");
	peer_expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'vm','value':null,"
			"'allowed':'a string of 1 to 68 bytes'}}");
	peer_call(&p, OWN "ShowVm", "{\"vm\":1}");
	peer_expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'vm','value':1,"
			"'allowed':'a string of 1 to 68 bytes'}}");
	peer_call(&p, OWN "SetDryRun", "{\"on\":null}");
	peer_expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'on','value':null,"
			"'allowed':'true or false'}}");
	peer_call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"limit\":1001}");
	peer_expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'limit','value':1001,"
			"'allowed':'1 to 1000'}}");
	peer_call(&p, OWN "ListRegions", "{\"vm\":\"1\",\"states\":[\"tabel\"]}");
	peer_expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'states',"
			"'value':['tabel'],'allowed':'a list of unmapped, large, table, mixed'}}");
	peer_call(&p, OWN "Hold", "{\"vm\":\"1\",\"ranges\":[{\"start_rfn\":0,\"nr_regions\":1}]}");
	peer_expect(&p,
		    "{'error':'" OWN "BadValue','parameters':{'parameter':'ttl_us','value':null,"
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
		peer_call(&p, OWN "Merge", params);
		peer_expect_error(&p, OWN "BadValue");
	}
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

/* A file's name may hold any byte, JSON may not: there is an answer all the same. */
static void a_path_that_is_not_utf8_is_answered(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	p.fake.config->path[0] = '\xff';
	peer_call(&p, OWN "Reload", "{}");
	peer_expect_error(&p, OWN "Failed");
	peer_call(&p, OWN "GetConfig", "{}");
	peer_expect_error(&p, OWN "Failed");
	p.fake.result = -EINVAL;
	p.fake.reload_text = "\xff:1:2: one\nf:3:4: two\n";
	peer_call(&p, OWN "Reload", "{}");
	peer_expect(&p, "{'error':'" OWN "BadConfig',"
			"'parameters':{'errors':['(a line that is not UTF-8)','f:3:4: two']}}");
	peer_close(&p);
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
		{"{\"method\":\"" OWN "HoldVmAttached\",\"more\":true,"
		 "\"parameters\":{\"vm\":\"1\",\"owner\":\"libvirt\"}}",
		 "hold_cancel"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer p;

		peer_open(&p, true);
		assert_int_equal(peer_feed(&p, rows[i].frame), 0);
		p.fake.nr_calls = 0;
		peer_close(&p);
		assert_int_equal(p.fake.nr_calls, 1);
		assert_string_equal(p.fake.calls[0], rows[i].cancel);
		assert_null(p.fake.op_cb);
		assert_null(p.fake.refresh_cb);
		assert_null(p.fake.watch_cb);
		assert_null(p.fake.hold_cb);
	}
}

/* What was searched for the end of a frame is not searched again at every byte. */
static void an_incomplete_frame_is_searched_once(void **state)
{
	static const char part[] = "{\"method\":";
	struct evbuffer_iovec iov;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	evbuffer_add(p.input, part, strlen(part));
	assert_int_equal(control_session_input(p.session, p.input), 0);
	/* An end that only a second search would find. */
	assert_int_equal(evbuffer_peek(p.input, 1, NULL, &iov, 1), 1);
	((char *)iov.iov_base)[0] = '\0';
	evbuffer_add(p.input, "1", 1);
	assert_int_equal(control_session_input(p.session, p.input), 0);
	((char *)iov.iov_base)[0] = '{';
	evbuffer_drain(p.input, strlen(part) + 1);
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_incomplete_frame_is_searched_once),
		cmocka_unit_test(the_service_describes_itself),
		cmocka_unit_test(the_interface_is_complete),
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(frames_that_are_no_calls_end_the_conversation),
		cmocka_unit_test(a_frame_may_come_in_pieces_but_not_be_endless),
		cmocka_unit_test(pipelined_calls_are_answered_in_order),
		cmocka_unit_test(oneway_calls_are_not_answered),
		cmocka_unit_test(the_read_socket_changes_nothing),
		cmocka_unit_test(values_out_of_range_name_the_range),
		cmocka_unit_test(a_path_that_is_not_utf8_is_answered),
		cmocka_unit_test(a_client_that_leaves_cancels_what_it_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
