// SPDX-License-Identifier: GPL-2.0-or-later
/* Parts of the process: lock, notifications of the service manager, command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/process/lock.h"
#include "daemon/process/notify.h"
#include "daemon/process/options.h"

/* ---- a directory ---- */

struct dir_fixture {
	char path[40];
	int fd;
};

static int dir_fixture_setup(void **state)
{
	struct dir_fixture *dir = calloc(1, sizeof(*dir));

	strcpy(dir->path, "/tmp/test_process.XXXXXX");
	assert_non_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY);
	*state = dir;
	return 0;
}

static int dir_fixture_teardown(void **state)
{
	struct dir_fixture *dir = *state;

	(void)unlinkat(dir->fd, "lock", 0);
	close(dir->fd);
	/* Nothing else was left behind. */
	assert_int_equal(rmdir(dir->path), 0);
	free(dir);
	return 0;
}

/* ---- lock ---- */

static void the_lock_has_one_holder(void **state)
{
	struct dir_fixture *dir = *state;
	pid_t holder;
	int fd, status;
	struct stat st;
	pid_t child;

	/* A file that others can open could be locked by them. */
	fd = openat(dir->fd, "lock", O_WRONLY | O_CREAT, 0666);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	fd = lp_lock_take(dir->fd, &holder);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	child = fork();
	if (child == 0) {
		/* No assertion here: the child must not run the other tests. */
		status = lp_lock_take(dir->fd, &holder) == -EBUSY && holder == getppid() ? 0 : 1;
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	fd = lp_lock_take(dir->fd, &holder);
	assert_true(fd >= 0);
	close(fd);
}

/* ---- notifications ---- */

static void notifications_follow_the_protocol(void **state)
{
	char text[80];

	(void)state;
	lp_notify_reloading_text(123456, text, sizeof(text));
	assert_string_equal(text, "RELOADING=1\nMONOTONIC_USEC=123456");
	lp_notify_status_text("2 VMs\nREADY=1", text, sizeof(text));
	assert_string_equal(text, "STATUS=2 VMs READY=1");
	setenv("WATCHDOG_USEC", "30000000", 1);
	unsetenv("WATCHDOG_PID");
	assert_int_equal(lp_notify_watchdog_interval_us(), 15000000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(lp_notify_watchdog_interval_us(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(lp_notify_watchdog_interval_us(), 0);
}

/* ---- command line ---- */

/* Options, and what was printed. */
struct said {
	struct lp_options options;
	char *out;
	char *err;
};

/* Parses one or two words, which outlive @said. */
static int parse(struct said *said, const char *first, const char *second)
{
	char name[] = "tdx-lpaged";
	char *argv[4] = {name, (char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};
	size_t out_size, err_size;
	FILE *out = open_memstream(&said->out, &out_size);
	FILE *err = open_memstream(&said->err, &err_size);
	int r = lp_options_parse(second ? 3 : 2, argv, NULL, &said->options, out, err);

	fclose(out);
	fclose(err);
	return r;
}

static void forget(struct said *said)
{
	free(said->out);
	free(said->err);
}

static void options_are_parsed(void **state)
{
	struct said said = {0};

	(void)state;
	assert_int_equal(parse(&said, "--dry-run", "--check-config"), -1);
	assert_true(said.options.dry_run && said.options.check_config);
	assert_string_equal(said.options.config_path, "/etc/tdx-lpage.yaml");
	assert_false(said.options.config_given);
	assert_string_equal(said.options.link, "netlink");
	assert_string_equal(said.options.runtime_dir, "/run/tdx-lpage");
	assert_string_equal(said.options.host_dir, "/run/tdx-lpage");
	forget(&said);
	assert_int_equal(parse(&said, "--help", NULL), LP_EXIT_OK);
	assert_non_null(strstr(said.out, "--check-config"));
	assert_non_null(strstr(said.out, "4  another tdx-lpaged is running"));
	assert_string_equal(said.err, "");
	forget(&said);
	assert_int_equal(parse(&said, "--version", NULL), LP_EXIT_OK);
	assert_string_equal(said.out, "tdx-lpaged " TDX_LPAGE_VERSION "\n");
	forget(&said);
}

static void a_bad_option_is_one_line_on_stderr(void **state)
{
	static const struct {
		const char *words[3];
		const char *err;
	} bad[] = {
		{{"--frobnicate"}, "invalid option \"--frobnicate\""},
		{{"-x"}, "invalid option \"-x\""},
		{{"--runtime-dir"}, "missing value for option \"--runtime-dir\""},
		{{"--help=1"}, "invalid option \"--help=1\""},
		{{"--dry-run", "extra"}, "unexpected argument \"extra\""},
		{{"--link=tcp"}, "\"tcp\" must be netlink or sim:TRACE[,speed=N]"},
		{{"--link=sim:"}, "\"sim:\" must be"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct said said = {0};

		assert_int_equal(parse(&said, bad[i].words[0], bad[i].words[1]), LP_EXIT_USAGE);
		assert_non_null(strstr(said.err, bad[i].err));
		/* One line. */
		assert_ptr_equal(strchr(said.err, '\n') + 1, said.err + strlen(said.err));
		assert_string_equal(said.out, "");
		forget(&said);
	}
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, dir_fixture_setup, dir_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(the_lock_has_one_holder),
		cmocka_unit_test(notifications_follow_the_protocol),
		cmocka_unit_test(options_are_parsed),
		cmocka_unit_test(a_bad_option_is_one_line_on_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
