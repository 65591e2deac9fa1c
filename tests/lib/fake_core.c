// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "tests/lib/fake_core.h"

#define SECOND 1000000000ULL

static struct fake_core *fake_of(struct lp_core *core)
{
	return (struct fake_core *)core;
}

static void record(struct fake_core *fake, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void record(struct fake_core *fake, const char *format, ...)
{
	va_list ap;

	if (fake->nr_calls == FAKE_CALLS)
		return;
	va_start(ap, format);
	vsnprintf(fake->calls[fake->nr_calls++], sizeof(fake->calls[0]), format, ap);
	va_end(ap);
}

static void fake_status(const struct lp_core *core, struct lp_status *ret)
{
	struct fake_core *fake = fake_of((struct lp_core *)core);

	*ret = fake->status;
	if (fake->nr_absent && !--fake->nr_absent)
		fake->nr_vms = fake->nr_late;
}

static size_t fake_vm_ids(const struct lp_core *core, uint32_t first, uint32_t *ids, size_t room)
{
	const struct fake_core *fake = (const struct fake_core *)core;
	size_t nr = 0;

	for (size_t i = 0; i < fake->nr_vms; i++) {
		if (fake->vms[i].vm.id < first)
			continue;
		if (nr < room)
			ids[nr] = fake->vms[i].vm.id;
		nr++;
	}
	return nr;
}

static size_t fake_vms_named(const struct lp_core *core, const char *name, uint32_t *ids,
			     size_t room)
{
	const struct fake_core *fake = (const struct fake_core *)core;
	size_t nr = 0;

	for (size_t i = 0; i < fake->nr_vms && nr < room; i++) {
		if (!strcmp(fake->vms[i].identity.name, name))
			ids[nr++] = fake->vms[i].vm.id;
	}
	return nr;
}

static int fake_vm(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret)
{
	const struct fake_core *fake = (const struct fake_core *)core;

	for (size_t i = 0; i < fake->nr_vms; i++) {
		if (fake->vms[i].vm.id == vm_id) {
			*ret = fake->vms[i];
			return 0;
		}
	}
	return -ESRCH;
}

static size_t fake_rules(const struct lp_core *core, struct lp_rule_snapshot *ret, size_t capacity)
{
	const struct fake_core *fake = (const struct fake_core *)core;

	for (size_t i = 0; i < fake->nr_rules && i < capacity; i++)
		ret[i] = fake->rules[i];
	return fake->nr_rules;
}

static int fake_shadow(const struct lp_core *core, struct lp_shadow_snapshot *ret)
{
	const struct fake_core *fake = (const struct fake_core *)core;

	if (!fake->shadow.age_ns)
		return -ENOENT;
	*ret = fake->shadow;
	return 0;
}

static bool wanted(const struct lp_region_filter *filter, const struct lp_region *region)
{
	if (region->rfn < filter->start_rfn)
		return false;
	if (filter->nr_regions && region->rfn - filter->start_rfn >= filter->nr_regions)
		return false;
	return !filter->states || (filter->states & 1U << region->state);
}

/* The @i-th of those that are kept, or made up. */
static struct lp_region_snapshot region_at(const struct fake_core *fake, uint64_t i)
{
	if (!fake->nr_generated)
		return fake->regions[i];
	return (struct lp_region_snapshot){.region = {.rfn = i, .state = KVM_LPAGE_STATE_TABLE}};
}

static int fake_regions(const struct lp_core *core, uint32_t vm_id,
			const struct lp_region_filter *filter, lp_region_cb cb, void *ctx,
			uint64_t *ret_next)
{
	const struct fake_core *fake = (const struct fake_core *)core;
	uint64_t nr = fake->nr_generated ? fake->nr_generated : fake->nr_regions;
	uint64_t left = filter->limit ? filter->limit : UINT64_MAX;
	uint64_t looked_at = 0;
	struct lp_vm_snapshot vm;
	int r = fake_vm(core, vm_id, &vm), result = r;

	*ret_next = UINT64_MAX;
	for (uint64_t i = fake->nr_generated ? filter->start_rfn : 0; r == 0 && i < nr; i++) {
		struct lp_region_snapshot region = region_at(fake, i);

		if (filter->nr_regions &&
		    region.region.rfn >= filter->start_rfn + filter->nr_regions)
			break;
		r = looked_at++ == FAKE_SLICE;
		if (r == 0 && !wanted(filter, &region.region))
			continue;
		if (r == 0)
			r = left ? result = cb(ctx, &region) : 1;
		left--;
		if (r)
			*ret_next = region.region.rfn;
	}
	return result;
}

static int fake_refresh(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "refresh %u", vm_id);
	if (fake->result < 0)
		return fake->result;
	fake->refresh_cb = cb;
	fake->refresh_ctx = ctx;
	if (fake->answer_at_once)
		fake_core_answer(fake, 0);
	return 0;
}

