// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/tracegen.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "tests/lib/tracelinux.h"
#include "tests/lib/traceplain.h"
#include "tests/lib/traffic.h"

static double short_share(struct guest *guest)
{
	return traffic_exponential(guest->traffic, 5 * MS) + 10 * US;
}

/* ---- behaviours of a region; each returns when it is over ---- */

/* @times conversions with exponential pauses. */
static double train(struct guest *guest, uint64_t rfn, double t, unsigned int times, double pause)
{
	for (unsigned int i = 0; i < times && t < guest->end; i++) {
		t = guest_convert(guest, rfn, t, short_share(guest));
		if (i + 1 < times)
			t += traffic_exponential(guest->traffic, pause);
	}
	return t;
}

static void poisson(struct guest *guest, uint64_t rfn, double t, double until, double mean)
{
	while ((t += traffic_exponential(guest->traffic, mean)) < until)
		t = guest_convert(guest, rfn, t, short_share(guest));
}

static void heavy_tailed(struct guest *guest, uint64_t rfn, double t, double least, double alpha)
{
	while ((t += traffic_pareto(guest->traffic, least, alpha)) < guest->end)
		t = guest_convert(guest, rfn, t, short_share(guest));
}

static void periodic(struct guest *guest, uint64_t rfn, double t, double period, double jitter)
{
	t += traffic_uniform(guest->traffic, 0, period);
	while (t < guest->end) {
		t = guest_convert(guest, rfn, t, short_share(guest));
		t += period * (1 + jitter * traffic_uniform(guest->traffic, -1, 1));
	}
}

static void bursts(struct guest *guest, uint64_t rfn, double t, unsigned int times, double pause,
		   double gap)
{
	t += traffic_exponential(guest->traffic, gap / 2);
	while (t < guest->end) {
		t = train(guest, rfn, t,
			  traffic_between(guest->traffic, times / 2 + 1, times + times / 2), pause);
		t += traffic_exponential(guest->traffic, gap);
	}
}

/* Hot and quiet in turn; @offset shifts the guest's phases for this region. */
static void phases(struct guest *guest, uint64_t rfn, double t, double pause, double hot,
		   double quiet, double offset)
{
	t += offset;
	while (t < guest->end) {
		poisson(guest, rfn, t, fmin(t + hot, guest->end), pause);
		t += hot + quiet;
	}
}

/* ---- kinds ---- */

static unsigned int scaled(struct guest *guest, unsigned int low, unsigned int high)
{
	double nr = traffic_between(guest->traffic, low, high) * guest->traffic->scale;

	return nr < 1 ? 1 : (unsigned int)nr;
}

static void fill_one_off(struct guest *guest, unsigned int nr, double window)
{
	while (nr-- > 0 && !guest_full(guest))
		guest_convert(guest, guest_rfn(guest, "once"),
			      guest->start + traffic_uniform(guest->traffic, 0, window),
			      short_share(guest));
}

static void fill_boot(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double window = traffic_uniform(traffic, 2 * S, 20 * S);
	unsigned int nr = scaled(guest, 300, 1500);
	double again = traffic_uniform(traffic, 0.02, 0.2);
	double pause = traffic_log_uniform(traffic, 20 * MS, 1 * S);

	while (nr-- > 0 && !guest_full(guest)) {
		unsigned int times =
			traffic_unit(traffic) < again ? traffic_between(traffic, 2, 6) : 1;

		train(guest, guest_rfn(guest, times > 1 ? "again" : "once"),
		      guest->start + traffic_uniform(traffic, 0, window), times, pause);
	}
	/* A few that stay alive, and some late ones. */
	for (nr = scaled(guest, 0, 8); nr > 0 && !guest_full(guest); nr--)
		poisson(guest, guest_rfn(guest, "hot"), guest->start, guest->end,
			traffic_log_uniform(traffic, 20 * MS, 60 * S));
	fill_one_off(guest, scaled(guest, 10, 60), guest->end - guest->start);
}

