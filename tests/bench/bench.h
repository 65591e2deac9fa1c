/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmarks share. Each runs in a process of its own, prints a table for people, and
 * fills a JSON object whose keys name their units. Nothing is asserted: machines differ.
 */
#ifndef TDX_LPAGE_TESTS_BENCH_H
#define TDX_LPAGE_TESTS_BENCH_H

#include <jansson.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
	const char *name;
	const char *doc;
	int (*run)(json_t *ret); /* 0 or a negative errno */
};

extern const struct bench bench_engine;
extern const struct bench bench_replay;
extern const struct bench bench_simhost;
extern const struct bench bench_latency;
extern const struct bench bench_idle;
extern const struct bench bench_burst;
extern const struct bench bench_scrape;
extern const struct bench bench_many;
extern const struct bench bench_turns;

/* CPU time of this process. */
uint64_t bench_cpu_ns(void);
double bench_cpu_s(void);

/* CLOCK_MONOTONIC. */
uint64_t bench_now_ns(void);

/* 31 random bits out of a state that may begin with anything. */
uint64_t bench_random(uint64_t *state);

/* Resident set of this process. */
size_t bench_resident_bytes(void);

/* A TCP port of the loopback address that nobody listened on a moment ago, in network order. Negative errno. */
int bench_free_port(in_port_t *ret);

/* What is being done, on standard error; on a terminal in place of the last one. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Numbers to pick percentiles from. */
struct samples {
	uint64_t *values;
	size_t nr;
	size_t capacity;
};

/* -ENOMEM. */
int samples_add(struct samples *samples, uint64_t value);
void samples_done(struct samples *samples);

/* Sorts them; @percent of all are at most the result. 0 when there is none. */
uint64_t samples_percentile(struct samples *samples, double percent);

/* Adds KEY_p50_UNIT, KEY_p99_UNIT and KEY_max_UNIT to @ret. */
void samples_report(struct samples *samples, json_t *ret, const char *key, const char *unit);

#endif
