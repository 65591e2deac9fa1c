// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#include "daemon/config/config.h"
#include "daemon/control/config_json.h"
#include "daemon/control/methods.h"
#include "daemon/control/views.h"

void method_ping(struct control_call *call)
{
	control_reply(call, json_object());
}

/* ---- "fresh": ask the kernel, then run the method again ---- */

static const char asked[] = "asked"; /* call->state of the second run */

static void on_refreshed(void *ctx, int error)
{
	struct control_call *call = ctx;

	if (error)
		control_failed(call, error, "the kernel could not be queried");
	else
		call->method->call(call);
}

bool method_wait_fresh(struct control_call *call, uint32_t vm_id)
{
	int r;

	if (call->state || !control_param_bool(call, "fresh"))
		return false;
	call->state = (void *)(uintptr_t)asked;
	r = call->core->ops->refresh(call->core, vm_id, on_refreshed, call);
	if (r < 0)
		control_failed(call, r, "the kernel could not be queried");
	return true;
}

void method_unfresh(struct control_call *call)
{
	call->core->ops->refresh_cancel(call->core, call);
}

/* ---- host and VMs ---- */

/* The rules, or without memory none. *@ret is to be freed. */
static size_t take_rules(const struct lp_core *core, struct lp_rule_snapshot **ret)
{
	size_t nr = core->ops->rules(core, NULL, 0);

	*ret = calloc(nr + 1, sizeof(**ret));
	return *ret ? core->ops->rules(core, *ret, nr) : 0;
}

static json_t *rules_json(const struct lp_core *core)
{
	CLEANUP(freep) struct lp_rule_snapshot *rules = NULL;
	size_t nr = take_rules(core, &rules);
	json_t *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, fields_json(&control_rule_fields, &rules[i]));
	return list;
}

/* NULL: there is none. */
static json_t *rule_json(const struct lp_core *core, const char *name)
{
	CLEANUP(freep) struct lp_rule_snapshot *rules = NULL;
	size_t nr = take_rules(core, &rules);

	for (size_t i = 0; i < nr; i++) {
		if (!strcmp(rules[i].rule, *name ? name : LP_RULE_DEFAULTS))
			return fields_json(&control_rule_fields, &rules[i]);
	}
	return NULL;
}

void method_status(struct control_call *call)
{
	const struct config *config;
	struct host_view host = {0};
	char pressure[TEXT_NAME_MAX];

	if (method_wait_fresh(call, 0))
		return;
	call->core->ops->status(call->core, &host.status);
	if (host.status.pressure != LPAGE_REASON_NONE)
		host.pressure = text_snake(lpage_reason_name(host.status.pressure), pressure);
	config = call->core->ops->config(call->core);
	host.config_missing = config->missing;
	host.rules = config->nr_rules;
	control_reply(call,
		      json_pack("{s:o, s:o}", "host", fields_json(&control_host_fields, &host),
				"rules", rules_json(call->core)));
}

void method_get_shadow(struct control_call *call)
{
	struct lp_shadow_snapshot shadow;
	int r = call->core->ops->shadow(call->core, &shadow);

	control_reply(call, json_pack("{s:o}", "shadow",
				      r < 0 ? json_null() :
					      fields_json(&control_shadow_fields, &shadow)));
}

/* In one reply: each takes some ten microseconds. */
#define VMS_LIMIT 128

void method_list_vms(struct control_call *call)
{
	struct lp_core *core = call->core;
	uint32_t start = (uint32_t)control_param_int(call, "start", 0);
	size_t limit = (size_t)control_param_int(call, "limit", VMS_LIMIT);
	uint32_t ids[VMS_LIMIT + 1];
	struct vm_view vm;
	json_t *vms;
	size_t nr;

	if (method_wait_fresh(call, 0))
		return;
	limit = limit < VMS_LIMIT ? limit : VMS_LIMIT;
	nr = core->ops->vm_ids(core, start, ids, limit + 1);
	vms = json_array();
	for (size_t i = 0; i < nr && i < limit; i++) {
		if (control_vm_view(core, ids[i], &vm) == 0)
			json_array_append_new(vms, control_vm_json(&control_vm_fields, &vm));
	}
	control_reply(call, json_pack("{s:o, s:o?}", "vms", vms, "next",
				      nr > limit ? json_integer(ids[limit]) : NULL));
}

