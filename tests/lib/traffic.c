// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* ---- numbers ---- */

static uint64_t random_bits(struct traffic *traffic)
{
	uint64_t z = traffic->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* In [0, 1). */
double traffic_unit(struct traffic *traffic)
{
	return (double)(random_bits(traffic) >> 11) * 0x1p-53;
}

double traffic_uniform(struct traffic *traffic, double low, double high)
{
	return low + (high - low) * traffic_unit(traffic);
}

/* Evenly on a logarithmic scale. */
double traffic_log_uniform(struct traffic *traffic, double low, double high)
{
	return low * pow(high / low, traffic_unit(traffic));
}

double traffic_exponential(struct traffic *traffic, double mean)
{
	return -mean * log1p(-traffic_unit(traffic));
}

double traffic_pareto(struct traffic *traffic, double least, double alpha)
{
	return least * pow(1 - traffic_unit(traffic), -1 / alpha);
}

unsigned int traffic_up_to(struct traffic *traffic, unsigned int nr)
{
	return (unsigned int)(traffic_unit(traffic) * nr);
}

unsigned int traffic_between(struct traffic *traffic, unsigned int low, unsigned int high)
{
	return low + traffic_up_to(traffic, high - low + 1);
}

struct traffic traffic_new(uint64_t rng, double scale)
{
	return (struct traffic){
		.rng = rng,
		.scale = scale,
		.costs = {.merge_ns = 30000, .split_ns = 45000, .fail_ns = 12000},
		.walk_ns_per_s = 12000,
	};
}

/* ---- records ---- */

/* Makes room for one more of @nr elements of @size; NULL: memory is short. */
static void *grow(struct traffic *traffic, void *array, size_t nr, size_t *room, size_t size)
{
	size_t wanted = *room ? 2 * *room : 4096;

	if (nr < *room)
		return array;
	array = reallocarray(array, wanted, size);
	if (array)
		*room = wanted;
	else
		traffic->failed = true;
	return array;
}

static struct trace_record *record_new(struct traffic *traffic, double t, enum trace_op op,
				       uint32_t vm_id)
{
	struct trace_record *records =
		grow(traffic, traffic->records, traffic->nr, &traffic->capacity, sizeof(*records));

	if (!records)
		return NULL;
	traffic->records = records;
	traffic->records[traffic->nr] =
		(struct trace_record){.t_ns = (uint64_t)t, .op = op, .vm_id = vm_id};
	return &traffic->records[traffic->nr++];
}

static void add_pages(struct guest *guest, double t, enum trace_op op, uint64_t gfn,
		      uint64_t npages)
{
	struct trace_record *record;

	if (t >= guest->end)
		return;
	record = record_new(guest->traffic, t, op, guest->id);
	if (record) {
		record->gfn = gfn;
		record->npages = npages;
	}
}

struct guest guest_new(struct traffic *traffic, const char *name, double start, double end,
		       double accept)
{
	struct guest guest = {.traffic = traffic,
			      .id = ++traffic->nr_vms,
			      .start = start,
			      .end = end,
			      .accept = accept,
			      .stride = 1 + 2 * (uint64_t)traffic_up_to(traffic, 200)};
	struct trace_record *record = record_new(traffic, start, TRACE_VM, guest.id);

	if (record) {
		snprintf(record->name, sizeof(record->name), "%s-%" PRIu32, name, guest.id);
		record->regions = TRAFFIC_REGIONS;
		record->walk_ns_per_s = (uint64_t)traffic->walk_ns_per_s;
	}
	if (end < traffic->end)
		record_new(traffic, end, TRACE_VM_GONE, guest.id);
	return guest;
}

uint64_t guest_rfn(struct guest *guest, const char *population)
{
	struct traffic *traffic = guest->traffic;
	uint64_t rfn = guest->next_rfn++ * guest->stride % TRAFFIC_REGIONS;
	struct traffic_label *labels = grow(traffic, traffic->labels, traffic->nr_labels,
					    &traffic->labels_capacity, sizeof(*labels));

	if (labels) {
		labels[traffic->nr_labels++] = (struct traffic_label){guest->id, rfn, population};
		traffic->labels = labels;
	}
	return rfn;
}

bool guest_full(const struct guest *guest)
{
	return guest->next_rfn >= TRAFFIC_REGIONS;
}

/* ---- one conversion ---- */

double guest_convert_pages(struct guest *guest, uint64_t gfn, uint64_t npages, double t,
			   double shared, double accept)
{
	double back = t + shared;

	add_pages(guest, t, TRACE_TO_SHARED, gfn, npages);
	add_pages(guest, back, TRACE_TO_PRIVATE, gfn, npages);
	add_pages(guest, back + accept, TRACE_ACCEPT, gfn, npages);
	return back + accept;
}

double guest_convert(struct guest *guest, uint64_t rfn, double t, double shared)
{
	struct traffic *traffic = guest->traffic;
	uint64_t npages = 1u << traffic_up_to(traffic, 5);
	uint64_t gfn = rfn * 512 + traffic_up_to(traffic, 512 - (unsigned int)npages + 1);

	return guest_convert_pages(guest, gfn, npages, t, shared,
				   traffic_uniform(traffic, 0.2, 2) * guest->accept);
}

double guest_convert_whole(struct guest *guest, uint64_t rfn, double t, double shared)
{
	return guest_convert_pages(guest, rfn * 512, 512, t, shared,
				   traffic_uniform(guest->traffic, 0.2, 2) * guest->accept);
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

static void write_labels(FILE *f, const struct traffic *traffic)
{
	for (size_t i = 0; i < traffic->nr_labels; i++)
		fprintf(f, "# region %" PRIu32 " %" PRIu64 " %s\n", traffic->labels[i].vm_id,
			traffic->labels[i].rfn, traffic->labels[i].population);
}

void traffic_done(struct traffic *traffic)
{
	free(traffic->records);
	free(traffic->labels);
}

int traffic_write(FILE *f, struct traffic *traffic)
{
	struct sort_key *keys = calloc(traffic->nr + 1, sizeof(*keys));
	struct trace_record end = {.t_ns = (uint64_t)traffic->end, .op = TRACE_END};
	int err;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < traffic->nr; i++)
		keys[i] = (struct sort_key){traffic->records[i].t_ns, i};
	qsort(keys, traffic->nr, sizeof(*keys), compare);
	err = trace_write_header(f, &traffic->costs);
	for (size_t i = 0; i < traffic->nr && !err; i++) {
		struct trace_record *record = &traffic->records[keys[i].index];

		err = trace_write_record(f, record, record->op == TRACE_VM && record->t_ns == 0);
	}
	free(keys);
	write_labels(f, traffic);
	return err ? err : trace_write_record(f, &end, false);
}
