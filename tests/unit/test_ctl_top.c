// SPDX-License-Identifier: GPL-2.0-or-later
/* tdx-lpctl top, on a terminal of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl/ctl.h"
#include "tests/lib/ctl_host.h"

struct screen {
	int master;
	const char *keys; /* typed once the screen shows @wait */
	const char *wait;
	char seen[65536];
	size_t len;
};

static void *look(void *ctx)
{
	struct screen *screen = ctx;

	while (screen->len < sizeof(screen->seen) - 1) {
		ssize_t n = read(screen->master, screen->seen + screen->len,
				 sizeof(screen->seen) - 1 - screen->len);

		if (n <= 0)
			break;
		screen->len += (size_t)n;
		screen->seen[screen->len] = '\0';
		if (*screen->keys && strstr(screen->seen, screen->wait)) {
			n = write(screen->master, screen->keys, strlen(screen->keys));
			screen->keys += n;
		}
	}
	return NULL;
}

static void top_shows_the_status_until_q(void **state)
{
	struct screen screen = {.keys = "mtq", .wait = "web-1"};
	struct ctl_host *host = ctl_host_new();
	struct ctl_env env = {.sysroot = "", .runtime_dir = host->dir};
	char *argv[] = {(char *)"tdx-lpctl", (char *)"top", (char *)"--interval", (char *)"100ms"};
	pthread_t thread;
	size_t size;
	int slave;

	(void)state;
	setenv("TERM", "xterm", 1);
	setenv("LINES", "24", 1);
	setenv("COLUMNS", "132", 1);
	screen.master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(screen.master >= 0);
	assert_int_equal(grantpt(screen.master), 0);
	assert_int_equal(unlockpt(screen.master), 0);
	slave = open(ptsname(screen.master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	env.in = fdopen(slave, "r");
	env.out = fdopen(dup(slave), "w");
	env.err = open_memstream(&host->err, &size);
	ctl_host_start(host);
	assert_int_equal(pthread_create(&thread, NULL, look, &screen), 0);
	assert_int_equal(ctl_run(&env, 4, argv), CTL_OK);
	fclose(env.in);
	fclose(env.out);
	fclose(env.err);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(screen.master);
	assert_string_equal(host->err, "");
	assert_string_equal(screen.keys, "");
	assert_non_null(strstr(screen.seen, "coverage 97.96%"));
	assert_non_null(strstr(screen.seen, "COVERAGE"));
	assert_non_null(strstr(screen.seen, "98.52%"));
	ctl_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_shows_the_status_until_q),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
