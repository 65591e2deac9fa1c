// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIELDS_MAX 8

/* A pipe or a terminal, opened once more: O_NONBLOCK belongs to what was opened, not to the process. */
int log_output_open(int fd)
{
	char path[32];
	struct stat st;
	int own;

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* It may belong to somebody else. */
	return own < 0 ? fd : own;
}

int log_output_write(int fd, const char *text, size_t len)
{
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	ssize_t done;

	/* For a descriptor that blocks: a pipe with room takes PIPE_BUF bytes at once. */
	if (poll(&poller, 1, 0) == 0)
		return -EAGAIN;
	done = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0 && errno == ENOTSOCK)
		done = write(fd, text, len);
	return done < 0 ? -errno : 0;
}

int log_output_open_journal(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int log_output_send(int fd, const char *path, const struct iovec *fields, int nr_fields)
{
	static const char newline[] = "\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct iovec iov[2 * FIELDS_MAX];
	struct msghdr message = {
		.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = iov};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int i = 0; i < nr_fields && i < FIELDS_MAX; i++) {
		iov[message.msg_iovlen++] = fields[i];
		iov[message.msg_iovlen++] = (struct iovec){(char *)(uintptr_t)newline, 1};
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
