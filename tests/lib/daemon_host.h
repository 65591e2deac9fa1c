/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real tdx-lpaged, with the test as its service manager. */
#ifndef TDX_LPAGE_TESTS_DAEMON_HOST_H
#define TDX_LPAGE_TESTS_DAEMON_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct daemon_host {
	char dir[40];
	char run[64];
	char host_dir[64]; /* stands for /run/tdx-lpage */
	char config[64];
	char log[64];
	char notify_path[64];
	int notify_fd;
	const char *watchdog_usec; /* $WATCHDOG_USEC, NULL: none */
	pid_t pid;
	char message[512]; /* the last one of the daemon, sd_notify(3) */
};

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * A directory of its own, in place of /run/tdx-lpage too, with an empty configuration. Nothing runs
 * yet.
 */
int daemon_host_setup(void **state);
int daemon_host_teardown(void **state);

void daemon_host_write(const char *path, const char *text);

/* Starts the daemon with these arguments, up to a NULL. Its stderr goes to host->log. */
pid_t daemon_host_spawn(struct daemon_host *host, const char *const *args);

/* Starts it with its configuration and runtime directory, and waits until it is ready. */
void daemon_host_start(struct daemon_host *host);

/* Its exit status, or -1 when it was killed. */
int daemon_host_wait(pid_t pid);

/* Sends @signal, then the same. */
int daemon_host_stop(struct daemon_host *host, int signal);

/* The next message that has @word in it, skipping others. Fails after a deadline. */
void daemon_host_message(struct daemon_host *host, const char *word);

/* What it logged. Returns @text. */
char *daemon_host_log(const struct daemon_host *host, char *text, size_t size);

/* Does somebody listen on the socket @name? */
bool daemon_host_answers(const struct daemon_host *host, const char *name);

/* A number from of /proc/PID/status. */
unsigned long daemon_host_status(pid_t pid, const char *key);

#define DAEMON_HOST_TEST(f)                                                                        \
	cmocka_unit_test_setup_teardown(f, daemon_host_setup, daemon_host_teardown)

#endif
