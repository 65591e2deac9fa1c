// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real tdx-lpaged on a kernel without the family: start, sockets, reload, idleness and end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ctl/client.h"
#include "tests/lib/attack_host.h"
#include "tests/lib/daemon_host.h"

static unsigned int lines(const char *text)
{
	unsigned int count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* ---- start ---- */

static void it_starts_without_the_family(void **state)
{
	struct daemon_host *host = *state;
	char text[4096];

	daemon_host_start(host);
	assert_non_null(strstr(host->message, "STATUS=degraded: kernel has no kvm-lpage family"));
	/* READY=1 means that clients can connect. */
	assert_true(daemon_host_answers(host, "control"));
	assert_true(daemon_host_answers(host, "read"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	daemon_host_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "<4>degraded: kernel has no kvm-lpage family"));
	assert_null(strstr(text, "<3>"));
}

static void a_second_instance_is_refused(void **state)
{
	struct daemon_host *host = *state;
	char text[4096], other[80], first[16];
	pid_t pid;

	daemon_host_start(host);
	snprintf(other, sizeof(other), "%s/other", host->dir);
	snprintf(first, sizeof(first), "(pid %d, ", (int)host->pid);
	/* With another runtime directory, too: there is one kernel. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(truncate(host->log, 0), 0);
		pid = daemon_host_spawn(host, ARGS("--config", host->config, "--runtime-dir",
						   i ? other : host->run));
		assert_int_equal(daemon_host_wait(pid), 4);
		daemon_host_log(host, text, sizeof(text));
		assert_int_equal(lines(text), 1);
		assert_non_null(strstr(text, "another tdx-lpaged is running"));
		assert_non_null(strstr(text, first));
	}
	/* The first one is not disturbed. */
	assert_true(daemon_host_answers(host, "control"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void it_starts_after_a_kill(void **state)
{
	struct daemon_host *host = *state;

	daemon_host_start(host);
	assert_int_equal(daemon_host_stop(host, SIGKILL), -1);
	daemon_host_start(host);
	assert_true(daemon_host_answers(host, "control"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void a_bad_command_line_is_exit_status_2(void **state)
{
	struct daemon_host *host = *state;
	char text[4096];

	assert_int_equal(daemon_host_wait(daemon_host_spawn(host, ARGS("--frobnicate"))), 2);
	assert_int_equal(daemon_host_wait(daemon_host_spawn(host, ARGS("--config"))), 2);
	assert_int_equal(daemon_host_wait(daemon_host_spawn(host, ARGS("--link=usb"))), 2);
	daemon_host_log(host, text, sizeof(text));
	assert_int_equal(lines(text), 3);
	assert_non_null(strstr(text, "\"--frobnicate\""));
}

static void a_bad_configuration_is_exit_status_3(void **state)
{
	struct daemon_host *host = *state;
	char text[4096], place[96];

	daemon_host_write(host->config,
			  "version: 1\ndefaults:\n  quiet-time: 5parsecs\n  bach: 3\n");
	snprintf(place, sizeof(place), "%s:3:", host->config);
	assert_int_equal(daemon_host_wait(daemon_host_spawn(
				 host, ARGS("--config", host->config, "--runtime-dir", host->run))),
			 3);
	daemon_host_log(host, text, sizeof(text));
	/* Every error, with its place. */
	assert_int_equal(lines(text), 2);
	assert_non_null(strstr(text, place));
	assert_non_null(strstr(text, "quiet-time"));
	assert_non_null(strstr(text, "bach"));
	assert_int_equal(truncate(host->log, 0), 0);
	assert_int_equal(daemon_host_wait(daemon_host_spawn(host, ARGS("--check-config", "--config",
								       host->config))),
			 1);
	daemon_host_log(host, text, sizeof(text));
	assert_int_equal(lines(text), 2);
	daemon_host_write(host->config, "version: 1\n");
	assert_int_equal(daemon_host_wait(daemon_host_spawn(host, ARGS("--check-config", "--config",
								       host->config))),
			 0);
	/* A file given by --config must exist. */
	assert_int_equal(unlink(host->config), 0);
	assert_int_equal(daemon_host_wait(daemon_host_spawn(host, ARGS("--config", host->config))),
			 3);
}

static void an_unusable_runtime_directory_is_exit_status_1(void **state)
{
	struct daemon_host *host = *state;
	char text[4096];

	assert_int_equal(
		daemon_host_wait(daemon_host_spawn(host, ARGS("--config", host->config,
							      "--runtime-dir", host->config))),
		1);
	daemon_host_log(host, text, sizeof(text));
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "cannot use the runtime directory"));
}

/* What somebody paused must not run because of a bad file. */
static void a_bad_switches_file_pauses_all_vms(void **state)
{
	struct daemon_host *host = *state;
	char path[128], text[4096];
	FILE *f;

	daemon_host_start(host);
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/state/switches", host->run);
	daemon_host_write(path, "paused-vm 3 1 1\nqaused\n");
	daemon_host_start(host);
	assert_non_null(strstr(host->message, ", paused"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	daemon_host_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "state/switches: line 2: not a switch; all VMs are paused"));
	/* Until somebody resumes them, also after the next start. */
	daemon_host_start(host);
	assert_non_null(strstr(host->message, ", paused"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/state/switches.bad", host->run);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "paused-vm 3 1 1\n");
	assert_int_equal(unlink(path), 0);
}

/* ---- end ---- */

static void sigterm_and_sigint_stop_it(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};
	struct daemon_host *host = *state;

	for (int i = 0; i < 2; i++) {
		daemon_host_start(host);
		assert_int_equal(daemon_host_stop(host, signals[i]), 0);
		daemon_host_message(host, "STOPPING=1");
		assert_false(daemon_host_answers(host, "control"));
	}
}

/* ---- reload ---- */

static void sighup_reloads_the_configuration(void **state)
{
	struct daemon_host *host = *state;
	struct timespec now;
	char text[4096];
	const char *usec;

	daemon_host_start(host);
	daemon_host_write(host->config, "version: 1\nglobal:\n  dry-run: true\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	daemon_host_message(host, "RELOADING=1");
	usec = strstr(host->message, "\nMONOTONIC_USEC=");
	assert_non_null(usec);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(strtoull(usec + strlen("\nMONOTONIC_USEC="), NULL, 10) <=
		    (unsigned long long)now.tv_sec * 1000000 +
			    (unsigned long long)now.tv_nsec / 1000);
	daemon_host_message(host, "READY=1");
	assert_non_null(strstr(host->message, ", dry-run"));

	daemon_host_write(host->config, "version: 1\nglobal:\n  dry-run: perhaps\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	daemon_host_message(host, "READY=1");
	/* The old configuration remains in force, and the status says so. */
	assert_non_null(strstr(host->message, ", dry-run, last reload failed"));
	assert_true(daemon_host_answers(host, "control"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	daemon_host_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "config.yaml:3:"));
}

/* From now on, whoever waits for room there waits until somebody reads. */
static void fill_notify_queue(const struct daemon_host *host)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, host->notify_path);
	while (sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address)) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void a_service_manager_that_reads_nothing_keeps_nobody_waiting(void **state)
{
	struct daemon_host *host = *state;
	struct ctl_client *client = NULL;
	char path[128];

	daemon_host_start(host);
	snprintf(path, sizeof(path), "%s/control", host->run);
	assert_int_equal(ctl_client_connect(path, ATTACK_ANSWER_MS, &client), 0);
	fill_notify_queue(host);
	attack_host_ask(client, "Reload", NULL);
	attack_host_ask(client, "SetDryRun", "{'on': true}");
	ctl_client_close(client);
	/* Once it reads, it is told what holds then. */
	daemon_host_message(host, "READY=1");
	while (!strstr(host->message, ", dry-run"))
		daemon_host_message(host, "STATUS=");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

/* ---- metrics ---- */

/* Returns a port that nobody listens on. */
static unsigned int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* Sends a request, and reads the answer to its end. False: nobody listens. */
static bool http(unsigned int port, const char *request, char *text, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t have = 0;
	ssize_t len = 0;
	bool ok;

	ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	if (ok) {
		assert_int_equal(write(fd, request, strlen(request)), strlen(request));
		while ((len = read(fd, text + have, size - 1 - have)) > 0)
			have += (size_t)len;
	}
	close(fd);
	text[have] = '\0';
	return ok;
}

/* Keeps a FIFO open in place of the log, and fills it. */
static int full_log(const struct daemon_host *host)
{
	char block[4096] = "";
	int fd;

	assert_int_equal(mkfifo(host->log, 0600), 0);
	fd = open(host->log, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	return fd;
}

static void a_log_that_nobody_reads_keeps_nobody_waiting(void **state)
{
	struct daemon_host *host = *state;
	char text[70000];
	ssize_t len;
	int fd = full_log(host);

	daemon_host_start(host);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kill(host->pid, SIGHUP), 0);
		daemon_host_message(host, "RELOADING=1");
		daemon_host_message(host, "READY=1");
	}
	assert_true(daemon_host_answers(host, "control"));
	/* It is said what is missing as soon as somebody reads. */
	while ((len = read(fd, text, sizeof(text))) > 0)
		;
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	daemon_host_message(host, "READY=1");
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "lines are missing here: nobody read them\n"));
	assert_non_null(strstr(text, "reloaded"));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	close(fd);
}

static void metrics_follow_the_configuration(void **state)
{
	struct daemon_host *host = *state;
	unsigned int port = free_port();
	char text[16384], config[128];

	snprintf(config, sizeof(config), "version: 1\nglobal: {metrics: \"127.0.0.1:%u\"}\n", port);
	daemon_host_write(host->config, config);
	daemon_host_start(host);
	assert_true(http(port, "GET /metrics HTTP/1.0\r\n\r\n", text, sizeof(text)));
	assert_non_null(strstr(text, " 200 OK"));
	assert_non_null(strstr(text, "application/openmetrics-text; version=1.0.0"));
	assert_non_null(strstr(text, "\ntdx_lpage_degraded 1\n"));
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	assert_true(http(port, "GET /secret HTTP/1.0\r\n\r\n", text, sizeof(text)));
	assert_non_null(strstr(text, " 404 "));
	assert_true(http(port, "POST /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n", text,
			 sizeof(text)));
	assert_null(strstr(text, " 200 OK"));
	/* An address that is not available fails the reload; the old one stays in use. */
	daemon_host_write(host->config, "version: 1\nglobal: {metrics: \"203.0.113.1:9477\"}\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	daemon_host_message(host, "READY=1");
	assert_non_null(strstr(host->message, "last reload failed"));
	assert_true(http(port, "GET /metrics HTTP/1.0\r\n\r\n", text, sizeof(text)));
	assert_non_null(strstr(text, " 200 OK"));
	/* A reload can turn metrics off. */
	daemon_host_write(host->config, "version: 1\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	daemon_host_message(host, "READY=1");
	assert_false(http(port, "GET /metrics HTTP/1.0\r\n\r\n", text, sizeof(text)));
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void an_unavailable_metrics_address_is_logged(void **state)
{
	struct daemon_host *host = *state;
	char config[128], text[4096];

	snprintf(config, sizeof(config), "version: 1\nglobal: {metrics: \"203.0.113.1:9477\"}\n");
	daemon_host_write(host->config, config);
	daemon_host_start(host);
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
	daemon_host_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "<3>metrics: cannot listen on 203.0.113.1:9477: "));
}

/* ---- idle ---- */

static void the_watchdog_is_pinged(void **state)
{
	struct daemon_host *host = *state;

	host->watchdog_usec = "400000";
	daemon_host_start(host);
	for (int i = 0; i < 4; i++)
		daemon_host_message(host, "WATCHDOG=1");
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

/* Wake-ups within @seconds. That nothing happens cannot be waited for. */
static unsigned long wakeups(struct daemon_host *host, unsigned int seconds)
{
	unsigned long before = daemon_host_status(host->pid, "voluntary_ctxt_switches");

	sleep(seconds);
	return daemon_host_status(host->pid, "voluntary_ctxt_switches") - before;
}

static void an_idle_daemon_does_not_wake_up(void **state)
{
	struct daemon_host *host = *state;
	unsigned long before;

	daemon_host_start(host);
	/* A client wakes the daemon, which shows that the counter counts. */
	before = daemon_host_status(host->pid, "voluntary_ctxt_switches");
	assert_true(daemon_host_answers(host, "control"));
	while (daemon_host_status(host->pid, "voluntary_ctxt_switches") == before)
		usleep(1000);
	assert_true(wakeups(host, 1) <= 1); /* the client's end */
	assert_int_equal(wakeups(host, 4), 0);
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

static void it_has_one_thread_and_few_files(void **state)
{
	unsigned int count = 0;
	struct daemon_host *host = *state;
	char path[64];
	DIR *dir;

	daemon_host_start(host);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)host->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	/* ".", "..", 0-2, epoll and its timer, signals, two netlink, two sockets, directory, locks, reader. */
	assert_true(count <= 20);
	assert_int_equal(daemon_host_status(host->pid, "Threads"), 1);
	assert_int_equal(daemon_host_stop(host, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DAEMON_HOST_TEST(it_starts_without_the_family),
		DAEMON_HOST_TEST(a_second_instance_is_refused),
		DAEMON_HOST_TEST(it_starts_after_a_kill),
		DAEMON_HOST_TEST(a_bad_command_line_is_exit_status_2),
		DAEMON_HOST_TEST(a_bad_configuration_is_exit_status_3),
		DAEMON_HOST_TEST(an_unusable_runtime_directory_is_exit_status_1),
		DAEMON_HOST_TEST(a_bad_switches_file_pauses_all_vms),
		DAEMON_HOST_TEST(sigterm_and_sigint_stop_it),
		DAEMON_HOST_TEST(sighup_reloads_the_configuration),
		DAEMON_HOST_TEST(a_service_manager_that_reads_nothing_keeps_nobody_waiting),
		DAEMON_HOST_TEST(a_log_that_nobody_reads_keeps_nobody_waiting),
		DAEMON_HOST_TEST(metrics_follow_the_configuration),
		DAEMON_HOST_TEST(an_unavailable_metrics_address_is_logged),
		DAEMON_HOST_TEST(the_watchdog_is_pinged),
		DAEMON_HOST_TEST(an_idle_daemon_does_not_wake_up),
		DAEMON_HOST_TEST(it_has_one_thread_and_few_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
