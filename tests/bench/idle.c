// SPDX-License-Identifier: GPL-2.0-or-later
/* How often a daemon wakes on a host where nothing happens. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "tests/bench/bench.h"

#define SECONDS	      10
#define WATCHDOG_USEC "4000000" /* a ping every two seconds */
#define DEADLINE_MS   30000
#define SETTLE_MAX_S  30

/* A daemon, and the service manager that it talks to. */
struct service {
	char dir[32];
	char notify_path[64];
	char spec[96];
	char config[64];
	int notify_fd;
	pid_t pid;
};

static int write_file(const struct service *service, const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", service->dir, name);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fputs(text, f);
	return fclose(f) ? -errno : 0;
}

static int write_files(const struct service *service)
{
	static const char trace[] =
		"lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
		"vm 1 name=idle regions=16384 walk_ns_per_s=12000\n"
		"1000000000 S 1 512 1\n1000000001 P 1 512 1\n1000000002 A 1 512 1\n"
		"end 1000000000000000\n";
	int err = write_file(service, "trace", trace);

	return err ? err :
		     write_file(service, "config", "version: 1\nglobal: {log-level: error}\n");
}

static int prepare(struct service *service)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(service->dir, "/tmp/bench_idle.XXXXXX");
	if (!mkdtemp(service->dir))
		return -errno;
	snprintf(service->notify_path, sizeof(service->notify_path), "%s/notify", service->dir);
	/* A hundred times faster: what a new VM still needs is over in a second. */
	snprintf(service->spec, sizeof(service->spec), "--link=sim:%s/trace,speed=100",
		 service->dir);
	snprintf(service->config, sizeof(service->config), "%s/config", service->dir);
	strcpy(address.sun_path, service->notify_path);
	service->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (service->notify_fd < 0 ||
	    bind(service->notify_fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return write_files(service);
}

static void spawn(struct service *service, bool watchdog)
{
	const char *daemon = getenv("TDX_LPAGED");

	service->pid = fork();
	if (service->pid)
		return;
	if (!daemon)
		daemon = "build/normal/tdx-lpaged";
	setenv("NOTIFY_SOCKET", service->notify_path, 1);
	if (watchdog)
		setenv("WATCHDOG_USEC", WATCHDOG_USEC, 1);
	execl(daemon, "tdx-lpaged", service->spec, "--config", service->config, "--runtime-dir",
	      service->dir, NULL);
	fprintf(stderr, "%s: %s\n", daemon, strerror(errno));
	_exit(126);
}

static int wait_ready(const struct service *service)
{
	struct pollfd poller = {.fd = service->notify_fd, .events = POLLIN};
	char message[512];
	ssize_t len;

	do {
		if (poll(&poller, 1, DEADLINE_MS) != 1)
			return -ETIMEDOUT;
		len = recv(service->notify_fd, message, sizeof(message) - 1, 0);
		if (len < 0)
			return -errno;
		message[len] = '\0';
	} while (!strstr(message, "READY=1"));
	return 0;
}

/* How often it went to sleep by itself. */
static unsigned long sleeps(const struct service *service)
{
	static const char key[] = "voluntary_ctxt_switches:";
	unsigned long value = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)service->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtoul(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return value;
}

static unsigned long wakeups(const struct service *service, unsigned int seconds)
{
	unsigned long before = sleeps(service);

	sleep(seconds);
	return sleeps(service) - before;
}

static void clean_up(struct service *service)
{
	static const char *const names[] = {"notify", "config",	    "trace",	      "control",
					    "read",   "state/lock", "state/switches", "state"};
	char path[96];

	if (service->pid > 0) {
		kill(service->pid, SIGTERM);
		waitpid(service->pid, NULL, 0);
	}
	close(service->notify_fd);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", service->dir, names[i]);
		(void)remove(path);
	}
	(void)rmdir(service->dir);
}

static int measure(json_t *ret, bool watchdog, const char *key, const char *what)
{
	struct service service = {.notify_fd = -1};
	unsigned long count;
	int err = prepare(&service);

	bench_progress("idle: %s, %d s", what, SECONDS);
	if (!err) {
		spawn(&service, watchdog);
		err = wait_ready(&service);
	}
	/* What it has to do at the start is over when a second has passed without a wake-up. */
	for (int i = 0; !err && wakeups(&service, 1) > (watchdog ? 1 : 0); i++)
		err = i < SETTLE_MAX_S ? 0 : -ETIMEDOUT;
	if (!err) {
		count = wakeups(&service, SECONDS);
		printf("%-20s %lu wake-ups in %d s\n", what, count, SECONDS);
		json_object_set_new(ret, key, json_integer((json_int_t)count));
	}
	clean_up(&service);
	return err;
}

static int run(json_t *ret)
{
	int err = measure(ret, false, "wakeups_in_10_s_count", "without watchdog");

	return err ? err :
		     measure(ret, true, "wakeups_with_watchdog_in_10_s_count", "a ping every 2 s");
}

const struct bench bench_idle = {
	.name = "idle",
	.doc = "wake-ups of a daemon while nothing happens",
	.run = run,
};
