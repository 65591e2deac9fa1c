// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/control_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

static int take(void *ctx, const char *frame, size_t len)
{
	struct peer *peer = ctx;
	json_t *json = json_loadb(frame, len, 0, NULL);

	assert_non_null(json);
	json_array_append_new(peer->frames, json);
	peer->sent += len;
	return peer->send_result;
}

static void resumed(void *ctx)
{
	((struct peer *)ctx)->resumed++;
}

static size_t pending(void *ctx)
{
	const struct peer *peer = ctx;

	return peer->stuck ? peer->sent : 0;
}

void peer_open(struct peer *peer, bool write)
{
	const struct control_session_options options = {
		.core = &peer->fake.core,
		.write = write,
		.send = take,
		.resume = resumed,
		.pending = pending,
		.ctx = peer,
	};

	memset(peer, 0, sizeof(*peer));
	fake_core_init(&peer->fake);
	peer->input = evbuffer_new();
	peer->frames = json_array();
	peer->session = control_session_new(&options);
	assert_non_null(peer->session);
}

void peer_close(struct peer *peer)
{
	control_session_free(peer->session);
	evbuffer_free(peer->input);
	json_decref(peer->frames);
	fake_core_done(&peer->fake);
}

int peer_feed(struct peer *peer, const char *frame)
{
	evbuffer_add(peer->input, frame, strlen(frame) + 1);
	return control_session_input(peer->session, peer->input);
}

json_t *peer_reply(struct peer *peer)
{
	json_t *frame = json_incref(json_array_get(peer->frames, 0));

	assert_non_null(frame);
	json_array_remove(peer->frames, 0);
	return frame;
}

int peer_call(struct peer *peer, const char *method, const char *params)
{
	char frame[1024];

	snprintf(frame, sizeof(frame), "{\"method\":\"%s\",\"parameters\":%s}", method, params);
	return peer_feed(peer, frame);
}

void peer_expect(struct peer *peer, const char *want)
{
	json_t *got = peer_reply(peer), *wanted;
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

void peer_expect_error(struct peer *peer, const char *name)
{
	json_t *got = peer_reply(peer);

	assert_string_equal(json_string_value(json_object_get(got, "error")), name);
	json_decref(got);
}

void peer_calls(struct peer *peer, const char *want)
{
	assert_true(peer->fake.nr_calls > 0);
	assert_string_equal(peer->fake.calls[--peer->fake.nr_calls], want);
}
