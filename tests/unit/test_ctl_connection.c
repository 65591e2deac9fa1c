// SPDX-License-Identifier: GPL-2.0-or-later
/* tdx-lpctl without a daemon, with one socket, and with a daemon that answers nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/control/admission.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "tests/lib/ctl_host.h"
#include "tests/lib/files.h"

#define ANSWER_MS 20000 /* a limit for what hangs */

static void without_a_daemon_the_exit_code_is_3(void **state)
{
	struct ctl_host *host = ctl_host_new();

	(void)state;
	ctl_host_compare(host, "unreachable", ctl_host_run(host, "status"));
	ctl_host_compare(host, "unreachable-write", ctl_host_run(host, "pause"));
	assert_int_equal(ctl_host_run(host, "--socket /nonexistent/x vm list"), CTL_UNREACHABLE);
	assert_non_null(strstr(host->err, "/nonexistent/x"));
	ctl_host_free(host);
}

static void reading_needs_only_the_read_socket(void **state)
{
	struct ctl_host *host = ctl_host_new();
	char line[128], path[64];

	(void)state;
	ctl_host_start(host);
	snprintf(line, sizeof(line), "--socket %s/read vm list", host->dir);
	assert_int_equal(ctl_host_run(host, line), 0);
	snprintf(line, sizeof(line), "--socket=%s/read pause", host->dir);
	assert_int_equal(ctl_host_run(host, line), CTL_FAILED);
	assert_non_null(strstr(host->err, "read-only"));
	/* Without it, the control socket will do. */
	snprintf(path, sizeof(path), "%s/read", host->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ctl_host_run(host, "vm list"), 0);
	ctl_host_free(host);
}

/* Takes every place that one user may have on a socket. */
static void take_places(struct ctl_host *host, const char *name,
			struct ctl_client *clients[static ADMISSION_PER_UID])
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", host->dir, name);
	for (size_t i = 0; i < ADMISSION_PER_UID; i++) {
		json_t *reply;

		assert_int_equal(ctl_client_connect(path, ANSWER_MS, &clients[i]), 0);
		assert_int_equal(ctl_client_send(clients[i], "Ping", NULL, false), 0);
		assert_int_equal(ctl_client_receive(clients[i], ANSWER_MS, &reply), 0);
		json_decref(reply);
	}
}

static void reading_goes_by_the_control_socket_when_the_other_is_full(void **state)
{
	struct ctl_client *readers[ADMISSION_PER_UID], *writers[ADMISSION_PER_UID];
	struct ctl_host *host = ctl_host_new();
	char line[128];

	(void)state;
	ctl_host_start(host);
	take_places(host, "read", readers);
	assert_int_equal(ctl_host_run(host, "vm list"), CTL_OK);
	assert_non_null(strstr(host->out, "web-1"));
	assert_string_equal(host->err, "");
	/* Not when one socket was asked for. */
	snprintf(line, sizeof(line), "--socket %s/read vm list", host->dir);
	assert_int_equal(ctl_host_run(host, line), CTL_UNREACHABLE);
	take_places(host, "control", writers);
	assert_int_equal(ctl_host_run(host, "vm list"), CTL_UNREACHABLE);
	assert_non_null(strstr(host->err, "too many clients"));
	assert_int_equal(ctl_host_run(host, "doctor"), CTL_FAILED);
	assert_non_null(strstr(host->out, "/read: takes no more clients of this user"));
	for (size_t i = 0; i < ADMISSION_PER_UID; i++) {
		ctl_client_close(readers[i]);
		ctl_client_close(writers[i]);
	}
	ctl_host_free(host);
}

/* ---- a daemon that answers nonsense, or nothing ---- */

struct odd_daemon {
	int fd;
	const char *answer; /* to every call; NULL: none */
	pthread_t thread;
};

static void *answer_calls(void *ctx)
{
	const struct odd_daemon *odd = ctx;
	char call[4096];
	ssize_t len;
	int fd;

	while ((fd = accept(odd->fd, NULL, NULL)) >= 0) {
		while ((len = read(fd, call, sizeof(call))) > 0)
			if (odd->answer && !call[len - 1])
				(void)!write(fd, odd->answer, strlen(odd->answer) + 1);
		close(fd);
	}
	return NULL;
}

static void odd_start(struct odd_daemon *odd, const struct ctl_host *host)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", host->dir);
	odd->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(odd->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(odd->fd, 4), 0);
	assert_int_equal(pthread_create(&odd->thread, NULL, answer_calls, odd), 0);
}

static void odd_stop(struct odd_daemon *odd, const struct ctl_host *host)
{
	char path[64];

	shutdown(odd->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(odd->thread, NULL), 0);
	close(odd->fd);
	snprintf(path, sizeof(path), "%s/control", host->dir);
	assert_int_equal(unlink(path), 0);
}

