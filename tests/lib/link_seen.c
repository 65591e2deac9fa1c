// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/link_seen.h"

#include <stdio.h>

static void on_family(void *ctx, bool present, const char *why)
{
	struct link_seen *seen = ctx;

	seen->families++;
	seen->present = present;
	snprintf(seen->why, sizeof(seen->why), "%s", why);
}

static void on_vm(void *ctx, const struct lp_vm *vm, bool full)
{
	struct link_seen *seen = ctx;

	(void)full;
	seen->vms++;
	seen->vm = *vm;
}

static void on_vm_gone(void *ctx, uint32_t vm_id)
{
	struct link_seen *seen = ctx;

	seen->vms_gone++;
	seen->gone = vm_id;
}

static void on_regions(void *ctx, uint64_t tag, const struct lp_region_chunk *chunk)
{
	struct link_seen *seen = ctx;

	(void)tag;
	for (size_t i = 0; i < chunk->nr_regions; i++) {
		if (seen->nr_regions < LINK_SEEN_REGIONS)
			seen->regions[seen->nr_regions] = chunk->regions[i];
		seen->nr_regions++;
	}
}

static void on_dump_end(void *ctx, const struct lp_dump_end *end)
{
	struct link_seen *seen = ctx;

	seen->dump_ends++;
	seen->end = *end;
	snprintf(seen->text, sizeof(seen->text), "%s", end->text);
}

static void on_op_sent(void *ctx, uint64_t tag, uint32_t vm_id, int error, const char *text)
{
	struct link_seen *seen = ctx;

	(void)vm_id;
	seen->sents++;
	seen->sent_tag = tag;
	seen->sent_error = error;
	snprintf(seen->text, sizeof(seen->text), "%s", text ? text : "");
}

static void on_op_done(void *ctx, const struct lp_done *done)
{
	struct link_seen *seen = ctx;

	seen->dones++;
	seen->done_tag = done->tag;
	if (done->nr_results)
		seen->result = done->results[0];
	if (done->nr_batches)
		seen->batch = done->batches[0];
	seen->nr_probed = done->nr_probed;
	for (size_t i = 0; i < done->nr_probed; i++)
		seen->probed[i] = done->probed[i];
}

static void on_policy_set(void *ctx, uint64_t tag, uint32_t vm_id, int error, const char *text)
{
	struct link_seen *seen = ctx;

	(void)tag;
	(void)vm_id;
	(void)text;
	seen->policy_sets++;
	seen->sent_error = error;
}

static void on_changed(void *ctx, uint32_t vm_id, uint64_t generation)
{
	struct link_seen *seen = ctx;

	(void)vm_id;
	seen->changes++;
	seen->generation = generation;
}

static void on_loss(void *ctx, enum lp_loss kind)
{
	(void)kind;
	((struct link_seen *)ctx)->losses++;
}

const struct lp_link_events link_seen_events = {
	.family = on_family,
	.vm = on_vm,
	.vm_gone = on_vm_gone,
	.regions = on_regions,
	.dump_end = on_dump_end,
	.op_sent = on_op_sent,
	.op_done = on_op_done,
	.policy_set = on_policy_set,
	.changed = on_changed,
	.loss = on_loss,
};
