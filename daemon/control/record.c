// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Record: the link's events as a stream. Output that a client has not read is bounded: above the limit
 * observations are counted and dropped. Once the client has caught up, it gets their number, and
 * everything known is sent again. The core never waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/control/methods.h"
#include "daemon/control/views.h"

/* Unread output above which live observations are dropped, and above which the walk pauses. */
#define LIVE_MAX_BYTES (1u << 20)
#define WALK_MAX_BYTES (256u << 10)
#define WALK_REGIONS   512 /* in one frame */
#define WALK_STEPS     64  /* in one turn */

/* One client's recording: call->state. */
struct recording {
	struct control_call *call;
	uint64_t begin_ns; /* link's clock; times in records count from here */
	bool raw;
	const json_t *names; /* of the VMs that are wanted; NULL: all */
	uint32_t *vms;	     /* those that the client knows */
	size_t nr_vms;
	size_t capacity_vms;
	/* The walk that sends everything known: who is gone, then VM by VM, region by region. */
	size_t gone_left; /* the first so many of .vms may be gone */
	bool walking;
	bool walk_again;
	uint32_t walk_vm;
	uint64_t walk_rfn;
	/* Since the client fell behind. */
	bool behind;
	uint64_t lost_regions;
	/* Under way. */
	json_t *regions;
	uint32_t regions_vm;
};

static json_int_t since_begin(const struct recording *rec, uint64_t ns)
{
	return (json_int_t)(ns - rec->begin_ns);
}

static uint64_t now(const struct recording *rec)
{
	struct lp_status status;

	rec->call->core->ops->status(rec->call->core, &status);
	return status.now_ns;
}

/* A record of @kind and a time, nothing else. */
static struct record_view new_record(const struct recording *rec, const char *kind, uint64_t now_ns)
{
	return (struct record_view){
		.kind = kind,
		.time_ns = since_begin(rec, now_ns),
		.speed = UINT64_MAX,
		.vm_id = UINT64_MAX,
		.memory_bytes = UINT64_MAX,
		.walk_ns_per_s = UINT64_MAX,
		.notify_interval_ns = UINT64_MAX,
		.known_regions = UINT64_MAX,
		.lost_regions = UINT64_MAX,
	};
}

/* A client that is too slow is dropped by the server: there is nothing to do here. */
static void send(struct recording *rec, const struct record_view *record)
{
	(void)control_reply_more(rec->call, json_pack("{s:o}", "record",
						      fields_json(&control_record_fields, record)));
}

static void send_kind(struct recording *rec, const char *kind, uint64_t now_ns)
{
	const struct record_view record = new_record(rec, kind, now_ns);

	send(rec, &record);
}

/* ---- VMs ---- */

static bool named(const struct recording *rec, const struct lp_vm_snapshot *vm)
{
	struct control_word word;
	const json_t *name;
	size_t i;

	if (!rec->names)
		return true;
	json_array_foreach(rec->names, i, name) {
		control_parse_word(json_string_value(name), &word);
		if (word.id ? word.id == vm->vm.id :
			      word.name && strcmp(word.name, vm->identity.name) == 0)
			return true;
	}
	return false;
}

static size_t vm_index(const struct recording *rec, uint32_t vm_id)
{
	size_t i = 0;

	while (i < rec->nr_vms && rec->vms[i] != vm_id)
		i++;
	return i;
}

static bool is_notified(const struct recording *rec, uint32_t vm_id)
{
	return vm_index(rec, vm_id) < rec->nr_vms;
}

static int add_vm(struct recording *rec, uint32_t vm_id)
{
	int r = array_reserve(&rec->vms, &rec->capacity_vms, rec->nr_vms + 1, sizeof(*rec->vms));

	if (r < 0)
		return r;
	rec->vms[rec->nr_vms++] = vm_id;
	return 0;
}

