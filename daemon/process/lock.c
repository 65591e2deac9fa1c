// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t read_holder(int fd)
{
	char text[24] = "";
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	return len > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int write_holder(int fd)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (pwrite(fd, text, (size_t)len, 0) != len)
		return errno ? -errno : -EIO;
	return 0;
}

int lp_lock_take(int dir_fd, pid_t *ret_holder)
{
	int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	*ret_holder = 0;
	if (fd < 0)
		return -errno;
	/* Whoever can open the file can lock it, and one from before may have another mode. */
	if (fchmod(fd, 0600) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (r == -EBUSY)
			*ret_holder = read_holder(fd);
		close(fd);
		return r;
	}
	r = write_holder(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}
