// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tdx-lpctl against the real control server with a made-up core, compared with what is kept in
 * tests/unit/golden. TDX_LPAGE_UPDATE=1 keeps what comes out instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config/config.h"
#include "daemon/control/control.h"
#include "daemon/ctl/ctl.h"
#include "tests/lib/fake_core.h"

#define WORDS_MAX 16

static const char *golden_dir;

struct host {
	struct fake_core fake;
	struct event_base *base;
	struct control *control;
	pthread_t thread;
	int stop[2]; /* a pipe: the loop ends when it is closed */
	char dir[32];
	const char *event_text; /* of send_later() */
	char *out;
	char *err;
};

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

static void *serve(void *ctx)
{
	struct host *host = ctx;
	struct event *stop = event_new(host->base, host->stop[0], EV_READ, on_stop, host->base);

	event_add(stop, NULL);
	event_base_dispatch(host->base);
	event_free(stop);
	return NULL;
}

static struct host *host_new(void)
{
	struct host *host = calloc(1, sizeof(*host));

	fake_core_init(&host->fake);
	host->fake.answer_at_once = true;
	host->event_text = "appeared: db";
	host->base = event_base_new();
	strcpy(host->dir, "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	assert_int_equal(pipe(host->stop), 0);
	return host;
}

static void host_start(struct host *host)
{
	const struct control_options options = {
		.base = host->base,
		.core = &host->fake.core,
		.runtime_dir = host->dir,
	};

	assert_int_equal(control_new(&options, &host->control), 0);
	assert_int_equal(pthread_create(&host->thread, NULL, serve, host), 0);
}

/* After it, what the core was asked can be looked at. */
static void host_stop(struct host *host)
{
	if (!host->control)
		return;
	close(host->stop[1]);
	assert_int_equal(pthread_join(host->thread, NULL), 0);
	host->control = control_free(host->control);
}

static void host_free(struct host *host)
{
	host_stop(host);
	close(host->stop[0]);
	event_base_free(host->base);
	assert_int_equal(rmdir(host->dir), 0);
	fake_core_done(&host->fake);
	free(host->out);
	free(host->err);
	free(host);
}

/* Runs a command line, words parted by blanks. Returns the exit code; keeps what was written. */
static int run_in(struct host *host, const char *sysroot, const char *line)
{
	char words[512], *argv[WORDS_MAX + 1] = {NULL}, *save = NULL;
	struct ctl_env env = {.sysroot = sysroot, .runtime_dir = host->dir};
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

static int run(struct host *host, const char *line)
{
	return run_in(host, "/nonexistent", line);
}

/* ---- golden files ---- */

static char *read_golden(const char *path)
{
	char *text = NULL;
	size_t size;
	FILE *f = fopen(path, "r"), *all;
	int c;

	if (!f)
		return strdup("");
	all = open_memstream(&text, &size);
	while ((c = getc(f)) != EOF)
		putc(c, all);
	fclose(f);
	fclose(all);
	return text;
}

/* The directory's name is made up anew each time. */
static void hide_dir(const struct host *host, char *text)
{
	char *p;

	while ((p = strstr(text, host->dir))) {
		memmove(p + 4, p + strlen(host->dir), strlen(p + strlen(host->dir)) + 1);
		memcpy(p, "/run", 4);
	}
}

static void compare(const struct host *host, const char *name, int code)
{
	char path[4096], *got = NULL, *want;
	size_t size;
	FILE *f = open_memstream(&got, &size);

	fprintf(f, "%s%sexit %d\n", host->out, host->err, code);
	fclose(f);
	hide_dir(host, got);
	snprintf(path, sizeof(path), "%s/%s.golden", golden_dir, name);
	if (getenv("TDX_LPAGE_UPDATE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(got, f);
		fclose(f);
	}
	want = read_golden(path);
	if (strcmp(got, want) != 0)
		print_error("%s differs; accept with TDX_LPAGE_UPDATE=1\n", path);
	assert_string_equal(got, want);
	free(got);
	free(want);
}

static const struct {
	const char *name;
	const char *line;
} goldens[] = {
	{"status", ""},
	{"status.json", "-o json status --fresh"},
	{"vm-list", "vm list"},
	{"vm-list.json", "vm list -o json"},
	{"vm-show", "vm show web-1"},
	{"vm-show-unreadable", "vm show 7"},
	{"vm-show.json", "-o json vm show db"},
	{"vm-show-none", "vm show nobody"},
	{"region-list", "region list web-1"},
	{"region-list.json",
	 "region list web-1 --state table,mixed --range 0-1G --limit 1 -o json"},
	{"region-list-none", "region list 1 --range 1G"},
	{"region-list-state", "region list 1 --state tabel"},
	{"region-list-range", "region list 1 --range 1G-1G"},
	{"region-list-limit", "region list 1 --limit 0"},
	{"region-map", "region map web-1"},
	{"region-map-range", "region map web-1 --range 0-64M --width 8 --height 1"},
	{"region-map.json", "region map web-1 --range 0+32M -o json --width 8 --height 1"},
	{"region-map-width", "region map web-1 --width 7"},
	{"top", "top"},
	{"top.json-no", "top -o json"},
	{"explain", "explain web-1 0x1fffff"},
	{"explain-vm", "explain web-1"},
	{"explain-vm.json", "explain web-1 -o json"},
	{"explain.json", "explain web-1 0x1fffff -o json"},
	{"explain-outside", "explain web-1 16G"},
	{"explain-not-a-number", "explain web-1 12X"},
	{"merge", "merge web-1 2G-3G 4G+2M 0"},
	{"merge.json", "-o json merge web-1 2M"},
	{"merge-unaligned", "merge web-1 3M-5M"},
	{"hold", "hold web-1 0 --for 5m"},
	{"hold-too-long", "hold web-1 0 --for 2h"},
	{"probe", "probe web-1 0-12M 2G"},
	{"probe.json", "probe web-1 0-4M --window 250ms -o json"},
	{"probe-hot", "probe web-1 0-12M --hot"},
	{"probe-cold.json", "-o json probe web-1 0-12M --cold"},
	{"probe-listed", "probe web-1"},
	{"probe-windows", "probe web-1 0-256M --hot --window 10us"},
	{"probe-both", "probe web-1 0 --hot --cold"},
	{"probe-window", "probe web-1 0 --window 11s"},
	{"probe-unaligned", "probe web-1 1M"},
	{"pause", "pause"},
	{"pause.json", "pause db -o json"},
	{"dry-run", "dry-run maybe"},
	{"reload", "reload"},
	{"reload.json", "reload -o json"},
	{"config-show", "config show"},
	{"config-show.json", "config show -o json"},
	{"wait", "wait --coverage 97%"},
	{"wait.json", "-o json wait web-1 --coverage 98.5%"},
	{"wait-timeout", "wait --coverage 99% --timeout 0s"},
	{"wait-bad", "wait --coverage 101%"},
	{"verb-half", "vm"},
	{"verb-second", "config chekc"},
	{"verb-unknown", "frobnicate"},
	{"output-joined", "-ojson pause"},
	{"help", "help"},
	{"help-hold", "help hold"},
	{"help-probe", "help probe"},
	{"help-region-list", "region list --help"},
};

static void outputs_are_as_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct host *host = host_new();

		host_start(host);
		compare(host, goldens[i].name, run(host, goldens[i].line));
		host_free(host);
	}
}

/* Every line of JSON output is one object with the schema's version. */
static void json_output_is_one_object(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct host *host;
		json_t *json;

		const char *dot = strchr(goldens[i].name, '.');

		if (!dot || strcmp(dot, ".json") != 0)
			continue;
		host = host_new();
		host_start(host);
		assert_int_equal(run(host, goldens[i].line), 0);
		json = json_loads(host->out, 0, NULL);
		assert_true(json_is_object(json));
		assert_int_equal(json_integer_value(json_object_get(json, "schema")), CTL_SCHEMA);
		json_decref(json);
		host_free(host);
	}
}

