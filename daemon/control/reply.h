/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to a call: parameters, errors, and parts of a stream. */
#ifndef TDX_LPAGE_CONTROL_REPLY_H
#define TDX_LPAGE_CONTROL_REPLY_H

#include <jansson.h>
#include <stddef.h>

struct control_call;

/* The last answer to @call, which is gone after it. Takes the reference to @params. */
void control_reply(struct control_call *call, json_t *params);

/* An answer with more to come. Takes the reference. -ENOBUFS: the client reads too slowly. */
int control_reply_more(struct control_call *call, json_t *params);

/* Bytes that were sent to the client and that it has not read. */
size_t control_pending(const struct control_call *call);

/* Has the method called again, with the same @call, once others have had their turn. */
void control_again(struct control_call *call);

/* Ends @call with an error; @name without an interface is one of ours. Takes the reference. */
void control_error(struct control_call *call, const char *name, json_t *params);

/* Our error for a value out of range. @value may be NULL; it is borrowed. */
void control_bad_value(struct control_call *call, const char *parameter, json_t *value,
		       const char *allowed);

/* Our error for a negative errno. */
void control_failed(struct control_call *call, int error, const char *text);

/* The same for what is kept in the state file (daemon/core/snapshot.h). @too_many: what -E2BIG means. */
void control_not_kept(struct control_call *call, int error, const char *too_many);

#endif
