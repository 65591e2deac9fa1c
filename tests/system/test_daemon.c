// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real tdx-lpaged on a kernel without the family: how it starts, is reached, idles and ends. The
 * test is its service manager. It runs on a /run of its own, so that a daemon of the host does not
 * stand in its way.
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
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 30000 /* for what has to happen at all */
#define ARGS_MAX    8

struct host {
	char dir[40];
	char run[64];
	char config[64];
	char log[64];
	char notify_path[64];
	int notify_fd;
	const char *watchdog_usec;
	pid_t pid;
	char message[512]; /* the last one from the daemon */
};

static const char *binary(void)
{
	const char *path = getenv("TDX_LPAGED");

	return path ? path : "build/san/tdx-lpaged";
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int listen_notify(struct host *host)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(host->notify_path, sizeof(host->notify_path), "%s/notify", host->dir);
	strcpy(address.sun_path, host->notify_path);
	host->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return bind(host->notify_fd, (struct sockaddr *)&address, sizeof(address));
}

static int setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	strcpy(host->dir, "/tmp/test_daemon.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	snprintf(host->run, sizeof(host->run), "%s/run", host->dir);
	snprintf(host->config, sizeof(host->config), "%s/config.yaml", host->dir);
	snprintf(host->log, sizeof(host->log), "%s/log", host->dir);
	write_file(host->config, "version: 1\n");
	assert_int_equal(listen_notify(host), 0);
	*state = host;
	return 0;
}

/* ---- processes ---- */

/* Starts the daemon with these arguments, up to a NULL. Its stderr goes to host->log. */
static pid_t spawn(struct host *host, const char *const *args)
{
	char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t) "tdx-lpaged"};
	int log = open(host->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	pid_t pid;

	for (int i = 0; args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(log);
		return pid;
	}
	/* It must not outlive a test that fails. */
	signal(SIGCHLD, SIG_DFL);
	setenv("NOTIFY_SOCKET", host->notify_path, 1);
	if (host->watchdog_usec)
		setenv("WATCHDOG_USEC", host->watchdog_usec, 1);
	dup2(log, STDERR_FILENO);
	dup2(log, STDOUT_FILENO);
	execv(binary(), argv);
	_exit(126);
}

/* Its exit status, or -1 when it was killed. */
static int wait_for(pid_t pid)
{
	int status = 0, waited_ms = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (++waited_ms == DEADLINE_MS)
			kill(pid, SIGKILL);
		usleep(1000);
	}
	assert_true(waited_ms < DEADLINE_MS);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The next message that has @word in it, skipping others. Fails after the deadline. */
static void wait_message(struct host *host, const char *word)
{
	struct pollfd poller = {.fd = host->notify_fd, .events = POLLIN};
	ssize_t len;

	do {
		assert_int_equal(poll(&poller, 1, DEADLINE_MS), 1);
		len = recv(host->notify_fd, host->message, sizeof(host->message) - 1, 0);
		assert_true(len > 0);
		host->message[len] = '\0';
	} while (!strstr(host->message, word));
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void start(struct host *host)
{
	host->pid = spawn(host, ARGS("--config", host->config, "--runtime-dir", host->run));
	wait_message(host, "READY=1");
}

static int stop(struct host *host, int signal)
{
	pid_t pid = host->pid;

	host->pid = 0;
	assert_int_equal(kill(pid, signal), 0);
	return wait_for(pid);
}

static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[512];

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) < 0)
			remove_tree(name);
	}
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

static int teardown(void **state)
{
	struct host *host = *state;

	if (host->pid)
		(void)stop(host, SIGKILL);
	close(host->notify_fd);
	remove_tree(host->dir);
	free(host);
	return 0;
}

static char *read_log(const struct host *host, char *text, size_t size)
{
	FILE *f = fopen(host->log, "r");
	size_t len = f ? fread(text, 1, size - 1, f) : 0;

	text[len] = '\0';
	if (f)
		fclose(f);
	return text;
}

static unsigned int lines(const char *text)
{
	unsigned int count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static bool answers(const struct host *host, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool ok;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", host->run, name);
	ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

/* A number out of /proc/PID/status. */
static unsigned long proc_status(pid_t pid, const char *key)
{
	unsigned long value = 0;
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') {
			value = strtoul(line + strlen(key) + 1, NULL, 10);
			found = true;
		}
	}
	fclose(f);
	assert_true(found);
	return value;
}

/* ---- start ---- */

static void test_degraded_start(void **state)
{
	struct host *host = *state;
	char text[4096];

	start(host);
	assert_non_null(strstr(host->message, "STATUS=degraded: kernel has no kvm-lpage family"));
	/* Ready means that it can be reached. */
	assert_true(answers(host, "control"));
	assert_true(answers(host, "read"));
	assert_int_equal(stop(host, SIGTERM), 0);
	read_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "<4>degraded: kernel has no kvm-lpage family"));
	assert_null(strstr(text, "<3>"));
}