static void fill_web(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double span = guest->end - guest->start;
	unsigned int nr;

	fill_one_off(guest, scaled(guest, 600, 2500), span);
	for (nr = scaled(guest, 10, 80); nr > 0 && !guest_full(guest); nr--)
		poisson(guest, guest_rfn(guest, "hot"), guest->start, guest->end,
			traffic_log_uniform(traffic, 5 * MS, 1.5 * S));
	for (nr = scaled(guest, 10, 60); nr > 0 && !guest_full(guest); nr--)
		bursts(guest, guest_rfn(guest, "bursty"), guest->start,
		       traffic_between(traffic, 3, 20),
		       traffic_log_uniform(traffic, 10 * MS, 500 * MS),
		       traffic_log_uniform(traffic, 10 * S, 120 * S));
}

static void fill_database(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double low = traffic_uniform(traffic, 1 * S, 4 * S);
	double high = traffic_uniform(traffic, 8 * S, 30 * S);
	double alpha = traffic_uniform(traffic, 0.7, 1.6);
	unsigned int nr;

	for (nr = scaled(guest, 40, 250); nr > 0 && !guest_full(guest); nr--)
		poisson(guest, guest_rfn(guest, "poisson"), guest->start, guest->end,
			traffic_log_uniform(traffic, low, high));
	for (nr = scaled(guest, 40, 250); nr > 0 && !guest_full(guest); nr--)
		heavy_tailed(guest, guest_rfn(guest, "heavy"), guest->start,
			     traffic_log_uniform(traffic, 50 * MS, 2 * S), alpha);
	fill_one_off(guest, scaled(guest, 50, 300), guest->end - guest->start);
}

static void fill_bursts(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double pause = traffic_log_uniform(traffic, 10 * MS, 1 * S);
	double gap = traffic_log_uniform(traffic, 8 * S, 90 * S);
	unsigned int times = traffic_between(traffic, 3, 30);

	for (unsigned int nr = scaled(guest, 60, 300); nr > 0 && !guest_full(guest); nr--)
		bursts(guest, guest_rfn(guest, "bursty"), guest->start, times,
		       pause * traffic_log_uniform(traffic, 0.5, 2),
		       gap * traffic_log_uniform(traffic, 0.5, 2));
}

static void fill_phases(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double hot = traffic_log_uniform(traffic, 10 * S, 60 * S);
	double quiet = traffic_log_uniform(traffic, 20 * S, 120 * S);
	double pause = traffic_log_uniform(traffic, 20 * MS, 1.5 * S);
	double offset = traffic_uniform(traffic, 0, quiet);
	bool together = traffic_unit(traffic) < 0.6;

	for (unsigned int nr = scaled(guest, 60, 300); nr > 0 && !guest_full(guest); nr--)
		phases(guest, guest_rfn(guest, "busy"), guest->start,
		       pause * traffic_log_uniform(traffic, 0.5, 2), hot, quiet,
		       together ? offset : traffic_uniform(traffic, 0, hot + quiet));
}

static void fill_thrash(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double low = traffic_log_uniform(traffic, 5 * MS, 100 * MS);
	double high = low * traffic_log_uniform(traffic, 2, 30);

	for (unsigned int nr = scaled(guest, 10, 50); nr > 0 && !guest_full(guest); nr--)
		poisson(guest, guest_rfn(guest, "hot"), guest->start, guest->end,
			traffic_log_uniform(traffic, low, high));
}

static void fill_adversary(struct guest *guest)
{
	/* Merge at once, M / walk, break-even, and multiples. */
	static const struct {
		const char *name;
		double after;
	} thresholds[] = {
		{"after-0.05s", 0.05 * S}, {"after-0.25s", 0.25 * S}, {"after-1s", 1 * S},
		{"after-2.5s", 2.5 * S},   {"after-3.75s", 3.75 * S}, {"after-5s", 5 * S},
		{"after-6.25s", 6.25 * S}, {"after-12.5s", 12.5 * S},
	};
	struct traffic *traffic = guest->traffic;

	for (unsigned int nr = scaled(guest, 40, 200); nr > 0 && !guest_full(guest); nr--) {
		unsigned int at = traffic_up_to(traffic, ARRAY_SIZE(thresholds));

		periodic(guest, guest_rfn(guest, thresholds[at].name), guest->start,
			 thresholds[at].after * traffic_uniform(traffic, 1.01, 1.1), 0.005);
	}
}

