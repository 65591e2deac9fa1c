// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/process/lock.h"

#define STATE_DIR "state" /* below the runtime directory, whose sockets may have another owner */

/* Opens a directory, creating it if needed. File descriptor or negative errno. */
static int open_dir(int at_fd, const char *path)
{
	int fd;

	if (mkdirat(at_fd, path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_state_dir(const char *runtime_dir)
{
	int dir_fd, fd;

	dir_fd = open_dir(AT_FDCWD, runtime_dir);
	if (dir_fd < 0)
		return dir_fd;
	fd = open_dir(dir_fd, STATE_DIR);
	close(dir_fd);
	return fd;
}

static int take_lock(const struct lp_log *log, int dir_fd, const char *dir, int *ret_fd)
{
	pid_t holder;

	*ret_fd = lp_lock_take(dir_fd, &holder);
	if (*ret_fd >= 0)
		return LP_EXIT_OK;
	if (*ret_fd == -EBUSY) {
		lp_log(log, LOG_ERR, NULL,
		       "another tdx-lpaged is running (pid %d, runtime directory %s)", (int)holder,
		       dir);
		return LP_EXIT_BUSY;
	}
	lp_log(log, LOG_ERR, NULL, "cannot lock %s/" STATE_DIR "/lock: %s", dir,
	       strerror(-*ret_fd));
	return LP_EXIT_FAILURE;
}

static bool same_dir(int a_fd, int b_fd)
{
	struct stat a, b;

	return fstat(a_fd, &a) == 0 && fstat(b_fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* There is one kernel: only one daemon may manage it, whatever its runtime directory. */
static int take_host_lock(struct runtime *runtime, const struct lp_options *options,
			  const struct lp_log *log)
{
	int status = LP_EXIT_OK;
	int dir_fd;

	if (strcmp(options->link, "netlink") != 0)
		return LP_EXIT_OK;
	dir_fd = open_state_dir(options->host_dir);
	/* An unprivileged user cannot manage the kernel either. */
	if (dir_fd < 0)
		return LP_EXIT_OK;
	if (!same_dir(dir_fd, runtime->state_dir_fd))
		status = take_lock(log, dir_fd, options->host_dir, &runtime->lock_fds[1]);
	close(dir_fd);
	return status;
}

/* "" where there is none: a container may hide it. */
static void read_boot_id(char ret[static LP_BOOT_ID_SIZE])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f && !fgets(ret, LP_BOOT_ID_SIZE, f))
		ret[0] = '\0';
	if (f)
		fclose(f);
}

/* Unreadable switches pause all VMs: a paused one must not run because of a bad file. */
static void load_state(struct runtime *runtime, const struct lp_options *options,
		       const struct lp_log *log)
{
	char boot_id[LP_BOOT_ID_SIZE] = "", where[24] = "";
	unsigned int line;
	int r;

	read_boot_id(boot_id);
	r = lp_state_load(runtime->state_dir_fd, boot_id, &runtime->state, &line);
	if (r == 0)
		return;
	runtime->state = (struct lp_state){.paused = true};
	memcpy(runtime->state.boot_id, boot_id, sizeof(boot_id));
	if (line)
		snprintf(where, sizeof(where), "line %u: ", line);
	lp_log(log, LOG_ERR, NULL,
	       "%s/" STATE_DIR "/switches: %s%s; all VMs are paused until `tdx-lpctl resume`",
	       options->runtime_dir, where, lp_state_strerror(r));
	r = lp_state_set_aside(runtime->state_dir_fd, &runtime->state);
	if (r < 0)
		lp_log(log, LOG_ERR, NULL, "cannot replace the file: %s", strerror(-r));
	else
		lp_log(log, LOG_NOTICE, NULL, "the file is kept as switches.bad");
}

int runtime_open(struct runtime *runtime, const struct lp_options *options,
		 const struct lp_log *log)
{
	int status;

	runtime->state_dir_fd = open_state_dir(options->runtime_dir);
	if (runtime->state_dir_fd < 0) {
		lp_log(log, LOG_ERR, NULL, "cannot use the runtime directory %s: %s",
		       options->runtime_dir, strerror(-runtime->state_dir_fd));
		return LP_EXIT_FAILURE;
	}
	status = take_lock(log, runtime->state_dir_fd, options->runtime_dir, &runtime->lock_fds[0]);
	if (status == LP_EXIT_OK)
		status = take_host_lock(runtime, options, log);
	if (status == LP_EXIT_OK)
		load_state(runtime, options, log);
	return status;
}

void runtime_close(struct runtime *runtime)
{
	lp_state_done(&runtime->state);
	for (int i = 0; i < 2; i++) {
		if (runtime->lock_fds[i] >= 0)
			close(runtime->lock_fds[i]);
	}
	if (runtime->state_dir_fd >= 0)
		close(runtime->state_dir_fd);
	*runtime = (struct runtime)RUNTIME_NONE;
}
