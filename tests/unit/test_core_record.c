// SPDX-License-Identifier: GPL-2.0-or-later
/* Recording is passive: with recorders the manager takes the same decisions, to the nanosecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/session.h"
#include "tests/lib/files.h"
#include "tests/lib/sim_world.h"
#include "tests/lib/tracegen.h"

#define SEED  6
#define SCALE 0.05

/* A client of Record; a slow one leaves what it gets unread. */
struct client {
	struct control_session *session;
	struct evbuffer *input;
	uint64_t frames;
	size_t unread;
	bool slow;
};

static int take(void *ctx, const char *frame, size_t len)
{
	struct client *client = ctx;

	assert_non_null(strstr(frame, "\"record\""));
	client->frames++;
	client->unread += len;
	return 0;
}

static size_t pending(void *ctx)
{
	const struct client *client = ctx;

	return client->slow ? client->unread : 0;
}

static void begin_recording(struct client *client, struct lp_core *core, bool slow)
{
	static const char call[] = "{\"method\":\"org.tdxlpage.Control.Record\",\"more\":true}";
	const struct control_session_options options = {
		.core = core, .send = take, .pending = pending, .ctx = client};

	*client = (struct client){.slow = slow};
	client->session = control_session_new(&options);
	client->input = evbuffer_new();
	evbuffer_add(client->input, call, sizeof(call));
	assert_int_equal(control_session_input(client->session, client->input), 0);
}

static void end_recording(struct client *client)
{
	control_session_free(client->session);
	evbuffer_free(client->input);
}

static char *read_decisions(const struct sim_world *world)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/decisions", world->dir);
	fflush(sim_world_host(world)->decisions);
	return file_text(path);
}

/* Returns the log of all merges tried, with @nr recorders, every other one slow. */
static char *play(const char *trace, size_t len, const char *trouble, unsigned int nr)
{
	struct client clients[4];
	struct sim_world world;
	char *decisions;

	assert_int_equal(sim_world_open(&world, trace, len, trouble, "version: 1\n"), 0);
	for (unsigned int i = 0; i < nr; i++)
		begin_recording(&clients[i], world.core, i % 2);
	sim_world_run_trace(&world);
	decisions = read_decisions(&world);
	for (unsigned int i = 0; i < nr; i++) {
		assert_true(clients[i].frames > 100);
		/* Less unread than the server drops a client for. */
		assert_true(!clients[i].slow || clients[i].unread < 2 << 20);
		end_recording(&clients[i]);
	}
	sim_world_close(&world);
	return decisions;
}

static void recording_changes_no_decision(void **state)
{
	static const enum tracegen_kind kinds[] = {TRACEGEN_WEB, TRACEGEN_FLEET};
	static const char *const troubles[] = {"", ",lose=20,busy=20,seed=3"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char *text, *unrecorded, *recorded;
		size_t len;

		assert_int_equal(tracegen_buffer(kinds[i % 2], SEED, SCALE, &text, &len), 0);
		unrecorded = play(text, len, troubles[i / 2], 0);
		recorded = play(text, len, troubles[i / 2], 4);
		assert_true(strlen(unrecorded) > 1000);
		assert_string_equal(unrecorded, recorded);
		free(unrecorded);
		free(recorded);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recording_changes_no_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
