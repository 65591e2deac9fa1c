// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/traceplain.h"

#include <math.h>

#include <tdx-lpage/base.h>

#define GUESTS 4

enum shape { SHAPE_EXPONENTIAL, SHAPE_LOGNORMAL, SHAPE_EVEN, SHAPE_PARETO, SHAPES_SHORT = 3 };

/* Times of one mean and shape. */
struct gap {
	enum shape shape;
	double mean; /* of SHAPE_PARETO: the least */
	double spread;
};

static double normal(struct traffic *traffic)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += traffic_unit(traffic);
	return sum;
}

static double gap_next(struct traffic *traffic, const struct gap *gap)
{
	double spread = gap->spread;

	switch (gap->shape) {
	case SHAPE_EXPONENTIAL:
		return traffic_exponential(traffic, gap->mean);
	case SHAPE_LOGNORMAL:
		return gap->mean * exp(spread * normal(traffic) - spread * spread / 2);
	case SHAPE_EVEN:
		return gap->mean * traffic_uniform(traffic, 1 - spread, 1 + spread);
	default:
		return traffic_pareto(traffic, gap->mean, spread);
	}
}

/* A mean between @low and @high, of any shape without a heavy tail. */
static struct gap gap_draw(struct traffic *traffic, double low, double high)
{
	struct gap gap = {(enum shape)traffic_up_to(traffic, SHAPES_SHORT),
			  traffic_log_uniform(traffic, low, high),
			  traffic_uniform(traffic, 0.2, 0.8)};

	return gap;
}

/* Regions of one population: the same behaviour, means that differ by up to @differ. */
struct population {
	const char *name;
	unsigned int nr;
	double differ;
	unsigned int burst; /* conversions in a row, 1: single ones */
	struct gap in_burst;
	struct gap between; /* from one burst to the next; mean 0: only one */
	double first, last; /* when the first burst comes, parts of the guest's time */
	double busy, idle;  /* phases of the whole guest; 0: none */
};

static double shared_for(struct traffic *traffic)
{
	return 50 * US + traffic_exponential(traffic, 1 * MS);
}

static unsigned int burst_length(struct traffic *traffic, const struct population *population)
{
	unsigned int nr = population->burst;

	return nr < 2 ? nr : traffic_between(traffic, (nr + 1) / 2, nr + nr / 2);
}

static double one_burst(struct guest *guest, const struct population *population, uint64_t rfn,
			double factor, double t)
{
	unsigned int nr = burst_length(guest->traffic, population);

	while (nr-- > 0 && t < guest->end) {
		t = guest_convert(guest, rfn, t, shared_for(guest->traffic));
		if (nr)
			t += factor * gap_next(guest->traffic, &population->in_burst);
	}
	return t;
}

/* The next time at or after @t that lies in a busy phase. */
static double next_busy(const struct guest *guest, const struct population *population, double t)
{
	double round = population->busy + population->idle;
	double in_round;

	if (!(round > 0))
		return t;
	in_round = fmod(t - guest->start, round);
	return in_round < population->busy ? t : t - in_round + round;
}

static void one_region(struct guest *guest, const struct population *population)
{
	struct traffic *traffic = guest->traffic;
	uint64_t rfn = guest_rfn(guest, population->name);
	double span = guest->end - guest->start;
	double factor = traffic_log_uniform(traffic, 1 / population->differ, population->differ);
	double t = guest->start + MS +
		   span * traffic_uniform(traffic, population->first, population->last);

	do {
		double was = t;

		t = next_busy(guest, population, t);
		if (t > was)
			t += factor * gap_next(traffic, &population->between);
		t = one_burst(guest, population, rfn, factor, t);
		t += factor * gap_next(traffic, &population->between);
	} while (population->between.mean > 0 && t < guest->end);
}

