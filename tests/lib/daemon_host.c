// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/daemon_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 30000 /* of everything that is waited for */
#define ARGS_MAX    8

static const char *binary(void)
{
	const char *path = getenv("TDX_LPAGED");

	return path ? path : "build/san/tdx-lpaged";
}

void daemon_host_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int listen_notify(struct daemon_host *host)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(host->notify_path, sizeof(host->notify_path), "%s/notify", host->dir);
	strcpy(address.sun_path, host->notify_path);
	host->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return bind(host->notify_fd, (struct sockaddr *)&address, sizeof(address));
}

int daemon_host_setup(void **state)
{
	struct daemon_host *host = calloc(1, sizeof(*host));

	strcpy(host->dir, "/tmp/test_daemon.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	snprintf(host->run, sizeof(host->run), "%s/run", host->dir);
	snprintf(host->host_dir, sizeof(host->host_dir), "%s/host", host->dir);
	snprintf(host->config, sizeof(host->config), "%s/config.yaml", host->dir);
	snprintf(host->log, sizeof(host->log), "%s/log", host->dir);
	daemon_host_write(host->config, "version: 1\n");
	assert_int_equal(listen_notify(host), 0);
	*state = host;
	return 0;
}

pid_t daemon_host_spawn(struct daemon_host *host, const char *const *args)
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
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	setenv("NOTIFY_SOCKET", host->notify_path, 1);
	setenv("TDX_LPAGE_RUNTIME_DIR", host->host_dir, 1);
	if (host->watchdog_usec)
		setenv("WATCHDOG_USEC", host->watchdog_usec, 1);
	dup2(log, STDERR_FILENO);
	dup2(log, STDOUT_FILENO);
	execv(binary(), argv);
	_exit(126);
}

int daemon_host_wait(pid_t pid)
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

void daemon_host_message(struct daemon_host *host, const char *word)
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

void daemon_host_start(struct daemon_host *host)
{
	host->pid =
		daemon_host_spawn(host, ARGS("--config", host->config, "--runtime-dir", host->run));
	daemon_host_message(host, "READY=1");
}

int daemon_host_stop(struct daemon_host *host, int signal)
{
	pid_t pid = host->pid;

	host->pid = 0;
	assert_int_equal(kill(pid, signal), 0);
	return daemon_host_wait(pid);
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

int daemon_host_teardown(void **state)
{
	struct daemon_host *host = *state;

	if (host->pid)
		(void)daemon_host_stop(host, SIGKILL);
	close(host->notify_fd);
	remove_tree(host->dir);
	free(host);
	return 0;
}

char *daemon_host_log(const struct daemon_host *host, char *text, size_t size)
{
	FILE *f = fopen(host->log, "r");
	size_t len = f ? fread(text, 1, size - 1, f) : 0;

	text[len] = '\0';
	if (f)
		fclose(f);
	return text;
}

bool daemon_host_answers(const struct daemon_host *host, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool ok;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", host->run, name);
	ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

unsigned long daemon_host_status(pid_t pid, const char *key)
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
