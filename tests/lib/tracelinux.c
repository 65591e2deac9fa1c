// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/tracelinux.h"

#include <math.h>

#include <tdx-lpage/base.h>

/* A conversion of a part of a region. */
struct part {
	unsigned int low, high; /* pages */
	double shared;		/* typical time that they are shared */
	double accept;		/* mean time until they are accepted; 0: the guest's */
};

static const struct part small = {1, 16, 200 * US, 0};

static double convert(struct guest *guest, uint64_t rfn, double t, const struct part *part)
{
	struct traffic *traffic = guest->traffic;
	unsigned int npages = traffic_between(traffic, part->low, part->high);
	uint64_t gfn = rfn * 512 + traffic_up_to(traffic, 512 - npages + 1);
	double accept = part->accept > 0 ? traffic_exponential(traffic, part->accept) :
					   guest->accept * traffic_uniform(traffic, 0.2, 2);

	return guest_convert_pages(guest, gfn, npages, t,
				   10 * US + part->shared * traffic_uniform(traffic, 0.3, 1.7),
				   accept);
}

/* Number of regions of a population, between two limits that scale. */
static unsigned int regions(struct guest *guest, unsigned int low, unsigned int high)
{
	double nr = traffic_between(guest->traffic, low, high) * guest->traffic->scale;

	return nr < 1 ? 1 : (unsigned int)nr;
}

/* Conversions at exponential gaps from @t until @until. Returns when the last is over. */
static double keep_converting(struct guest *guest, uint64_t rfn, double t, double until,
			      double mean, const struct part *part)
{
	double last = t;

	for (t += traffic_exponential(guest->traffic, mean); t < fmin(until, guest->end);
	     t += traffic_exponential(guest->traffic, mean))
		t = last = convert(guest, rfn, t, part);
	return last;
}

static void fill_once(struct guest *guest, unsigned int nr, double until, const struct part *part)
{
	while (nr-- > 0 && !guest_full(guest))
		convert(guest, guest_rfn(guest, "once"),
			guest->start + traffic_uniform(guest->traffic, 0, until), part);
}

static void fill_hot(struct guest *guest, unsigned int nr, double low, double high)
{
	while (nr-- > 0 && !guest_full(guest))
		keep_converting(guest, guest_rfn(guest, "hot"), guest->start, guest->end,
				traffic_log_uniform(guest->traffic, low, high), &small);
}

/* ---- kinds ---- */

/* A part of the regions is used by mappings of its own while the guest is under load; the pool grows with it. */
static void fill_swiotlb(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double load = traffic_log_uniform(traffic, 5 * S, 40 * S);
	double pause = traffic_log_uniform(traffic, 10 * S, 90 * S);
	double mean = traffic_log_uniform(traffic, 50 * MS, 3 * S);
	struct part grown = {256, 511, load, 0};
	struct part transient = {1, 64, 500 * US, 0};
	unsigned int nr;

	for (nr = regions(guest, 60, 200); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "transient");
		double own = mean * traffic_log_uniform(traffic, 0.3, 10);

		for (double t = guest->start; t < guest->end; t += load + pause)
			keep_converting(guest, rfn, t, t + load, own, &transient);
	}
	for (nr = regions(guest, 20, 100); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "grown");

		for (double t = guest->start; t < guest->end; t += load + pause)
			if (traffic_unit(traffic) < 0.6)
				convert(guest, rfn, t + traffic_uniform(traffic, 0, load), &grown);
	}
	fill_once(guest, regions(guest, 50, 300), 5 * S, &small);
}

/* Rings and pools stay shared for minutes, and come back for a moment when a device is reset, or for good. */
static void fill_drivers(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double reset = traffic_log_uniform(traffic, 20 * S, 120 * S);
	double down = traffic_log_uniform(traffic, 5 * MS, 2 * S);
	struct part ring = {1, 64, 1, 0};
	struct part probe = {1, 32, 20 * MS, 0};

	for (unsigned int nr = regions(guest, 100, 500); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "ring");
		double t = guest->start + traffic_uniform(traffic, 0, 4 * S);

		do {
			ring.shared = reset * traffic_log_uniform(traffic, 0.5, 1);
			t = convert(guest, rfn, t, &ring) + traffic_exponential(traffic, down);
		} while (t < guest->end && traffic_unit(traffic) < 0.7);
	}
	for (unsigned int nr = regions(guest, 20, 80); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "probe");
		double t = guest->start + traffic_uniform(traffic, 0, 4 * S);

		for (unsigned int i = traffic_between(traffic, 1, 6); i > 0; i--)
			t = convert(guest, rfn, t, &probe) + traffic_exponential(traffic, 300 * MS);
	}
	fill_hot(guest, regions(guest, 2, 20), 10 * MS, 1 * S);
}

