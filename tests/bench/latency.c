// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the observation that makes a region due to the request that merges it: how often the manager
 * is called from the event loop, and how long it takes. Stands between it and the simulated host.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/core/context.h"
#include "tests/bench/bench.h"
#include "tests/lib/sim_world.h"

#define REGIONS 65536
#define WAKEUPS 400
#define MS	UINT64_C(1000000)

/* Merges what is private at the next look: every observation makes its region due. */
static const char config[] = "version: 1\n"
			     "global: {cpu-budget: 100%, merge-rate: 1000000/s}\n"
			     "defaults: {policy: threshold, quiet-time: 0s, merge-rate: 1000000/s,"
			     " batch: 64}\n";

struct seen {
	uint64_t ns;   /* our clock */
	uint64_t call; /* of the manager */
};

struct probe {
	struct sim_world world;
	const struct lp_link_ops *ops;
	const struct lp_link_events *events;
	void *ctx;
	struct lp_link_ops own_ops;
	struct lp_link_events own_events;
	struct seen *seen; /* by rfn */
	struct samples ns;
	struct samples calls;
};

/* The link's functions are not told who calls. */
static struct probe *probe;

static void on_regions(void *ctx, uint64_t tag, const struct lp_region_chunk *chunk)
{
	const struct seen now = {bench_now_ns(), probe->world.manager->wakeups};

	for (size_t i = 0; i < chunk->nr_regions; i++)
		if (chunk->regions[i].state == KVM_LPAGE_STATE_TABLE)
			probe->seen[chunk->regions[i].rfn] = now;
	probe->events->regions(ctx, tag, chunk);
}

static int on_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
		       const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
		       uint64_t *ret_tag)
{
	uint64_t now_ns = bench_now_ns();

	for (size_t i = 0; i < nr_ranges; i++) {
		for (uint32_t k = 0; k < ranges[i].nr_regions; k++) {
			struct seen seen = probe->seen[ranges[i].start_rfn + k];

			/* The region that makes the host tell, and is not accepted. */
			if (ranges[i].start_rfn + k == REGIONS)
				continue;
			samples_add(&probe->ns, now_ns - seen.ns);
			samples_add(&probe->calls, probe->world.manager->wakeups - seen.call);
		}
	}
	return probe->ops->range_op(link, vm_id, op, ranges, nr_ranges, ttl_ns, ret_tag);
}

static void attach(struct probe *p)
{
	struct lp_link *link = p->world.link;

	p->ops = link->ops;
	p->own_ops = *link->ops;
	p->own_ops.range_op = on_range_op;
	link->ops = &p->own_ops;
	p->events = link->events;
	p->own_events = *link->events;
	p->own_events.regions = on_regions;
	link->events = &p->own_events;
	probe = p;
}

/*
 * The host tells of a change at once, of the next ones 100 ms later: @each regions are converted in
 * between, and are quiet enough when they are told of.
 */
static int make_trace(unsigned int each, char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);

	if (!f)
		return -ENOMEM;
	fprintf(f,
		"lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
		"vm 1 name=vm-1 regions=%d walk_ns_per_s=12000\n",
		REGIONS + 1);
	for (uint64_t i = 0; i < WAKEUPS * each; i++) {
		uint64_t t_ns = (1 + i / each) * 250 * MS + 50 * MS + i % each;
		uint64_t gfn = (i * 7919 % REGIONS) << 9;

		if (i % each == 0)
			fprintf(f, "%" PRIu64 " S 1 %u 1\n", t_ns - 50 * MS, REGIONS << 9);
		if (i % each == 0)
			fprintf(f, "%" PRIu64 " P 1 %u 1\n", t_ns - 50 * MS, REGIONS << 9);
		fprintf(f,
			"%" PRIu64 " S 1 %" PRIu64 " 1\n%" PRIu64 " P 1 %" PRIu64 " 1\n%" PRIu64
			" A 1 %" PRIu64 " 1\n",
			t_ns, gfn, t_ns, gfn, t_ns, gfn);
	}
	fprintf(f, "end %" PRIu64 "\n", (WAKEUPS + 60) * 250 * MS);
	return fclose(f) ? -errno : 0;
}

static void report(struct probe *p, unsigned int each, json_t *ret)
{
	json_t *object = json_object();
	char key[32];

	samples_report(&p->calls, object, "manager_calls", "count");
	samples_report(&p->ns, object, "latency", "ns");
	json_object_set_new(object, "regions", json_integer((json_int_t)p->ns.nr));
	snprintf(key, sizeof(key), "%u_due_at_once", each);
	json_object_set_new(ret, key, object);
	printf("%12u %10zu %10" PRIu64 " %10" PRIu64 " %10.1f %10.1f %10.1f\n", each, p->ns.nr,
	       samples_percentile(&p->calls, 50), samples_percentile(&p->calls, 100),
	       (double)samples_percentile(&p->ns, 50) / 1e3,
	       (double)samples_percentile(&p->ns, 99) / 1e3,
	       (double)samples_percentile(&p->ns, 100) / 1e3);
}

static int measure(json_t *ret, unsigned int each)
{
	struct probe p = {.seen = calloc(REGIONS + 1, sizeof(*p.seen))};
	char *text = NULL;
	size_t len = 0;
	int err = p.seen ? make_trace(each, &text, &len) : -ENOMEM;

	bench_progress("latency: %u regions at once", each);
	if (!err)
		err = sim_world_open(&p.world, text, len, "", config);
	if (!err) {
		attach(&p);
		sim_world_run_trace(&p.world);
		report(&p, each, ret);
		p.world.link->ops = p.ops;
		sim_world_close(&p.world);
	}
	samples_done(&p.ns);
	samples_done(&p.calls);
	free(p.seen);
	free(text);
	return err;
}

static int run(json_t *ret)
{
	int err;

	printf("%12s %10s %10s %10s %10s %10s %10s\n", "due at once", "regions", "calls p50",
	       "calls max", "us p50", "us p99", "us max");
	err = measure(ret, 1);
	if (!err)
		err = measure(ret, 64);
	return err ? err : measure(ret, 1024);
}

const struct bench bench_latency = {
	.name = "latency",
	.doc = "from an observation that makes a region due to the request that merges it",
	.run = run,
};
