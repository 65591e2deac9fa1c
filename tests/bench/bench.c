// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

uint64_t bench_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_cpu_s(void)
{
	return (double)bench_cpu_ns() / 1e9;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

size_t bench_resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	if (!f || fscanf(f, "%*s %zu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

int bench_free_port(in_port_t *ret)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, len) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		err = -errno;
	*ret = address.sin_port;
	close(fd);
	return err;
}

void bench_progress(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (!isatty(STDERR_FILENO))
		fputc('\n', stderr);
	fflush(stderr);
}

/* ---- percentiles ---- */

int samples_add(struct samples *samples, uint64_t value)
{
	if (samples->nr == samples->capacity) {
		size_t room = samples->capacity ? 2 * samples->capacity : 1024;
		uint64_t *values = realloc(samples->values, room * sizeof(*values));

		if (!values)
			return -ENOMEM;
		samples->values = values;
		samples->capacity = room;
	}
	samples->values[samples->nr++] = value;
	return 0;
}

void samples_done(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){0};
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t samples_percentile(struct samples *samples, double percent)
{
	if (!samples->nr)
		return 0;
	qsort(samples->values, samples->nr, sizeof(*samples->values), compare);
	return samples->values[(size_t)((double)(samples->nr - 1) * percent / 100)];
}

void samples_report(struct samples *samples, json_t *ret, const char *key, const char *unit)
{
	static const struct {
		const char *name;
		double percent;
	} ranks[] = {{"p50", 50}, {"p99", 99}, {"max", 100}};
	char name[96];

	for (size_t i = 0; i < ARRAY_SIZE(ranks); i++) {
		uint64_t value = samples_percentile(samples, ranks[i].percent);

		snprintf(name, sizeof(name), "%s_%s_%s", key, ranks[i].name, unit);
		json_object_set_new(ret, name, json_integer((json_int_t)value));
	}
}