/* More than the daemon gives out in one part; a range keeps its end in every part. */
static void long_lists_come_whole(void **state)
{
	struct host *host = host_new();
	json_t *json, *regions;

	(void)state;
	host->fake.nr_generated = 5000;
	host_start(host);
	assert_int_equal(run(host, "-o json region list 1 --range 2M+4004M"), 0);
	json = json_loads(host->out, 0, NULL);
	regions = json_object_get(json, "regions");
	assert_int_equal(json_array_size(regions), 2002);
	for (size_t i = 0; i < 2002; i++)
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(regions, i), "rfn")),
			i + 1);
	json_decref(json);
	assert_int_equal(run(host, "-o json region list 1 --limit 1500"), 0);
	json = json_loads(host->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "regions")), 1500);
	json_decref(json);
	host_free(host);
}

static void troubled_hosts_say_so(void **state)
{
	struct host *host = host_new();
	struct lp_status *s = &host->fake.status;

	(void)state;
	s->degraded = true;
	strcpy(s->degraded_why, "the kernel has no kvm-lpage family");
	strcpy(s->config_error, "/etc/tdx-lpage.yaml:3:1: unknown key");
	s->paused = true;
	s->dry_run = true;
	s->nr_vms = 0;
	s->coverage_ppm = UINT64_MAX;
	host->fake.nr_vms = 0;
	host->fake.config->missing = true;
	host_start(host);
	compare(host, "status-degraded", run(host, "status"));
	compare(host, "vm-list-empty", run(host, "vm list"));
	compare(host, "vm-list-empty.json", run(host, "vm list -o json"));
	compare(host, "wait-degraded", run(host, "wait --timeout 0s"));
	host_free(host);
	host = host_new();
	host->fake.status.nr_vms = 0;
	host->fake.status.coverage_ppm = UINT64_MAX;
	host_start(host);
	compare(host, "wait-no-vm", run(host, "wait"));
	host_free(host);
}

