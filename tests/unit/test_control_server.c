// SPDX-License-Identifier: GPL-2.0-or-later
/* The server on real sockets in a temporary directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/control/control.h"
#include "tests/lib/control_host.h"

static void both_sockets_answer_and_have_their_modes(void **state)
{
	static const char *const names[] = {"control", "read"};
	struct control_host *host = *state;

	for (int i = 0; i < 2; i++) {
		char path[64];
		struct stat st;
		int fd = control_host_dial(host, names[i]);

		snprintf(path, sizeof(path), "%s/%s", host->dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0660);
		control_host_tell(fd, PING, sizeof(PING));
		control_host_expect(host, fd, PONG);
		assert_int_equal(control_nr_clients(host->control), 1);
		close(fd);
		while (control_nr_clients(host->control))
			control_host_turn(host);
	}
}

static void only_the_control_socket_changes_things(void **state)
{
	static const char pause[] = "{\"method\":\"org.tdxlpage.Control.Pause\"}";
	struct control_host *host = *state;
	int control = control_host_dial(host, "control"), reader = control_host_dial(host, "read");

	control_host_tell(reader, pause, sizeof(pause));
	control_host_expect(
		host, reader,
		"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
	assert_int_equal(host->fake.nr_calls, 0);
	control_host_tell(control, pause, sizeof(pause));
	control_host_expect(host, control, PONG);
	assert_int_equal(host->fake.nr_calls, 1);
	close(control);
	close(reader);
}

static void pipelined_frames_are_all_answered(void **state)
{
	static const char many[] = PING "\0" PING "\0" PING;
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");

	control_host_tell(fd, many, sizeof(many));
	control_host_expect(host, fd, PONG);
	control_host_expect(host, fd, PONG);
	control_host_expect(host, fd, PONG);
	close(fd);
}

/* What follows an open call is answered once that has ended, without more input. */
static void a_late_answer_lets_the_next_call_go_on(void **state)
{
	static const char two[] =
		"{\"method\":\"org.tdxlpage.Control.ListVms\",\"parameters\":{\"fresh\":true,"
		"\"start\":99}}\0" PING;
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");

	control_host_tell(fd, two, sizeof(two));
	while (!host->fake.refresh_cb)
		control_host_turn(host);
	fake_core_answer(&host->fake, 0);
	control_host_expect(host, fd, "{\"parameters\":{\"vms\":[],\"next\":null}}");
	control_host_expect(host, fd, PONG);
	close(fd);
}