static void fake_refresh_cancel(struct lp_core *core, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "refresh_cancel");
	if (fake->refresh_ctx == ctx)
		fake->refresh_cb = NULL;
}

static int fake_set_paused(struct lp_core *core, uint32_t vm_id, bool paused, uint64_t for_ns)
{
	if (for_ns)
		record(fake_of(core), "set_paused %u %d for %ju", vm_id, paused, (uintmax_t)for_ns);
	else
		record(fake_of(core), "set_paused %u %d", vm_id, paused);
	return fake_of(core)->result;
}

static int fake_hold_vm(struct lp_core *core, uint32_t vm_id, const char *owner, uint64_t for_ns,
			lp_hold_cb ended, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "hold_vm %u %s for %ju%s", vm_id, owner, (uintmax_t)for_ns,
	       ended ? ", attached" : "");
	if (fake->result < 0)
		return fake->result;
	fake->hold_cb = ended;
	fake->hold_ctx = ctx;
	return 0;
}

static void fake_hold_cancel(struct lp_core *core, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "hold_cancel");
	if (fake->hold_ctx == ctx)
		fake->hold_cb = NULL;
}

static int fake_release_vm(struct lp_core *core, uint32_t vm_id, const char *owner)
{
	record(fake_of(core), "release_vm %u %s", vm_id, owner ? owner : "(all)");
	return fake_of(core)->result;
}

static int fake_set_dry_run(struct lp_core *core, bool dry_run)
{
	record(fake_of(core), "set_dry_run %d", dry_run);
	return fake_of(core)->result;
}

static void add_result(struct fake_core *fake, const struct lp_range *range)
{
	bool refuse = fake->refuse_reason != 0;

	fake->results[fake->nr_results++] = (struct lp_result){
		.start_rfn = range->start_rfn,
		.nr_regions = range->nr_regions,
		.done = refuse ? 0 : range->nr_regions,
		.refused = refuse ? range->nr_regions : 0,
		.reason = fake->refuse_reason,
		.reason_rfn = refuse ? range->start_rfn : 0,
		.has_layer = fake->refuse_reason == LPAGE_REASON_HELD,
		.reason_layer = KVM_LPAGE_LAYER_VMM,
		.ns = 30000,
	};
}

/* Every third region was touched 2 s ago, the next one at an unknown time, the third one not. */
static void add_probed(struct fake_core *fake, const struct lp_range *range)
{
	for (uint64_t rfn = range->start_rfn; rfn < range->start_rfn + range->nr_regions; rfn++) {
		struct lp_probed probed = {.rfn = rfn, .reason = fake->refuse_reason};

		if (fake->nr_probed == KVM_LPAGE_PROBES_MAX)
			return;
		if (!probed.reason) {
			probed.touched = rfn % 3 != 2;
			probed.first_touch_ns = rfn % 3 ? 0 : 998 * SECOND;
		}
		fake->probed[fake->nr_probed++] = probed;
	}
}

static int fake_range_op(struct lp_core *core, uint32_t vm_id, uint32_t op,
			 const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			 lp_op_cb cb, void *ctx)
{
	struct fake_core *fake = fake_of(core);
	uint64_t regions = 0;

	fake->nr_results = fake->nr_probed = 0;
	for (size_t i = 0; i < nr_ranges; i++) {
		regions += ranges[i].nr_regions;
		add_result(fake, &ranges[i]);
		if (op == KVM_LPAGE_OP_PROBE)
			add_probed(fake, &ranges[i]);
	}
	record(fake, "op %u vm %u: %zu ranges, %ju regions from %ju, ttl %ju", op, vm_id, nr_ranges,
	       (uintmax_t)regions, (uintmax_t)ranges[0].start_rfn, (uintmax_t)ttl_ns);
	if (fake->result < 0)
		return fake->result;
	fake->op = op;
	fake->op_vm = vm_id;
	fake->op_cb = cb;
	fake->op_ctx = ctx;
	if (fake->answer_at_once)
		fake_core_answer(fake, 0);
	return 0;
}

