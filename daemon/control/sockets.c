// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/sockets.h"

#include <errno.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* A socket that nobody answers on is left over from a crash. */
static int remove_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (r == -ENOENT)
		return 0;
	if (r != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Sets the mode before the first client can come: between bind and listen nobody can connect. */
static int bind_and_listen(int fd, const struct sockaddr_un *address)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, 0660) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return 0;
}

int control_socket_make(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	r = remove_stale(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_and_listen(fd, &address);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int control_socket_passed(const char *name)
{
	char **names = NULL;
	int found = -1, nr = sd_listen_fds_with_names(0, &names);

	for (int i = 0; i < nr; i++) {
		if (found < 0 && names && strcmp(names[i], name) == 0)
			found = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	if (found < 0)
		return -ENOENT;
	if (sd_is_socket_unix(found, SOCK_STREAM, 1, NULL, 0) <= 0)
		return -ENOTSOCK;
	return evutil_make_socket_nonblocking(found) < 0 ? -errno : found;
}