static void fill_short(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	struct part setup = {1, 128, 5 * MS, 0};

	fill_once(guest, regions(guest, 20, 60), 6 * S, &setup);
	for (unsigned int nr = regions(guest, 5, 20); nr > 0 && !guest_full(guest); nr--) {
		double t = guest->start + traffic_uniform(traffic, 0, 5 * S);

		keep_converting(guest, guest_rfn(guest, "again"), t, t + 5 * S, 500 * MS, &setup);
	}
	fill_hot(guest, regions(guest, 1, 4), 20 * MS, 2 * S);
}

/* A job fills some of the staging buffers again and again, for seconds each; other jobs take others. */
static void fill_gpu(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double job = traffic_log_uniform(traffic, 20 * S, 120 * S);
	struct part staging = {64, 511, traffic_log_uniform(traffic, 200 * MS, 10 * S), 0};
	double gap = traffic_log_uniform(traffic, 50 * MS, 4 * S);

	for (unsigned int nr = regions(guest, 60, 300); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "staging");
		double t = guest->start + traffic_uniform(traffic, 0, job);

		while (t < guest->end) {
			t = keep_converting(guest, rfn, t,
					    t + job * traffic_uniform(traffic, 0.3, 1), gap,
					    &staging);
			t += traffic_exponential(traffic, 3 * job);
		}
	}
	fill_hot(guest, regions(guest, 5, 20), 5 * MS, 300 * MS);
	fill_once(guest, regions(guest, 50, 200), 10 * S, &small);
}

/* Regions shared since boot are turned back in a row; most of them serve the next kernel, too. */
static void fill_kexec(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	unsigned int kernels = traffic_between(traffic, 2, 4);
	double span = (guest->end - guest->start) / kernels;
	double boot = traffic_uniform(traffic, 4 * S, 15 * S);

	for (unsigned int nr = regions(guest, 200, 800); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "held");
		double place = traffic_uniform(traffic, 0, 2 * S);

		for (unsigned int kernel = 1; kernel < kernels; kernel++) {
			double t = guest->start + (kernel - 1) * span +
				   traffic_uniform(traffic, 0.2, 1) * boot;

			if (traffic_unit(traffic) < 0.3)
				continue;
			guest_convert_pages(guest, rfn * 512 + traffic_up_to(traffic, 256),
					    traffic_between(traffic, 1, 200), t,
					    guest->start + kernel * span + place - t,
					    guest->accept);
		}
	}
	fill_hot(guest, regions(guest, 5, 30), 20 * MS, 1 * S);
}

/* What a balloon or a memory block gives back is accepted when it is first used. */
static void fill_hotplug(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	struct part lazy = {32, 511, traffic_log_uniform(traffic, 1 * S, 30 * S),
			    traffic_log_uniform(traffic, 1 * S, 40 * S)};
	double mean = traffic_log_uniform(traffic, 30 * S, 200 * S);

	for (unsigned int nr = regions(guest, 60, 300); nr > 0 && !guest_full(guest); nr--)
		keep_converting(guest, guest_rfn(guest, "lazy"), guest->start, guest->end, mean,
				&lazy);
	fill_once(guest, regions(guest, 200, 800), guest->end - guest->start, &small);
	fill_hot(guest, regions(guest, 5, 30), 20 * MS, 10 * S);
}

/* More by day: of the conversions that could come, the hour lets some through. */
static void fill_days(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double day = traffic_log_uniform(traffic, 40 * S, 200 * S);
	double low = traffic_log_uniform(traffic, 100 * MS, 1 * S);

	for (unsigned int nr = regions(guest, 80, 300); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "daily");
		double mean = low * traffic_log_uniform(traffic, 1, 10);
		double t = guest->start;

		while ((t += traffic_exponential(traffic, mean)) < guest->end) {
			double noon = 0.5 - 0.5 * cos(2 * M_PI * (t - guest->start) / day);

			if (traffic_unit(traffic) < noon * noon * noon)
				t = convert(guest, rfn, t, &small);
		}
	}
	fill_once(guest, regions(guest, 50, 300), guest->end - guest->start, &small);
}

