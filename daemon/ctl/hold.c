// SPDX-License-Identifier: GPL-2.0-or-later
/* Holds: of regions, which the kernel keeps, and of whole VMs, which the daemon keeps. */
#include "daemon/ctl/call.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"

#define INT JSON_INTEGER_FORMAT

#define DEFAULT_OWNER "admin"
#define DEFAULT_US    UINT64_C(60000000)

static const char *owner_of(const struct ctl *ctl)
{
	return ctl_option(ctl, "--owner") ? ctl_option(ctl, "--owner") : DEFAULT_OWNER;
}

/* Options that only a whole VM has. */
static int refuse_options(struct ctl *ctl, const char *a, const char *b)
{
	if (ctl_option(ctl, a) || ctl_option(ctl, b))
		return ctl_usage_error(ctl, "%s applies to a whole VM, without RANGE",
				       ctl_option(ctl, a) ? a : b);
	return CTL_OK;
}

static int hold_regions(struct ctl *ctl)
{
	uint64_t us = DEFAULT_US;
	int r = refuse_options(ctl, "--owner", "--attached");

	if (r == CTL_OK)
		r = ctl_duration(ctl, "--for", "1s", "1h", &us);
	if (r != CTL_OK)
		return r;
	return ctl_range_op(ctl, "Hold", json_pack("{s:I}", "ttl_us", (json_int_t)us));
}

/* Without @us: no end. */
static json_t *hold_params(const struct ctl *ctl, uint64_t us)
{
	json_t *params = json_pack("{s:s, s:s}", "vm", ctl->args[0], "owner", owner_of(ctl));

	if (us)
		json_object_set_new(params, "for_us", json_integer((json_int_t)us));
	return params;
}

static void print_held(struct ctl *ctl, const json_t *reply, uint64_t us, const char *more)
{
	json_t *left = json_integer((json_int_t)us);
	char text[FORMAT_MAX];

	fprintf(ctl->out, "VM %" INT " is held by %s%s%s%s\n", get_int(reply, "vm"),
		get_text(reply, "owner"), us ? " for " : "", us ? format_us(left, text) : "", more);
	json_decref(left);
}

static int hold_vm(struct ctl *ctl)
{
	uint64_t us = DEFAULT_US;
	json_t *reply;
	int r = ctl_duration(ctl, "--for", "1s", "168h", &us);

	if (r == CTL_OK)
		r = ctl_call(ctl, "HoldVm", hold_params(ctl, us), &reply);
	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	print_held(ctl, reply, us, "");
	json_decref(reply);
	return CTL_OK;
}

/* ---- with the connection ---- */

/* Says in @ret_goes_on whether the hold goes on. Returns CTL_OK, or complains. */
static int show_attached(struct ctl *ctl, const json_t *reply, uint64_t us, bool *ret_goes_on)
{
	const char *ended = get_text(reply, "ended");
	int r = ctl_check_reply(ctl, "HoldVmAttached", reply);

	if (r != CTL_OK)
		return r;
	*ret_goes_on = !*ended;
	if (ctl->json)
		return ctl_print_json(ctl, json_deep_copy(reply));
	if (!*ended)
		print_held(ctl, reply, us, us ? ", or until interrupted" : " until interrupted");
	else
		fprintf(ctl->out, "the hold of VM %" INT " by %s has ended: %s\n",
			get_int(reply, "vm"), get_text(reply, "owner"), ended);
	return CTL_OK;
}

static int hold_attached(struct ctl *ctl)
{
	bool goes_on = true;
	json_t *params, *reply;
	uint64_t us = 0;
	int r = ctl_duration(ctl, "--for", "1s", "168h", &us), error;

	if (r == CTL_OK)
		r = ctl_connect_to_wait(ctl);
	if (r != CTL_OK)
		return r;
	params = hold_params(ctl, us);
	error = ctl_client_send(ctl->client, "HoldVmAttached", params, true);
	json_decref(params);
	if (error < 0)
		return ctl_lost(ctl, error);
	while (r == CTL_OK && goes_on) {
		r = ctl_receive(ctl, -1, &reply);
		if (r != CTL_OK)
			break;
		r = show_attached(ctl, reply, us, &goes_on);
		json_decref(reply);
		/* Whoever started this waits for the line. */
		if (r == CTL_OK)
			r = ctl_flush(ctl);
	}
	return r;
}

int verb_hold(struct ctl *ctl)
{
	if (ctl->nr_args > 1)
		return hold_regions(ctl);
	return ctl_option(ctl, "--attached") ? hold_attached(ctl) : hold_vm(ctl);
}

/* ---- release ---- */

static void print_released(struct ctl *ctl, const json_t *reply)
{
	json_int_t nr = get_int(reply, "released");

	if (nr)
		fprintf(ctl->out, "VM %" INT ": released %" INT " hold%s\n", get_int(reply, "vm"),
			nr, plural(nr));
	else
		fprintf(ctl->out, "VM %" INT " was not held%s%s\n", get_int(reply, "vm"),
			ctl_option(ctl, "--all") ? "" : " by ",
			ctl_option(ctl, "--all") ? "" : owner_of(ctl));
}

static int release_vm(struct ctl *ctl)
{
	bool all = ctl_option(ctl, "--all");
	json_t *reply;
	int r;

	if (all && ctl_option(ctl, "--owner"))
		return ctl_usage_error(ctl, "--all and --owner exclude each other");
	r = ctl_call(ctl, "ReleaseVm",
		     json_pack("{s:s, s:s*}", "vm", ctl->args[0], "owner",
			       all ? NULL : owner_of(ctl)),
		     &reply);
	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	print_released(ctl, reply);
	json_decref(reply);
	return CTL_OK;
}

int verb_release(struct ctl *ctl)
{
	int r;

	if (ctl->nr_args == 1)
		return release_vm(ctl);
	r = refuse_options(ctl, "--owner", "--all");
	return r == CTL_OK ? ctl_range_op(ctl, "Release", json_object()) : r;
}
