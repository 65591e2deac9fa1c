// SPDX-License-Identifier: GPL-2.0-or-later
/* The processes behind vmm_reader.h: keeper and workers. */
#include "daemon/process/vmm_reader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/process/vmm_queue.h"

struct keeper {
	int fd; /* to the daemon */
	const char *procfs;
	pid_t worker_pid;
	int worker_fd;		 /* -1: there is none */
	unsigned int nr_workers; /* that have not ended yet */
	uint64_t forked_ns;	 /* when the last one was, 0: none */
};

static _Noreturn void worker_main(int fd, const char *procfs)
{
	struct vmm_request request;
	struct vmm_reply reply;

	while (recv(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
		reply = (struct vmm_reply){.tag = request.tag};
		reply.error = vmm_args_read(procfs, &request.query, &reply.args);
		if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static void reap(struct keeper *keeper)
{
	while (keeper->nr_workers && waitpid(-1, NULL, WNOHANG) > 0)
		keeper->nr_workers--;
}

static void drop_worker(struct keeper *keeper)
{
	if (keeper->worker_fd < 0)
		return;
	/* One that waits for a VMM may outlast this; it is not waited for. */
	kill(keeper->worker_pid, SIGKILL);
	close(keeper->worker_fd);
	keeper->worker_fd = -1;
}

static void wait_until(uint64_t until_ns)
{
	const struct timespec until = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static int fork_worker(struct keeper *keeper)
{
	int fds[2];

	if (keeper->forked_ns)
		wait_until(keeper->forked_ns + VMM_FORK_NS);
	reap(keeper);
	if (keeper->nr_workers >= VMM_WORKERS_MAX)
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	keeper->forked_ns = monotonic_ns();
	keeper->worker_pid = fork();
	if (keeper->worker_pid == 0) {
		close(fds[0]);
		close(keeper->fd);
		worker_main(fds[1], keeper->procfs);
	}
	close(fds[1]);
	if (keeper->worker_pid < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	keeper->worker_fd = fds[0];
	keeper->nr_workers++;
	return 0;
}

/* The worker's answer, for which it has some time. */
static int receive(struct keeper *keeper, struct vmm_reply *ret)
{
	struct pollfd poll_fd = {.fd = keeper->worker_fd, .events = POLLIN};
	int n = poll(&poll_fd, 1, (int)(VMM_WORKER_NS / NS_PER_MS));

	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	return recv(keeper->worker_fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret) ? 0 : -EIO;
}

static int ask_worker(struct keeper *keeper, const struct vmm_request *request,
		      struct vmm_reply *ret)
{
	int r = keeper->worker_fd < 0 ? fork_worker(keeper) : 0;

	if (r < 0)
		return r;
	if (send(keeper->worker_fd, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		r = -errno;
	if (r == 0)
		r = receive(keeper, ret);
	if (r < 0)
		drop_worker(keeper);
	return r;
}

_Noreturn void vmm_keeper_main(int fd, const char *procfs)
{
	struct keeper keeper = {.fd = fd, .procfs = procfs, .worker_fd = -1};
	struct vmm_request request;
	struct vmm_reply reply;
	int r;

	(void)prctl(PR_SET_NAME, "lpaged-reader");
	while (recv(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
		reap(&keeper);
		reply = (struct vmm_reply){0};
		r = ask_worker(&keeper, &request, &reply);
		if (r < 0)
			reply = (struct vmm_reply){.tag = request.tag, .error = r};
		if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL) < 0)
			break;
	}
	drop_worker(&keeper);
	_exit(0);
}
