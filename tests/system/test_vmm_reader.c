// SPDX-License-Identifier: GPL-2.0-or-later
/* The processes that read command lines, on a /proc where some VMMs never answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/process/vmm_reader.h"

#define START_NS (1000 * NS_PER_S)

/* Processes of the test's /proc. */
enum { PID_HANGS = 1, PID_HANGS_TOO, PID_FINE, NR_PIDS, PID_ABSENT = 99 };

enum { TICK_US = 5000 };

struct reader_host {
	struct event_base *base;
	struct event *tick;
	struct lp_log log;
	char *log_text;
	size_t log_size;
	char root[40];
	struct vmm_reader *reader;
	unsigned long nr_ticks; /* turns of the loop beside the answers */
	size_t nr_answers;
	uint32_t answered[8]; /* pids, in the order of the answers */
	int errors[8];
	struct lp_vmm_args last;
};

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	((struct reader_host *)ctx)->nr_ticks++;
}

static void on_answer(void *ctx, const struct lp_vmm_query *query, int error,
		      const struct lp_vmm_args *args)
{
	struct reader_host *host = ctx;

	assert_true(host->nr_answers < ARRAY_SIZE(host->answered));
	host->answered[host->nr_answers] = query->pid;
	host->errors[host->nr_answers++] = error;
	assert_true(error ? !args : !!args);
	if (args)
		host->last = *args;
}

static void write_file(const char *path, const char *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void make_process(const struct reader_host *host, int pid)
{
	static const char args[] = "qemu\0-name\0guest=web";
	char path[96], stat[96];
	int len;

	snprintf(path, sizeof(path), "%s/%d", host->root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/stat", host->root, pid);
	len = snprintf(stat, sizeof(stat), "%d (q) S 1 1 1 0 -1 4 1 0 0 0 5 6 0 0 20 0 9 0 %ld 1\n",
		       pid, 1000 * sysconf(_SC_CLK_TCK));
	write_file(path, stat, (size_t)len);
	snprintf(path, sizeof(path), "%s/%d/cmdline", host->root, pid);
	if (pid == PID_FINE)
		write_file(path, args, sizeof(args));
	else
		assert_int_equal(mkfifo(path, 0600), 0);
}

static int setup(void **state)
{
	static const struct timeval tick = {0, TICK_US};
	struct reader_host *host = calloc(1, sizeof(*host));

	strcpy(host->root, "/tmp/test_reader.XXXXXX");
	assert_non_null(mkdtemp(host->root));
	for (int pid = PID_HANGS; pid < NR_PIDS; pid++)
		make_process(host, pid);
	host->log = (struct lp_log){.file = open_memstream(&host->log_text, &host->log_size),
				    .max_priority = LOG_DEBUG};
	host->base = event_base_new();
	host->tick = event_new(host->base, -1, EV_PERSIST, on_tick, host);
	assert_int_equal(event_add(host->tick, &tick), 0);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	struct reader_host *host = *state;
	char command[64];

	host->reader = vmm_reader_free(host->reader);
	while (wait(NULL) > 0)
		;
	event_free(host->tick);
	event_base_free(host->base);
	fclose(host->log.file);
	free(host->log_text);
	snprintf(command, sizeof(command), "rm -r %s", host->root);
	assert_int_equal(system(command), 0);
	free(host);
	return 0;
}

static void start(struct reader_host *host)
{
	assert_int_equal(vmm_reader_new(host->base, host->root, &host->log, on_answer, host,
					&host->reader),
			 0);
}

static int ask(struct reader_host *host, uint32_t pid, uint32_t uid)
{
	const struct lp_vmm_query query = {
		.vm_id = pid, .pid = pid, .uid = uid, .start_ns = START_NS};

	return vmm_reader_ask(host->reader, &query);
}

static void run_until(struct reader_host *host, size_t nr_answers)
{
	while (host->nr_answers < nr_answers)
		assert_true(event_base_loop(host->base, EVLOOP_ONCE) >= 0);
}

/* The only child of this process. */
static pid_t keeper_pid(void)
{
	char path[64], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return (pid_t)strtol(text, NULL, 10);
}

static void command_lines_are_read(void **state)
{
	struct reader_host *host = *state;

	start(host);
	assert_int_equal(ask(host, PID_FINE, 0), 0);
	assert_int_equal(ask(host, PID_ABSENT, 0), 0);
	run_until(host, 2);
	assert_int_equal(host->errors[0], 0);
	assert_string_equal(host->last.command, "qemu");
	assert_string_equal(host->last.name, "web");
	assert_int_equal(host->errors[1], -ENOENT);
}

static void a_vmm_that_hangs_stops_neither_the_loop_nor_others(void **state)
{
	static const uint32_t order[] = {PID_HANGS, PID_FINE, PID_HANGS_TOO};
	struct reader_host *host = *state;

	start(host);
	assert_int_equal(ask(host, PID_HANGS, 1), 0);
	assert_int_equal(ask(host, PID_HANGS_TOO, 1), 0);
	assert_int_equal(ask(host, PID_FINE, 2), 0);
	run_until(host, 3);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(host->answered[i], order[i]);
		assert_int_equal(host->errors[i], order[i] == PID_FINE ? 0 : -ETIMEDOUT);
	}
	/* It went on meanwhile. */
	assert_true(host->nr_ticks > 2);
	/* One that hung is no loss: it is killed, and another one reads. */
	assert_int_equal(ask(host, PID_FINE, 1), 0);
	run_until(host, 4);
	assert_int_equal(host->errors[3], 0);
}

static void a_keeper_that_is_gone_is_told_and_not_replaced_at_once(void **state)
{
	struct reader_host *host = *state;
	pid_t pid;

	start(host);
	pid = keeper_pid();
	if (!pid)
		skip(); /* the kernel does not list children */
	assert_int_equal(ask(host, PID_HANGS, 1), 0);
	assert_int_equal(ask(host, PID_FINE, 2), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	run_until(host, 2);
	assert_int_equal(host->errors[0], -EIO);
	assert_int_equal(host->errors[1], -EIO);
	assert_int_equal(fflush(host->log.file), 0);
	assert_non_null(strstr(host->log_text, "has ended"));
	assert_int_equal(ask(host, PID_FINE, 2), -EAGAIN);
}

static void it_keeps_nothing_open_and_ends_with_the_daemon(void **state)
{
	struct reader_host *host = *state;
	struct pollfd end;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	start(host);
	close(fds[1]);
	/* The keeper had the other end, too, until it closed it. */
	end = (struct pollfd){.fd = fds[0]};
	assert_int_equal(poll(&end, 1, -1), 1);
	assert_true(end.revents & POLLHUP);
	close(fds[0]);
	pid = keeper_pid();
	assert_int_equal(ask(host, PID_FINE, 2), 0);
	run_until(host, 1);
	/* Signals to the whole unit do not end it earlier. */
	if (pid)
		assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(ask(host, PID_FINE, 2), 0);
	run_until(host, 2);
	assert_int_equal(host->errors[1], 0);
	host->reader = vmm_reader_free(host->reader);
	pid = wait(&status);
	assert_true(pid > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define READER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		READER_TEST(it_keeps_nothing_open_and_ends_with_the_daemon),
		READER_TEST(command_lines_are_read),
		READER_TEST(a_vmm_that_hangs_stops_neither_the_loop_nor_others),
		READER_TEST(a_keeper_that_is_gone_is_told_and_not_replaced_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
