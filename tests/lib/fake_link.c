// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/fake_link.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct fake_link *fake_of(struct lp_link *link)
{
	return (struct fake_link *)link;
}

static int fake_start(struct lp_link *link)
{
	fake_of(link)->started = true;
	return 0;
}

static void fake_stop(struct lp_link *link)
{
	fake_of(link)->started = false;
}

static void fake_free(struct lp_link *link)
{
	(void)link;
}

static uint64_t fake_now_ns(const struct lp_link *link)
{
	return ((const struct fake_link *)link)->now_ns;
}

static int ask(struct lp_link *link, const struct fake_asked *init, uint64_t *ret_tag)
{
	struct fake_link *fake = fake_of(link);
	struct fake_asked *asked = &fake->asked[fake->nr_asked];

	if (fake->error)
		return fake->error;
	assert(fake->nr_asked < FAKE_ASKED_MAX);
	*asked = *init;
	asked->tag = ++fake->nr_asked;
	if (ret_tag)
		*ret_tag = asked->tag;
	return 0;
}

static int fake_dump_vms(struct lp_link *link, uint32_t vm_id, uint64_t *ret_tag)
{
	struct fake_asked init = {.what = vm_id ? FAKE_DUMP_VM : FAKE_DUMP_VMS, .vm_id = vm_id};

	return ask(link, &init, ret_tag);
}

static int fake_dump_regions(struct lp_link *link, const struct lp_region_query *query,
			     uint64_t *ret_tag)
{
	struct fake_asked init = {
		.what = FAKE_DUMP_REGIONS, .vm_id = query->vm_id, .since = query->since};

	return ask(link, &init, ret_tag);
}

static int fake_set_policy(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			   uint64_t lease_ns, uint64_t *ret_tag)
{
	struct fake_asked init = {
		.what = FAKE_SET_POLICY, .vm_id = vm_id, .limits = *limits, .ttl_ns = lease_ns};

	return ask(link, &init, ret_tag);
}

static int fake_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
			 const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			 uint64_t *ret_tag)
{
	struct fake_asked init = {.what = FAKE_OP,
				  .vm_id = vm_id,
				  .op = op,
				  .ttl_ns = ttl_ns,
				  .nr_ranges = nr_ranges};

	memcpy(init.ranges, ranges, nr_ranges * sizeof(*ranges));
	return ask(link, &init, ret_tag);
}

static void fake_stats(const struct lp_link *link, struct lp_link_stats *ret)
{
	(void)link;
	*ret = (struct lp_link_stats){0};
}

static const struct lp_link_ops ops = {
	.name = "fake",
	.start = fake_start,
	.stop = fake_stop,
	.free = fake_free,
	.now_ns = fake_now_ns,
	.dump_vms = fake_dump_vms,
	.dump_regions = fake_dump_regions,
	.set_policy = fake_set_policy,
	.range_op = fake_range_op,
	.stats = fake_stats,
};

void fake_link_init(struct fake_link *fake, struct event_base *base)
{
	*fake = (struct fake_link){.link = {.ops = &ops, .base = base, .speed = 1},
				   .now_ns = 1000000000000,
				   .stall_ns = 3000};
}

struct fake_asked *fake_link_open(struct fake_link *fake, enum fake_ask what)
{
	for (size_t i = 0; i < fake->nr_asked; i++) {
		if (!fake->asked[i].answered && fake->asked[i].what == what)
			return &fake->asked[i];
	}
	return NULL;
}

size_t fake_link_count(const struct fake_link *fake, enum fake_ask what)
{
	size_t count = 0;

	for (size_t i = 0; i < fake->nr_asked; i++)
		count += fake->asked[i].what == what;
	return count;
}

static void answer_vms(struct fake_link *fake, struct fake_asked *asked)
{
	struct lp_dump_end end = {.tag = asked->tag, .vm_id = asked->vm_id, .text = ""};

	if (asked->vm_id)
		end.error = -ESRCH; /* unless it is listed */
	for (size_t i = 0; i < fake->nr_vms; i++) {
		if (asked->vm_id && asked->vm_id != fake->vms[i].id)
			continue;
		end.error = 0;
		fake->link.events->vm(fake->link.ctx, &fake->vms[i], true);
	}
	fake->link.events->dump_end(fake->link.ctx, &end);
}

