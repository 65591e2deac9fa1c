// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/attack_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/ctl/client.h"
#include "tests/lib/traffic.h"

#define PLAY_MS	    60000
#define PING_MS	    20
#define TOLERANCE   0.02
#define TRACE_END_S 100
#define TRIES	    3
#define LIMIT_S	    110 /* of a test: something hangs */

/* ---- the trace ---- */

/* Regions that nobody uses again: each is merged once. */
static void add_once(struct guest *guest, unsigned int nr, double start)
{
	for (unsigned int i = 0; i < nr; i++)
		guest_convert(guest, guest_rfn(guest, "once"), start + i * 50 * MS, 100 * US);
}

/* Regions that are in use all along: merging one is wrong. */
static void add_hot(struct guest *guest, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t rfn = guest_rfn(guest, "hot");

		for (double t = S + i * 6 * MS; t < TRACE_END_S * S; t += 200 * MS)
			guest_convert(guest, rfn, t, 100 * US);
	}
}

/* Two bursts, with a pause in which a merge pays. */
static void add_bursts(struct guest *guest, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t rfn = guest_rfn(guest, "burst");

		for (unsigned int k = 0; k < 10; k++)
			guest_convert(guest, rfn,
				      (k < 5 ? 2 : 60) * S + i * 10 * MS + k % 5 * 200 * MS,
				      100 * US);
	}
}

/*
 * The host is steady, so that what else runs does not change the outcome. Neither does some jitter:
 * regions rest for much less or much more than the quiet time, and a merge that is some tens of ms
 * late costs little, as walks are cheap.
 */
static void write_trace(const char *path)
{
	struct traffic traffic = traffic_new(1, 1);
	struct guest guest;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	traffic.end = TRACE_END_S * S;
	traffic.walk_ns_per_s = 2000;
	guest = guest_new(&traffic, "web", 0, traffic.end, 100 * US);
	add_once(&guest, 160, 2 * S);
	add_hot(&guest, 60);
	add_bursts(&guest, 60);
	add_once(&guest, 80, 60 * S);
	guest_new(&traffic, "idle", 0, traffic.end, 100 * US);
	assert_false(traffic.failed);
	assert_int_equal(traffic_write(f, &traffic), 0);
	assert_int_equal(fclose(f), 0);
	traffic_done(&traffic);
}

/* ---- life ---- */

/* The daemon as it is installed. */
static void choose_daemon(void)
{
	static const char variant[] = "/san";
	const char *build = getenv("TDX_LPAGE_BUILD");
	char path[4096];
	size_t len;

	if (!build)
		build = "build/san";
	len = strlen(build) - strlen(variant);
	assert_string_equal(build + len, variant);
	snprintf(path, sizeof(path), "%.*s/normal/tdx-lpaged", (int)len, build);
	setenv("TDX_LPAGED", path, 1);
}