static void send_later(evutil_socket_t fd, short what, void *ctx)
{
	struct host *host = ctx;
	const struct lp_watch_event events[] = {
		{.kind = LP_WATCH_VM, .now_ns = 12345678901, .vm_id = 7, .text = host->event_text},
		{.kind = LP_WATCH_LOSS, .now_ns = 12345679000, .text = "events were lost"},
	};

	(void)fd;
	(void)what;
	for (size_t i = 0; i < 2; i++)
		fake_core_event(&host->fake, &events[i]);
}

static void names_do_not_steer_the_terminal(void **state)
{
	static const char *const lines[] = {"status", "vm list", "vm show 1", "watch --limit 1"};
	const struct timeval soon = {.tv_usec = 1000};
	struct host *host = host_new();
	struct event *timer = event_new(host->base, -1, EV_PERSIST, send_later, host);

	(void)state;
	event_add(timer, &soon);
	strcpy(host->fake.vms[0].identity.name, "a\033[31mb\xc2\x9b"
						"1mc");
	strcpy(host->fake.vms[0].identity.command, "qemu\r\x7f");
	host->event_text = "\033]0;title\a";
	host_start(host);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(run(host, lines[i]), 0);
		for (const char *p = host->out; *p; p++)
			assert_true((unsigned char)*p >= ' ' || *p == '\n');
		assert_null(strpbrk(host->out, "\x7f\x9b"));
	}
	host_stop(host);
	event_free(timer);
	host_free(host);
}

static void operations_reach_the_core(void **state)
{
	static const char *const lines[] = {
		"hold web-1 2G-3G --for 1500ms",
		"release 1 2M",
		"split db 0+4M",
		"pause web-1",
		"resume",
		"dry-run on",
		"reload",
	};
	static const char *const calls[] = {
		"op 3 vm 1: 1 ranges, 512 regions from 1024, ttl 1500000000",
		"op 4 vm 1: 1 ranges, 1 regions from 1, ttl 0",
		"op 2 vm 7: 1 ranges, 2 regions from 0, ttl 0",
		"set_paused 1 1",
		"set_paused 0 0",
		"set_dry_run 1",
		"reload",
	};
	struct host *host = host_new();

	(void)state;
	host_start(host);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(run(host, lines[i]), 0);
	host_stop(host);
	assert_int_equal(host->fake.nr_calls, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(host->fake.calls[i], calls[i]);
	host_free(host);
}

/* More regions than can be probed at once take more windows, neighbours sharing one. */
static void long_probes_take_several_windows(void **state)
{
	struct host *host = host_new();
	json_t *json, *batches;

	(void)state;
	host_start(host);
	assert_int_equal(run(host, "probe web-1 0-250M 250M-254M 1G --window 20us -o json"), 0);
	json = json_loads(host->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "regions")), 128);
	assert_int_equal(json_integer_value(json_object_get(json, "touched")), 85);
	assert_int_equal(json_integer_value(json_object_get(json, "untouched")), 43);
	batches = json_object_get(json, "batches");
	assert_int_equal(json_integer_value(json_object_get(batches, "count")), 2);
	assert_int_equal(json_integer_value(json_object_get(batches, "regions_us")), 1280);
	assert_int_equal(json_integer_value(json_object_get(batches, "stall_max_us")), 700);
	json_decref(json);
	host_stop(host);
	assert_int_equal(host->fake.nr_calls, 2);
	assert_string_equal(host->fake.calls[0],
			    "op 5 vm 1: 1 ranges, 64 regions from 0, ttl 20000");
	assert_string_equal(host->fake.calls[1],
			    "op 5 vm 1: 2 ranges, 64 regions from 64, ttl 20000");
	host_free(host);
}

