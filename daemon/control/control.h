/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control server: Varlink on two Unix sockets, "control" for every method and "read" for those
 * that change nothing. Who may connect is the business of the sockets' file modes alone.
 */
#ifndef TDX_LPAGE_CONTROL_CONTROL_H
#define TDX_LPAGE_CONTROL_CONTROL_H

#include <stddef.h>

#include <tdx-lpage/protocol.h>

#define CONTROL_CLIENTS_MAX 64 /* per socket; admission.h says how they are shared */

struct event_base;
struct lp_core;
struct control;

struct control_options {
	struct event_base *base;
	struct lp_core *core;	    /* must outlive the server */
	const char *runtime_dir;    /* where sockets are made that systemd did not pass */
	unsigned int first_call_ms; /* a client that has called nothing by then goes; 0: 10 s */
	/* Gets a syslog priority and one line without its end; may be NULL. */
	void (*log)(void *ctx, int priority, const char *line);
	void *log_ctx;
};

/*
 * Listens. Sockets that systemd passed with the names above are used and left in place; the others
 * are made with mode 0660 and removed by control_free(). Returns 0, -EADDRINUSE when somebody
 * answers on a socket already, or another negative errno, with a line for people on it in @log.
 */
int control_new(const struct control_options *options, struct control **ret);

/* Drops every client. NULL-safe; returns NULL. To be called before the core goes away. */
struct control *control_free(struct control *control);

/* How many clients are connected, to both sockets. */
size_t control_nr_clients(const struct control *control);

#endif
