/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all families of generated traces are made with: numbers out of a seed, guests, conversions. */
#ifndef TDX_LPAGE_TESTS_TRAFFIC_H
#define TDX_LPAGE_TESTS_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/trace/trace.h"

#define US		1e3
#define MS		1e6
#define S		1e9
#define TRAFFIC_REGIONS 4096

/* Which regions behave alike; the name is a constant. */
struct traffic_label {
	uint32_t vm_id;
	uint64_t rfn;
	const char *population;
};

/* A trace while it is being made up. */
struct traffic {
	uint64_t rng;
	double end;
	double scale;
	struct trace_costs costs;
	double walk_ns_per_s; /* of the guests made from now on */
	struct trace_record *records;
	size_t nr;
	size_t capacity;
	struct traffic_label *labels; /* one for each region */
	size_t nr_labels;
	size_t labels_capacity;
	uint32_t nr_vms;
	bool failed; /* memory was short */
};

/* A VM while its regions are being made up. */
struct guest {
	struct traffic *traffic;
	uint32_t id;
	double start;
	double end;
	double accept; /* typical time from P to A */
	uint64_t next_rfn;
	uint64_t stride;
};

/* Starts a trace with the costs that the daemon assumes. */
struct traffic traffic_new(uint64_t rng, double scale);

/* In [0, 1). */
double traffic_unit(struct traffic *traffic);
double traffic_uniform(struct traffic *traffic, double low, double high);
/* Evenly on a logarithmic scale. */
double traffic_log_uniform(struct traffic *traffic, double low, double high);
double traffic_exponential(struct traffic *traffic, double mean);
double traffic_pareto(struct traffic *traffic, double least, double alpha);
unsigned int traffic_up_to(struct traffic *traffic, unsigned int nr);
unsigned int traffic_between(struct traffic *traffic, unsigned int low, unsigned int high);

/* A VM called @name-ID from @start until @end; @accept: typical time that it takes to accept. */
struct guest guest_new(struct traffic *traffic, const char *name, double start, double end,
		       double accept);

/*
 * A region that nothing else uses, while guest_full() does not say that there is none. It is one of
 * @population, a constant.
 */
uint64_t guest_rfn(struct guest *guest, const char *population);
bool guest_full(const struct guest *guest);

/*
 * Pages @gfn to before @gfn + @npages go to shared at @t for @shared ns, and are accepted @accept ns after
 * they came back. Returns that time.
 */
double guest_convert_pages(struct guest *guest, uint64_t gfn, uint64_t npages, double t,
			   double shared, double accept);

/*
 * A few pages, or all, of a region go to shared at @t for @shared ns. Returns when they are accepted again.
 */
double guest_convert(struct guest *guest, uint64_t rfn, double t, double shared);
double guest_convert_whole(struct guest *guest, uint64_t rfn, double t, double shared);

/* Writes it all, by time, and what each region is as comments. Negative errno. */
int traffic_write(FILE *f, struct traffic *traffic);

void traffic_done(struct traffic *traffic);

#endif