/* Goes through the same few lengths again and again. */
static void fill_pattern(struct guest *guest)
{
	static const double thresholds[] = {0.1 * S, 0.5 * S, 1 * S, 2.5 * S, 6.25 * S, 12.5 * S};
	struct traffic *traffic = guest->traffic;
	unsigned int nr_thresholds = ARRAY_SIZE(thresholds);

	for (unsigned int nr = scaled(guest, 40, 120); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "pattern");
		unsigned int first = traffic_up_to(traffic, nr_thresholds);
		unsigned int used = traffic_between(traffic, 2, nr_thresholds);
		double t = guest->start + traffic_uniform(traffic, 0, S);

		for (unsigned int i = 0; t < guest->end; i++) {
			t = guest_convert(guest, rfn, t, short_share(guest));
			t += thresholds[(first + i % used) % nr_thresholds] * 1.04;
		}
	}
}

static void fill_periodic(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;
	double jitter = traffic_uniform(traffic, 0, 0.3);

	for (unsigned int nr = scaled(guest, 40, 200); nr > 0 && !guest_full(guest); nr--)
		periodic(guest, guest_rfn(guest, "periodic"), guest->start,
			 traffic_log_uniform(traffic, 20 * MS, 60 * S), jitter);
}

static void fill_whole(struct guest *guest)
{
	struct traffic *traffic = guest->traffic;

	for (unsigned int nr = scaled(guest, 32, 128); nr > 0 && !guest_full(guest); nr--) {
		uint64_t rfn = guest_rfn(guest, "whole");
		double mean = traffic_log_uniform(traffic, 200 * MS, 60 * S);
		double partial = traffic_unit(traffic) < 0.3 ? 0.3 : 0;
		double t = guest->start;

		while ((t += traffic_exponential(traffic, mean)) < guest->end)
			t = traffic_unit(traffic) < partial ?
				    guest_convert(guest, rfn, t, short_share(guest)) :
				    guest_convert_whole(guest, rfn, t,
							traffic_exponential(traffic, 100 * MS));
	}
	fill_one_off(guest, scaled(guest, 50, 200), guest->end - guest->start);
}

typedef void (*fill_fn)(struct guest *guest);

static const fill_fn fills[] = {
	[TRACEGEN_BOOT] = fill_boot,
	[TRACEGEN_WEB] = fill_web,
	[TRACEGEN_DATABASE] = fill_database,
	[TRACEGEN_BURSTS] = fill_bursts,
	[TRACEGEN_PHASES] = fill_phases,
	[TRACEGEN_THRASH] = fill_thrash,
	[TRACEGEN_ADVERSARY] = fill_adversary,
	[TRACEGEN_PERIODIC] = fill_periodic,
	[TRACEGEN_WHOLE] = fill_whole,
	[TRACEGEN_SLOW] = fill_web,
	[TRACEGEN_FLEET] = NULL,
	[TRACEGEN_PATTERN] = fill_pattern,
};

static void fill_fleet(struct traffic *traffic)
{
	unsigned int nr = traffic_between(traffic, 6, 16);

	for (unsigned int i = 0; i < nr; i++) {
		enum tracegen_kind kind =
			(enum tracegen_kind)traffic_up_to(traffic, TRACEGEN_PATTERN);
		double start = traffic_unit(traffic) < 0.4 ?
				       0 :
				       traffic_uniform(traffic, 0, traffic->end * 0.7);
		double end = traffic_unit(traffic) < 0.5 ?
				     traffic->end :
				     traffic_uniform(traffic, start + 20 * S, traffic->end);
		struct guest guest;

		if (kind == TRACEGEN_FLEET || kind == TRACEGEN_SLOW)
			kind = TRACEGEN_WEB;
		guest = guest_new(traffic, tracegen_name(kind), start, fmin(end, traffic->end),
				  20 * US);
		fills[kind](&guest);
	}
}