static void refusals_and_errors_have_their_exit_codes(void **state)
{
	struct host *host = host_new();

	(void)state;
	strcpy(host->fake.vms[1].identity.name, "web-1");
	host->fake.refuse_reason = LPAGE_REASON_HELD;
	host_start(host);
	compare(host, "merge-refused", run(host, "merge 1 0-4M 1G"));
	compare(host, "probe-refused", run(host, "probe 1 0-4M 1G"));
	compare(host, "pause-ambiguous", run(host, "pause web-1"));
	host_free(host);

	host = host_new();
	host->fake.result = -EINVAL;
	host->fake.reload_text = "/etc/tdx-lpage.yaml:2:1: globals: unknown key\n"
				 "/etc/tdx-lpage.yaml:9:3: rules[0].batch: \"65\": out of range\n";
	host_start(host);
	compare(host, "reload-bad", run(host, "reload"));
	host_free(host);

	host = host_new();
	host->fake.result = -EPERM;
	host_start(host);
	compare(host, "merge-dry-run", run(host, "merge 1 0"));
	host_free(host);
}

static void usage_errors(void **state)
{
	static const char *const lines[] = {
		"frobnicate",
		"vm",
		"vm frob",
		"status extra",
		"vm show",
		"vm show a b",
		"--frob",
		"-o",
		"-o xml",
		"status --limit 3",
		"vm show --state x",
		"hold 1",
		"hold 1 0 --for",
		"status --fresh=1",
		"help frob",
		"help vm",
		"region list 1 --range x",
	};
	struct host *host = host_new();

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int code = run(host, lines[i]);

		if (code != CTL_USAGE)
			print_error("for: %s\n", lines[i]);
		assert_int_equal(code, CTL_USAGE);
		assert_int_equal(strncmp(host->err, "tdx-lpctl: ", 11), 0);
		assert_non_null(strstr(host->err, "\nTry: tdx-lpctl "));
		assert_string_equal(host->out, "");
	}
	host_free(host);
}

static void no_daemon_is_exit_code_3(void **state)
{
	struct host *host = host_new();

	(void)state;
	compare(host, "unreachable", run(host, "status"));
	compare(host, "unreachable-write", run(host, "pause"));
	assert_int_equal(run(host, "--socket /nonexistent/x vm list"), CTL_UNREACHABLE);
	assert_non_null(strstr(host->err, "/nonexistent/x"));
	host_free(host);
}

static void a_read_socket_is_enough_to_read(void **state)
{
	struct host *host = host_new();
	char line[128], path[64];

	(void)state;
	host_start(host);
	snprintf(line, sizeof(line), "--socket %s/read vm list", host->dir);
	assert_int_equal(run(host, line), 0);
	snprintf(line, sizeof(line), "--socket=%s/read pause", host->dir);
	assert_int_equal(run(host, line), CTL_FAILED);
	assert_non_null(strstr(host->err, "for reading only"));
	/* Without it, the control socket will do. */
	snprintf(path, sizeof(path), "%s/read", host->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run(host, "vm list"), 0);
	host_free(host);
}

static void watching_prints_a_line_for_each(void **state)
{
	static const char *const lines[] = {"watch --limit 2", "watch --limit 2 -o json"};
	static const char *const names[] = {"watch", "watch.json"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct timeval soon = {.tv_usec = 1000};
		struct host *host = host_new();
		struct event *timer = event_new(host->base, -1, EV_PERSIST, send_later, host);

		event_add(timer, &soon); /* until somebody watches, nothing is sent */
		host_start(host);
		compare(host, names[i], run(host, lines[i]));
		host_stop(host);
		event_free(timer);
		host_free(host);
	}
}

/* ---- top: a terminal of our own ---- */

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
	struct host *host = host_new();
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
	host_start(host);
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
	host_free(host);
}

/* A daemon that never answers does not make wait outlast its time. */
static void waiting_ends_in_time(void **state)
{
	struct host *host = host_new();

	(void)state;
	host->fake.answer_at_once = false;
	host_start(host);
	compare(host, "wait-no-answer", run(host, "wait --timeout 0s"));
	host_free(host);
}

static void checking_files_needs_no_daemon(void **state)
{
	struct host *host = host_new();
	char path[64], line[128];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/c.yaml", host->dir);
	f = fopen(path, "w");
	fputs("version: 1\ndefaults: {batch: 65}\nrules: 1\n", f);
	fclose(f);
	snprintf(line, sizeof(line), "config check %s", path);
	compare(host, "config-check-bad", run(host, line));
	snprintf(line, sizeof(line), "-o json config check %s", path);
	compare(host, "config-check-bad.json", run(host, line));
	f = fopen(path, "w");
	fputs("version: 1\nrules: [{name: a}]\n", f);
	fclose(f);
	snprintf(line, sizeof(line), "config check %s", path);
	compare(host, "config-check", run(host, line));
	assert_int_equal(unlink(path), 0);
	compare(host, "config-check-none", run(host, line));
	host_free(host);
}

