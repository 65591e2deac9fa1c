// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the log goes: nobody is waited for. */
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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/core/log_output.h"

#define LINES_MAX (1 << 20) /* a limit for what takes all */

static const struct iovec fields[] = {{(char[]){"MESSAGE=hello"}, 13},
				      {(char[]){"PRIORITY=6"}, 10}};

/* Writes until nobody takes more. Returns how often it did. */
static int fill(int fd)
{
	int nr = 0, r;

	while ((r = log_output_write(fd, "a line\n", 7)) == 0 && nr < LINES_MAX)
		nr++;
	assert_int_equal(r, -EAGAIN);
	return nr;
}

static void a_pipe_that_is_full_drops_and_stays_blocking_for_others(void **state)
{
	char block[4096];
	int fds[2], fd;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fd = log_output_open(fds[1]);
	assert_true(fd >= 0 && fd != fds[1]);
	assert_true(fill(fd) > 0);
	assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	/* Where it could not be opened once more. */
	assert_int_equal(log_output_write(fds[1], "a line\n", 7), -EAGAIN);
	assert_int_equal(read(fds[0], block, sizeof(block)), sizeof(block));
	assert_int_equal(log_output_write(fd, "a line\n", 7), 0);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

static void a_socket_that_nobody_reads_drops(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(log_output_open(fds[1]), fds[1]);
	assert_true(fill(fds[1]) > 0);
	close(fds[0]);
	close(fds[1]);
}

static void a_journal_that_does_not_read_drops(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/test_log.XXXXXX", path[64], text[64];
	int journal = socket(AF_UNIX, SOCK_DGRAM, 0), fd = log_output_open_journal(), nr = 0, r;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	assert_int_equal(log_output_send(fd, path, fields, 2), -ENOENT);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof(address)), 0);
	while ((r = log_output_send(fd, path, fields, 2)) == 0 && nr < LINES_MAX)
		nr++;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(recv(journal, text, sizeof(text), 0), 25);
	assert_memory_equal(text, "MESSAGE=hello\nPRIORITY=6\n", 25);
	assert_int_equal(log_output_send(fd, path, fields, 2), 0);
	close(journal);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_that_is_full_drops_and_stays_blocking_for_others),
		cmocka_unit_test(a_socket_that_nobody_reads_drops),
		cmocka_unit_test(a_journal_that_does_not_read_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