/* More than the kernel buffers for a socket, so that answers are left when the end is seen. */
static void answers_reach_a_client_that_has_stopped_sending(void **state)
{
	static char buf[65536];
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read"), frames = 0;
	ssize_t n;

	for (int i = 0; i < 80; i++)
		control_host_tell(fd, DESCRIBE, sizeof(DESCRIBE));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 100; i++)
		control_host_turn(host);
	while ((n = control_host_receive(host, fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			frames += buf[i] == '\0';
	}
	assert_int_equal(n, 0);
	assert_int_equal(frames, 80);
	close(fd);
}

/* It reads as fast as it can, and asks for more than the server would keep for it at once. */
static void whoever_pipelines_and_reads_gets_everything(void **state)
{
	static char buf[65536];
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read"), frames = 0;

	control_host_tell_often(fd, DESCRIBE, sizeof(DESCRIBE), 1000);
	while (frames < 1000) {
		ssize_t n = control_host_receive(host, fd, buf, sizeof(buf));

		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			frames += buf[i] == '\0';
	}
	close(fd);
}

/* However much one client asks for, another one's call comes in between. */
static void a_long_pipeline_does_not_hold_up_others(void **state)
{
	static const char resume[] = "{\"method\":\"org.tdxlpage.Control.Resume\"}";
	static const char dry_run[] = "{\"method\":\"org.tdxlpage.Control.SetDryRun\","
				      "\"parameters\":{\"on\":true}}";
	struct control_host *host = *state;
	int busy = control_host_dial(host, "control"), other = control_host_dial(host, "control");
	size_t place = 0;

	while (control_nr_clients(host->control) < 2)
		control_host_turn(host);
	control_host_tell_often(busy, resume, sizeof(resume), 30);
	control_host_tell(other, dry_run, sizeof(dry_run));
	while (host->fake.nr_calls < 31)
		control_host_turn(host);
	while (!strstr(host->fake.calls[place], "dry"))
		place++;
	assert_true(place < 10);
	close(busy);
	close(other);
}

/* `nc -N` and the like say at once that they have nothing more to ask. */
static void a_late_answer_reaches_a_client_that_has_stopped_sending(void **state)
{
	static const char list[] = "{\"method\":\"org.tdxlpage.Control.ListVms\",\"parameters\":"
				   "{\"fresh\":true,\"start\":99}}\0" PING;
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");
	char byte;

	control_host_tell(fd, list, sizeof(list));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	while (!host->fake.refresh_cb)
		control_host_turn(host);
	for (int i = 0; i < 10; i++)
		control_host_turn(host);
	assert_int_equal(control_nr_clients(host->control), 1);
	fake_core_answer(&host->fake, 0);
	control_host_expect(host, fd, "{\"parameters\":{\"vms\":[],\"next\":null}}");
	control_host_expect(host, fd, PONG);
	assert_int_equal(control_host_receive(host, fd, &byte, 1), 0);
	close(fd);
}

/* But whoever is gone wants nothing any more. */
static void a_client_that_went_cancels_its_call(void **state)
{
	static const char list[] = "{\"method\":\"org.tdxlpage.Control.ListVms\",\"parameters\":"
				   "{\"fresh\":true}}";
	static const char watch[] = "{\"method\":\"org.tdxlpage.Control.Watch\",\"more\":true}";
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");

	control_host_tell(fd, list, sizeof(list));
	while (!host->fake.refresh_cb)
		control_host_turn(host);
	close(fd);
	while (control_nr_clients(host->control))
		control_host_turn(host);
	assert_null(host->fake.refresh_cb);
	/* A stream has no end that could be waited for. */
	fd = control_host_dial(host, "read");
	control_host_tell(fd, watch, sizeof(watch));
	while (!host->fake.watch_cb)
		control_host_turn(host);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	while (control_nr_clients(host->control))
		control_host_turn(host);
	assert_null(host->fake.watch_cb);
	close(fd);
}

/* Without a file descriptor for a client that waits the loop must not spin. */
static void no_descriptor_for_a_client(void **state)
{
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read"), fill[64], nr = 0;
	struct rlimit old, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fill[nr] = dup(fd)) >= 0)
		nr++;
	for (int i = 0; i < 100; i++)
		control_host_turn(host);
	assert_int_equal(host->complaints, 1);
	assert_non_null(strstr(host->log, "Too many open files"));
	while (nr > 0)
		close(fill[--nr]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	control_host_tell(fd, PING, sizeof(PING));
	control_host_expect(host, fd, PONG);
	close(fd);
}

static void nonsense_is_dropped(void **state)
{
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");
	char byte;

	control_host_tell(fd, "GET / HTTP/1.1\r\n\r\n", 19);
	assert_int_equal(control_host_receive(host, fd, &byte, 1), 0);
	assert_non_null(strstr(host->log, "not a Varlink call"));
	close(fd);
}

static void an_endless_frame_is_dropped(void **state)
{
	static char spaces[65536];
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");
	size_t sent = 0;

	memset(spaces, ' ', sizeof(spaces));
	while (!*host->log) {
		ssize_t n = send(fd, spaces, sizeof(spaces), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 4u << 20);
		control_host_turn(host);
	}
	assert_non_null(strstr(host->log, "longer than 1 MiB"));
	close(fd);
}

static void a_slow_reader_is_dropped_and_others_are_not(void **state)
{
	static const char watch[] = "{\"method\":\"org.tdxlpage.Control.Watch\",\"more\":true}";
	static char text[60000];
	const struct lp_watch_event event = {.kind = LP_WATCH_VM, .vm_id = 1, .text = text};
	struct control_host *host = *state;
	int slow = control_host_dial(host, "read"), quick = control_host_dial(host, "read");
	int sent = 0;

	memset(text, 'x', sizeof(text) - 1);
	control_host_tell(slow, watch, sizeof(watch));
	while (!host->fake.watch_cb)
		control_host_turn(host);
	while (host->fake.watch_cb) {
		fake_core_event(&host->fake, &event);
		control_host_turn(host);
		assert_true(++sent < 1000);
	}
	assert_true(sent > 2000000 / 60000); /* 2 MiB are allowed */
	assert_non_null(strstr(host->log, "too slowly"));
	control_host_tell(quick, PING, sizeof(PING));
	control_host_expect(host, quick, PONG);
	close(slow);
	close(quick);
}