static void fill_trace(struct traffic *traffic, enum tracegen_kind kind)
{
	struct guest guest;
	double accept = traffic_log_uniform(traffic, 1 * US, 200 * US);

	traffic->end = traffic_log_uniform(traffic, 150 * S, 900 * S);
	if (kind == TRACEGEN_FLEET) {
		traffic->scale *= 0.3;
		fill_fleet(traffic);
		return;
	}
	if (kind == TRACEGEN_SLOW)
		accept = traffic_log_uniform(traffic, 1 * MS, 100 * MS);
	guest = guest_new(traffic, tracegen_name(kind), 0, traffic->end, accept);
	fills[kind](&guest);
}

static const struct tracegen_costs as_it_comes = {"as it comes", 1, 1, 1};

static void change_costs(struct traffic *traffic, const struct tracegen_costs *costs)
{
	traffic->costs.split_ns = (uint64_t)((double)traffic->costs.split_ns * costs->split);
	traffic->costs.fail_ns = (uint64_t)((double)traffic->costs.fail_ns * costs->fail);
	for (size_t i = 0; i < traffic->nr; i++)
		if (traffic->records[i].op == TRACE_VM)
			traffic->records[i].walk_ns_per_s =
				(uint64_t)((double)traffic->records[i].walk_ns_per_s * costs->walk);
}

static int write_at(FILE *f, enum tracegen_kind kind, uint64_t seed, double scale,
		    const struct tracegen_costs *costs)
{
	struct traffic traffic = traffic_new(seed * 1000003 + kind, scale);
	int err;

	if (kind >= TRACEGEN_LINUX_SWIOTLB)
		tracelinux_fill(&traffic, kind);
	else if (kind >= TRACEGEN_PLAIN_BOOT)
		traceplain_fill(&traffic, kind);
	else
		fill_trace(&traffic, kind);
	change_costs(&traffic, costs);
	err = traffic.failed ? -ENOMEM : traffic_write(f, &traffic);
	traffic_done(&traffic);
	return err;
}

int tracegen_write(FILE *f, enum tracegen_kind kind, uint64_t seed, double scale)
{
	return write_at(f, kind, seed, scale, &as_it_comes);
}

int tracegen_buffer_at(enum tracegen_kind kind, uint64_t seed, double scale,
		       const struct tracegen_costs *costs, char **ret, size_t *len)
{
	FILE *f = open_memstream(ret, len);
	int err;

	if (!f)
		return -errno;
	err = write_at(f, kind, seed, scale, costs);
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

int tracegen_buffer(enum tracegen_kind kind, uint64_t seed, double scale, char **ret, size_t *len)
{
	return tracegen_buffer_at(kind, seed, scale, &as_it_comes, ret, len);
}

const struct tracegen_family tracegen_families[TRACEGEN_FAMILIES] = {
	{"wide", (enum tracegen_kind)0, TRACEGEN_PLAIN_BOOT},
	{"plain", TRACEGEN_PLAIN_BOOT, TRACEGEN_LINUX_SWIOTLB},
	{"linux", TRACEGEN_LINUX_SWIOTLB, TRACEGEN_KINDS_END},
};

static const char *const names[] = {
#define X(id, name, doc) [TRACEGEN_##id] = name,
	TRACEGEN_KINDS(X) TRACEGEN_PLAIN_KINDS(X) TRACEGEN_LINUX_KINDS(X)
#undef X
};

static const char *const docs[] = {
#define X(id, name, doc) [TRACEGEN_##id] = doc,
	TRACEGEN_KINDS(X) TRACEGEN_PLAIN_KINDS(X) TRACEGEN_LINUX_KINDS(X)
#undef X
};

const char *tracegen_name(enum tracegen_kind kind)
{
	return names[kind];
}

const char *tracegen_doc(enum tracegen_kind kind)
{
	return docs[kind];
}

int tracegen_from_name(const char *name)
{
	for (int kind = 0; kind < TRACEGEN_KINDS_END; kind++)
		if (strcmp(name, names[kind]) == 0)
			return kind;
	return -ENOENT;
}