static void fake_range_op_cancel(struct lp_core *core, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "range_op_cancel");
	if (fake->op_ctx == ctx)
		fake->op_cb = NULL;
}

static int fake_reload(struct lp_core *core, char **ret_text)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "reload");
	if (fake->reload_text)
		*ret_text = strdup(fake->reload_text);
	return fake->result;
}

static const struct config *fake_config(const struct lp_core *core)
{
	return ((const struct fake_core *)core)->config;
}

static int fake_explain(const struct lp_core *core, uint32_t vm_id, uint64_t rfn,
			struct lp_explain *ret)
{
	struct fake_core *fake = (struct fake_core *)core;

	(void)vm_id;
	fake->nr_explained++;
	if (rfn >= 8192)
		return -ERANGE;
	*ret = fake->explain;
	return fake->result;
}

static int fake_watch(struct lp_core *core, lp_watch_cb cb, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "watch");
	if (fake->result < 0)
		return fake->result;
	fake->watch_cb = cb;
	fake->watch_ctx = ctx;
	return 0;
}

static void fake_unwatch(struct lp_core *core, lp_watch_cb cb, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "unwatch");
	if (fake->watch_cb == cb && fake->watch_ctx == ctx)
		fake->watch_cb = NULL;
}

static int fake_record(struct lp_core *core, lp_record_cb cb, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "record");
	if (fake->result < 0)
		return fake->result;
	fake->record_cb = cb;
	fake->record_ctx = ctx;
	return 0;
}

static void fake_unrecord(struct lp_core *core, lp_record_cb cb, void *ctx)
{
	struct fake_core *fake = fake_of(core);

	record(fake, "unrecord");
	if (fake->record_cb == cb && fake->record_ctx == ctx)
		fake->record_cb = NULL;
}

const struct lp_core_ops fake_core_ops = {
	.status = fake_status,
	.vm_ids = fake_vm_ids,
	.vms_named = fake_vms_named,
	.vm = fake_vm,
	.rules = fake_rules,
	.shadow = fake_shadow,
	.regions = fake_regions,
	.refresh = fake_refresh,
	.refresh_cancel = fake_refresh_cancel,
	.set_paused = fake_set_paused,
	.set_dry_run = fake_set_dry_run,
	.hold_vm = fake_hold_vm,
	.hold_cancel = fake_hold_cancel,
	.release_vm = fake_release_vm,
	.range_op = fake_range_op,
	.range_op_cancel = fake_range_op_cancel,
	.reload = fake_reload,
	.config = fake_config,
	.explain = fake_explain,
	.watch = fake_watch,
	.unwatch = fake_unwatch,
	.record = fake_record,
	.unrecord = fake_unrecord,
};

void fake_core_answer(struct fake_core *fake, int error)
{
	const struct lp_batch batch = {
		.regions = 32,
		.merged = 30,
		.kicked = 2,
		.fixed_ns = 9000,
		.regions_ns = 640000,
		.stall_ns = 700000,
	};
	const struct lp_done done = {
		.tag = 5,
		.cookie = 6,
		.vm_id = fake->op_vm,
		.op = fake->op,
		.results = fake->results,
		.nr_results = fake->nr_results,
		.batches = &batch,
		.nr_batches = fake->op == KVM_LPAGE_OP_MERGE || fake->op == KVM_LPAGE_OP_PROBE,
		.probed = fake->probed,
		.nr_probed = fake->nr_probed,
	};
	lp_refresh_cb refresh = fake->refresh_cb;
	lp_op_cb op = fake->op_cb;

	fake->refresh_cb = NULL;
	fake->op_cb = NULL;
	if (refresh)
		refresh(fake->refresh_ctx, error);
	else if (op)
		op(fake->op_ctx, error ? NULL : &done, error, error ? "the kernel said no" : NULL);
}

void fake_core_event(struct fake_core *fake, const struct lp_watch_event *event)
{
	if (fake->watch_cb)
		fake->watch_cb(fake->watch_ctx, event);
}

void fake_core_record(struct fake_core *fake, const struct lp_record_event *event)
{
	if (fake->record_cb)
		fake->record_cb(fake->record_ctx, event);
}

void fake_core_end_hold(struct fake_core *fake, const char *why)
{
	lp_hold_cb ended = fake->hold_cb;

	fake->hold_cb = NULL;
	if (ended)
		ended(fake->hold_ctx, why);
}
