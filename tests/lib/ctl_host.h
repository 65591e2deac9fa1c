/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tdx-lpctl against the real control server with a made-up core: what its tests share. */
#ifndef TDX_LPAGE_TESTS_CTL_HOST_H
#define TDX_LPAGE_TESTS_CTL_HOST_H

#include <pthread.h>

#include "tests/lib/fake_core.h"

struct event_base;
struct control;

struct ctl_host {
	struct fake_core fake;
	struct event_base *base;
	struct control *control;
	pthread_t thread;
	int stop[2]; /* a pipe: the loop ends when it is closed */
	char dir[32];
	int columns;		/* of the terminal, 0: none */
	const char *event_text; /* of send_later() */
	char *out;
	char *err;
};

/* Nobody listens yet; the core can be changed until then. */
struct ctl_host *ctl_host_new(void);
/* Serves, in a thread of its own. */
void ctl_host_start(struct ctl_host *host);
/* After it, what the core was asked can be looked at. */
void ctl_host_stop(struct ctl_host *host);
void ctl_host_free(struct ctl_host *host);

/* Runs a command line, words parted by blanks. Returns the exit code; keeps what was written. */
int ctl_host_run(struct ctl_host *host, const char *line);
/* The same on a system whose root is @sysroot. */
int ctl_host_run_in(struct ctl_host *host, const char *sysroot, const char *line);

/*
 * Compares what was written, and the exit @code, with what is kept in tests/unit/golden.
 * TDX_LPAGE_UPDATE=1 keeps what came out instead.
 */
void ctl_host_compare(const struct ctl_host *host, const char *name, int code);

#endif
