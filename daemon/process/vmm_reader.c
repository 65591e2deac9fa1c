// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/vmm_reader.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/process/vmm_queue.h"

#define FIRST_FD 3 /* 0 to 2 are kept: the log */

struct vmm_reader {
	struct event_base *base;
	const char *procfs;
	const struct lp_log *log;
	vmm_reader_cb cb;
	void *ctx;
	struct vmm_queue queue;
	int fd; /* to the keeper, -1: there is none */
	pid_t pid;
	uint64_t forked_ns;
	struct event *readable;
	struct event *timer;
};

/* These processes end with the daemon, not before it. */
static void ignore_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_IGN);
}

/*
 * In the child, with all signals blocked. Only the socket and the log are kept: a lock would outlive the
 * daemon.
 */
static _Noreturn void become_keeper(int fd, const char *procfs)
{
	sigset_t none;

	ignore_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd != FIRST_FD)
		dup2(fd, FIRST_FD);
	close_range(FIRST_FD + 1, ~0U, 0);
	vmm_keeper_main(FIRST_FD, procfs);
}

static int fork_keeper(struct vmm_reader *reader)
{
	sigset_t all, before;
	int fds[2];
	pid_t pid;

	reader->forked_ns = monotonic_ns();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	/* The child must not run the daemon's handlers, which write to a socket of the daemon. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_keeper(fds[1], reader->procfs);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	(void)evutil_make_socket_nonblocking(fds[0]);
	reader->fd = fds[0];
	reader->pid = pid;
	return 0;
}

static void drop_keeper(struct vmm_reader *reader)
{
	if (reader->fd < 0)
		return;
	if (reader->readable)
		event_free(reader->readable);
	reader->readable = NULL;
	close(reader->fd);
	reader->fd = -1;
	vmm_queue_unsend(&reader->queue);
}

/* Whoever asked is told so. */
static void fail_all(struct vmm_reader *reader, int error)
{
	struct lp_vmm_query query;

	while (vmm_queue_expire(&reader->queue, 0, true, &query))
		reader->cb(reader->ctx, &query, error, NULL);
}

static void lose_keeper(struct vmm_reader *reader, const char *why)
{
	lp_log(reader->log, LOG_WARNING, NULL,
	       "the process that reads command lines %s: VMs are without name and command that come from these",
	       why);
	kill(reader->pid, SIGKILL);
	fail_all(reader, -EIO);
	drop_keeper(reader);
}

static void set_timer(struct vmm_reader *reader)
{
	uint64_t due_ns = vmm_queue_deadline_ns(&reader->queue), now_ns = monotonic_ns(), left_ns;
	struct timeval left;

	if (due_ns == UINT64_MAX) {
		event_del(reader->timer);
		return;
	}
	left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	left.tv_sec = (time_t)(left_ns / NS_PER_S);
	left.tv_usec = (suseconds_t)(left_ns % NS_PER_S / NS_PER_US) + 1;
	event_add(reader->timer, &left);
}

static void send_next(struct vmm_reader *reader)
{
	struct vmm_request request;

	/* An empty socket takes it; a keeper that is gone is noticed by on_readable(). */
	if (reader->fd >= 0 && vmm_queue_next(&reader->queue, &request))
		(void)send(reader->fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT);
	set_timer(reader);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct vmm_reader *reader = ctx;
	struct lp_vmm_query query;
	struct vmm_reply reply;
	ssize_t len;
	int r;

	(void)what;
	len = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		lose_keeper(reader, "has ended");
		return;
	}
	r = vmm_queue_answer(&reader->queue, &reply, (size_t)len, &query);
	if (r == -EBADMSG) {
		lose_keeper(reader, "sent nonsense");
		return;
	}
	send_next(reader);
	if (r == 0)
		reader->cb(reader->ctx, &query, reply.error, reply.error ? NULL : &reply.args);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct vmm_reader *reader = ctx;
	struct lp_vmm_query query;

	(void)fd;
	(void)what;
	while (vmm_queue_expire(&reader->queue, monotonic_ns(), false, &query))
		reader->cb(reader->ctx, &query, -ETIMEDOUT, NULL);
	if (vmm_queue_stuck(&reader->queue))
		lose_keeper(reader, "is stuck");
	send_next(reader);
}

static int start_keeper(struct vmm_reader *reader)
{
	int r = fork_keeper(reader);

	if (r < 0)
		return r;
	reader->readable =
		event_new(reader->base, reader->fd, EV_READ | EV_PERSIST, on_readable, reader);
	return reader->readable && event_add(reader->readable, NULL) == 0 ? 0 : -ENOMEM;
}

int vmm_reader_new(struct event_base *base, const char *procfs, const struct lp_log *log,
		   vmm_reader_cb cb, void *ctx, struct vmm_reader **ret)
{
	struct vmm_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	*reader = (struct vmm_reader){.base = base,
				      .procfs = procfs,
				      .log = log,
				      .cb = cb,
				      .ctx = ctx,
				      .fd = -1,
				      .timer = evtimer_new(base, on_timer, reader)};
	vmm_queue_init(&reader->queue);
	r = reader->timer ? start_keeper(reader) : -ENOMEM;
	if (r < 0) {
		vmm_reader_free(reader);
		return r;
	}
	*ret = reader;
	return 0;
}

struct vmm_reader *vmm_reader_free(struct vmm_reader *reader)
{
	if (!reader)
		return NULL;
	drop_keeper(reader);
	vmm_queue_done(&reader->queue);
	if (reader->timer)
		event_free(reader->timer);
	free(reader);
	return NULL;
}

/* In place of one that is gone, but not again and again. */
static int restore_keeper(struct vmm_reader *reader)
{
	if (monotonic_ns() - reader->forked_ns < VMM_KEEPER_NS)
		return -EAGAIN;
	(void)waitpid(reader->pid, NULL, WNOHANG);
	return start_keeper(reader);
}

int vmm_reader_ask(struct vmm_reader *reader, const struct lp_vmm_query *query)
{
	int r = reader->fd < 0 ? restore_keeper(reader) : 0;

	if (r == 0)
		r = vmm_queue_add(&reader->queue, query, monotonic_ns());
	if (r == 0)
		send_next(reader);
	return r;
}