int attack_host_setup(void **state)
{
	struct attack_host *host = calloc(1, sizeof(*host));
	void *daemon;
	char path[64];

	choose_daemon();
	alarm(LIMIT_S);
	assert_int_equal(daemon_host_setup(&daemon), 0);
	host->daemon = daemon;
	snprintf(path, sizeof(path), "%s/trace", host->daemon->dir);
	write_trace(path);
	daemon_host_write(host->daemon->config, ATTACK_CONFIG);
	snprintf(host->score_path, sizeof(host->score_path), "%s/score", host->daemon->dir);
	snprintf(host->ctl_log, sizeof(host->ctl_log), "%s/ctl-log", host->daemon->dir);
	snprintf(host->spec, sizeof(host->spec), "--link=sim:%s,speed=%u,steady,score=%s", path,
		 ATTACK_SPEED, host->score_path);
	host->counts = mmap(NULL, sizeof(*host->counts), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(host->counts, MAP_FAILED);
	*state = host;
	return 0;
}

static void end_attacker(struct attack_host *host)
{
	if (host->attacker) {
		kill(host->attacker, SIGKILL);
		waitpid(host->attacker, NULL, 0);
	}
	host->attacker = 0;
}

int attack_host_teardown(void **state)
{
	struct attack_host *host = *state;
	void *daemon = host->daemon;

	end_attacker(host);
	ctl_client_close(host->client);
	munmap(host->counts, sizeof(*host->counts));
	free(host);
	return daemon_host_teardown(&daemon);
}

void attack_host_stop(struct attack_host *host)
{
	assert_int_equal(daemon_host_stop(host->daemon, SIGTERM), 0);
}

void attack_host_attack(struct attack_host *host, attack_fn *attack)
{
	pid_t parent = getpid();

	memset(host->counts, 0, sizeof(*host->counts));
	host->attacker = fork();
	assert_true(host->attacker >= 0);
	if (host->attacker > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 5);
	signal(SIGPIPE, SIG_IGN);
	if (getppid() == parent)
		attack(host);
	_exit(1);
}

void attack_host_relieve(struct attack_host *host)
{
	assert_int_equal(waitpid(host->attacker, NULL, WNOHANG), 0);
	end_attacker(host);
}

/* ---- calls ---- */

struct ctl_client *attack_host_dial(const struct attack_host *host, const char *name)
{
	uint64_t end_ns = monotonic_ns() + ATTACK_ANSWER_MS * NS_PER_MS;
	struct ctl_client *client = NULL;
	json_t *reply = NULL;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/%s", host->daemon->run, name);
	for (;;) {
		assert_int_equal(ctl_client_connect(path, ATTACK_ANSWER_MS, &client), 0);
		r = ctl_client_send(client, "Ping", NULL, false);
		if (r == 0)
			r = ctl_client_receive(client, ATTACK_ANSWER_MS, &reply);
		if (r == 0)
			break;
		client = ctl_client_close(client);
		assert_true(monotonic_ns() < end_ns);
		usleep(PING_MS * 1000);
	}
	json_decref(reply);
	return client;
}

json_t *attack_host_call(struct ctl_client *client, const char *method, const char *params)
{
	json_t *reply = NULL, *object = NULL;
	char text[512] = "{}";

	if (params)
		snprintf(text, sizeof(text), "%s", params);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	object = json_loads(text, 0, NULL);
	assert_non_null(object);
	assert_int_equal(ctl_client_send(client, method, object, false), 0);
	json_decref(object);
	assert_int_equal(ctl_client_receive(client, ATTACK_ANSWER_MS, &reply), 0);
	return reply;
}

void attack_host_ask(struct ctl_client *client, const char *method, const char *params)
{
	json_t *reply = attack_host_call(client, method, params);

	if (json_object_get(reply, "error"))
		print_error("%s: %s\n", method, json_dumps(reply, 0));
	assert_null(json_object_get(reply, "error"));
	json_decref(reply);
}

int attack_host_ctl(const struct attack_host *host, const char *const *args)
{
	char *argv[10] = {(char *)(uintptr_t) "tdx-lpctl"};
	const char *ctl = getenv("TDX_LPCTL");
	pid_t pid;
	int log;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return daemon_host_wait(pid);
	log = open(host->ctl_log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	setenv("TDX_LPAGE_RUNTIME_DIR", host->daemon->run, 1);
	execv(ctl ? ctl : "build/san/tdx-lpctl", argv);
	_exit(126);
}

/* ---- start ---- */

/* Of the service manager's queue, which nobody reads while the daemon runs. */
static void drop_messages(const struct daemon_host *daemon)
{
	char text[512];

	while (recv(daemon->notify_fd, text, sizeof(text), MSG_DONTWAIT) >= 0)
		;
}

/* Has the trace? */
static bool has_begun(const struct attack_host *host)
{
	json_t *reply = attack_host_call(host->client, "ShowVm", "{'vm': '" ATTACK_OTHER_VM "'}");
	bool begun = !json_object_get(reply, "error");

	json_decref(reply);
	return begun;
}

void attack_host_start(struct attack_host *host)
{
	struct daemon_host *d = host->daemon;

	drop_messages(d);
	d->pid = daemon_host_spawn(d, ARGS("--config", d->config, "--runtime-dir", d->run,
					   host->spec));
	host->started_ns = monotonic_ns();
	daemon_host_message(d, "READY=1");
	ctl_client_close(host->client);
	host->client = attack_host_dial(host, "control");
	while (!has_begun(host))
		usleep(1000);
}

void attack_host_kill(struct attack_host *host)
{
	assert_int_equal(daemon_host_stop(host->daemon, SIGKILL), -1);
	attack_host_start(host);
}

/* ---- play ---- */

/* How long the daemon was kept waiting for a CPU: a steady host's time stood still then. */
static uint64_t starved_ns(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*s %llu", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return ns;
}

void attack_host_until(const struct attack_host *host, unsigned int trace_s)
{
	uint64_t end_ns = host->started_ns + (trace_s + 1) * NS_PER_S / ATTACK_SPEED;

	while (monotonic_ns() < end_ns + starved_ns(host->daemon->pid))
		usleep(1000);
}

static bool read_score(const struct attack_host *host, struct attack_score *ret)
{
	json_t *score = json_load_file(host->score_path, 0, NULL);

	if (!score)
		return false;
	ret->ratio = json_real_value(json_object_get(score, "ratio"));
	ret->merges = (uint64_t)json_integer_value(json_object_get(score, "merges"));
	ret->splits = (uint64_t)json_integer_value(json_object_get(score, "splits"));
	json_decref(score);
	return true;
}

/* The rest of the trace. */
static void play(struct attack_host *host, struct attack_score *ret)
{
	uint64_t end_ns = monotonic_ns() + PLAY_MS * NS_PER_MS;

	*ret = (struct attack_score){0};
	while (!read_score(host, ret)) {
		assert_true(monotonic_ns() < end_ns);
		attack_host_ask(host->client, ret->pings % 8 ? "Ping" : "Status", NULL);
		ret->pings++;
		usleep(PING_MS * 1000);
	}
	ret->peak_kib = daemon_host_status(host->daemon->pid, "VmHWM");
}

static bool near(double a, double b)
{
	return fabs(a / b - 1) <= TOLERANCE;
}

static bool same(const struct attack_score *score, const struct attack_score *want)
{
	print_message("# ratio %.4f (%.4f), merges %llu (%llu), splits %llu (%llu), peak %lu (%lu) "
		      "KiB, %u pings\n",
		      score->ratio, want->ratio, (unsigned long long)score->merges,
		      (unsigned long long)want->merges, (unsigned long long)score->splits,
		      (unsigned long long)want->splits, score->peak_kib, want->peak_kib,
		      score->pings);
	return near((double)score->merges, (double)want->merges) &&
	       near((double)score->splits, (double)want->splits) && near(score->ratio, want->ratio);
}

void attack_host_undisturbed(struct attack_host *host, struct attack_score *ret)
{
	attack_host_start(host);
	play(host, ret);
	attack_host_stop(host);
	/* 160 and 80 regions once, 60 after each of two bursts, and no hot one. */
	assert_int_equal(ret->merges, 160 + 80 + 2 * 60);
	assert_true(ret->ratio > 1);
}

static void play_attacked(struct attack_host *host, const struct attack *attack,
			  struct attack_score *ret)
{
	attack_host_start(host);
	attack->begin(host, attack);
	play(host, ret);
	if (attack->end)
		attack->end(host, attack);
	attack_host_stop(host);
}

void attack_host_withstand(struct attack_host *host, const struct attack *attack,
			   const struct attack_score *want)
{
	struct attack_score score;
	int tries = TRIES;

	for (;;) {
		play_attacked(host, attack, &score);
		assert_true(score.peak_kib <= want->peak_kib + attack->growth_kib);
		if (same(&score, want))
			return;
		assert_true(--tries > 0);
	}
}
