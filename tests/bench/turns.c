// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The longest turn of the event loop while something happens that concerns all of 3000 guests, or all of a guest of
 * 8 TiB: a scrape, the end of the guest, the end of the kernel module. Manager and metrics server are real, the host is
 * big_link.h's. A turn counts by the CPU time of the process: what else runs on the machine does not matter.
 */
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/core/context.h"
#include "daemon/metrics/metrics.h"
#include "tests/bench/bench.h"
#include "tests/lib/big_link.h"

#define MANY	 3000
#define REGIONS	 (UINT64_C(4) << 20) /* 8 TiB */
#define SETTLE_S 3

static const char config_text[] = "version: 1\n"
				  "global: {dry-run: true, cpu-budget: 100%, merge-rate: 1/s}\n"
				  "defaults: {policy: threshold, quiet-time: 60s}\n";

struct host {
	struct event_base *base;
	struct big_link big;
	struct lp_manager *manager;
	struct lp_log log;
	struct metrics *metrics;
	in_port_t port;
	struct samples turns_ns;
};

/* ---- turns ---- */

static int turn(struct host *host)
{
	uint64_t begin_ns = bench_cpu_ns();

	if (event_base_loop(host->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) < 0)
		return -EIO;
	return samples_add(&host->turns_ns, bench_cpu_ns() - begin_ns);
}

static int turns_for(struct host *host, uint64_t ns)
{
	uint64_t end_ns = bench_now_ns() + ns;
	int err = 0;

	while (!err && bench_now_ns() < end_ns)
		err = turn(host);
	return err;
}

/* ---- what happens ---- */

/* The guests are read, and nothing is left to be done. */
static int settle(struct host *host)
{
	int err = 0;

	do
		err = turns_for(host, SETTLE_S * NS_PER_S);
	while (!err && host->big.nr);
	return err;
}

static int scrape(struct host *host)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = host->port,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	pid_t pid = fork();
	int status = 0, err = pid < 0 ? -errno : 0;

	if (pid == 0) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		char text[65536];

		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
		    dprintf(fd, "GET /metrics HTTP/1.0\r\n\r\n") < 0)
			_exit(1);
		while (recv(fd, text, sizeof(text), 0) > 0)
			;
		_exit(0);
	}
	while (!err && !waitpid(pid, &status, WNOHANG))
		err = turn(host);
	return err ? err : status ? -EIO : 0;
}

static int end_guest(struct host *host)
{
	host->big.options.nr_vms = 0;
	host->big.link.events->vm_gone(host->big.link.ctx, 1);
	return 0;
}

static int end_family(struct host *host)
{
	host->big.link.events->family(host->big.link.ctx, false, "kvm is gone");
	return 0;
}

/* As the daemon does. */
static void trim(void *ctx)
{
	(void)ctx;
	(void)malloc_trim(0);
}

static const struct lp_manager_hooks hooks = {.give_back = trim};

/* What it does half a minute later: in turns, the last of which calls trim(). */
static int give_back(struct host *host)
{
	host->manager->give_back_own_ns = 1;
	manager_wake(host->manager);
	return 0;
}

/* Counts as a turn of its own, as the link's events do. */
static int event(struct host *host, int (*what)(struct host *host))
{
	uint64_t begin_ns = bench_cpu_ns();
	int err = what(host);

	if (!err)
		err = samples_add(&host->turns_ns, bench_cpu_ns() - begin_ns);
	return err ? err : turns_for(host, NS_PER_S);
}

static int end_guest_first(struct host *host)
{
	int err = end_guest(host);

	return err ? err : turns_for(host, NS_PER_S);
}

static int end_family_first(struct host *host)
{
	int err = end_family(host);

	return err ? err : turns_for(host, NS_PER_S);
}

/* Leaves holes of all sizes between what is left. */
static int end_every_other_first(struct host *host)
{
	for (uint32_t id = 1; id <= host->big.options.nr_vms; id += 2)
		host->big.link.events->vm_gone(host->big.link.ctx, id);
	return turns_for(host, NS_PER_S);
}

/* ---- the host ---- */