static void answer_regions(struct fake_link *fake, struct fake_asked *asked)
{
	struct lp_region since[64];
	struct lp_region_chunk chunk = {.vm_id = asked->vm_id, .regions = since};
	struct lp_dump_end end = {.tag = asked->tag,
				  .vm_id = asked->vm_id,
				  .of_regions = true,
				  .text = "",
				  .resync_generation = fake->resync_generation};

	for (size_t i = 0; i < fake->nr_vms; i++) {
		if (fake->vms[i].id == asked->vm_id)
			end.generation = fake->vms[i].generation;
	}
	chunk.generation = end.generation;
	for (size_t i = 0; i < fake->nr_regions; i++) {
		if (fake->regions[i].generation > asked->since || !asked->since)
			since[chunk.nr_regions++] = fake->regions[i];
	}
	fake->link.events->regions(fake->link.ctx, asked->tag, &chunk);
	fake->link.events->dump_end(fake->link.ctx, &end);
}

int fake_link_answer(struct fake_link *fake)
{
	int count = 0;

	for (size_t i = 0; i < fake->nr_asked; i++) {
		struct fake_asked *asked = &fake->asked[i];

		if (asked->answered || asked->what == FAKE_OP)
			continue;
		asked->answered = true;
		count++;
		if (asked->what == FAKE_DUMP_REGIONS)
			answer_regions(fake, asked);
		else if (asked->what == FAKE_SET_POLICY)
			fake->link.events->policy_set(fake->link.ctx, asked->tag, asked->vm_id, 0,
						      "");
		else
			answer_vms(fake, asked);
	}
	return count;
}

void fake_link_end_dump(struct fake_link *fake, struct fake_asked *asked, struct lp_dump_end end)
{
	asked->answered = true;
	end.tag = asked->tag;
	end.vm_id = asked->vm_id;
	end.of_regions = asked->what == FAKE_DUMP_REGIONS;
	end.text = "";
	fake->link.events->dump_end(fake->link.ctx, &end);
}

void fake_link_sent(struct fake_link *fake, struct fake_asked *asked, int error, const char *text)
{
	asked->answered = true;
	fake->link.events->op_sent(fake->link.ctx, asked->tag, asked->vm_id, error, text);
}

void fake_link_done(struct fake_link *fake, const struct lp_done *done)
{
	fake->link.events->op_done(fake->link.ctx, done);
}

void fake_link_finish(struct fake_link *fake, struct fake_asked *asked, uint32_t reason)
{
	struct lp_result results[KVM_LPAGE_RANGES_MAX];
	struct lp_batch batch = {.fixed_ns = 1000, .regions_ns = 2000, .stall_ns = fake->stall_ns};
	struct lp_done done = {.tag = asked->tag,
			       .cookie = asked->tag,
			       .vm_id = asked->vm_id,
			       .op = asked->op,
			       .results = results,
			       .nr_results = asked->nr_ranges,
			       .batches = &batch,
			       .nr_batches = 1};

	for (size_t i = 0; i < asked->nr_ranges; i++) {
		uint32_t nr = asked->ranges[i].nr_regions;

		results[i] = (struct lp_result){.start_rfn = asked->ranges[i].start_rfn,
						.nr_regions = nr,
						.done = reason ? 0 : nr,
						.refused = reason ? nr : 0,
						.reason = reason,
						.reason_rfn = asked->ranges[i].start_rfn,
						.ns = 3000};
		batch.regions += nr;
		batch.merged += reason ? 0 : nr;
	}
	fake_link_sent(fake, asked, 0, "");
	fake_link_done(fake, &done);
}

void fake_link_family(struct fake_link *fake, bool present)
{
	fake->link.events->family(fake->link.ctx, present,
				  present ? "" : "kernel has no kvm-lpage family");
}

void fake_link_new_vm(struct fake_link *fake, const struct lp_vm *vm)
{
	fake->link.events->vm(fake->link.ctx, vm, true);
}

void fake_link_vm_gone(struct fake_link *fake, uint32_t vm_id)
{
	fake->link.events->vm_gone(fake->link.ctx, vm_id);
}

void fake_link_changed(struct fake_link *fake, uint32_t vm_id)
{
	uint64_t generation = 0;

	for (size_t i = 0; i < fake->nr_vms; i++) {
		if (fake->vms[i].id == vm_id)
			generation = fake->vms[i].generation;
	}
	fake->link.events->changed(fake->link.ctx, vm_id, generation);
}

void fake_link_policy_changed(struct fake_link *fake, const struct lp_policy_change *change)
{
	fake->link.events->policy_changed(fake->link.ctx, change);
}

void fake_link_lose_events(struct fake_link *fake)
{
	fake->link.events->loss(fake->link.ctx, LP_LOSS_OVERRUN);
}