/* Sends a VM if it is wanted. Returns whether it is. */
static bool notify_vm(struct recording *rec, uint32_t vm_id, uint64_t now_ns)
{
	struct lp_vm_snapshot vm;
	bool is_new = !is_notified(rec, vm_id);
	struct record_view record;

	if (rec->call->core->ops->vm(rec->call->core, vm_id, &vm) < 0 || !named(rec, &vm))
		return false;
	if (is_new && add_vm(rec, vm_id) < 0)
		return false;
	record = new_record(rec, "vm", now_ns);
	record.vm_id = vm_id;
	record.name = rec->raw ? vm.identity.name : NULL;
	record.memory_bytes = vm.identity.memory_bytes;
	record.walk_ns_per_s = vm.walk_cost_ns_per_s;
	record.notify_interval_ns = vm.notify_interval_ns;
	record.known_regions = vm.tracked_regions;
	send(rec, &record);
	/* Its name may have come after its first conversions. */
	rec->walk_again |= is_new && vm.tracked_regions;
	return true;
}

static void notify_gone(struct recording *rec, uint32_t vm_id, uint64_t now_ns)
{
	struct record_view record = new_record(rec, "gone", now_ns);
	size_t i = vm_index(rec, vm_id);

	if (i == rec->nr_vms)
		return;
	rec->vms[i] = rec->vms[--rec->nr_vms];
	record.vm_id = vm_id;
	send(rec, &record);
}

/* ---- regions ---- */

static int64_t stamp(const struct recording *rec, uint64_t ns)
{
	return ns ? (int64_t)(ns - rec->begin_ns) : INT64_MIN;
}

static json_t *observation_json(const struct recording *rec, const struct lp_region *region)
{
	const struct observation_view view = {
		.region = *region,
		.to_shared_ns = stamp(rec, region->last_to_shared_ns),
		.to_private_ns = stamp(rec, region->last_to_private_ns),
		.op_ns = stamp(rec, region->last_op_ns),
	};

	return fields_json(&control_observation_fields, &view);
}

/* Takes the reference to @regions. */
static void send_regions(struct recording *rec, uint32_t vm_id, uint64_t now_ns, json_t *regions)
{
	struct record_view record = new_record(rec, "regions", now_ns);

	record.vm_id = vm_id;
	record.regions = regions;
	send(rec, &record);
	json_decref(regions);
}

static void notify_regions(struct recording *rec, const struct lp_record_event *event)
{
	json_t *regions;

	if (!is_notified(rec, event->vm_id))
		return;
	regions = json_array();
	for (size_t i = 0; i < event->nr_regions; i++)
		json_array_append_new(regions, observation_json(rec, &event->regions[i]));
	send_regions(rec, event->vm_id, event->now_ns, regions);
}

/* ---- all that is known ---- */

/* The VM after @vm_id in ascending order, 0 at the end. */
static uint32_t next_vm(struct lp_core *core, uint32_t vm_id)
{
	uint32_t next;

	return vm_id < UINT32_MAX && core->ops->vm_ids(core, vm_id + 1, &next, 1) ? next : 0;
}

static int add_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct recording *rec = ctx;

	json_array_append_new(rec->regions, observation_json(rec, &region->region));
	return 0;
}

/* One step: a VM's next regions, or the next VM, or the end. */
static void walk_step(struct recording *rec)
{
	struct lp_core *core = rec->call->core;
	struct lp_region_filter filter = {.start_rfn = rec->walk_rfn, .limit = WALK_REGIONS};
	bool again = rec->walk_again;

	if (rec->walk_vm && is_notified(rec, rec->walk_vm)) {
		rec->regions = json_array();
		rec->walk_rfn = UINT64_MAX;
		(void)core->ops->regions(core, rec->walk_vm, &filter, add_region, rec,
					 &rec->walk_rfn);
		if (json_array_size(rec->regions))
			send_regions(rec, rec->walk_vm, now(rec), rec->regions);
		else
			json_decref(rec->regions);
		rec->regions = NULL;
		if (rec->walk_rfn != UINT64_MAX)
			return;
	}
	rec->walk_rfn = 0;
	rec->walk_vm = next_vm(core, rec->walk_vm);
	if (rec->walk_vm)
		(void)notify_vm(rec, rec->walk_vm, now(rec));
	/* A VM that this very walk has found is not new to it. */
	rec->walk_again = again;
	rec->walking = rec->walk_vm != 0;
	if (!rec->walking)
		send_kind(rec, "synced", now(rec));
}

/* One step: did a VM go while nothing could be sent? */
static void gone_step(struct recording *rec)
{
	struct lp_core *core = rec->call->core;
	struct lp_vm_snapshot vm;
	uint32_t vm_id;

	if (--rec->gone_left >= rec->nr_vms)
		return;
	vm_id = rec->vms[rec->gone_left];
	if (core->ops->vm(core, vm_id, &vm) < 0)
		notify_gone(rec, vm_id, now(rec));
}

