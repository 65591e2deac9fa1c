/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control server on real sockets in a temporary directory, for cmocka tests. */
#ifndef TDX_LPAGE_TESTS_CONTROL_HOST_H
#define TDX_LPAGE_TESTS_CONTROL_HOST_H

#include <sys/types.h>

#include "daemon/control/control.h"
#include "tests/lib/fake_core.h"

#define PING "{\"method\":\"org.tdxlpage.Control.Ping\"}"
#define PONG "{\"parameters\":{}}"
/* A call with a long answer. */
#define DESCRIBE                                                                                   \
	"{\"method\":\"org.varlink.service.GetInterfaceDescription\","                             \
	"\"parameters\":{\"interface\":\"org.tdxlpage.Control\"}}"

struct control_host {
	struct fake_core fake;
	struct event_base *base;
	struct control *control;
	struct control_options options;
	char dir[32];
	char log[512];
	int complaints; /* lines of LOG_WARNING or worse */
};

/* Of cmocka: *state is the host. */
int control_host_setup(void **state);
int control_host_teardown(void **state);

/* One turn of the event loop. */
void control_host_turn(struct control_host *host);

/* Connects to the socket @name, "read" or "control". */
int control_host_dial(struct control_host *host, const char *name);

/* Runs the loop until @fd can be read, and reads. Returns what recv() does. */
ssize_t control_host_receive(struct control_host *host, int fd, char *buf, size_t size);

/* The next that comes is @frame. */
void control_host_expect(struct control_host *host, int fd, const char *frame);

void control_host_tell(int fd, const char *text, size_t len);

/* The same frame @nr times, in one piece. */
void control_host_tell_often(int fd, const char *frame, size_t size, size_t nr);

#endif
