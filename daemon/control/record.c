// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Record: what the link tells, as a stream. What a client has not read yet is bounded: beyond it
 * observations are counted and left out, and once the client has caught up, it is told how many, and
 * everything that is known is sent again. The core is never held up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/control/methods.h"
#include "daemon/control/views.h"

/* Waiting output above which live observations are left out, and above which the walk pauses. */
#define LIVE_MAX_BYTES (1u << 20)
#define WALK_MAX_BYTES (256u << 10)
#define WALK_REGIONS   512 /* in one frame */

/* One client's recording: call->state. */
struct recording {
	struct control_call *call;
	uint64_t begin_ns; /* link's clock; times are told from here */
	bool raw;
	const json_t *names; /* of the VMs that are wanted; NULL: all */
	uint32_t *vms;	     /* those that the client was told of */
	size_t nr_vms;
	size_t room_vms;
	/* Telling all that is known: every VM in turn, region by region. */
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

/* Sends a record of @kind; takes the reference to @members. */
static void send(struct recording *rec, const char *kind, uint64_t now_ns, json_t *members)
{
	json_t *record = members ? members : json_object();

	json_object_set_new(record, "kind", json_string(kind));
	json_object_set_new(record, "time_ns", json_integer(since_begin(rec, now_ns)));
	/* A client that is dropped all the same is the server's to end. */
	(void)control_reply_more(rec->call, json_pack("{s:o}", "record", record));
}

/* ---- VMs ---- */

static bool named(const struct recording *rec, const struct lp_vm_snapshot *vm)
{
	const json_t *name;
	char id[16];
	size_t i;

	if (!rec->names)
		return true;
	snprintf(id, sizeof(id), "%u", vm->vm.id);
	json_array_foreach(rec->names, i, name) {
		const char *text = json_string_value(name);

		if (strcmp(text, id) == 0 || strcmp(text, vm->identity.name) == 0)
			return true;
	}
	return false;
}

static size_t told_index(const struct recording *rec, uint32_t vm_id)
{
	size_t i = 0;

	while (i < rec->nr_vms && rec->vms[i] != vm_id)
		i++;
	return i;
}

static bool is_told(const struct recording *rec, uint32_t vm_id)
{
	return told_index(rec, vm_id) < rec->nr_vms;
}

static int note_told(struct recording *rec, uint32_t vm_id)
{
	if (rec->nr_vms == rec->room_vms) {
		size_t room = rec->room_vms ? 2 * rec->room_vms : 16;
		uint32_t *vms = reallocarray(rec->vms, room, sizeof(*vms));

		if (!vms)
			return -ENOMEM;
		rec->vms = vms;
		rec->room_vms = room;
	}
	rec->vms[rec->nr_vms++] = vm_id;
	return 0;
}

/* Tells of a VM if it is wanted. Returns whether it is. */
static bool tell_vm(struct recording *rec, uint32_t vm_id, uint64_t now_ns)
{
	struct lp_vm_snapshot vm;
	bool is_new = !is_told(rec, vm_id);

	if (rec->call->core->ops->vm(rec->call->core, vm_id, &vm) < 0 || !named(rec, &vm))
		return false;
	if (is_new && note_told(rec, vm_id) < 0)
		return false;
	send(rec, "vm", now_ns,
	     json_pack("{s:I, s:s?, s:I, s:I, s:I, s:I}", "vm", (json_int_t)vm_id, "name",
		       rec->raw && vm.identity.name[0] ? vm.identity.name : NULL, "memory_bytes",
		       (json_int_t)vm.identity.memory_bytes, "walk_ns_per_s",
		       (json_int_t)vm.walk_cost_ns_per_s, "notify_interval_us",
		       (json_int_t)(vm.notify_interval_ns / 1000), "known_regions",
		       (json_int_t)vm.tracked_regions));
	/* Its name may have come after its first conversions. */
	rec->walk_again |= is_new && vm.tracked_regions;
	return true;
}

static void tell_gone(struct recording *rec, uint32_t vm_id, uint64_t now_ns)
{
	size_t i = told_index(rec, vm_id);

	if (i == rec->nr_vms)
		return;
	rec->vms[i] = rec->vms[--rec->nr_vms];
	send(rec, "gone", now_ns, json_pack("{s:I}", "vm", (json_int_t)vm_id));
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

static void send_regions(struct recording *rec, uint32_t vm_id, uint64_t now_ns, json_t *regions)
{
	send(rec, "regions", now_ns,
	     json_pack("{s:I, s:o}", "vm", (json_int_t)vm_id, "regions", regions));
}

static void tell_regions(struct recording *rec, const struct lp_record_event *event)
{
	json_t *regions;

	if (!is_told(rec, event->vm_id))
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
	size_t room = core->ops->vm_ids(core, NULL, 0), nr;
	uint32_t *ids = calloc(room ? room : 1, sizeof(*ids)), next = 0;

	if (!ids)
		return 0;
	nr = core->ops->vm_ids(core, ids, room);
	for (size_t i = 0; i < nr && i < room && !next; i++)
		next = ids[i] > vm_id ? ids[i] : 0;
	free(ids);
	return next;
}

static int add_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct recording *rec = ctx;

	rec->walk_rfn = region->region.rfn + 1;
	json_array_append_new(rec->regions, observation_json(rec, &region->region));
	return 0;
}

/* One step: a VM's next regions, or the next VM, or the end. */
static void walk_step(struct recording *rec)
{
	struct lp_core *core = rec->call->core;
	struct lp_region_filter filter = {.start_rfn = rec->walk_rfn, .limit = WALK_REGIONS};
	bool again = rec->walk_again;
	size_t nr = 0;

	if (rec->walk_vm && is_told(rec, rec->walk_vm)) {
		rec->regions = json_array();
		(void)core->ops->regions(core, rec->walk_vm, &filter, add_region, rec);
		nr = json_array_size(rec->regions);
		if (nr)
			send_regions(rec, rec->walk_vm, now(rec), rec->regions);
		else
			json_decref(rec->regions);
		rec->regions = NULL;
	}
	if (nr)
		return;
	rec->walk_rfn = 0;
	rec->walk_vm = next_vm(core, rec->walk_vm);
	if (rec->walk_vm)
		(void)tell_vm(rec, rec->walk_vm, now(rec));
	/* A VM that this very walk has found is not new to it. */
	rec->walk_again = again;
	rec->walking = rec->walk_vm != 0;
	if (!rec->walking)
		send(rec, "synced", now(rec), NULL);
}

/* Those that went while the client could not be told. */
static void drop_gone(struct recording *rec)
{
	struct lp_vm_snapshot vm;

	for (size_t i = rec->nr_vms; i-- > 0;) {
		if (rec->call->core->ops->vm(rec->call->core, rec->vms[i], &vm) < 0)
			tell_gone(rec, rec->vms[i], now(rec));
	}
}

static void walk(struct recording *rec)
{
	while (control_pending(rec->call) < WALK_MAX_BYTES) {
		if (!rec->walking) {
			if (!rec->walk_again)
				break;
			rec->walk_again = false;
			rec->walking = true;
			rec->walk_vm = 0;
			rec->walk_rfn = 0;
			drop_gone(rec);
		}
		walk_step(rec);
	}
}

/* ---- live ---- */

static void on_event(void *ctx, const struct lp_record_event *event)
{
	struct recording *rec = ctx;

	rec->behind = rec->behind || control_pending(rec->call) >= LIVE_MAX_BYTES;
	if (rec->behind) {
		if (event->kind == LP_RECORD_REGIONS && is_told(rec, event->vm_id))
			rec->lost_regions += event->nr_regions;
		return;
	}
	switch (event->kind) {
	case LP_RECORD_VM:
		(void)tell_vm(rec, event->vm_id, event->now_ns);
		break;
	case LP_RECORD_VM_GONE:
		tell_gone(rec, event->vm_id, event->now_ns);
		break;
	case LP_RECORD_REGIONS:
		tell_regions(rec, event);
		break;
	case LP_RECORD_LOSS:
		send(rec, "loss", event->now_ns, NULL);
		break;
	}
	walk(rec);
}

void method_record_drained(struct control_call *call)
{
	struct recording *rec = call->state;

	if (rec->behind) {
		send(rec, "lost", now(rec),
		     json_pack("{s:I}", "lost", (json_int_t)rec->lost_regions));
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

/* An id that is not there never comes: ids are not reused. A name may yet come. */
static bool ids_exist(struct control_call *call, const json_t *names)
{
	struct lp_vm_snapshot vm;
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		unsigned long long id = strtoull(text, NULL, 10);

		if (text[strspn(text, "0123456789")] ||
		    (id <= UINT32_MAX && call->core->ops->vm(call->core, (uint32_t)id, &vm) == 0))
			continue;
		control_error(call, "NoSuchVm", json_pack("{s:s}", "vm", text));
		return false;
	}
	return true;
}

static void send_begin(struct recording *rec)
{
	const struct config *config = rec->call->core->ops->config(rec->call->core);
	const struct config_settings *costs = &config->defaults;
	struct lp_status status;

	rec->call->core->ops->status(rec->call->core, &status);
	rec->begin_ns = status.now_ns;
	send(rec, "begin", status.now_ns,
	     json_pack("{s:I, s:{s:I, s:I, s:I}}", "speed", (json_int_t)status.speed, "costs",
		       "merge_ns", (json_int_t)costs->merge_cost_ns, "split_ns",
		       (json_int_t)costs->split_cost_ns, "fail_ns",
		       (json_int_t)costs->fail_cost_ns));
}

void method_record(struct control_call *call)
{
	const json_t *names = json_object_get(call->params, "vms");
	bool raw = control_param_bool(call, "raw");
	struct recording *rec;
	int r;

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
