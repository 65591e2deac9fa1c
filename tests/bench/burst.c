// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A large guest after boot: all its regions are due at once. How long clients wait for an answer
 * meanwhile, how many merges per second come out, and what the daemon's part of a merge costs, compared
 * with regions that never fill a queue. Manager and control server are real, the host is big_link.h's.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/control/control.h"
#include "daemon/core/context.h"
#include "daemon/policy/internal.h"
#include "tests/bench/bench.h"
#include "tests/lib/big_link.h"

#define REGIONS	 (UINT64_C(4) << 20) /* 8 TiB */
#define FEW	 UINT64_C(4000)	     /* less than a queue holds */
#define FEW_VMS	 1024
#define MERGE_NS UINT64_C(1000)
#define PING_US	 5000 /* between two calls */
#define LIMIT_S	 300

static const char config_text[] = "version: 1\n"
				  "global: {cpu-budget: 100%, merge-rate: 100000/s}\n"
				  "defaults: {policy: threshold, quiet-time: 5s, batch: 64,"
				  " merge-rate: 100000/s, merge-cost: 1us}\n";

static const char ping[] = "{\"method\":\"org.tdxlpage.Control.Ping\"}";

struct burst {
	struct event_base *base;
	struct event *tick;
	struct big_link big;
	struct lp_manager *manager;
	struct lp_log log;
	struct control *control;
	char dir[32];
	bool dry_run;
	uint64_t regions;  /* of all VMs */
	uint64_t begin_ns; /* when the first was handled */
	double begin_s;
	uint64_t end_ns;
	double end_s;
	uint64_t limit_ns;
};

/* ---- the client ---- */

static int dial(const char *dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, CONTROL_READ_SOCKET);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

/* One call and its answer, which ends with NUL. */
static bool call(int fd)
{
	char byte = 'x';

	if (send(fd, ping, sizeof(ping), MSG_NOSIGNAL) != sizeof(ping))
		return false;
	while (byte)
		if (recv(fd, &byte, 1, 0) != 1)
			return false;
	return true;
}

/* Calls until @stop_fd is closed; writes how long each call took to @fd. */
static void run_client(const char *dir, int stop_fd, int fd)
{
	int door = dial(dir);
	char byte;

	(void)fcntl(stop_fd, F_SETFL, O_NONBLOCK);
	while (door >= 0 && read(stop_fd, &byte, 1) < 0 && errno == EAGAIN) {
		uint64_t begin_ns = bench_now_ns();
		uint64_t took_ns;

		if (!call(door))
			break;
		took_ns = bench_now_ns() - begin_ns;
		if (write(fd, &took_ns, sizeof(took_ns)) != sizeof(took_ns))
			break;
		usleep(PING_US);
	}
	_exit(0);
}

/* Gathers what the client measured. Both ends of the pipes are closed. */
static int gather(int fd, pid_t pid, struct samples *ret)
{
	uint64_t ns;
	int err = 0;

	while (!err && read(fd, &ns, sizeof(ns)) == sizeof(ns))
		err = samples_add(ret, ns);
	close(fd);
	waitpid(pid, NULL, 0);
	return err;
}

/* ---- the daemon ---- */

static uint64_t handled(const struct burst *burst)
{
	struct policy_ledger ledger;

	policy_total_ledger(burst->manager->policy, 0, &ledger);
	return burst->dry_run ? ledger.dry_run_merges : ledger.merges;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct burst *burst = ctx;
	uint64_t done = handled(burst);

	(void)fd;
	(void)what;
	if (!done) {
		burst->begin_ns = bench_now_ns();
		burst->begin_s = bench_cpu_s();
	}
	burst->end_ns = bench_now_ns();
	burst->end_s = bench_cpu_s();
	if (done >= burst->regions || burst->end_ns > burst->limit_ns)
		event_base_loopbreak(burst->base);
}

static int open_manager(struct burst *burst)
{
	struct lp_manager_options options = {.base = burst->base,
					     .link = &burst->big.link,
					     .log = &burst->log,
					     .config_path = "config",
					     .procfs = burst->dir,
					     .runtime_dir_fd = -1,
					     .dry_run = burst->dry_run};
	struct config_errors errors = {0};
	int err = config_parse_buffer("config", config_text, strlen(config_text), &options.config,
				      &errors);

	config_errors_done(&errors);
	if (!err)
		err = lp_manager_new(&options, &burst->manager);
	return err ? err : lp_manager_start(burst->manager);
}