static int open_manager(struct host *host)
{
	struct lp_manager_options options = {.base = host->base,
					     .link = &host->big.link,
					     .log = &host->log,
					     .config_path = "config",
					     .procfs = "/nonexistent",
					     .hooks = &hooks,
					     .runtime_dir_fd = -1};
	struct config_errors errors = {0};
	int err = config_parse_buffer("config", config_text, strlen(config_text), &options.config,
				      &errors);

	config_errors_done(&errors);
	if (!err)
		err = lp_manager_new(&options, &host->manager);
	return err ? err : lp_manager_start(host->manager);
}

static int open_metrics(struct host *host)
{
	struct metrics_options options = {.base = host->base,
					  .core = lp_manager_core(host->manager)};
	char listen[32];
	int err = bench_free_port(&host->port);

	snprintf(listen, sizeof(listen), "127.0.0.1:%d", ntohs(host->port));
	options.listen = listen;
	return err ? err : metrics_new(&options, &host->metrics);
}

static int open_host(struct host *host, uint32_t nr_vms, uint64_t regions)
{
	const struct big_link_options options = {.nr_vms = nr_vms,
						 .regions = regions,
						 .converted_ns = bench_now_ns(),
						 .real_clock = true};
	int err;

	*host = (struct host){.base = event_base_new(), .log.max_priority = LOG_EMERG};
	if (!host->base)
		return -ENOMEM;
	err = big_link_init(&host->big, host->base, &options);
	if (!err)
		err = open_manager(host);
	if (!err)
		err = open_metrics(host);
	return err;
}

static void close_host(struct host *host)
{
	metrics_free(host->metrics);
	lp_manager_free(host->manager);
	big_link_done(&host->big);
	if (host->base)
		event_base_free(host->base);
	samples_done(&host->turns_ns);
}

/* ---- the table ---- */

static void report(struct host *host, const char *name, json_t *ret)
{
	json_t *object = json_object();

	samples_report(&host->turns_ns, object, "turn", "ns");
	json_object_set_new(ret, name, object);
	printf("%-28s %10zu %10.1f %10.1f\n", name, host->turns_ns.nr,
	       (double)samples_percentile(&host->turns_ns, 99) / NS_PER_US,
	       (double)samples_percentile(&host->turns_ns, 100) / NS_PER_US);
}

static const struct {
	const char *name;
	uint32_t nr_vms;
	uint64_t regions;
	int (*before)(struct host *host); /* does not count; NULL: nothing */
	int (*what)(struct host *host);
	bool at_once; /* in a turn; else it runs turns */
} rows[] = {
	{"scrape_of_3000", MANY, 1, NULL, scrape, false},
	{"end_of_8_tib", 1, REGIONS, NULL, end_guest, true},
	{"end_of_family_of_3000", MANY, 1, NULL, end_family, true},
	{"end_of_family_of_8_tib", 1, REGIONS, NULL, end_family, true},
	{"give_back_of_8_tib", 1, REGIONS, end_guest_first, give_back, true},
	{"give_back_of_3000", MANY, 1, end_family_first, give_back, true},
	{"give_back_of_every_other", MANY, 512, end_every_other_first, give_back, true},
};

static int measure(json_t *ret, size_t i)
{
	CLEANUP(freep) void *last = NULL;
	struct host host;
	int err;

	bench_progress("turns: %s", rows[i].name);
	err = open_host(&host, rows[i].nr_vms, rows[i].regions);
	if (!err)
		err = settle(&host);
	/* Something small lies behind all else on the heap. */
	last = malloc(1000);
	if (!err && rows[i].before)
		err = rows[i].before(&host);
	samples_done(&host.turns_ns);
	host.turns_ns = (struct samples){0};
	if (!err)
		err = rows[i].at_once ? event(&host, rows[i].what) : rows[i].what(&host);
	if (!err)
		report(&host, rows[i].name, ret);
	close_host(&host);
	return err;
}

static int run(json_t *ret)
{
	int err = 0;

	/* As the daemon does. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	printf("%-28s %10s %10s %10s\n", "turns of the event loop", "turns", "p99 us", "max us");
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !err; i++)
		err = measure(ret, i);
	return err;
}

const struct bench bench_turns = {
	.name = "turns",
	.doc = "longest turn of the event loop: scrape of 3000 guests, end of a guest of 8 TiB, end of kvm",
	.run = run,
};