static void test_second_instance(void **state)
{
	struct host *host = *state;
	char text[4096], other[80], first[16];
	pid_t pid;

	start(host);
	snprintf(other, sizeof(other), "%s/other", host->dir);
	snprintf(first, sizeof(first), "pid %d,", (int)host->pid);
	/* Also with another runtime directory: there is one kernel. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(truncate(host->log, 0), 0);
		pid = spawn(host,
			    ARGS("--config", host->config, "--runtime-dir", i ? other : host->run));
		assert_int_equal(wait_for(pid), 4);
		read_log(host, text, sizeof(text));
		assert_int_equal(lines(text), 1);
		assert_non_null(strstr(text, "another tdx-lpaged is running"));
		assert_non_null(strstr(text, first));
	}
	/* The first one does not mind. */
	assert_true(answers(host, "control"));
	assert_int_equal(stop(host, SIGTERM), 0);
}

static void test_after_kill(void **state)
{
	struct host *host = *state;

	start(host);
	assert_int_equal(stop(host, SIGKILL), -1);
	start(host);
	assert_true(answers(host, "control"));
	assert_int_equal(stop(host, SIGTERM), 0);
}

static void test_bad_command_line(void **state)
{
	struct host *host = *state;
	char text[4096];

	assert_int_equal(wait_for(spawn(host, ARGS("--frobnicate"))), 2);
	assert_int_equal(wait_for(spawn(host, ARGS("--config"))), 2);
	assert_int_equal(wait_for(spawn(host, ARGS("--link=usb"))), 2);
	read_log(host, text, sizeof(text));
	assert_int_equal(lines(text), 3);
	assert_non_null(strstr(text, "\"--frobnicate\""));
}

static void test_bad_config(void **state)
{
	struct host *host = *state;
	char text[4096], place[96];

	write_file(host->config, "version: 1\ndefaults:\n  quiet-time: 5parsecs\n  bach: 3\n");
	snprintf(place, sizeof(place), "%s:3:", host->config);
	assert_int_equal(
		wait_for(spawn(host, ARGS("--config", host->config, "--runtime-dir", host->run))),
		3);
	read_log(host, text, sizeof(text));
	/* Every complaint, with its place. */
	assert_int_equal(lines(text), 2);
	assert_non_null(strstr(text, place));
	assert_non_null(strstr(text, "quiet-time"));
	assert_non_null(strstr(text, "bach"));
	assert_int_equal(truncate(host->log, 0), 0);
	assert_int_equal(wait_for(spawn(host, ARGS("--check-config", "--config", host->config))),
			 3);
	read_log(host, text, sizeof(text));
	assert_int_equal(lines(text), 2);
	write_file(host->config, "version: 1\n");
	assert_int_equal(wait_for(spawn(host, ARGS("--check-config", "--config", host->config))),
			 0);
	/* A file that was asked for by name has to be there. */
	assert_int_equal(unlink(host->config), 0);
	assert_int_equal(wait_for(spawn(host, ARGS("--config", host->config))), 3);
}

static void test_no_runtime_dir(void **state)
{
	struct host *host = *state;
	char text[4096];

	assert_int_equal(wait_for(spawn(host, ARGS("--config", host->config, "--runtime-dir",
						   host->config))),
			 1);
	read_log(host, text, sizeof(text));
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "cannot use the runtime directory"));
}

/* What somebody paused must not run because a file was misread. */
static void test_bad_switches(void **state)
{
	struct host *host = *state;
	char path[128], text[4096];

	start(host);
	assert_int_equal(stop(host, SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/state/switches", host->run);
	write_file(path, "paused-vm 3\nqaused\n");
	start(host);
	assert_non_null(strstr(host->message, ", paused"));
	assert_int_equal(stop(host, SIGTERM), 0);
	read_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "state/switches: line 2: "));
}

/* ---- end ---- */

static void test_stop(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};
	struct host *host = *state;

	for (int i = 0; i < 2; i++) {
		start(host);
		assert_int_equal(stop(host, signals[i]), 0);
		wait_message(host, "STOPPING=1");
		assert_false(answers(host, "control"));
	}
}

/* ---- reload ---- */