static int open_all(struct burst *burst, uint32_t nr_vms, uint64_t regions)
{
	const struct big_link_options options = {.nr_vms = nr_vms,
						 .regions = regions,
						 .converted_ns = bench_now_ns(),
						 .merge_ns = MERGE_NS,
						 .real_clock = true};
	static const struct timeval interval = {0, 20000};
	struct control_options control = {.runtime_dir = burst->dir};
	int err;

	strcpy(burst->dir, "/tmp/bench_burst.XXXXXX");
	burst->base = event_base_new();
	if (!burst->base || !mkdtemp(burst->dir))
		return -ENOMEM;
	burst->log = (struct lp_log){.file = stderr, .max_priority = LOG_ERR};
	burst->regions = nr_vms * regions;
	burst->limit_ns = bench_now_ns() + LIMIT_S * NS_PER_S;
	err = big_link_init(&burst->big, burst->base, &options);
	if (!err)
		err = open_manager(burst);
	control.base = burst->base;
	control.core = err ? NULL : lp_manager_core(burst->manager);
	if (!err)
		err = control_new(&control, &burst->control);
	burst->tick = event_new(burst->base, -1, EV_PERSIST, on_tick, burst);
	if (!err)
		err = event_add(burst->tick, &interval) ? -ENOMEM : 0;
	return err;
}

static void close_all(struct burst *burst)
{
	burst->control = control_free(burst->control);
	lp_manager_free(burst->manager);
	big_link_done(&burst->big);
	if (burst->tick)
		event_free(burst->tick);
	if (burst->base)
		event_base_free(burst->base);
	(void)rmdir(burst->dir);
}

/* Runs until all is handled, while a client calls. */
static int run_burst(struct burst *burst, struct samples *ret)
{
	int stop[2], times[2];
	pid_t pid;

	if (pipe2(stop, O_CLOEXEC) || pipe2(times, O_CLOEXEC))
		return -errno;
	/* As much as may come until it is gathered. */
	(void)fcntl(times[1], F_SETPIPE_SZ, 1 << 20);
	pid = fork();
	if (pid == 0) {
		close(stop[1]);
		close(times[0]);
		run_client(burst->dir, stop[0], times[1]);
	}
	close(stop[0]);
	close(times[1]);
	event_base_dispatch(burst->base);
	close(stop[1]);
	/* A call may be under way: its connection is closed in the next turn of the loop. */
	burst->control = control_free(burst->control);
	event_base_loop(burst->base, EVLOOP_NONBLOCK);
	return gather(times[0], pid, ret);
}

static double cpu_us_per_merge(const struct burst *burst)
{
	return (burst->end_s - burst->begin_s) * 1e6 / (double)burst->regions;
}

static int measure(json_t *ret, const char *name, uint32_t nr_vms, uint64_t regions, bool dry_run,
		   double *alone_us)
{
	struct burst burst = {.dry_run = dry_run};
	struct samples ns = {0};
	json_t *object = json_object();
	double seconds, us, grown;
	uint64_t before;
	int err;

	/* What the one before left on the heap would be taken for nothing. */
	(void)malloc_trim(0);
	before = bench_resident_bytes();
	bench_progress("burst: %s", name);
	err = open_all(&burst, nr_vms, regions);
	if (!err)
		err = run_burst(&burst, &ns);
	if (!err && handled(&burst) < burst.regions)
		err = -ETIMEDOUT;
	if (!err) {
		seconds = (double)(burst.end_ns - burst.begin_ns) / 1e9;
		us = cpu_us_per_merge(&burst);
		grown = (double)(bench_resident_bytes() - before) / (double)burst.regions;
		*alone_us = *alone_us > 0 ? *alone_us : us;
		samples_report(&ns, object, "ping", "ns");
		json_object_set_new(object, "merges_per_s",
				    json_real((double)burst.regions / seconds));
		json_object_set_new(object, "cpu_per_merge_us", json_real(us));
		json_object_set_new(object, "cpu_ratio", json_real(us / *alone_us));
		json_object_set_new(object, "decisions_per_merge",
				    json_real((double)burst.manager->policy->decisions /
					      (double)burst.regions));
		json_object_set_new(object, "rss_bytes_per_region", json_real(grown));
		printf("%-20s %10.0f %10.2f %10.2f %10.1f %10.1f %10.1f\n", name,
		       (double)burst.regions / seconds, us, us / *alone_us,
		       (double)samples_percentile(&ns, 99) / 1e6,
		       (double)samples_percentile(&ns, 100) / 1e6, grown);
	}
	json_object_set_new(ret, name, object);
	samples_done(&ns);
	close_all(&burst);
	return err;
}

static int run(json_t *ret)
{
	double alone_us = 0, dry_alone_us = 0;
	int err;

	printf("%-20s %10s %10s %10s %10s %10s %10s\n", "regions due", "merges/s", "us/merge",
	       "ratio", "ping p99", "max, ms", "B/region");
	err = measure(ret, "1024_times_4000", FEW_VMS, FEW, false, &alone_us);
	if (!err)
		err = measure(ret, "4_million", 1, REGIONS, false, &alone_us);
	if (!err)
		err = measure(ret, "dry_1024_times_4000", FEW_VMS, FEW, true, &dry_alone_us);
	return err ? err : measure(ret, "dry_4_million", 1, REGIONS, true, &dry_alone_us);
}

const struct bench bench_burst = {
	.name = "burst",
	.doc = "millions of regions due at once: answers to clients, merges, CPU time",
	.run = run,
};