/* Returns false when everything has been sent. */
static bool step(struct recording *rec)
{
	if (!rec->walking) {
		if (!rec->walk_again)
			return false;
		rec->walk_again = false;
		rec->walking = true;
		rec->walk_vm = 0;
		rec->walk_rfn = 0;
		rec->gone_left = rec->nr_vms;
	}
	if (rec->gone_left)
		gone_step(rec);
	else
		walk_step(rec);
	return true;
}

static void walk(struct recording *rec)
{
	for (unsigned int steps = 0; control_pending(rec->call) < WALK_MAX_BYTES; steps++) {
		if (steps == WALK_STEPS) {
			control_again(rec->call);
			return;
		}
		if (!step(rec))
			return;
	}
}

/* ---- live ---- */

static void on_event(void *ctx, const struct lp_record_event *event)
{
	struct recording *rec = ctx;

	rec->behind = rec->behind || control_pending(rec->call) >= LIVE_MAX_BYTES;
	if (rec->behind) {
		if (event->kind == LP_RECORD_REGIONS && is_notified(rec, event->vm_id))
			rec->lost_regions += event->nr_regions;
		return;
	}
	switch (event->kind) {
	case LP_RECORD_VM:
		(void)notify_vm(rec, event->vm_id, event->now_ns);
		break;
	case LP_RECORD_VM_GONE:
		notify_gone(rec, event->vm_id, event->now_ns);
		break;
	case LP_RECORD_REGIONS:
		notify_regions(rec, event);
		break;
	case LP_RECORD_LOSS:
		send_kind(rec, "loss", event->now_ns);
		break;
	}
	walk(rec);
}

void method_record_drained(struct control_call *call)
{
	struct recording *rec = call->state;
	struct record_view record;

	if (rec->behind) {
		record = new_record(rec, "lost", now(rec));
		record.lost_regions = rec->lost_regions;
		send(rec, &record);
		rec->behind = false;
		rec->lost_regions = 0;
		rec->walk_again = true;
	}
	walk(rec);
}

static void free_recording(struct recording *rec)
{
	free(rec->vms);
	free(rec);
}

/* Ids are not reused, so an unknown one stays unknown. A VM with the name may still start. */
static bool ids_exist(struct control_call *call, const json_t *names)
{
	struct control_word word;
	const json_t *name;
	uint32_t id;
	size_t i;

	json_array_foreach(names, i, name) {
		control_parse_word(json_string_value(name), &word);
		if ((word.id || !word.name) && !control_find_vm(call, json_string_value(name), &id))
			return false;
	}
	return true;
}

static void send_begin(struct recording *rec)
{
	struct lp_core *core = rec->call->core;
	struct record_view record;
	struct lp_status status;

	core->ops->status(core, &status);
	rec->begin_ns = status.now_ns;
	record = new_record(rec, "begin", status.now_ns);
	record.speed = status.speed;
	record.costs = &core->ops->config(core)->defaults;
	send(rec, &record);
}

void method_record(struct control_call *call)
{
	const json_t *names = json_object_get(call->params, "vms");
	bool raw = control_param_bool(call, "raw");
	struct recording *rec = call->state;
	int r;

	if (rec) {
		walk(rec);
		return;
	}
	if (raw && !call->write) {
		control_error(call, "org.varlink.service.PermissionDenied", NULL);
		return;
	}
	if (!ids_exist(call, names))
		return;
	rec = calloc(1, sizeof(*rec));
	if (!rec) {
		control_failed(call, -ENOMEM, NULL);
		return;
	}
	*rec = (struct recording){.call = call, .raw = raw, .names = names, .walk_again = true};
	r = call->core->ops->record(call->core, on_event, rec);
	if (r < 0) {
		free_recording(rec);
		control_failed(call, r, NULL);
		return;
	}
	call->state = rec;
	send_begin(rec);
	walk(rec);
}

void method_unrecord(struct control_call *call)
{
	struct recording *rec = call->state;

	if (!rec)
		return;
	call->core->ops->unrecord(call->core, on_event, rec);
	free_recording(rec);
}