static void fill_regimes(struct guest *guest)
{
	static const double means[] = {50 * MS, 500 * MS, 2 * S, 8 * S, 60 * S, 1000 * S};
	struct traffic *traffic = guest->traffic;
	double regime = traffic_log_uniform(traffic, 40 * S, 150 * S);

	for (unsigned int nr = regions(guest, 80, 300); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "regimes");
		double t = guest->start;

		while (t < guest->end) {
			double until = t + traffic_exponential(traffic, regime);

			keep_converting(guest, rfn, t, until,
					means[traffic_up_to(traffic, ARRAY_SIZE(means))], &small);
			t = until;
		}
	}
}

/* One buffer: a part of each of its regions, since it has guard pages and headers. */
static void fill_buffer(struct guest *guest, unsigned int nr, double mean)
{
	struct traffic *traffic = guest->traffic;
	struct part part = {200, 480, 20 * MS, 0};
	uint64_t rfns[16];
	double t = guest->start + traffic_uniform(traffic, 0, mean);

	for (unsigned int i = 0; i < nr; i++)
		rfns[i] = guest_rfn(guest, "buffer");
	while (t < guest->end) {
		for (unsigned int i = 0; i < nr; i++)
			convert(guest, rfns[i], t + 20 * US * i, &part);
		t += 100 * MS + traffic_exponential(traffic, mean);
	}
}

static void fill_neighbours(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	unsigned int left = regions(guest, 100, 400);

	guest->stride = 1;
	while (left > 0 && guest->next_rfn + 16 < TRAFFIC_REGIONS) {
		unsigned int nr = traffic_between(traffic, 2, 16);

		if (nr > left)
			nr = left;
		fill_buffer(guest, nr, traffic_log_uniform(traffic, 200 * MS, 100 * S));
		left -= nr;
	}
	fill_once(guest, regions(guest, 50, 300), guest->end - guest->start, &small);
}

typedef void (*fill_fn)(struct guest *guest);

static const fill_fn fills[] = {
	fill_swiotlb, fill_drivers, fill_short,	  fill_gpu,	   fill_kexec,
	fill_hotplug, fill_days,    fill_regimes, fill_neighbours,
};

/* Any kind of guest, from some time on; short ones are replaced. */
static void make_fleet(struct traffic *traffic, double slowest, double fastest)
{
	unsigned int nr = traffic_between(traffic, 10, 20);

	traffic->scale *= 0.25;
	for (unsigned int i = 0; i < nr; i++) {
		double start = traffic_unit(traffic) < 0.4 ?
				       0 :
				       traffic_uniform(traffic, 0, traffic->end * 0.8);
		double life = traffic_log_uniform(traffic, 30 * S, 2 * traffic->end);
		struct guest guest;

		traffic->walk_ns_per_s = traffic_log_uniform(traffic, slowest, fastest);
		guest = guest_new(traffic, "fleet", start, fmin(start + life, traffic->end),
				  30 * US);
		fills[traffic_up_to(traffic, ARRAY_SIZE(fills))](&guest);
	}
}

static void make_costs(struct traffic *traffic)
{
	traffic->costs.split_ns = (uint64_t)traffic_log_uniform(traffic, 3000, 300000);
	traffic->costs.fail_ns = (uint64_t)traffic_log_uniform(traffic, 3000, 300000);
	make_fleet(traffic, 300, 120000);
}

static void make_short(struct traffic *traffic)
{
	unsigned int nr = traffic_between(traffic, 24, 48);

	for (unsigned int i = 0; i < nr; i++) {
		double start = traffic_uniform(traffic, 0, traffic->end - 15 * S);
		double end = start + traffic_uniform(traffic, 15 * S, 60 * S);
		struct guest guest =
			guest_new(traffic, "short", start, fmin(end, traffic->end), 30 * US);

		fill_short(&guest);
	}
}

static void make_pair(struct traffic *traffic, fill_fn fill)
{
	for (int i = 0; i < 2; i++) {
		struct guest guest = guest_new(traffic, "linux", 0, traffic->end, 30 * US);

		fill(&guest);
	}
}

void tracelinux_fill(struct traffic *traffic, enum tracegen_kind kind)
{
	traffic->end = traffic_log_uniform(traffic, 200 * S, 600 * S);
	if (kind == TRACEGEN_LINUX_SHORT)
		make_short(traffic);
	else if (kind == TRACEGEN_LINUX_FLEET)
		make_fleet(traffic, 4000, 36000);
	else if (kind == TRACEGEN_LINUX_COSTS)
		make_costs(traffic);
	else
		make_pair(traffic, fills[kind - TRACEGEN_LINUX_SWIOTLB]);
}
