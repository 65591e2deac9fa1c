// SPDX-License-Identifier: GPL-2.0-or-later
/* What it costs to scrape 40 hosts of 50 guests: bytes, time at the client, CPU time of the daemon. */
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/metrics/metrics.h"
#include "tests/bench/bench.h"
#include "tests/lib/sim_world.h"

#define HOSTS	  40
#define PROCESSES 4
#define EACH	  (HOSTS / PROCESSES) /* hosts of one process */
#define GUESTS	  50
#define ROUNDS	  20 /* scrapes of each host in each format */
#define PLAYED_NS (30 * NS_PER_S)

/* A process with its hosts: it serves until @stop_fd is closed, then writes the CPU time of serving to @result_fd. */
struct server {
	pid_t pid;
	int stop_fd;
	int result_fd;
	in_port_t ports[EACH];
};

struct scraped {
	const char *format;
	const char *accept;
	struct samples ns;
	uint64_t bytes; /* the last one */
	uint64_t series;
};

/* ---- the hosts ---- */

/* Guests of 8 GiB, of which 20 regions are converted in turn. */
static int make_trace(char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);

	if (!f)
		return -ENOMEM;
	fputs("lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n", f);
	for (int vm = 1; vm <= GUESTS; vm++)
		fprintf(f, "vm %d name=guest-%d regions=4096 walk_ns_per_s=12000\n", vm, vm);
	for (uint64_t i = 0; i < 20 * GUESTS; i++) {
		unsigned long long t_ns = NS_PER_S + i * 10 * NS_PER_MS, gfn = i / GUESTS * 512 + 7;
		int vm = (int)(i % GUESTS) + 1;

		fprintf(f, "%llu S %d %llu 1\n%llu P %d %llu 1\n%llu A %d %llu 1\n", t_ns, vm, gfn,
			t_ns + 1000, vm, gfn, t_ns + 2000, vm, gfn);
	}
	fprintf(f, "end %llu\n", (unsigned long long)(2 * PLAYED_NS));
	return fclose(f) ? -errno : 0;
}

static int open_host(struct sim_world *world, struct event_base *base, in_port_t port,
		     struct metrics **ret)
{
	struct metrics_options options = {.base = base, .names = true};
	char *text = NULL;
	char listen[32];
	size_t len = 0;
	int err = make_trace(&text, &len);

