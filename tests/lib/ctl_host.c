// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/ctl_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control/control.h"
#include "daemon/ctl/ctl.h"
#include "tests/lib/files.h"

#define WORDS_MAX 16

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

static void *serve(void *ctx)
{
	struct ctl_host *host = ctx;
	struct event *stop = event_new(host->base, host->stop[0], EV_READ, on_stop, host->base);

	event_add(stop, NULL);
	event_base_dispatch(host->base);
	event_free(stop);
	return NULL;
}

struct ctl_host *ctl_host_new(void)
{
	struct ctl_host *host = calloc(1, sizeof(*host));

	/* As in the daemon: a client may leave while an event is being sent. */
	signal(SIGPIPE, SIG_IGN);
	setenv("TZ", "UTC0", 1);
	fake_core_init(&host->fake);
	host->fake.answer_at_once = true;
	host->event_text = "appeared: db";
	host->base = event_base_new();
	strcpy(host->dir, "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	assert_int_equal(pipe(host->stop), 0);
	return host;
}

void ctl_host_start(struct ctl_host *host)
{
	const struct control_options options = {
		.base = host->base,
		.core = &host->fake.core,
		.runtime_dir = host->dir,
	};

	assert_int_equal(control_new(&options, &host->control), 0);
	assert_int_equal(pthread_create(&host->thread, NULL, serve, host), 0);
}

void ctl_host_stop(struct ctl_host *host)
{
	if (!host->control)
		return;
	close(host->stop[1]);
	assert_int_equal(pthread_join(host->thread, NULL), 0);
	host->control = control_free(host->control);
}

void ctl_host_free(struct ctl_host *host)
{
	ctl_host_stop(host);
	close(host->stop[0]);
	event_base_free(host->base);
	assert_int_equal(rmdir(host->dir), 0);
	fake_core_done(&host->fake);
	free(host->out);
	free(host->err);
	free(host);
}

int ctl_host_run_in(struct ctl_host *host, const char *sysroot, const char *line)
{
	char words[512], *argv[WORDS_MAX + 1] = {NULL}, *save = NULL;
	/* 2026-03-04 05:06:07.089 UTC */
	struct ctl_env env = {.sysroot = sysroot,
			      .runtime_dir = host->dir,
			      .columns = host->columns,
			      .wall_us = UINT64_C(1772600767089000)};
	size_t size;
	int argc = 0, code;

	free(host->out);
	free(host->err);
	snprintf(words, sizeof(words), "tdx-lpctl %s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "''") == 0 ? w + 2 : w;
	env.out = open_memstream(&host->out, &size);
	env.err = open_memstream(&host->err, &size);
	code = ctl_run(&env, argc, argv);
	fclose(env.out);
	fclose(env.err);
	return code;
}

int ctl_host_run(struct ctl_host *host, const char *line)
{
	return ctl_host_run_in(host, "/nonexistent", line);
}

/* ---- golden files ---- */

/* The directory's name is made up anew each time. */
static void hide_dir(const struct ctl_host *host, char *text)
{
	char *p;

	while ((p = strstr(text, host->dir))) {
		memmove(p + 4, p + strlen(host->dir), strlen(p + strlen(host->dir)) + 1);
		memcpy(p, "/run", 4);
	}
}

void ctl_host_compare(const struct ctl_host *host, const char *name, int code)
{
	char path[TREE_PATH_MAX], file[64], *got = NULL, *want;
	size_t size;
	FILE *f = open_memstream(&got, &size);

	fprintf(f, "%s%sexit %d\n", host->out, host->err, code);
	fclose(f);
	hide_dir(host, got);
	snprintf(file, sizeof(file), "tests/unit/golden/%s.golden", name);
	tree_path(path, file);
	if (getenv("TDX_LPAGE_UPDATE"))
		file_put(path, got);
	want = file_text(path);
	if (strcmp(got, want) != 0)
		print_error("%s differs; accept with TDX_LPAGE_UPDATE=1\n", path);
	assert_string_equal(got, want);
	free(got);
	free(want);
}
