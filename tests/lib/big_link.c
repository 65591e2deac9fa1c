// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/big_link.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tdx-lpage/base.h>

/* What a turn of the event loop answers. */
#define REGIONS_PER_TURN  2048
#define REGIONS_PER_CHUNK 128
#define ANSWERS_PER_TURN  16

enum big_kind { BIG_VMS, BIG_REGIONS, BIG_POLICY, BIG_OP };

struct big_request {
	enum big_kind kind;
	uint64_t tag;
	uint32_t vm_id; /* 0: all */
	uint64_t since;
	uint64_t next; /* the VM or region to go on with */
	uint32_t op;
	size_t nr_ranges;
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
};

static struct big_link *big_of(struct lp_link *link)
{
	return (struct big_link *)link;
}

static uint64_t big_now_ns(const struct lp_link *link)
{
	const struct big_link *big = (const struct big_link *)link;
	struct timespec now;

	if (!big->options.real_clock)
		return big->now_ns;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void arm(struct big_link *big)
{
	static const struct timeval now = {0, 0};

	event_add(big->event, &now);
}

/* ---- answers ---- */

static bool is_large(const struct big_link *big, uint32_t vm_id, uint64_t rfn)
{
	uint64_t i = (vm_id - 1) * big->options.regions + rfn;

	return big->large[i / 8] >> (i % 8) & 1;
}

static void set_large(struct big_link *big, uint32_t vm_id, uint64_t rfn)
{
	uint64_t i = (vm_id - 1) * big->options.regions + rfn;

	big->large[i / 8] |= (uint8_t)(1u << (i % 8));
}

static void tell_vm(struct big_link *big, uint32_t vm_id)
{
	struct lp_vm vm = {
		.id = vm_id,
		.running = true,
		.memory_pages = (UINT64_C(1) << 23) * 512,
		.generation = 1,
		.capable = UINT64_C(1) << 23,
		.large = (UINT64_C(1) << 23) - big->options.regions,
		.table = big->options.regions,
		.limits = {.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE),
			   .mode = KVM_LPAGE_MODE_MANAGED},
	};

	snprintf(vm.name, sizeof(vm.name), "vm-%u", vm_id);
	big->link.events->vm(big->link.ctx, &vm, true);
}

static bool answer_vms(struct big_link *big, struct big_request *request)
{
	struct lp_dump_end end = {.tag = request->tag, .vm_id = request->vm_id, .text = ""};

	if (request->vm_id) {
		tell_vm(big, request->vm_id);
	} else {
		for (int i = 0; i < ANSWERS_PER_TURN && request->next < big->options.nr_vms; i++)
			tell_vm(big, (uint32_t)++request->next);
		if (request->next < big->options.nr_vms)
			return false;
	}
	big->link.events->dump_end(big->link.ctx, &end);
	return true;
}

static void tell_regions(struct big_link *big, const struct big_request *request, uint64_t nr)
{
	struct lp_region regions[REGIONS_PER_CHUNK];
	struct lp_region_chunk chunk = {
		.vm_id = request->vm_id, .regions = regions, .nr_regions = nr};

	for (uint64_t i = 0; i < nr; i++)
		regions[i] = (struct lp_region){
			.rfn = request->next + i,
			.state = is_large(big, request->vm_id, request->next + i) ?
					 KVM_LPAGE_STATE_LARGE :
					 KVM_LPAGE_STATE_TABLE,
			.to_shared_pages = 1,
			.to_private_pages = 1,
			.last_to_shared_ns = big->options.converted_ns,
			.last_to_private_ns = big->options.converted_ns,
			.generation = 1,
		};
	big->dumped += nr;
	big->link.events->regions(big->link.ctx, request->tag, &chunk);
}

static bool answer_regions(struct big_link *big, struct big_request *request)
{
	uint64_t end_rfn = request->since ? 0 : big->options.regions;
	struct lp_dump_end end = {.tag = request->tag,
				  .vm_id = request->vm_id,
				  .of_regions = true,
				  .text = "",
				  .generation = 1};

	for (int done = 0; request->next < end_rfn; done += REGIONS_PER_CHUNK) {
		uint64_t left = end_rfn - request->next;
		uint64_t nr = left < REGIONS_PER_CHUNK ? left : REGIONS_PER_CHUNK;

		if (done >= REGIONS_PER_TURN)
			return false;
		tell_regions(big, request, nr);
		request->next += nr;
	}
	big->link.events->dump_end(big->link.ctx, &end);
	return true;
}

static void answer_op(struct big_link *big, const struct big_request *request)
{
	struct lp_result results[KVM_LPAGE_RANGES_MAX];
	struct lp_batch batch = {.kicked = 1};
	struct lp_done done = {.tag = request->tag,
			       .cookie = request->tag,
			       .vm_id = request->vm_id,
			       .op = request->op,
			       .results = results,
			       .nr_results = request->nr_ranges,
			       .batches = &batch,
			       .nr_batches = 1};

	for (size_t i = 0; i < request->nr_ranges; i++) {
		const struct lp_range *range = &request->ranges[i];

		results[i] = (struct lp_result){.start_rfn = range->start_rfn,
						.nr_regions = range->nr_regions,
						.done = range->nr_regions,
						.ns = range->nr_regions * big->options.merge_ns};
		for (uint32_t k = 0; k < range->nr_regions; k++)
			set_large(big, request->vm_id, range->start_rfn + k);
		batch.regions += range->nr_regions;
	}
	batch.merged = batch.regions;
	batch.regions_ns = batch.regions * big->options.merge_ns;
	big->merged += batch.regions;
	big->link.events->op_sent(big->link.ctx, request->tag, request->vm_id, 0, NULL);
	big->link.events->op_done(big->link.ctx, &done);
}