static void test_reload(void **state)
{
	struct host *host = *state;
	struct timespec now;
	char text[4096];
	const char *usec;

	start(host);
	write_file(host->config, "version: 1\nglobal:\n  dry-run: true\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	wait_message(host, "RELOADING=1");
	usec = strstr(host->message, "\nMONOTONIC_USEC=");
	assert_non_null(usec);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(strtoull(usec + strlen("\nMONOTONIC_USEC="), NULL, 10) <=
		    (unsigned long long)now.tv_sec * 1000000 +
			    (unsigned long long)now.tv_nsec / 1000);
	wait_message(host, "READY=1");
	assert_non_null(strstr(host->message, ", dry-run"));

	write_file(host->config, "version: 1\nglobal:\n  dry-run: perhaps\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	wait_message(host, "READY=1");
	/* The old one is in force, and the status does not hide it. */
	assert_non_null(strstr(host->message, ", dry-run, last reload failed"));
	assert_true(answers(host, "control"));
	assert_int_equal(stop(host, SIGTERM), 0);
	read_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "config.yaml:3:"));
}

/* ---- metrics ---- */

/* A port that nobody listens on. */
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

/* Sends a request, reads to the end. Returns false when nobody listens. */
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

static void test_metrics(void **state)
{
	struct host *host = *state;
	unsigned int port = free_port();
	char text[16384], config[128];

	snprintf(config, sizeof(config), "version: 1\nglobal: {metrics: \"127.0.0.1:%u\"}\n", port);
	write_file(host->config, config);
	start(host);
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
	/* One that cannot be had is refused, and the old one stays. */
	write_file(host->config, "version: 1\nglobal: {metrics: \"203.0.113.1:9477\"}\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	wait_message(host, "READY=1");
	assert_non_null(strstr(host->message, "last reload failed"));
	assert_true(http(port, "GET /metrics HTTP/1.0\r\n\r\n", text, sizeof(text)));
	assert_non_null(strstr(text, " 200 OK"));
	/* A reload switches it off. */
	write_file(host->config, "version: 1\n");
	assert_int_equal(kill(host->pid, SIGHUP), 0);
	wait_message(host, "READY=1");
	assert_false(http(port, "GET /metrics HTTP/1.0\r\n\r\n", text, sizeof(text)));
	assert_int_equal(stop(host, SIGTERM), 0);
}

/* An address that cannot be had is told, and no more. */
static void test_metrics_taken(void **state)
{
	struct host *host = *state;
	char config[128], text[4096];

	snprintf(config, sizeof(config), "version: 1\nglobal: {metrics: \"203.0.113.1:9477\"}\n");
	write_file(host->config, config);
	start(host);
	assert_int_equal(stop(host, SIGTERM), 0);
	read_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "<3>metrics: cannot listen on 203.0.113.1:9477: "));
}

/* ---- idle ---- */

static void test_watchdog(void **state)
{
	struct host *host = *state;

	host->watchdog_usec = "400000";
	start(host);
	for (int i = 0; i < 4; i++)
		wait_message(host, "WATCHDOG=1");
	assert_int_equal(stop(host, SIGTERM), 0);
}

/* How often it slept and was woken. Counted over a while: that nothing happens cannot be awaited. */
static unsigned long wakeups(struct host *host, unsigned int seconds)
{
	unsigned long before = proc_status(host->pid, "voluntary_ctxt_switches");

	sleep(seconds);
	return proc_status(host->pid, "voluntary_ctxt_switches") - before;
}

static void test_idle(void **state)
{
	struct host *host = *state;
	unsigned long before;

	start(host);
	/* A client is work, and shows that the counter counts. */
	before = proc_status(host->pid, "voluntary_ctxt_switches");
	assert_true(answers(host, "control"));
	while (proc_status(host->pid, "voluntary_ctxt_switches") == before)
		usleep(1000);
	assert_true(wakeups(host, 1) <= 1); /* the client's end */
	assert_int_equal(wakeups(host, 4), 0);
	assert_int_equal(stop(host, SIGTERM), 0);
}

static void test_small(void **state)
{
	unsigned int count = 0;
	struct host *host = *state;
	char path[64];
	DIR *dir;

	start(host);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)host->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	/* ".", "..", 0-2, epoll, signals, two netlink, two sockets, directory, locks. */
	assert_true(count <= 18);
	assert_int_equal(proc_status(host->pid, "Threads"), 1);
	assert_int_equal(stop(host, SIGTERM), 0);
}

/* ---- a simulated host ---- */

/* One guest of 64 regions, of which 16 lose their 2 MiB mapping in the second second. */
static void write_trace(const struct host *host, char *spec, size_t size, unsigned int speed,
			const char *options)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", host->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
	      "vm 1 name=web-1 regions=64 walk_ns_per_s=12000\n",
	      f);
	for (unsigned int i = 0; i < 16; i++) {
		unsigned long t = 2000000000ul + i * 1000000, gfn = (3 * i + 1) * 512 + 7;

		fprintf(f, "%lu S 1 %lu 1\n%lu P 1 %lu 1\n%lu A 1 %lu 1\n", t, gfn, t + 1000, gfn,
			t + 2000, gfn);
	}
	fputs("end 100000000000000\n", f);
	assert_int_equal(fclose(f), 0);
	snprintf(spec, size, "--link=sim:%s,speed=%u%s", path, speed, options);
}