	if (!err)
		err = sim_world_open(world, text, len, "", "version: 1\n");
	free(text);
	if (err)
		return err;
	sim_world_run(world, PLAYED_NS);
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", ntohs(port));
	options.core = world->core;
	options.listen = listen;
	return metrics_new(&options, ret);
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

static int serve(const struct server *server, int stop_fd, int ready_fd)
{
	struct event_base *base = event_base_new();
	struct event *stop = event_new(base, stop_fd, EV_READ, on_stop, base);
	struct sim_world worlds[EACH] = {0};
	struct metrics *metrics[EACH] = {0};
	double begin_s, took_s;
	int err = 0;

	for (size_t i = 0; i < EACH && !err; i++)
		err = open_host(&worlds[i], base, server->ports[i], &metrics[i]);
	if (!err)
		err = event_add(stop, NULL);
	begin_s = bench_cpu_s();
	if (!err && write(ready_fd, "r", 1) == 1)
		event_base_dispatch(base);
	took_s = bench_cpu_s() - begin_s;
	if (!err && write(ready_fd, &took_s, sizeof(took_s)) != sizeof(took_s))
		err = -EIO;
	for (size_t i = 0; i < EACH; i++) {
		metrics_free(metrics[i]);
		sim_world_close(&worlds[i]);
	}
	event_free(stop);
	event_base_free(base);
	return err;
}

/* ---- their processes ---- */

/* @before: servers that are there already; the new one must not hold their pipes open. */
static int start(struct server *server, size_t before)
{
	int stop[2], ready[2], err = 0;
	char byte;

	for (size_t i = 0; i < EACH && !err; i++)
		err = bench_free_port(&server->ports[i]);
	if (err || pipe(stop) || pipe(ready))
		return err ? err : -errno;
	server->pid = fork();
	if (server->pid == 0) {
		close(stop[1]);
		close(ready[0]);
		for (size_t i = 1; i <= before; i++)
			close((server - i)->stop_fd);
		_exit(serve(server, stop[0], ready[1]) ? 1 : 0);
	}
	close(stop[0]);
	close(ready[1]);
	server->stop_fd = stop[1];
	server->result_fd = ready[0];
	return server->pid > 0 && read(ready[0], &byte, 1) == 1 ? 0 : -EIO;
}

/* The CPU time that serving took. */
static int stop(const struct server *server, double *ret_s)
{
	int status = 0, err = 0;

	if (server->pid <= 0)
		return 0;
	close(server->stop_fd);
	if (read(server->result_fd, ret_s, sizeof(*ret_s)) != sizeof(*ret_s))
		err = -EIO;
	close(server->result_fd);
	waitpid(server->pid, &status, 0);
	return status ? -EIO : err;
}

/* ---- the client ---- */

static int dial(in_port_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static uint64_t count_series(const char *text)
{
	uint64_t nr = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		nr += *line && *line != '#';
	}
	return nr;
}

/* One scrape; the server closes the connection after its answer. */
static int scrape(in_port_t port, struct scraped *scraped)
{
	static char text[1 << 20];
	uint64_t begin_ns = bench_now_ns();
	int fd = dial(port);
	const char *body;
	ssize_t part = 1;
	size_t size = 0;

	if (fd < 0)
		return -ECONNREFUSED;
	if (dprintf(fd, "GET /metrics HTTP/1.0\r\nAccept: %s\r\n\r\n", scraped->accept) < 0)
		part = -1;
	while (part > 0 && size < sizeof(text) - 1) {
		part = recv(fd, text + size, sizeof(text) - 1 - size, 0);
		size += part > 0 ? (size_t)part : 0;
	}
	close(fd);
	text[size] = '\0';
	body = strstr(text, "\r\n\r\n");
	if (part || !body)
		return -EIO;
	scraped->bytes = size - (size_t)(body + 4 - text);
	scraped->series = count_series(body + 4);
	return samples_add(&scraped->ns, bench_now_ns() - begin_ns);
}

static int scrape_all(const struct server *servers, struct scraped *scraped)
{
	int err = 0;

	for (int i = 0; i < ROUNDS && !err; i++)
		for (size_t k = 0; k < HOSTS && !err; k++)
			err = scrape(servers[k / EACH].ports[k % EACH], scraped);
	return err;
}

static void report(struct scraped *scraped, double cpu_s, json_t *ret)
{
	json_t *object = json_pack("{s:I,s:I,s:f}", "series_count", (json_int_t)scraped->series,
				   "size_bytes", (json_int_t)scraped->bytes, "daemon_cpu_us",
				   cpu_s * US_PER_S);

	samples_report(&scraped->ns, object, "scrape", "ns");
	json_object_set_new(ret, scraped->format, object);
	printf("%-12s %8llu %10llu %10.0f %10.0f %10.0f %14.0f\n", scraped->format,
	       (unsigned long long)scraped->series, (unsigned long long)scraped->bytes,
	       (double)samples_percentile(&scraped->ns, 50) / NS_PER_US,
	       (double)samples_percentile(&scraped->ns, 99) / NS_PER_US,
	       (double)samples_percentile(&scraped->ns, 100) / NS_PER_US, cpu_s * US_PER_S);
}

static int measure(struct scraped *scraped, json_t *ret)
{
	struct server servers[PROCESSES] = {0};
	double cpu_s = 0, all_s = 0;
	int err = 0, stopped;

	bench_progress("scrape: %d hosts of %d guests, %s", HOSTS, GUESTS, scraped->format);
	for (size_t i = 0; i < PROCESSES && !err; i++)
		err = start(&servers[i], i);
	if (!err)
		err = scrape_all(servers, scraped);
	for (size_t i = 0; i < PROCESSES; i++) {
		stopped = stop(&servers[i], &cpu_s);
		err = err ? err : stopped;
		all_s += cpu_s;
	}
	if (!err)
		report(scraped, all_s / (HOSTS * ROUNDS), ret);
	samples_done(&scraped->ns);
	return err;
}

static int run(json_t *ret)
{
	struct scraped formats[] = {{.format = "openmetrics",
				     .accept = "application/openmetrics-text"},
				    {.format = "text", .accept = "text/plain"}};
	int err = 0;

	printf("%-12s %8s %10s %10s %10s %10s %14s\n", "one host", "series", "bytes", "p50 us",
	       "p99 us", "max us", "daemon cpu us");
	for (size_t i = 0; i < ARRAY_SIZE(formats) && !err; i++)
		err = measure(&formats[i], ret);
	return err;
}

const struct bench bench_scrape = {
	.name = "scrape",
	.doc = "metrics of 40 hosts of 50 guests: size, time and CPU time of a scrape of one host",
	.run = run,
};