void method_show_vm(struct control_call *call)
{
	struct vm_view vm;
	uint32_t id;
	int r;

	if (!control_param_vm(call, &id) || method_wait_fresh(call, id))
		return;
	r = control_vm_view(call->core, id, &vm);
	if (r < 0)
		control_failed(call, r, NULL);
	else
		control_reply(call, json_pack("{s:o, s:o?}", "vm",
					      control_vm_json(&control_vm_detail_fields, &vm),
					      "rule", rule_json(call->core, vm.vm.rule)));
}

/* ---- regions ---- */

static int add_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct region_list *list = ctx;
	struct region_view view;

	if (json_array_size(list->regions) == list->limit)
		return 1;
	control_region_view(region, list->now_ns, &view);
	json_array_append_new(list->regions, fields_json(&control_region_fields, &view));
	return 0;
}

static uint32_t states_param(const struct control_call *call)
{
	uint32_t states = 0;
	size_t i;
	json_t *state;

	json_array_foreach(json_object_get(call->params, "states"), i, state)
		states |= UINT32_C(1) << lpage_state_from_name(json_string_value(state));
	return states;
}

static uint64_t link_now(struct lp_core *core)
{
	struct lp_status status;

	core->ops->status(core, &status);
	return status.now_ns;
}

int method_regions(struct lp_core *core, uint32_t vm_id, struct lp_region_filter *filter,
		   struct region_list *list)
{
	uint64_t next = UINT64_MAX;
	int r;

	list->now_ns = link_now(core);
	list->regions = json_array();
	r = core->ops->regions(core, vm_id, filter, add_region, list, &next);
	if (next != UINT64_MAX)
		list->next = json_integer((json_int_t)next);
	return r < 0 ? r : 0;
}

void method_list_regions(struct control_call *call)
{
	struct region_list list = {
		.limit = (size_t)control_param_int(call, "limit", CONTROL_REGIONS_LIMIT),
	};
	struct lp_region_filter filter = {
		.start_rfn = (uint64_t)control_param_int(call, "start_rfn", 0),
		.nr_regions = (uint64_t)control_param_int(call, "nr_regions", 0),
		.states = states_param(call),
	};
	uint32_t id;
	int r;

	if (!control_param_vm(call, &id) || method_wait_fresh(call, id))
		return;
	r = method_regions(call->core, id, &filter, &list);
	if (r < 0) {
		json_decref(list.regions);
		json_decref(list.next);
		control_failed(call, r, NULL);
		return;
	}
	control_reply(call, json_pack("{s:I, s:o, s:o?}", "vm", (json_int_t)id, "regions",
				      list.regions, "next_rfn", list.next));
}

/* ---- configuration ---- */

static json_t *config_reply(const struct config *config, const char *text, bool origins)
{
	return json_pack("{s:s, s:b, s:o, s:s, s:o, s:o*}", "path", config->path, "missing",
			 config->missing, "files", control_files_json(config), "text", text,
			 "config", control_config_json(config), "origins",
			 origins ? control_origins_json(config) : NULL);
}

void method_get_config(struct control_call *call)
{
	bool origins = json_is_true(json_object_get(call->params, "origins"));
	const struct config *config = call->core->ops->config(call->core);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		control_failed(call, -ENOMEM, NULL);
		return;
	}
	if (origins)
		config_print_effective(f, config);
	else
		config_print(f, config);
	if (fclose(f) == 0)
		control_reply(call, config_reply(config, text, origins));
	else
		control_failed(call, -ENOMEM, NULL);
	free(text);
}
