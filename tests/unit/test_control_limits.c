// SPDX-License-Identifier: GPL-2.0-or-later
/* What one client, or one user, may take of the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/control/admission.h"
#include "daemon/control/control.h"
#include "tests/lib/control_host.h"

/* Many clients of one user are not all; their number is logged once, not for each. */
static void one_user_cannot_take_all_places(void **state)
{
	struct control_host *host = *state;
	int fds[CONTROL_CLIENTS_MAX], other;
	char byte;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fds[i] = control_host_dial(host, "read");
		control_host_turn(host);
	}
	for (int i = ADMISSION_PER_UID; i < CONTROL_CLIENTS_MAX; i++)
		assert_int_equal(control_host_receive(host, fds[i], &byte, 1), 0);
	assert_int_equal(control_nr_clients(host->control), ADMISSION_PER_UID);
	assert_int_equal(host->complaints, 1);
	assert_non_null(strstr(host->log, "refused 1 client of the read socket: its user has"));
	/* Readers cannot keep the admin out. */
	other = control_host_dial(host, "control");
	control_host_tell(other, PING, sizeof(PING));
	control_host_expect(host, other, PONG);
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
	struct control_host *host = *state;
	int silent, half, spoke;

	host->control = control_free(host->control);
	host->options.first_call_ms = 200;
	assert_int_equal(control_new(&host->options, &host->control), 0);
	spoke = control_host_dial(host, "read");
	control_host_tell(spoke, PING, sizeof(PING));
	control_host_expect(host, spoke, PONG);
	silent = control_host_dial(host, "read");
	half = control_host_dial(host, "read");
	control_host_tell(half, PING, 10);
	while (control_nr_clients(host->control) < 3)
		control_host_turn(host);
	while (control_nr_clients(host->control) > 1)
		control_host_turn(host);
	assert_non_null(strstr(host->log, "it called nothing"));
	control_host_tell(spoke, PING, sizeof(PING));
	control_host_expect(host, spoke, PONG);
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
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");
	int gathered = 0;

	/* On a slow machine the pause may be over now and then. */
	for (size_t i = 0; i + 1 < sizeof(PING); i++) {
		control_host_tell(fd, &PING[i], 1);
		control_host_turn(host);
		control_host_turn(host);
		if (unread(fd) > gathered)
			gathered = unread(fd);
	}
	assert_true(gathered > 0);
	control_host_tell(fd, "", 1);
	control_host_expect(host, fd, PONG);
	close(fd);
}

/* A call that takes many turns is answered, and leaves nothing behind when its client goes. */
static void a_call_of_many_turns_is_answered(void **state)
{
	static const char explain[] = "{\"method\":\"org.tdxlpage.Control.ExplainVm\","
				      "\"parameters\":{\"vm\":\"web-1\"}}";
	struct control_host *host = *state;
	int fd = control_host_dial(host, "read");
	char buf[4096] = "";

	host->fake.nr_generated = 1 << 20;
	control_host_tell(fd, explain, sizeof(explain));
	assert_true(control_host_receive(host, fd, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "\"cut\":true"));
	control_host_tell(fd, explain, sizeof(explain));
	control_host_tell(fd, PING, sizeof(PING));
	while (host->fake.nr_explained <= 1 << 18)
		control_host_turn(host);
	close(fd);
	while (control_nr_clients(host->control))
		control_host_turn(host);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_host_setup, control_host_teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_user_cannot_take_all_places),
		cmocka_unit_test(some_places_are_for_root_only),
		TEST(a_silent_client_goes),
		TEST(a_frame_in_small_pieces_is_read_in_larger_ones),
		TEST(a_call_of_many_turns_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
