// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/call.h"
#include "daemon/control/service.h"
#include "daemon/control/session.h"

struct control_session {
	struct control_session_options options;
	struct control_channel channel;
	struct control_call call; /* the open one, while is_open */
	bool is_open;
	bool in_input;	 /* control_session_input() is on the stack */
	bool again;	 /* the open call wants its next turn */
	size_t searched; /* bytes of the input that have no end of a frame */
};

static int send_to_client(void *ctx, const char *frame, size_t len)
{
	const struct control_session_options *options = &((struct control_session *)ctx)->options;

	return options->send(options->ctx, frame, len);
}

static size_t pending(void *ctx)
{
	const struct control_session_options *options = &((struct control_session *)ctx)->options;

	return options->pending ? options->pending(options->ctx) : 0;
}

static void call_done(void *ctx)
{
	struct control_session *session = ctx;

	json_decref(session->call.params);
	session->call = (struct control_call){0};
	session->is_open = false;
	session->again = false;
	if (!session->in_input && session->options.resume)
		session->options.resume(session->options.ctx);
}

static void call_again(void *ctx)
{
	struct control_session *session = ctx;

	session->again = true;
	if (session->options.resume)
		session->options.resume(session->options.ctx);
}

struct control_session *control_session_new(const struct control_session_options *options)
{
	struct control_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->options = *options;
	session->channel = (struct control_channel){.send = send_to_client,
						    .pending = pending,
						    .done = call_done,
						    .again = call_again,
						    .ctx = session};
	return session;
}

struct control_session *control_session_free(struct control_session *session)
{
	if (!session)
		return NULL;
	if (session->is_open) {
		if (session->call.method && session->call.method->cancel)
			session->call.method->cancel(&session->call);
		json_decref(session->call.params);
	}
	free(session);
	return NULL;
}

void control_session_drained(struct control_session *session)
{
	struct control_call *call = &session->call;

	if (session->is_open && call->method && call->method->drained)
		call->method->drained(call);
}

static bool get_flag(const json_t *frame, const char *name)
{
	return json_is_true(json_object_get(frame, name));
}

static bool is_flag(const json_t *value)
{
	return !value || json_is_boolean(value);
}

static bool is_call(const json_t *frame)
{
	const json_t *params = json_object_get(frame, "parameters");

	return json_is_string(json_object_get(frame, "method")) &&
	       (!params || json_is_object(params) || json_is_null(params)) &&
	       is_flag(json_object_get(frame, "more")) &&
	       is_flag(json_object_get(frame, "oneway")) &&
	       is_flag(json_object_get(frame, "upgrade"));
}

/* Opens the call that @frame asks for. */
static void begin(struct control_session *session, const json_t *frame)
{
	json_t *params = json_object_get(frame, "parameters");

	session->call = (struct control_call){
		.channel = &session->channel,
		.core = session->options.core,
		.params = json_is_object(params) ? json_incref(params) : json_object(),
		.more = get_flag(frame, "more"),
		.oneway = get_flag(frame, "oneway"),
		.write = session->options.write,
	};
	session->is_open = true;
	control_dispatch(&session->call, json_string_value(json_object_get(frame, "method")),
			 session->options.write);
}

/* @text: NULL without memory. */
static int take_frame(struct control_session *session, const char *text, size_t len)
{
	json_error_t error;
	json_t *frame = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &error) : NULL;
	int r = -EBADMSG;

	if (!text || (!frame && json_error_code(&error) == json_error_out_of_memory)) {
		r = -ENOMEM;
	} else if (is_call(frame)) {
		begin(session, frame);
		r = 0;
	}
	json_decref(frame);
	return r;
}

bool control_session_owes(const struct control_session *session, struct evbuffer *input)
{
	if (session->is_open)
		return !session->call.method || !session->call.method->streams;
	return evbuffer_search(input, "", 1, NULL).pos >= 0;
}

/* Length of the first frame in @input, which may not be complete. */
static size_t first_frame(struct control_session *session, struct evbuffer *input,
			  bool *ret_complete)
{
	struct evbuffer_ptr from, end = {.pos = -1};

	if (evbuffer_ptr_set(input, &from, session->searched, EVBUFFER_PTR_SET) == 0)
		end = evbuffer_search(input, "", 1, &from);
	*ret_complete = end.pos >= 0;
	session->searched = end.pos >= 0 ? 0 : evbuffer_get_length(input);
	return end.pos >= 0 ? (size_t)end.pos : session->searched;
}

static bool enough(const struct control_session *session)
{
	return session->options.enough && session->options.enough(session->options.ctx);
}

/* Returns whether an open call had a turn. */
static bool go_on(struct control_session *session)
{
	if (!session->again)
		return false;
	session->again = false;
	session->call.method->call(&session->call);
	return true;
}

int control_session_input(struct control_session *session, struct evbuffer *input)
{
	bool stop;
	int r = 0;

	session->in_input = true;
	stop = go_on(session) && enough(session);
	while (r == 0 && !session->is_open && !stop) {
		bool complete;
		size_t len = first_frame(session, input, &complete);

		if (len > CONTROL_FRAME_MAX_BYTES)
			r = -EMSGSIZE;
		if (r < 0 || !complete)
			break;
		r = take_frame(session, (const char *)evbuffer_pullup(input, (ev_ssize_t)len + 1),
			       len);
		evbuffer_drain(input, len + 1);
		stop = enough(session);
	}
	session->in_input = false;
	return r;
}
