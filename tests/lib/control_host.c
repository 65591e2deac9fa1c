// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/control_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

static void keep_log(void *ctx, int priority, const char *line)
{
	struct control_host *host = ctx;

	host->complaints += priority <= LOG_WARNING;
	snprintf(host->log, sizeof(host->log), "%s", line);
}

int control_host_setup(void **state)
{
	struct control_host *host = calloc(1, sizeof(*host));

	fake_core_init(&host->fake);
	host->base = event_base_new();
	strcpy(host->dir, "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	host->options = (struct control_options){
		.base = host->base,
		.core = &host->fake.core,
		.runtime_dir = host->dir,
		.log = keep_log,
		.log_ctx = host,
	};
	assert_int_equal(control_new(&host->options, &host->control), 0);
	*state = host;
	return 0;
}

int control_host_teardown(void **state)
{
	struct control_host *host = *state;

	control_free(host->control);
	event_base_free(host->base);
	assert_int_equal(rmdir(host->dir), 0); /* the sockets are gone */
	fake_core_done(&host->fake);
	free(host);
	return 0;
}

void control_host_turn(struct control_host *host)
{
	assert_true(event_base_loop(host->base, EVLOOP_NONBLOCK) >= 0);
}

int control_host_dial(struct control_host *host, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", host->dir, name);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

ssize_t control_host_receive(struct control_host *host, int fd, char *buf, size_t size)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	/* A minute, for a machine that is busy: what never comes is a failure, not a hang. */
	for (int tries = 0; poll(&pfd, 1, 1) == 0; tries++) {
		assert_true(tries < 60000);
		control_host_turn(host);
	}
	return recv(fd, buf, size, 0);
}

void control_host_expect(struct control_host *host, int fd, const char *frame)
{
	char buf[4096] = "";
	size_t len = 0, want = strlen(frame) + 1;

	while (len < want) {
		ssize_t n = control_host_receive(host, fd, buf + len, want - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_string_equal(buf, frame);
}

void control_host_tell(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

void control_host_tell_often(int fd, const char *frame, size_t size, size_t nr)
{
	char *all = malloc(size * nr);

	for (size_t i = 0; i < nr; i++)
		memcpy(all + i * size, frame, size);
	control_host_tell(fd, all, size * nr);
	free(all);
}
