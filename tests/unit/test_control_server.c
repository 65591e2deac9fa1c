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

#include "daemon/control/admission.h"
#include "daemon/control/control.h"
#include "tests/lib/fake_core.h"

#define PING "{\"method\":\"org.tdxlpage.Control.Ping\"}"
#define PONG "{\"parameters\":{}}"
/* A call with a long answer. */
#define DESCRIBE                                                                                   \
	"{\"method\":\"org.varlink.service.GetInterfaceDescription\","                             \
	"\"parameters\":{\"interface\":\"org.tdxlpage.Control\"}}"

struct host {
	struct fake_core fake;
	struct event_base *base;
	struct control *control;
	struct control_options options;
	char dir[32];
	char log[512];
	int complaints; /* lines of LOG_WARNING or worse */
};

static void keep_log(void *ctx, int priority, const char *line)
{
	struct host *host = ctx;

	host->complaints += priority <= LOG_WARNING;
	snprintf(host->log, sizeof(host->log), "%s", line);
}

static int setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	fake_core_init(&host->fake);
	host->base = event_base_new();
	strcpy(host->dir, "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	host->options = (struct control_options){
		.base = host->base,
		.core = &host->fake.core,
		.runtime_dir = host->dir,
		.log = keep_log,
		.log_ctx = host,
	};
	assert_int_equal(control_new(&host->options, &host->control), 0);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	struct host *host = *state;

	control_free(host->control);
	event_base_free(host->base);
	assert_int_equal(rmdir(host->dir), 0); /* the sockets are gone */
	fake_core_done(&host->fake);
	free(host);
	return 0;
}

static void turn(struct host *host)
{
	assert_true(event_base_loop(host->base, EVLOOP_NONBLOCK) >= 0);
}

static int dial(struct host *host, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", host->dir, name);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Runs the loop until @fd can be read, and reads. Returns what recv() does. */
static ssize_t receive(struct host *host, int fd, char *buf, size_t size)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	/* A minute, for a machine that is busy: what never comes is a failure, not a hang. */
	for (int tries = 0; poll(&pfd, 1, 1) == 0; tries++) {
		assert_true(tries < 60000);
		turn(host);
	}
	return recv(fd, buf, size, 0);
}

