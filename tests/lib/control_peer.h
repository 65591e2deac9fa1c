/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client of the control interface without a socket, and the fake core that it talks to. */
#ifndef TDX_LPAGE_TESTS_CONTROL_PEER_H
#define TDX_LPAGE_TESTS_CONTROL_PEER_H

#include <jansson.h>

#include "daemon/control/session.h"
#include "tests/lib/fake_core.h"

#define OWN "org.tdxlpage.Control."

struct evbuffer;

struct peer {
	struct fake_core fake;
	struct control_session *session;
	struct evbuffer *input;
	json_t *frames;	 /* what was sent to the client */
	size_t sent;	 /* bytes of them */
	bool stuck;	 /* the client reads nothing */
	int send_result; /* what sending returns */
	int resumed;
};

/* @write: by the control socket. */
void peer_open(struct peer *peer, bool write);
void peer_close(struct peer *peer);

/* Sends a frame. Returns what control_session_input() does. */
int peer_feed(struct peer *peer, const char *frame);
/* Sends a call of @method with @params, a JSON object. */
int peer_call(struct peer *peer, const char *method, const char *params);

/* Takes the oldest frame that was sent to the client; the caller's reference. */
json_t *peer_reply(struct peer *peer);
/* Is the oldest frame what @want says, written with single quotes? */
void peer_expect(struct peer *peer, const char *want);
void peer_expect_error(struct peer *peer, const char *name);
/* What was asked of the core last, as fake_core.c notes it. */
void peer_calls(struct peer *peer, const char *want);

#endif
