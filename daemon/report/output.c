// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

/* The directory in which @path is, to be freed; NULL: out of memory. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int report_output_check(const char *path)
{
	CLEANUP(freep) char *real = realpath(path, NULL), *dir = dir_of(real ? real : path);
	struct stat st;

	if (!dir)
		return -ENOMEM;
	if (!*path)
		return -ENOENT;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
	if (stat(dir, &st) < 0)
		return -errno;
	return access(dir, W_OK | X_OK) < 0 ? -errno : 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes a new file beside the old one. Negative errno; then there is none. */
static int write_beside(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, text, len);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	if (err)
		unlink(path);
	return err;
}

int report_output_write(const char *path, const char *text, size_t len)
{
	CLEANUP(freep) char *real = realpath(path, NULL), *beside = NULL;
	int err = report_output_check(path);

	if (err)
		return err;
	if (asprintf(&beside, "%s.%ld.tmp", real ? real : path, (long)getpid()) < 0) {
		beside = NULL;
		return -ENOMEM;
	}
	err = write_beside(beside, text, len);
	if (!err && rename(beside, real ? real : path) < 0) {
		err = -errno;
		unlink(beside);
	}
	return err;
}
