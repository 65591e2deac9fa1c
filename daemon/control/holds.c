// SPDX-License-Identifier: GPL-2.0-or-later
/* Holds of whole VMs, with and without a connection that they end with. */
#include <errno.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#include "daemon/control/methods.h"

#define TOO_MANY "too many holds"

_Static_assert(CONTROL_OWNER_MAX == LP_HOLD_OWNER_MAX, "an owner fits into the core");

/* Reads the parameters; ends @call and returns false when one is wrong. @ret_owner NULL: none was given. */
static bool read_params(struct control_call *call, uint32_t *ret_id, const char **ret_owner)
{
	json_t *owner = json_object_get(call->params, "owner");

	*ret_owner = json_string_value(owner);
	for (const char *c = *ret_owner; c && *c; c++) {
		if (text_is_name_char(*c))
			continue;
		control_bad_value(call, "owner", owner, "letters, digits and . _ : @ + -");
		return false;
	}
	return control_param_vm(call, ret_id);
}

static int hold(struct control_call *call, uint32_t id, const char *owner, lp_hold_cb ended)
{
	uint64_t for_ns = (uint64_t)control_param_int(call, "for_us", 0) * NS_PER_US;

	return call->core->ops->hold_vm(call->core, id, owner, for_ns, ended, call);
}

void method_hold_vm(struct control_call *call)
{
	const char *owner;
	uint32_t id;
	int r;

	if (!read_params(call, &id, &owner))
		return;
	r = hold(call, id, owner, NULL);
	if (r < 0)
		control_not_kept(call, r, TOO_MANY);
	else
		control_reply(call, json_pack("{s:I, s:s}", "vm", (json_int_t)id, "owner", owner));
}

static json_t *attached_json(const struct control_call *call, const char *ended)
{
	uint32_t id = (uint32_t)(uintptr_t)call->state;

	return json_pack("{s:I, s:O, s:s?}", "vm", (json_int_t)id, "owner",
			 json_object_get(call->params, "owner"), "ended", ended);
}

static void on_ended(void *ctx, const char *why)
{
	struct control_call *call = ctx;

	control_reply(call, attached_json(call, why));
}

void method_hold_vm_attached(struct control_call *call)
{
	const char *owner;
	uint32_t id;
	int r;

	if (!read_params(call, &id, &owner))
		return;
	call->state = (void *)(uintptr_t)id;
	r = hold(call, id, owner, on_ended);
	if (r < 0)
		control_not_kept(call, r, TOO_MANY);
	else
		(void)control_reply_more(call, attached_json(call, NULL));
}

void method_unhold_vm(struct control_call *call)
{
	call->core->ops->hold_cancel(call->core, call);
}

void method_release_vm(struct control_call *call)
{
	const char *owner;
	uint32_t id;
	int r;

	if (!read_params(call, &id, &owner))
		return;
	r = call->core->ops->release_vm(call->core, id, owner);
	if (r < 0)
		control_not_kept(call, r, TOO_MANY);
	else
		control_reply(call, json_pack("{s:I, s:i}", "vm", (json_int_t)id, "released", r));
}