static void populate(struct guest *guest, struct population population)
{
	double nr = population.nr * guest->traffic->scale;

	if (!(population.differ > 0))
		population.differ = 1;
	if (!population.burst)
		population.burst = 1;
	if (population.nr && nr < 1)
		nr = 1;
	for (; nr >= 1 && !guest_full(guest); nr--)
		one_region(guest, &population);
}

/* ---- kinds: what is drawn once is the same in all four guests ---- */

typedef void (*make_fn)(struct traffic *traffic, struct guest *guests, unsigned int nr);

static void each(struct guest *guests, unsigned int nr, const struct population *population)
{
	for (unsigned int i = 0; i < nr; i++)
		populate(&guests[i], *population);
}

static void make_boot(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	double span = guests->end - guests->start;
	double boots = traffic_uniform(traffic, 5 * S, 25 * S) / span;
	struct population once = {
		.name = "once", .nr = traffic_between(traffic, 400, 800), .last = boots};
	struct population again = {
		.name = "again",
		.nr = traffic_between(traffic, 20, 80),
		.burst = traffic_between(traffic, 2, 6),
		.in_burst = gap_draw(traffic, 10 * MS, 300 * MS),
		.last = boots,
	};
	struct population hot = {
		.name = "hot",
		.nr = traffic_between(traffic, 0, 3),
		.between = gap_draw(traffic, 20 * MS, 500 * MS),
	};
	struct population late = {
		.name = "late", .nr = traffic_between(traffic, 5, 40), .first = boots, .last = 1};

	each(guests, nr, &once);
	each(guests, nr, &again);
	each(guests, nr, &hot);
	each(guests, nr, &late);
}

static void make_web(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	struct population once = {
		.name = "once", .nr = traffic_between(traffic, 800, 2000), .last = 0.98};
	struct population hot = {
		.name = "hot",
		.nr = traffic_between(traffic, 4, 20),
		.differ = traffic_uniform(traffic, 1, 4),
		.between = gap_draw(traffic, 20 * MS, 1 * S),
		.last = 0.02,
	};
	struct population bursty = {
		.name = "bursty",
		.nr = traffic_between(traffic, 10, 40),
		.differ = traffic_uniform(traffic, 1, 2),
		.burst = traffic_between(traffic, 3, 20),
		.in_burst = gap_draw(traffic, 2 * MS, 300 * MS),
		.between = gap_draw(traffic, 15 * S, 90 * S),
		.last = 0.1,
	};

	each(guests, nr, &once);
	each(guests, nr, &hot);
	each(guests, nr, &bursty);
}

static void make_database(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	struct population poisson = {
		.name = "poisson",
		.nr = traffic_between(traffic, 40, 150),
		.differ = traffic_uniform(traffic, 1, 3),
		.between = {SHAPE_EXPONENTIAL, traffic_log_uniform(traffic, 3 * S, 12 * S), 0},
		.last = 0.02,
	};
	struct population heavy = {
		.name = "heavy",
		.nr = traffic_between(traffic, 40, 150),
		.differ = traffic_uniform(traffic, 1, 2),
		.between = {SHAPE_PARETO, traffic_log_uniform(traffic, 100 * MS, 1 * S),
			    traffic_uniform(traffic, 0.9, 1.6)},
		.last = 0.02,
	};
	struct population hot = {
		.name = "hot",
		.nr = traffic_between(traffic, 5, 25),
		.between = gap_draw(traffic, 20 * MS, 500 * MS),
		.last = 0.02,
	};
	struct population once = {
		.name = "once", .nr = traffic_between(traffic, 50, 400), .last = 0.98};

	each(guests, nr, &poisson);
	each(guests, nr, &heavy);
	each(guests, nr, &hot);
	each(guests, nr, &once);
}

static void make_bursts(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	struct population bursty = {
		.name = "bursty",
		.nr = traffic_between(traffic, 60, 250),
		.differ = traffic_uniform(traffic, 1, 2),
		.burst = traffic_between(traffic, 3, 30),
		.in_burst = gap_draw(traffic, 2 * MS, 500 * MS),
		.between = gap_draw(traffic, 10 * S, 60 * S),
		.last = 0.1,
	};

	each(guests, nr, &bursty);
}

