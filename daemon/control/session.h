/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One client's conversation, without a socket: frames in, frames out. Varlink answers calls in
 * their order, so while a call is open nothing more is taken from the input.
 */
#ifndef TDX_LPAGE_CONTROL_SESSION_H
#define TDX_LPAGE_CONTROL_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_FRAME_MAX_BYTES (1u << 20)

struct evbuffer;
struct lp_core;
struct control_session;

struct control_session_options {
	struct lp_core *core;
	bool write; /* may call what changes something */
	/* Takes a frame without its NUL. Returns -ENOBUFS when the client reads too slowly. */
	int (*send)(void *ctx, const char *frame, size_t len);
	/* A call that was open has ended, or wants its next turn: control_session_input() may go on. */
	void (*resume)(void *ctx);
	/*
	 * Asked after each frame: is it somebody else's turn? Then control_session_input() returns and
	 * has to be called once more. May be NULL: never.
	 */
	bool (*enough)(void *ctx);
	/* Bytes on the way to the client; may be NULL: none. */
	size_t (*pending)(void *ctx);
	void *ctx;
};

/* Returns NULL without memory. */
struct control_session *control_session_new(const struct control_session_options *options);

/* Cancels the open call. NULL-safe; returns NULL. */
struct control_session *control_session_free(struct control_session *session);

/* The client has read nearly all output: notifies the open call, which may send more. */
void control_session_drained(struct control_session *session);

/* Is an answer owed, other than that of a stream, which has no end? */
bool control_session_owes(const struct control_session *session, struct evbuffer *input);

/*
 * Gives an open call that wants it its next turn, then takes complete frames from @input until there is
 * none, a call stays open, or it was enough. What is not complete is not looked at again. Returns 0, -EMSGSIZE
 * for a frame that is too long, -EBADMSG for one that is no call, -ENOMEM; the client is then to be dropped.
 */
int control_session_input(struct control_session *session, struct evbuffer *input);

#endif