static void start_sim_speed(struct host *host, unsigned int speed, const char *options)
{
	char spec[160];

	write_file(host->config, "version: 1\nglobal: {log-interval: 10s}\n"
				 "defaults: {policy: threshold, quiet-time: 20s}\n");
	write_trace(host, spec, sizeof(spec), speed, options);
	host->pid = spawn(host, ARGS("--config", host->config, "--runtime-dir", host->run, spec));
	wait_message(host, "READY=1");
}

static void start_sim(struct host *host, const char *options)
{
	start_sim_speed(host, 10, options);
}

static void test_merges_on_simulated_host(void **state)
{
	struct host *host = *state;
	char text[16384];

	start_sim(host, "");
	wait_message(host, "1 VM, 75 % of 64 regions large");
	wait_message(host, "1 VM, 100 % of 64 regions large");
	assert_int_equal(stop(host, SIGTERM), 0);
	read_log(host, text, sizeof(text));
	/* What was not told by the interval's line is told at the end. */
	assert_non_null(strstr(text, "VM 2 (web-1): 16 merged; "));
	assert_null(strstr(text, "<3>"));
}

/* Much is refused, and a part is left undone. */
static void test_merges_on_busy_host(void **state)
{
	struct host *host = *state;

	start_sim(host, ",busy=40,interrupt=20,seed=7");
	wait_message(host, " 75 % of 64 regions large");
	wait_message(host, " 100 % of 64 regions large");
	assert_int_equal(stop(host, SIGTERM), 0);
}

static void test_kernel_goes_and_comes(void **state)
{
	struct host *host = *state;

	start_sim(host, ",vanish=6");
	wait_message(host, " 75 % of 64 regions large");
	wait_message(host, "STATUS=degraded: ");
	/* It is away for five seconds; what it knows of the regions is still there. */
	wait_message(host, " 75 % of 64 regions large");
	wait_message(host, " 100 % of 64 regions large");
	assert_int_equal(stop(host, SIGTERM), 0);
}

#define PINGS 5 /* of a watchdog that wants one every two seconds */

/* Its count of sleeps once it sleeps. */
static unsigned long sleeps(const struct host *host)
{
	unsigned long last, now = proc_status(host->pid, "voluntary_ctxt_switches");

	do {
		last = now;
		usleep(100000);
		now = proc_status(host->pid, "voluntary_ctxt_switches");
	} while (now != last);
	return now;
}

/* A guest that does nothing: ten seconds with a wake-up for each ping of the watchdog, and no other. */
static void test_idle_beside_watchdog(void **state)
{
	struct host *host = *state;
	unsigned long before;

	host->watchdog_usec = "4000000";
	/* A new guest is looked at once more after a minute, or two thirds of a second here. */
	start_sim_speed(host, 90, "");
	wait_message(host, " 100 % of 64 regions large");
	/* What is left of the start is over within a few pings. */
	for (int i = 0; i < PINGS; i++)
		wait_message(host, "WATCHDOG=1");
	before = sleeps(host);
	for (int i = 0; i < PINGS; i++)
		wait_message(host, "WATCHDOG=1");
	assert_int_equal(sleeps(host) - before, PINGS);
	assert_int_equal(stop(host, SIGTERM), 0);
}

static void test_bad_trace(void **state)
{
	struct host *host = *state;
	char text[4096], path[64], spec[96];

	snprintf(path, sizeof(path), "%s/trace", host->dir);
	write_file(path, "lptrace 1\nnonsense\n");
	snprintf(spec, sizeof(spec), "--link=sim:%s", path);
	assert_int_equal(wait_for(spawn(host, ARGS("--config", host->config, "--runtime-dir",
						   host->run, spec))),
			 1);
	read_log(host, text, sizeof(text));
	assert_non_null(strstr(text, "trace:2: "));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* A /run of our own. */
static bool own_run(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("run", "/run", "tmpfs", 0, "mode=0755") == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_degraded_start),
		T(test_second_instance),
		T(test_after_kill),
		T(test_bad_command_line),
		T(test_bad_config),
		T(test_no_runtime_dir),
		T(test_bad_switches),
		T(test_stop),
		T(test_reload),
		T(test_metrics),
		T(test_metrics_taken),
		T(test_watchdog),
		T(test_idle),
		T(test_small),
		T(test_merges_on_simulated_host),
		T(test_merges_on_busy_host),
		T(test_kernel_goes_and_comes),
		T(test_idle_beside_watchdog),
		T(test_bad_trace),
	};

	if (!own_run()) {
		printf("1..0 # skip a /run of its own needs root: %s\n", strerror(errno));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
