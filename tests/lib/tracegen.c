// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/tracegen.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/trace.h"

#define US	1e3
#define MS	1e6
#define S	1e9
#define REGIONS 4096

struct gen {
	uint64_t rng;
	double end;
	double scale;
	struct trace_record *records;
	size_t nr;
	size_t room;
	uint32_t nr_vms;
	bool failed;
};

/* A VM while its regions are being made up. */
struct guest {
	struct gen *gen;
	uint32_t id;
	double start;
	double end;
	double accept; /* typical time from P to A */
	uint64_t next_rfn;
	uint64_t stride;
};

/* ---- numbers ---- */

static uint64_t random_bits(struct gen *gen)
{
	uint64_t z = gen->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* In [0, 1). */
static double unit(struct gen *gen)
{
	return (double)(random_bits(gen) >> 11) * 0x1p-53;
}

static double uniform(struct gen *gen, double low, double high)
{
	return low + (high - low) * unit(gen);
}

/* Evenly on a logarithmic scale. */
static double log_uniform(struct gen *gen, double low, double high)
{
	return low * pow(high / low, unit(gen));
}

static double exponential(struct gen *gen, double mean)
{
	return -mean * log1p(-unit(gen));
}

static double pareto(struct gen *gen, double least, double alpha)
{
	return least * pow(1 - unit(gen), -1 / alpha);
}

static unsigned int up_to(struct gen *gen, unsigned int nr)
{
	return (unsigned int)(unit(gen) * nr);
}

static unsigned int between(struct gen *gen, unsigned int low, unsigned int high)
{
	return low + up_to(gen, high - low + 1);
}

/* ---- records ---- */

static struct trace_record *record_new(struct gen *gen, double t, enum trace_op op, uint32_t vm_id)
{
	if (gen->nr == gen->room) {
		size_t room = gen->room ? 2 * gen->room : 4096;
		struct trace_record *records = realloc(gen->records, room * sizeof(*records));

		if (!records) {
			gen->failed = true;
			return NULL;
		}
		gen->records = records;
		gen->room = room;
	}
	gen->records[gen->nr] =
		(struct trace_record){.t_ns = (uint64_t)t, .op = op, .vm_id = vm_id};
	return &gen->records[gen->nr++];
}

static void add_pages(struct guest *guest, double t, enum trace_op op, uint64_t gfn,
		      uint64_t npages)
{
	struct trace_record *record;

	if (t >= guest->end)
		return;
	record = record_new(guest->gen, t, op, guest->id);
	if (record) {
		record->gfn = gfn;
		record->npages = npages;
	}
}

static struct guest guest_new(struct gen *gen, const char *name, double start, double end,
			      double accept)
{
	struct guest guest = {.gen = gen,
			      .id = ++gen->nr_vms,
			      .start = start,
			      .end = end,
			      .accept = accept,
			      .stride = 1 + 2 * (uint64_t)up_to(gen, 200)};
	struct trace_record *record = record_new(gen, start, TRACE_VM, guest.id);

	if (record) {
		snprintf(record->name, sizeof(record->name), "%s-%" PRIu32, name, guest.id);
		record->regions = REGIONS;
		record->walk_ns_per_s = 12000;
	}
	if (end < gen->end)
		record_new(gen, end, TRACE_VM_GONE, guest.id);
	return guest;
}

/* A region that no other behaviour uses. */
static uint64_t new_rfn(struct guest *guest)
{
	return guest->next_rfn++ * guest->stride % REGIONS;
}

static bool full(const struct guest *guest)
{
	return guest->next_rfn >= REGIONS;
}

/* ---- one conversion ---- */

/* A few pages go to shared at @t for @shared ns. Returns when the guest has them back. */
static double convert(struct guest *guest, uint64_t rfn, double t, double shared)
{
	struct gen *gen = guest->gen;
	uint64_t npages = 1u << up_to(gen, 5);
	uint64_t gfn = rfn * 512 + up_to(gen, 512 - (unsigned int)npages + 1);
	double back = t + shared;
	double accepted = back + uniform(gen, 0.2, 2) * guest->accept;

	add_pages(guest, t, TRACE_TO_SHARED, gfn, npages);
	add_pages(guest, back, TRACE_TO_PRIVATE, gfn, npages);
	add_pages(guest, accepted, TRACE_ACCEPT, gfn, npages);
	return accepted;
}

static double convert_whole(struct guest *guest, uint64_t rfn, double t, double shared)
{
	double back = t + shared;
	double accepted = back + uniform(guest->gen, 0.2, 2) * guest->accept;

	add_pages(guest, t, TRACE_TO_SHARED, rfn * 512, 512);
	add_pages(guest, back, TRACE_TO_PRIVATE, rfn * 512, 512);
	add_pages(guest, accepted, TRACE_ACCEPT, rfn * 512, 512);
	return accepted;
}

static double short_share(struct guest *guest)
{
	return exponential(guest->gen, 5 * MS) + 10 * US;
}

/* ---- behaviours of a region; each returns when it is over ---- */

/* @times conversions with exponential pauses. */
static double train(struct guest *guest, uint64_t rfn, double t, unsigned int times, double pause)
{
	for (unsigned int i = 0; i < times && t < guest->end; i++) {
		t = convert(guest, rfn, t, short_share(guest));
		if (i + 1 < times)
			t += exponential(guest->gen, pause);
	}
	return t;
}

static void poisson(struct guest *guest, uint64_t rfn, double t, double until, double mean)
{
	while ((t += exponential(guest->gen, mean)) < until)
		t = convert(guest, rfn, t, short_share(guest));
}

static void heavy_tailed(struct guest *guest, uint64_t rfn, double t, double least, double alpha)
{
	while ((t += pareto(guest->gen, least, alpha)) < guest->end)
		t = convert(guest, rfn, t, short_share(guest));
}

static void periodic(struct guest *guest, uint64_t rfn, double t, double period, double jitter)
{
	t += uniform(guest->gen, 0, period);
	while (t < guest->end) {
		t = convert(guest, rfn, t, short_share(guest));
		t += period * (1 + jitter * uniform(guest->gen, -1, 1));
	}
}

static void bursts(struct guest *guest, uint64_t rfn, double t, unsigned int times, double pause,
		   double gap)
{
	t += exponential(guest->gen, gap / 2);
	while (t < guest->end) {
		t = train(guest, rfn, t, between(guest->gen, times / 2 + 1, times + times / 2),
			  pause);
		t += exponential(guest->gen, gap);
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
	double nr = between(guest->gen, low, high) * guest->gen->scale;

	return nr < 1 ? 1 : (unsigned int)nr;
}

static void fill_one_off(struct guest *guest, unsigned int nr, double window)
{
	while (nr-- > 0 && !full(guest))
		convert(guest, new_rfn(guest), guest->start + uniform(guest->gen, 0, window),
			short_share(guest));
}

static void fill_boot(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double window = uniform(gen, 2 * S, 20 * S);
	unsigned int nr = scaled(guest, 300, 1500);
	double again = uniform(gen, 0.02, 0.2);
	double pause = log_uniform(gen, 20 * MS, 1 * S);

	while (nr-- > 0 && !full(guest)) {
		unsigned int times = unit(gen) < again ? between(gen, 2, 6) : 1;

		train(guest, new_rfn(guest), guest->start + uniform(gen, 0, window), times, pause);
	}
	/* A few that stay alive, and some late ones. */
	for (nr = scaled(guest, 0, 8); nr > 0 && !full(guest); nr--)
		poisson(guest, new_rfn(guest), guest->start, guest->end,
			log_uniform(gen, 20 * MS, 60 * S));
	fill_one_off(guest, scaled(guest, 10, 60), guest->end - guest->start);
}

static void fill_web(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double span = guest->end - guest->start;
	unsigned int nr;

	fill_one_off(guest, scaled(guest, 600, 2500), span);
	for (nr = scaled(guest, 10, 80); nr > 0 && !full(guest); nr--)
		poisson(guest, new_rfn(guest), guest->start, guest->end,
			log_uniform(gen, 5 * MS, 1.5 * S));
	for (nr = scaled(guest, 10, 60); nr > 0 && !full(guest); nr--)
		bursts(guest, new_rfn(guest), guest->start, between(gen, 3, 20),
		       log_uniform(gen, 10 * MS, 500 * MS), log_uniform(gen, 10 * S, 120 * S));
}

static void fill_database(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double low = uniform(gen, 1 * S, 4 * S);
	double high = uniform(gen, 8 * S, 30 * S);
	double alpha = uniform(gen, 0.7, 1.6);
	unsigned int nr;

	for (nr = scaled(guest, 40, 250); nr > 0 && !full(guest); nr--)
		poisson(guest, new_rfn(guest), guest->start, guest->end,
			log_uniform(gen, low, high));
	for (nr = scaled(guest, 40, 250); nr > 0 && !full(guest); nr--)
		heavy_tailed(guest, new_rfn(guest), guest->start, log_uniform(gen, 50 * MS, 2 * S),
			     alpha);
	fill_one_off(guest, scaled(guest, 50, 300), guest->end - guest->start);
}

static void fill_bursts(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double pause = log_uniform(gen, 10 * MS, 1 * S);
	double gap = log_uniform(gen, 8 * S, 90 * S);
	unsigned int times = between(gen, 3, 30);

	for (unsigned int nr = scaled(guest, 60, 300); nr > 0 && !full(guest); nr--)
		bursts(guest, new_rfn(guest), guest->start, times, pause * log_uniform(gen, 0.5, 2),
		       gap * log_uniform(gen, 0.5, 2));
}

static void fill_phases(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double hot = log_uniform(gen, 10 * S, 60 * S);
	double quiet = log_uniform(gen, 20 * S, 120 * S);
	double pause = log_uniform(gen, 20 * MS, 1.5 * S);
	double offset = uniform(gen, 0, quiet);
	bool together = unit(gen) < 0.6;

	for (unsigned int nr = scaled(guest, 60, 300); nr > 0 && !full(guest); nr--)
		phases(guest, new_rfn(guest), guest->start, pause * log_uniform(gen, 0.5, 2), hot,
		       quiet, together ? offset : uniform(gen, 0, hot + quiet));
}

static void fill_thrash(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double low = log_uniform(gen, 5 * MS, 100 * MS);
	double high = low * log_uniform(gen, 2, 30);

	for (unsigned int nr = scaled(guest, 10, 50); nr > 0 && !full(guest); nr--)
		poisson(guest, new_rfn(guest), guest->start, guest->end,
			log_uniform(gen, low, high));
}

static void fill_adversary(struct guest *guest)
{
	/* Merge at once, M / walk, break-even, and multiples. */
	static const double thresholds[] = {0.05 * S, 0.25 * S, 1 * S,	  2.5 * S,
					    3.75 * S, 5 * S,	6.25 * S, 12.5 * S};
	struct gen *gen = guest->gen;

	for (unsigned int nr = scaled(guest, 40, 200); nr > 0 && !full(guest); nr--) {
		double threshold = thresholds[up_to(gen, sizeof(thresholds) / sizeof(double))];

		periodic(guest, new_rfn(guest), guest->start, threshold * uniform(gen, 1.01, 1.1),
			 0.005);
	}
}

/* Goes through the same few lengths again and again. */
static void fill_pattern(struct guest *guest)
{
	static const double thresholds[] = {0.1 * S, 0.5 * S, 1 * S, 2.5 * S, 6.25 * S, 12.5 * S};
	struct gen *gen = guest->gen;
	unsigned int nr_thresholds = sizeof(thresholds) / sizeof(double);

	for (unsigned int nr = scaled(guest, 40, 120); nr > 0 && !full(guest); nr--) {
		uint64_t rfn = new_rfn(guest);
		unsigned int first = up_to(gen, nr_thresholds);
		unsigned int used = between(gen, 2, nr_thresholds);
		double t = guest->start + uniform(gen, 0, S);

		for (unsigned int i = 0; t < guest->end; i++) {
			t = convert(guest, rfn, t, short_share(guest));
			t += thresholds[(first + i % used) % nr_thresholds] * 1.04;
		}
	}
}

static void fill_periodic(struct guest *guest)
{
	struct gen *gen = guest->gen;
	double jitter = uniform(gen, 0, 0.3);

	for (unsigned int nr = scaled(guest, 40, 200); nr > 0 && !full(guest); nr--)
		periodic(guest, new_rfn(guest), guest->start, log_uniform(gen, 20 * MS, 60 * S),
			 jitter);
}

static void fill_whole(struct guest *guest)
{
	struct gen *gen = guest->gen;

	for (unsigned int nr = scaled(guest, 32, 128); nr > 0 && !full(guest); nr--) {
		uint64_t rfn = new_rfn(guest);
		double mean = log_uniform(gen, 200 * MS, 60 * S);
		double partial = unit(gen) < 0.3 ? 0.3 : 0;
		double t = guest->start;

		while ((t += exponential(gen, mean)) < guest->end)
			t = unit(gen) < partial ?
				    convert(guest, rfn, t, short_share(guest)) :
				    convert_whole(guest, rfn, t, exponential(gen, 100 * MS));
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

static void fill_fleet(struct gen *gen)
{
	unsigned int nr = between(gen, 6, 16);

	for (unsigned int i = 0; i < nr; i++) {
		enum tracegen_kind kind = (enum tracegen_kind)up_to(gen, TRACEGEN_PATTERN);
		double start = unit(gen) < 0.4 ? 0 : uniform(gen, 0, gen->end * 0.7);
		double end = unit(gen) < 0.5 ? gen->end : uniform(gen, start + 20 * S, gen->end);
		struct guest guest;

		if (kind == TRACEGEN_FLEET || kind == TRACEGEN_SLOW)
			kind = TRACEGEN_WEB;
		guest = guest_new(gen, tracegen_name(kind), start, fmin(end, gen->end), 20 * US);
		fills[kind](&guest);
	}
}

static void fill_trace(struct gen *gen, enum tracegen_kind kind)
{
	struct guest guest;
	double accept = log_uniform(gen, 1 * US, 200 * US);

	gen->end = log_uniform(gen, 150 * S, 900 * S);
	if (kind == TRACEGEN_FLEET) {
		gen->scale *= 0.3;
		fill_fleet(gen);
		return;
	}
	if (kind == TRACEGEN_SLOW)
		accept = log_uniform(gen, 1 * MS, 100 * MS);
	guest = guest_new(gen, tracegen_name(kind), 0, gen->end, accept);
	fills[kind](&guest);
}

/* ---- output ---- */

/* By time; what was made first comes first, which keeps S, P and A of a region in order. */
struct sort_key {
	uint64_t t_ns;
	size_t index;
};

static int compare(const void *a, const void *b)
{
	const struct sort_key *x = a;
	const struct sort_key *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int write_sorted(FILE *f, struct gen *gen)
{
	static const struct trace_costs costs = {30000, 45000, 12000};
	struct sort_key *keys = calloc(gen->nr + 1, sizeof(*keys));
	struct trace_record end = {.t_ns = (uint64_t)gen->end, .op = TRACE_END};
	int err;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < gen->nr; i++)
		keys[i] = (struct sort_key){gen->records[i].t_ns, i};
	qsort(keys, gen->nr, sizeof(*keys), compare);
	err = trace_write_header(f, &costs);
	for (size_t i = 0; i < gen->nr && !err; i++) {
		struct trace_record *record = &gen->records[keys[i].index];

		err = trace_write_record(f, record, record->op == TRACE_VM && record->t_ns == 0);
	}
	free(keys);
	return err ? err : trace_write_record(f, &end, false);
}

int tracegen_write(FILE *f, enum tracegen_kind kind, uint64_t seed, double scale)
{
	struct gen gen = {.rng = seed * 1000003 + kind, .scale = scale};
	int err;

	fill_trace(&gen, kind);
	err = gen.failed ? -ENOMEM : write_sorted(f, &gen);
	free(gen.records);
	return err;
}

int tracegen_buffer(enum tracegen_kind kind, uint64_t seed, double scale, char **ret, size_t *len)
{
	FILE *f = open_memstream(ret, len);
	int err;

	if (!f)
		return -errno;
	err = tracegen_write(f, kind, seed, scale);
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

static const char *const names[] = {
#define X(id, name, doc) [TRACEGEN_##id] = name,
	TRACEGEN_KINDS(X)
#undef X
};

static const char *const docs[] = {
#define X(id, name, doc) [TRACEGEN_##id] = doc,
	TRACEGEN_KINDS(X)
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