static void expect(struct host *host, int fd, const char *frame)
{
	char buf[4096] = "";
	size_t len = 0, want = strlen(frame) + 1;

	while (len < want) {
		ssize_t n = receive(host, fd, buf + len, want - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_string_equal(buf, frame);
}

static void tell(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The same frame @nr times, in one piece. */
static void tell_often(int fd, const char *frame, size_t size, size_t nr)
{
	char *all = malloc(size * nr);

	for (size_t i = 0; i < nr; i++)
		memcpy(all + i * size, frame, size);
	tell(fd, all, size * nr);
	free(all);
}

static void both_sockets_answer_and_have_their_modes(void **state)
{
	static const char *const names[] = {"control", "read"};
	struct host *host = *state;

	for (int i = 0; i < 2; i++) {
		char path[64];
		struct stat st;
		int fd = dial(host, names[i]);

		snprintf(path, sizeof(path), "%s/%s", host->dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0660);
		tell(fd, PING, sizeof(PING));
		expect(host, fd, PONG);
		assert_int_equal(control_nr_clients(host->control), 1);
		close(fd);
		while (control_nr_clients(host->control))
			turn(host);
	}
}

static void only_the_control_socket_changes_things(void **state)
{
	static const char pause[] = "{\"method\":\"org.tdxlpage.Control.Pause\"}";
	struct host *host = *state;
	int control = dial(host, "control"), reader = dial(host, "read");

	tell(reader, pause, sizeof(pause));
	expect(host, reader,
	       "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
	assert_int_equal(host->fake.nr_calls, 0);
	tell(control, pause, sizeof(pause));
	expect(host, control, PONG);
	assert_int_equal(host->fake.nr_calls, 1);
	close(control);
	close(reader);
}

static void pipelined_frames_are_all_answered(void **state)
{
	static const char many[] = PING "\0" PING "\0" PING;
	struct host *host = *state;
	int fd = dial(host, "read");

	tell(fd, many, sizeof(many));
	expect(host, fd, PONG);
	expect(host, fd, PONG);
	expect(host, fd, PONG);
	close(fd);
}

/* What follows an open call is answered once that has ended, without more input. */
static void a_late_answer_lets_the_next_call_go_on(void **state)
{
	static const char two[] =
		"{\"method\":\"org.tdxlpage.Control.ListVms\",\"parameters\":{\"fresh\":true,"
		"\"start\":99}}\0" PING;
	struct host *host = *state;
	int fd = dial(host, "read");

	tell(fd, two, sizeof(two));
	while (!host->fake.refresh_cb)
		turn(host);
	fake_core_answer(&host->fake, 0);
	expect(host, fd, "{\"parameters\":{\"vms\":[],\"next\":null}}");
	expect(host, fd, PONG);
	close(fd);
}

/* More than the kernel buffers for a socket, so that answers are left when the end is seen. */
static void answers_reach_a_client_that_has_stopped_sending(void **state)
{
	static char buf[65536];
	struct host *host = *state;
	int fd = dial(host, "read"), frames = 0;
	ssize_t n;

	for (int i = 0; i < 80; i++)
		tell(fd, DESCRIBE, sizeof(DESCRIBE));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 100; i++)
		turn(host);
	while ((n = receive(host, fd, buf, sizeof(buf))) > 0) {
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
	struct host *host = *state;
	int fd = dial(host, "read"), frames = 0;

	tell_often(fd, DESCRIBE, sizeof(DESCRIBE), 1000);
	while (frames < 1000) {
		ssize_t n = receive(host, fd, buf, sizeof(buf));

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
	struct host *host = *state;
	int busy = dial(host, "control"), other = dial(host, "control");
	size_t place = 0;

	while (control_nr_clients(host->control) < 2)
		turn(host);
	tell_often(busy, resume, sizeof(resume), 30);
	tell(other, dry_run, sizeof(dry_run));
	while (host->fake.nr_calls < 31)
		turn(host);
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
	struct host *host = *state;
	int fd = dial(host, "read");
	char byte;

	tell(fd, list, sizeof(list));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	while (!host->fake.refresh_cb)
		turn(host);
	for (int i = 0; i < 10; i++)
		turn(host);
	assert_int_equal(control_nr_clients(host->control), 1);
	fake_core_answer(&host->fake, 0);
	expect(host, fd, "{\"parameters\":{\"vms\":[],\"next\":null}}");
	expect(host, fd, PONG);
	assert_int_equal(receive(host, fd, &byte, 1), 0);
	close(fd);
}

/* But whoever is gone wants nothing any more. */
static void a_client_that_went_cancels_its_call(void **state)
{
	static const char list[] = "{\"method\":\"org.tdxlpage.Control.ListVms\",\"parameters\":"
				   "{\"fresh\":true}}";
	static const char watch[] = "{\"method\":\"org.tdxlpage.Control.Watch\",\"more\":true}";
	struct host *host = *state;
	int fd = dial(host, "read");

	tell(fd, list, sizeof(list));
	while (!host->fake.refresh_cb)
		turn(host);
	close(fd);
	while (control_nr_clients(host->control))
		turn(host);
	assert_null(host->fake.refresh_cb);
	/* A stream has no end that could be waited for. */
	fd = dial(host, "read");
	tell(fd, watch, sizeof(watch));
	while (!host->fake.watch_cb)
		turn(host);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	while (control_nr_clients(host->control))
		turn(host);
	assert_null(host->fake.watch_cb);
	close(fd);
}

/* Without a file descriptor for a client that waits the loop must not spin. */
static void no_descriptor_for_a_client(void **state)
{
	struct host *host = *state;
	int fd = dial(host, "read"), fill[64], nr = 0;
	struct rlimit old, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fill[nr] = dup(fd)) >= 0)
		nr++;
	for (int i = 0; i < 100; i++)
		turn(host);
	assert_int_equal(host->complaints, 1);
	assert_non_null(strstr(host->log, "Too many open files"));
	while (nr > 0)
		close(fill[--nr]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	tell(fd, PING, sizeof(PING));
	expect(host, fd, PONG);
	close(fd);
}

static void nonsense_is_dropped(void **state)
{
	struct host *host = *state;
	int fd = dial(host, "read");
	char byte;

	tell(fd, "GET / HTTP/1.1\r\n\r\n", 19);
	assert_int_equal(receive(host, fd, &byte, 1), 0);
	assert_non_null(strstr(host->log, "not a Varlink call"));
	close(fd);
}

static void an_endless_frame_is_dropped(void **state)
{
	static char spaces[65536];
	struct host *host = *state;
	int fd = dial(host, "read");
	size_t sent = 0;

	memset(spaces, ' ', sizeof(spaces));
	while (!*host->log) {
		ssize_t n = send(fd, spaces, sizeof(spaces), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 4u << 20);
		turn(host);
	}
	assert_non_null(strstr(host->log, "longer than 1 MiB"));
	close(fd);
}

static void a_slow_reader_is_dropped_and_others_are_not(void **state)
{
	static const char watch[] = "{\"method\":\"org.tdxlpage.Control.Watch\",\"more\":true}";
	static char text[60000];
	const struct lp_watch_event event = {.kind = LP_WATCH_VM, .vm_id = 1, .text = text};
	struct host *host = *state;
	int slow = dial(host, "read"), quick = dial(host, "read");
	int sent = 0;

	memset(text, 'x', sizeof(text) - 1);
	tell(slow, watch, sizeof(watch));
	while (!host->fake.watch_cb)
		turn(host);
	while (host->fake.watch_cb) {
		fake_core_event(&host->fake, &event);
		turn(host);
		assert_true(++sent < 1000);
	}
	assert_true(sent > 2000000 / 60000); /* 2 MiB are allowed */
	assert_non_null(strstr(host->log, "too slowly"));
	tell(quick, PING, sizeof(PING));
	expect(host, quick, PONG);
	close(slow);
	close(quick);
}

/* Many clients of one user are not all; their number is logged once, not for each. */
static void one_user_cannot_take_all_places(void **state)
{
	struct host *host = *state;
	int fds[CONTROL_CLIENTS_MAX], other;
	char byte;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fds[i] = dial(host, "read");
		turn(host);
	}
	for (int i = ADMISSION_PER_UID; i < CONTROL_CLIENTS_MAX; i++)
		assert_int_equal(receive(host, fds[i], &byte, 1), 0);
	assert_int_equal(control_nr_clients(host->control), ADMISSION_PER_UID);
	assert_int_equal(host->complaints, 1);
	assert_non_null(strstr(host->log, "refused 1 client of the read socket: its user has"));
	/* Readers cannot keep the admin out. */
	other = dial(host, "control");
	tell(other, PING, sizeof(PING));
	expect(host, other, PONG);
	close(other);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void some_places_are_for_root_only(void **state)
{
	uid_t uids[CONTROL_CLIENTS_MAX];
	size_t nr = 0;

	(void)state;
	for (uid_t uid = 1000; nr < CONTROL_CLIENTS_MAX - ADMISSION_ROOT; nr++) {
		uids[nr] = uid + (uid_t)(nr / ADMISSION_PER_UID);
		assert_null(admission_refuses(uids, nr, uids[nr]));
	}
	assert_non_null(admission_refuses(uids, nr, 4711));
	for (; nr < CONTROL_CLIENTS_MAX; nr++) {
		assert_null(admission_refuses(uids, nr, 0));
		uids[nr] = 0;
	}
	assert_non_null(admission_refuses(uids, nr, 0));
}

/* A connection without a call is of no use to its owner, and takes a place. */
static void a_silent_client_goes(void **state)
{
	struct host *host = *state;
	int silent, half, spoke;

	host->control = control_free(host->control);
	host->options.first_call_ms = 200;
	assert_int_equal(control_new(&host->options, &host->control), 0);
	spoke = dial(host, "read");
	tell(spoke, PING, sizeof(PING));
	expect(host, spoke, PONG);
	silent = dial(host, "read");
	half = dial(host, "read");
	tell(half, PING, 10);
	while (control_nr_clients(host->control) < 3)
		turn(host);
	while (control_nr_clients(host->control) > 1)
		turn(host);
	assert_non_null(strstr(host->log, "it called nothing"));
	tell(spoke, PING, sizeof(PING));
	expect(host, spoke, PONG);
	close(silent);
	close(half);
	close(spoke);
}

/* Bytes that the server has not read yet. */
static int unread(int fd)
{
	int bytes = 0;

	assert_int_equal(ioctl(fd, SIOCOUTQ, &bytes), 0);
	return bytes;
}

/* Single bytes do not wake the server one by one: it reads again after a pause. */
static void a_frame_in_small_pieces_is_read_in_larger_ones(void **state)
{
	struct host *host = *state;
	int fd = dial(host, "read");
	int gathered = 0;

	/* On a slow machine the pause may be over now and then. */
	for (size_t i = 0; i + 1 < sizeof(PING); i++) {
		tell(fd, &PING[i], 1);
		turn(host);
		turn(host);
		if (unread(fd) > gathered)
			gathered = unread(fd);
	}
	assert_true(gathered > 0);
	tell(fd, "", 1);
	expect(host, fd, PONG);
	close(fd);
}

/* A call that takes many turns is answered, and leaves nothing behind when its client goes. */
static void a_call_of_many_turns_is_answered(void **state)
{
	static const char explain[] = "{\"method\":\"org.tdxlpage.Control.ExplainVm\","
				      "\"parameters\":{\"vm\":\"web-1\"}}";
	struct host *host = *state;
	int fd = dial(host, "read");
	char buf[4096] = "";

	host->fake.nr_generated = 1 << 20;
	tell(fd, explain, sizeof(explain));
	assert_true(receive(host, fd, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "\"cut\":true"));
	tell(fd, explain, sizeof(explain));
	tell(fd, PING, sizeof(PING));
	while (host->fake.nr_explained <= 1 << 18)
		turn(host);
	close(fd);
	while (control_nr_clients(host->control))
		turn(host);
}

static void a_second_server_is_refused_but_a_stale_socket_is_not(void **state)
{
	struct host *host = *state;
	struct control *second = NULL;
	char path[64], saved[64];
	int fd;

	assert_int_equal(control_new(&host->options, &second), -EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(host->log, "another daemon answers there"));
	fd = dial(host, "control"); /* the first one's sockets are still there */
	close(fd);
	/* A socket whose owner died: kept by a hard link over the owner's clean-up. */
	snprintf(path, sizeof(path), "%s/control", host->dir);
	snprintf(saved, sizeof(saved), "%s/saved", host->dir);
	assert_int_equal(link(path, saved), 0);
	host->control = control_free(host->control);
	assert_int_equal(rename(saved, path), 0);
	assert_int_equal(control_new(&host->options, &host->control), 0);
	fd = dial(host, "control");
	tell(fd, PING, sizeof(PING));
	expect(host, fd, PONG);
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
	struct host *host = *state;
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
	fd = dial(host, "passed-control");
	tell(fd, resume, sizeof(resume));
	assert_int_equal(receive(host, fd, buf, sizeof(buf)), sizeof(PONG));
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
	struct host *host = *state;
	int fd = dial(host, "control");

	tell(fd, watch, sizeof(watch));
	while (!host->fake.watch_cb)
		turn(host);
	host->control = control_free(host->control);
	assert_null(host->fake.watch_cb);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		TEST(one_user_cannot_take_all_places),
		cmocka_unit_test(some_places_are_for_root_only),
		TEST(a_silent_client_goes),
		TEST(a_frame_in_small_pieces_is_read_in_larger_ones),
		TEST(a_call_of_many_turns_is_answered),
		TEST(a_second_server_is_refused_but_a_stale_socket_is_not),
		TEST(sockets_from_systemd_are_used_and_left),
		TEST(a_wrong_socket_from_systemd_is_refused),
		TEST(going_away_cancels_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