/* False: the answer goes on at the next turn. */
static bool answer(struct big_link *big, struct big_request *request)
{
	switch (request->kind) {
	case BIG_VMS:
		return answer_vms(big, request);
	case BIG_REGIONS:
		return answer_regions(big, request);
	case BIG_POLICY:
		big->link.events->policy_set(big->link.ctx, request->tag, request->vm_id, 0, NULL);
		return true;
	case BIG_OP:
		answer_op(big, request);
		return true;
	}
	return true;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct big_link *big = ctx;

	(void)fd;
	(void)what;
	for (int i = 0; i < ANSWERS_PER_TURN && big->nr; i++) {
		/* Its place is free only afterwards: the listener asks for more. */
		if (!answer(big, &big->queue[big->first]))
			break;
		big->first = (big->first + 1) % BIG_LINK_QUEUE;
		big->nr--;
	}
	if (big->nr)
		arm(big);
}

/* ---- requests ---- */

static int ask(struct big_link *big, const struct big_request *request, uint64_t *ret_tag)
{
	struct big_request *place = &big->queue[(big->first + big->nr) % BIG_LINK_QUEUE];

	if (big->nr == BIG_LINK_QUEUE) {
		big->refused++;
		return -EAGAIN;
	}
	*place = *request;
	place->tag = *ret_tag = ++big->tags;
	big->nr++;
	big->requests++;
	arm(big);
	return 0;
}

static int big_dump_vms(struct lp_link *link, uint32_t vm_id, uint64_t *ret_tag)
{
	return ask(big_of(link), &(struct big_request){.kind = BIG_VMS, .vm_id = vm_id}, ret_tag);
}

static int big_dump_regions(struct lp_link *link, const struct lp_region_query *query,
			    uint64_t *ret_tag)
{
	const struct big_request request = {
		.kind = BIG_REGIONS, .vm_id = query->vm_id, .since = query->since};

	return ask(big_of(link), &request, ret_tag);
}

static int big_set_policy(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			  uint64_t lease_ns, uint64_t *ret_tag)
{
	(void)limits;
	(void)lease_ns;
	return ask(big_of(link), &(struct big_request){.kind = BIG_POLICY, .vm_id = vm_id},
		   ret_tag);
}

static int big_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
			const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			uint64_t *ret_tag)
{
	struct big_request request = {
		.kind = BIG_OP, .vm_id = vm_id, .op = op, .nr_ranges = nr_ranges};

	(void)ttl_ns;
	memcpy(request.ranges, ranges, nr_ranges * sizeof(*ranges));
	return ask(big_of(link), &request, ret_tag);
}

static void big_stats(const struct lp_link *link, struct lp_link_stats *ret)
{
	*ret = (struct lp_link_stats){.requests = ((const struct big_link *)link)->requests};
}

/* ---- life ---- */

static void on_begin(evutil_socket_t fd, short what, void *ctx)
{
	struct big_link *big = ctx;

	(void)fd;
	(void)what;
	big->link.events->family(big->link.ctx, true, "big");
}

static int big_start(struct lp_link *link)
{
	static const struct timeval now = {0, 0};

	return event_base_once(link->base, -1, EV_TIMEOUT, on_begin, link, &now) ? -ENOMEM : 0;
}

static void big_stop(struct lp_link *link)
{
	event_del(big_of(link)->event);
}

static const struct lp_link_ops ops = {
	.name = "big",
	.start = big_start,
	.stop = big_stop,
	.now_ns = big_now_ns,
	.dump_vms = big_dump_vms,
	.dump_regions = big_dump_regions,
	.set_policy = big_set_policy,
	.range_op = big_range_op,
	.stats = big_stats,
};

int big_link_init(struct big_link *big, struct event_base *base,
		  const struct big_link_options *options)
{
	*big = (struct big_link){
		.link = {.ops = &ops, .base = base, .speed = 1},
		.options = *options,
		.now_ns = 1000 * NS_PER_S,
		.queue = calloc(BIG_LINK_QUEUE, sizeof(*big->queue)),
		.large = calloc(options->nr_vms * options->regions / 8 + 1, 1),
		.event = NULL,
	};
	big->event = evtimer_new(base, on_turn, big);
	if (big->queue && big->large && big->event)
		return 0;
	big_link_done(big);
	return -ENOMEM;
}

void big_link_done(struct big_link *big)
{
	if (big->event)
		event_free(big->event);
	free(big->queue);
	free(big->large);
	*big = (struct big_link){0};
}

void big_link_pass(struct big_link *big, uint64_t ns)
{
	big->now_ns += ns;
}

bool big_link_all_large(const struct big_link *big)
{
	return big->merged >= big->options.nr_vms * big->options.regions;
}