static void completion_follows_the_table(void **state)
{
	static const char *const rows[][2] = {
		{"complete re", "region\nrelease\nresume\nreload\nrecord\n"},
		{"complete vm ''", "list\nshow\n"},
		{"complete config c", "check\n"},
		{"complete vm show ''", "web-1\ndb\n"},
		{"complete vm show w", "web-1\n"},
		{"complete -- -o j", "json\n"},
		{"complete -- -o json vm l", "list\n"},
		{"complete -- --s", "--socket\n"},
		{"complete -- hold web-1 --", "--for\n"},
		{"complete -- region list web-1 --state t", "table\n"},
		{"complete -- region list --state table d", "db\n"},
		{"complete help wa", "watch\nwait\n"},
		{"complete help region ''", "list\nmap\n"},
		{"complete dry-run ''", "on\noff\n"},
		{"complete -- simulate --policy t", "threshold\n"},
		{"complete -- simulate --observe ''", "exact\n100ms\n"},
		{"complete -- tune --budget ''", ""},
		{"complete status ''", ""},
		{"complete frob ''", ""},
		{"complete", ""},
	};
	struct host *host = host_new();

	(void)state;
	host_start(host);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(run(host, rows[i][0]), 0);
		if (strcmp(host->out, rows[i][1]) != 0)
			print_error("for: %s\n", rows[i][0]);
		assert_string_equal(host->out, rows[i][1]);
		assert_string_equal(host->err, "");
	}
	host_free(host);
	host = host_new();
	assert_int_equal(run(host, "complete vm show ''"), 0); /* no daemon */
	assert_string_equal(host->out, "");
	assert_string_equal(host->err, "");
	host_free(host);
}

/* ---- doctor: a system of our own ---- */

static void put(const char *root, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(full, 0700) < 0)
			assert_int_equal(errno, EEXIST);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void remove_root(const char *root)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r %s", root);
	assert_int_equal(system(line), 0);
}

static void the_doctor_says_what_to_set(void **state)
{
	struct host *host = host_new();
	char root[] = "/tmp/test_ctl_root.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(root));
	compare(host, "doctor-nothing", run_in(host, root, "doctor"));
	put(root, "/sys/module/kvm/parameters/tdp_mmu", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/ept", "N\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx", "N\n");
	compare(host, "doctor-unpatched", run_in(host, root, "doctor"));
	put(root, "/sys/module/kvm_intel/parameters/ept", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx_huge_pages", "N\n");
	put(root, "/sys/module/kvm/parameters/lpage_mode", "managed\n");
	put(root, "/sys/module/kvm/parameters/gmem_2m", "N\n");
	put(root, "/proc/buddyinfo",
	    "Node 0, zone    DMA      1 1 1 1 1 1 1 1 1 1 3\n"
	    "Node 0, zone Normal      1 1 1 1 1 1 1 1 1 4 0\n");
	host_start(host);
	compare(host, "doctor", run_in(host, root, "doctor"));
	compare(host, "doctor.json", run_in(host, root, "-o json doctor"));
	host_free(host);
	remove_root(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outputs_are_as_kept),
		cmocka_unit_test(json_output_is_one_object),
		cmocka_unit_test(long_lists_come_whole),
		cmocka_unit_test(troubled_hosts_say_so),
		cmocka_unit_test(names_do_not_steer_the_terminal),
		cmocka_unit_test(operations_reach_the_core),
		cmocka_unit_test(long_probes_take_several_windows),
		cmocka_unit_test(refusals_and_errors_have_their_exit_codes),
		cmocka_unit_test(usage_errors),
		cmocka_unit_test(no_daemon_is_exit_code_3),
		cmocka_unit_test(a_read_socket_is_enough_to_read),
		cmocka_unit_test(watching_prints_a_line_for_each),
		cmocka_unit_test(top_shows_the_status_until_q),
		cmocka_unit_test(waiting_ends_in_time),
		cmocka_unit_test(checking_files_needs_no_daemon),
		cmocka_unit_test(completion_follows_the_table),
		cmocka_unit_test(the_doctor_says_what_to_set),
	};
	const char *src = getenv("TDX_LPAGE_SRC");
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s/tests/unit/golden", src ? src : ".");
	golden_dir = dir;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