static void an_answer_without_what_was_asked_for_is_an_error(void **state)
{
	static const char *const lines[] = {
		"status",
		"vm list",
		"vm show 1",
		"region list 1",
		"explain 1 0",
		"explain 1",
		"config show",
		"merge 1 0-2M",
		"split 1 0",
		"release 1 0",
		"hold 1 0 --for 5s",
		"probe 1 0",
		"reload",
		"wait --timeout 0s",
		"-o json status",
		"-o json merge 1 0",
		"watch",
		"plan 1",
		"hold 1 --for 5s",
		"release 1",
		"hold 1 --attached",
	};
	static const char *const answers[] = {"{}", "{\"parameters\":{}}"};
	struct ctl_host *host = ctl_host_new();

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(answers); a++) {
		struct odd_daemon odd = {.answer = answers[a]};

		odd_start(&odd, host);
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
			if (ctl_host_run(host, lines[i]) != CTL_FAILED)
				print_error("accepted: %s\n", lines[i]);
			assert_non_null(strstr(host->err, "a different version"));
			assert_string_equal(host->out, "");
		}
		odd_stop(&odd, host);
	}
	ctl_host_free(host);
}

static void calls_keep_the_timeout(void **state)
{
	struct ctl_host *host = ctl_host_new();
	struct odd_daemon odd = {.answer = NULL};
	char line[192];

	(void)state;
	odd_start(&odd, host);
	assert_int_equal(ctl_host_run(host, "--timeout 100ms vm list"), CTL_UNREACHABLE);
	assert_non_null(strstr(host->err, "does not respond"));
	assert_int_equal(ctl_host_run(host, "pause --timeout=100ms"), CTL_UNREACHABLE);
	assert_int_equal(ctl_host_run(host, "--timeout 5 vm list"), CTL_USAGE);
	/* Also where the answer may come much later, if the daemon is there at all. */
	assert_int_equal(ctl_host_run(host, "hold web --attached --timeout 100ms"),
			 CTL_UNREACHABLE);
	assert_non_null(strstr(host->err, "does not respond"));
	snprintf(line, sizeof(line), "--socket %s/control --timeout 100ms watch", host->dir);
	assert_int_equal(ctl_host_run(host, line), CTL_UNREACHABLE);
	snprintf(line, sizeof(line), "--socket %s/control --timeout 100ms record %s/trace",
		 host->dir, host->dir);
	assert_int_equal(ctl_host_run(host, line), CTL_UNREACHABLE);
	assert_int_equal(ctl_host_run(host, "doctor --timeout 100ms"), CTL_FAILED);
	assert_non_null(strstr(host->out, "/control: does not respond"));
	odd_stop(&odd, host);
	ctl_host_free(host);
}

static void errors_are_objects_beside_json(void **state)
{
	static const struct {
		const char *line;
		int code;
		const char *text;
	} rows[] = {
		{"vm show nobody -o json", CTL_FAILED, "no VM has the id or name \"nobody\""},
		{"-o json frobnicate", CTL_USAGE, "unknown verb \"frobnicate\""},
		{"--output=json vm show", CTL_USAGE, "vm show requires VM"},
		{"-ojson --socket /nonexistent/x status", CTL_UNREACHABLE,
		 "cannot reach tdx-lpaged"},
	};
	struct ctl_host *host = ctl_host_new();

	(void)state;
	ctl_host_start(host);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *json;

		assert_int_equal(ctl_host_run(host, rows[i].line), rows[i].code);
		assert_string_equal(host->out, "");
		json = json_loads(host->err, 0, NULL);
		assert_int_equal(json_integer_value(json_object_get(json, "exit")), rows[i].code);
		assert_int_equal(json_integer_value(json_object_get(json, "schema")), CTL_SCHEMA);
		assert_int_equal(strncmp(json_string_value(json_object_get(json, "text")),
					 rows[i].text, strlen(rows[i].text)),
				 0);
		json_decref(json);
	}
	ctl_host_free(host);
}

static void a_recording_is_salvaged_as_an_object(void **state)
{
	static const bool complete[] = {false, true};
	struct ctl_host *host = ctl_host_new();
	char path[96], other[100], line[192];

	(void)state;
	snprintf(path, sizeof(path), "%s/cut", host->dir);
	file_put(path, "lptrace 1\ncost merge_ns=1 split_ns=1 fail_ns=1\nvm 1 name=a reg");
	snprintf(line, sizeof(line), "-o json record --salvage %s", path);
	for (size_t i = 0; i < ARRAY_SIZE(complete); i++) {
		json_t *json;

		assert_int_equal(ctl_host_run(host, line), CTL_OK);
		json = json_loads(host->out, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(json, "file")), path);
		assert_int_equal(json_is_true(json_object_get(json, "was_complete")), complete[i]);
		json_decref(json);
	}
	assert_int_equal(ctl_host_run(host, "record --salvage -"), CTL_USAGE);
	snprintf(line, sizeof(line), "-o json record --salvage %s\xff", path);
	snprintf(other, sizeof(other), "%s\xff", path);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(ctl_host_run(host, line), CTL_FAILED);
	assert_non_null(strstr(host->err, "is not UTF-8"));
	assert_int_equal(unlink(other), 0);
	ctl_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_daemon_the_exit_code_is_3),
		cmocka_unit_test(reading_needs_only_the_read_socket),
		cmocka_unit_test(reading_goes_by_the_control_socket_when_the_other_is_full),
		cmocka_unit_test(an_answer_without_what_was_asked_for_is_an_error),
		cmocka_unit_test(calls_keep_the_timeout),
		cmocka_unit_test(errors_are_objects_beside_json),
		cmocka_unit_test(a_recording_is_salvaged_as_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
