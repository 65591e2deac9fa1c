/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One call of a method, and the table of methods. A method answers at once or keeps the call and
 * answers from a callback of the core; it then has a cancel function, which is called when the
 * client goes away first.
 */
#ifndef TDX_LPAGE_CONTROL_CALL_H
#define TDX_LPAGE_CONTROL_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tdx-lpage/protocol.h>

#include "daemon/control/reply.h"
#include "daemon/core/snapshot.h"

enum param_type {
	PARAM_STRING, /* min and max: bytes */
	PARAM_BOOL,
	PARAM_INT,
	PARAM_RANGES, /* list of objects start_rfn, nr_regions */
	PARAM_STATES, /* list of states */
	PARAM_NAMES,  /* list of strings; min and max: bytes of each */
};

struct param {
	const char *name;
	enum param_type type;
	bool required;
	int64_t min;
	int64_t max;
};

struct control_call;

struct method {
	const char *name;
	bool write;	     /* only on the control socket */
	bool streams;	     /* wants "more" */
	const char *returns; /* Varlink text of the reply's fields */
	const char *doc;
	void (*call)(struct control_call *call);
	void (*cancel)(struct control_call *call);
	/* The client has read nearly all of what it was sent; may be NULL. */
	void (*drained)(struct control_call *call);
	struct param params[8]; /* up to the first without a name */
};

/* Where the answers of a call go. */
struct control_channel {
	/* Takes a frame without its NUL. Returns -ENOBUFS when the client reads too slowly. */
	int (*send)(void *ctx, const char *frame, size_t len);
	/* Bytes that were sent to the client and that it has not read. */
	size_t (*pending)(void *ctx);
	/* The last answer was given. The call is gone on return. */
	void (*done)(void *ctx);
	/* There is more to do than fits into one turn: has the method called again at the next. */
	void (*again)(void *ctx);
	void *ctx;
};

struct control_call {
	const struct control_channel *channel;
	struct lp_core *core;
	const struct method *method;
	json_t *params; /* checked against method->params; NULL members are left out */
	bool more;
	bool oneway;
	bool write;  /* came by the control socket */
	void *state; /* the method's own */
	void *work;  /* of a method that goes on at the next turn; NULL: it begins */
};

/* Ends with a row without a name. */
extern const struct method control_methods[];

/* Bytes of what a client calls a VM: "name:" and a name. */
#define CONTROL_WORD_MAX (5 + KVM_LPAGE_NAME_MAX)

/* What a client calls a VM: "7", "id:7", "web" or "name:web". */
struct control_word {
	uint32_t id;	  /* 0: not by id */
	const char *name; /* NULL: not by name; points into the text */
};

void control_parse_word(const char *text, struct control_word *ret);

/* As control_param_vm(), of a text. */
bool control_find_vm(struct control_call *call, const char *text, uint32_t *ret);

/*
 * Reads the parameter "vm", an id or a name, into @ret. Digits are an id, and an error if a VM has
 * them for its name. Ends @call with an error and returns false when no VM or more than one is meant.
 * Without the parameter: true and 0.
 */
bool control_param_vm(struct control_call *call, uint32_t *ret);

/* Parameters with a value for when they are left out. */
int64_t control_param_int(const struct control_call *call, const char *name, int64_t otherwise);
bool control_param_bool(const struct control_call *call, const char *name);

/*
 * Checks @call->params against the method's table. Returns true, or ends @call with an error and
 * returns false.
 */
bool control_check_params(struct control_call *call);

/* Writes the interface in Varlink's language, as GetInterfaceDescription returns it. */
void control_print_interface(FILE *f);

#endif
