// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/ctl/client.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/protocol.h>

#define FRAME_MAX_BYTES (16u << 20)

struct ctl_client {
	int fd;
	char *buf; /* received, not yet taken */
	size_t len;
	size_t capacity;
};

struct ctl_client *ctl_client_close(struct ctl_client *client)
{
	if (client) {
		close(client->fd);
		free(client->buf);
		free(client);
	}
	return NULL;
}

/* A daemon that does not run takes no connection once its queue is full, and no call. */
static void limit_sending(int fd, int timeout_ms)
{
	const struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	if (timeout_ms > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int ctl_client_connect(const char *path, int timeout_ms, struct ctl_client **ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ctl_client *client;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	limit_sending(fd, timeout_ms);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno == EAGAIN ? -ETIMEDOUT : -errno;

		close(fd);
		return error;
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->fd = fd;
	*ret = client;
	return 0;
}

static int send_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int ctl_client_send(struct ctl_client *client, const char *method, json_t *params, bool more)
{
	char name[128];
	json_t *frame;
	char *text;
	int r;

	snprintf(name, sizeof(name), "%s%s", CONTROL_INTERFACE ".", method);
	frame = json_pack("{s:s, s:O}", "method", name, "parameters",
			  params ? params : json_null());
	if (more)
		json_object_set_new(frame, "more", json_true());
	text = json_dumps(frame, JSON_COMPACT);
	json_decref(frame);
	if (!text)
		return -ENOMEM;
	r = send_all(client->fd, text, strlen(text) + 1);
	free(text);
	return r;
}

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / NS_PER_MS);
}

static int wait_readable(int fd, int timeout_ms, int64_t deadline_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left = timeout_ms < 0 ? -1 : deadline_ms - now_ms();
		int r = poll(&pfd, 1, timeout_ms >= 0 && left < 0 ? 0 : (int)left);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (timeout_ms >= 0 && left <= 0)
			return -ETIMEDOUT;
	}
}

static int reserve(struct ctl_client *client)
{
	char *buf;

	if (client->capacity - client->len >= 65536)
		return 0;
	if (client->capacity >= FRAME_MAX_BYTES)
		return -EMSGSIZE;
	buf = realloc(client->buf, client->capacity * 2 + 131072);
	if (!buf)
		return -ENOMEM;
	client->buf = buf;
	client->capacity = client->capacity * 2 + 131072;
	return 0;
}

static int read_some(struct ctl_client *client)
{
	ssize_t n;
	int r = reserve(client);

	if (r < 0)
		return r;
	do
		n = recv(client->fd, client->buf + client->len, client->capacity - client->len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	client->len += (size_t)n;
	return 0;
}

int ctl_client_receive(struct ctl_client *client, int timeout_ms, json_t **ret)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	size_t seen = 0;
	char *end;

	for (;;) {
		int r;

		end = client->len > seen ? memchr(client->buf + seen, 0, client->len - seen) : NULL;
		if (end)
			break;
		seen = client->len;
		r = wait_readable(client->fd, timeout_ms, deadline_ms);
		if (r == 0)
			r = read_some(client);
		if (r < 0)
			return r;
	}
	*ret = json_loads(client->buf, 0, NULL);
	client->len -= (size_t)(end + 1 - client->buf);
	memmove(client->buf, end + 1, client->len);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return -EBADMSG;
}

int ctl_client_ping(struct ctl_client *client, int timeout_ms)
{
	json_t *reply = NULL;
	int r = ctl_client_send(client, "Ping", NULL, false);

	if (r == 0)
		r = ctl_client_receive(client, timeout_ms, &reply);
	json_decref(reply);
	return r == -EPIPE ? -ECONNRESET : r;
}

int ctl_client_wait(struct ctl_client *client, int other_fd, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = client->fd, .events = POLLIN},
				{.fd = other_fd, .events = POLLIN}};
	bool buffered = client->len && memchr(client->buf, 0, client->len);
	int r = poll(fds, 2, buffered ? 0 : timeout_ms);

	if (r < 0)
		return errno == EINTR ? CTL_CLIENT_TIMEOUT : -errno;
	if (fds[1].revents)
		return CTL_CLIENT_OTHER;
	return buffered || fds[0].revents ? CTL_CLIENT_READABLE : CTL_CLIENT_TIMEOUT;
}