static void a_second_server_is_refused_but_a_stale_socket_is_not(void **state)
{
	struct control_host *host = *state;
	struct control *second = NULL;
	char path[64], saved[64];
	int fd;

	assert_int_equal(control_new(&host->options, &second), -EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(host->log, "another daemon answers there"));
	fd = control_host_dial(host, "control"); /* the first one's sockets are still there */
	close(fd);
	/* A socket whose owner died: kept by a hard link over the owner's clean-up. */
	snprintf(path, sizeof(path), "%s/control", host->dir);
	snprintf(saved, sizeof(saved), "%s/saved", host->dir);
	assert_int_equal(link(path, saved), 0);
	host->control = control_free(host->control);
	assert_int_equal(rename(saved, path), 0);
	assert_int_equal(control_new(&host->options, &host->control), 0);
	fd = control_host_dial(host, "control");
	control_host_tell(fd, PING, sizeof(PING));
	control_host_expect(host, fd, PONG);
	close(fd);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* What systemd starts: sockets from fd 3 on, and their names. Ends by itself after one client. */
static void serve_passed_sockets(int first, int second)
{
	static struct fake_core fake;
	struct event_base *base;
	struct control_options options = {.core = &fake.core, .runtime_dir = "/nonexistent"};
	struct control *control;
	char pid[16];

	if (dup2(first, 100) < 0 || dup2(second, 101) < 0 || dup2(100, 3) < 0 || dup2(101, 4) < 0)
		_exit(10);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "read:control", 1);
	fake_core_init(&fake);
	base = event_base_new();
	options.base = base;
	if (control_new(&options, &control) < 0)
		_exit(11);
	while (control_nr_clients(control) == 0)
		event_base_loop(base, EVLOOP_ONCE);
	while (control_nr_clients(control) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	control_free(control);
	_exit(fake.nr_calls == 1 ? 0 : 12);
}

static void sockets_from_systemd_are_used_and_left(void **state)
{
	static const char resume[] = "{\"method\":\"org.tdxlpage.Control.Resume\"}";
	struct control_host *host = *state;
	char control[64], reader[64], buf[64] = "";
	int fd, status, fds[2];
	pid_t pid;

	snprintf(control, sizeof(control), "%s/passed-control", host->dir);
	snprintf(reader, sizeof(reader), "%s/passed-read", host->dir);
	fds[0] = listen_on(reader);
	fds[1] = listen_on(control);
	pid = fork();
	if (pid == 0)
		serve_passed_sockets(fds[0], fds[1]);
	fd = control_host_dial(host, "passed-control");
	control_host_tell(fd, resume, sizeof(resume));
	assert_int_equal(control_host_receive(host, fd, buf, sizeof(buf)), sizeof(PONG));
	assert_string_equal(buf, PONG);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(unlink(control), 0); /* systemd's, so still there */
	assert_int_equal(unlink(reader), 0);
}

/* What is no listening socket would be accepted on in vain, again and again. */
static void a_wrong_socket_from_systemd_is_refused(void **state)
{
	int fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid = fork();
	if (pid == 0)
		serve_passed_sockets(fds[0], fds[1]);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 11);
}

static void going_away_cancels_what_is_open(void **state)
{
	static const char watch[] = "{\"method\":\"org.tdxlpage.Control.Watch\",\"more\":true}";
	struct control_host *host = *state;
	int fd = control_host_dial(host, "control");

	control_host_tell(fd, watch, sizeof(watch));
	while (!host->fake.watch_cb)
		control_host_turn(host);
	host->control = control_free(host->control);
	assert_null(host->fake.watch_cb);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_host_setup, control_host_teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_sockets_answer_and_have_their_modes),
		TEST(only_the_control_socket_changes_things),
		TEST(pipelined_frames_are_all_answered),
		TEST(a_late_answer_lets_the_next_call_go_on),
		TEST(answers_reach_a_client_that_has_stopped_sending),
		TEST(whoever_pipelines_and_reads_gets_everything),
		TEST(a_long_pipeline_does_not_hold_up_others),
		TEST(a_late_answer_reaches_a_client_that_has_stopped_sending),
		TEST(a_client_that_went_cancels_its_call),
		TEST(no_descriptor_for_a_client),
		TEST(nonsense_is_dropped),
		TEST(an_endless_frame_is_dropped),
		TEST(a_slow_reader_is_dropped_and_others_are_not),
		TEST(a_second_server_is_refused_but_a_stale_socket_is_not),
		TEST(sockets_from_systemd_are_used_and_left),
		TEST(a_wrong_socket_from_systemd_is_refused),
		TEST(going_away_cancels_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