static void make_phases(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	struct population busy = {
		.name = "busy",
		.nr = traffic_between(traffic, 30, 120),
		.differ = traffic_uniform(traffic, 1, 2),
		.between = gap_draw(traffic, 20 * MS, 1 * S),
		.busy = traffic_uniform(traffic, 10 * S, 40 * S),
		.idle = traffic_uniform(traffic, 20 * S, 90 * S),
		.last = 0.01,
	};

	each(guests, nr, &busy);
}

static void make_thrash(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	struct population hot = {
		.name = "hot",
		.nr = traffic_between(traffic, 5, 20),
		.differ = traffic_uniform(traffic, 1, 4),
		.between = gap_draw(traffic, 10 * MS, 100 * MS),
		.last = 0.01,
	};

	each(guests, nr, &hot);
}

static void make_adversary(struct traffic *traffic, struct guest *guests, unsigned int nr)
{
	static const struct {
		const char *name;
		double after;
	} thresholds[] = {{"after-0.1s", 0.1 * S},   {"after-1s", 1 * S},
			  {"after-2.5s", 2.5 * S},   {"after-5s", 5 * S},
			  {"after-6.25s", 6.25 * S}, {"after-10s", 10 * S}};
	double beyond = traffic_uniform(traffic, 1.01, 1.05);

	for (size_t i = 0; i < ARRAY_SIZE(thresholds); i++) {
		struct population same = {
			.name = thresholds[i].name,
			.nr = traffic_between(traffic, 10, 40),
			.between = {SHAPE_EVEN, thresholds[i].after * beyond, 0.002},
			.last = 0.02,
		};

		each(guests, nr, &same);
	}
}

static const make_fn makes[] = {make_boot,   make_web,	  make_database, make_bursts,
				make_phases, make_thrash, make_adversary};

static void make_fleet(struct traffic *traffic)
{
	unsigned int nr = traffic_between(traffic, 8, 14);

	traffic->scale *= 0.5;
	for (unsigned int i = 0; i < nr; i++) {
		bool late = traffic_unit(traffic) < 0.4;
		bool gone = traffic_unit(traffic) < 0.3;
		double start = late ? traffic_uniform(traffic, 0, traffic->end * 0.6) : 0;
		double end = gone ? traffic_uniform(traffic, start + 60 * S, traffic->end) :
				    traffic->end;
		struct guest guest =
			guest_new(traffic, "fleet", start, fmin(end, traffic->end), 30 * US);

		makes[traffic_up_to(traffic, ARRAY_SIZE(makes))](traffic, &guest, 1);
	}
}

void traceplain_fill(struct traffic *traffic, enum tracegen_kind kind)
{
	static const make_fn by_kind[] = {
		[TRACEGEN_PLAIN_BOOT] = make_boot,	     [TRACEGEN_PLAIN_WEB] = make_web,
		[TRACEGEN_PLAIN_DATABASE] = make_database,   [TRACEGEN_PLAIN_BURSTS] = make_bursts,
		[TRACEGEN_PLAIN_PHASES] = make_phases,	     [TRACEGEN_PLAIN_THRASH] = make_thrash,
		[TRACEGEN_PLAIN_ADVERSARY] = make_adversary,
	};
	struct guest guests[GUESTS];

	traffic->end = traffic_log_uniform(traffic, 150 * S, 500 * S);
	if (kind == TRACEGEN_PLAIN_FLEET) {
		make_fleet(traffic);
		return;
	}
	for (int i = 0; i < GUESTS; i++)
		guests[i] = guest_new(traffic, "guest", 0, traffic->end, 30 * US);
	by_kind[kind](traffic, guests, GUESTS);
}
