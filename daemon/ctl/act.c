// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/text.h>

#define INT JSON_INTEGER_FORMAT

static void print_refusal(struct ctl *ctl, const json_t *result)
{
	char word[TEXT_NAME_MAX];
	const char *layer = get_text(result, "reason_layer");

	if (get_int(result, "refused") == 0)
		return;
	fprintf(ctl->out, "  0x%" PRIx64 ": %s%s%s%s\n",
		(uint64_t)get_int(result, "reason_rfn") * REGION_BYTES,
		text_kebab(get_text(result, "reason"), word), *layer ? " (by the " : "", layer,
		*layer ? ")" : "");
}

static void print_done(struct ctl *ctl, const json_t *reply)
{
	size_t i;
	json_t *result;

	fprintf(ctl->out, "%s: %" INT " region%s done, %" INT " refused\n", get_text(reply, "op"),
		get_int(reply, "done"), plural(get_int(reply, "done")), get_int(reply, "refused"));
	if (get_int(reply, "refused"))
		fputs("first refusal of each range:\n", ctl->out);
	json_array_foreach(json_object_get(reply, "results"), i, result)
		print_refusal(ctl, result);
}

int ctl_range_op(struct ctl *ctl, const char *method, json_t *params)
{
	json_t *ranges = json_array(), *reply;
	json_int_t refused;
	int r = ctl_parse_ranges(ctl, ranges);

	json_object_set_new(params, "vm", json_string(ctl->args[0]));
	json_object_set_new(params, "ranges", ranges);
	if (r != CTL_OK) {
		json_decref(params);
		return r;
	}
	r = ctl_call(ctl, method, params, &reply);
	if (r != CTL_OK)
		return r;
	refused = get_int(reply, "refused");
	if (ctl->json) {
		r = ctl_print_json(ctl, reply);
	} else {
		print_done(ctl, reply);
		json_decref(reply);
	}
	return refused ? CTL_FAILED : r;
}

int verb_merge(struct ctl *ctl)
{
	return ctl_range_op(ctl, "Merge", json_object());
}

int verb_split(struct ctl *ctl)
{
	return ctl_range_op(ctl, "Split", json_object());
}

/* A call whose reply is empty. Takes the reference to @params. */
static int run_plain(struct ctl *ctl, const char *method, json_t *params)
{
	json_t *reply;
	int r = ctl_call(ctl, method, params, &reply);

	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	json_decref(reply);
	return CTL_OK;
}

static json_t *optional_vm(const struct ctl *ctl)
{
	return ctl->nr_args ? json_pack("{s:s}", "vm", ctl->args[0]) : json_object();
}

int verb_pause(struct ctl *ctl)
{
	json_t *params;
	uint64_t us = 0;
	int r = ctl_duration(ctl, "--for", "1s", "168h", &us);

	if (r != CTL_OK)
		return r;
	params = optional_vm(ctl);
	if (us)
		json_object_set_new(params, "for_us", json_integer((json_int_t)us));
	return run_plain(ctl, "Pause", params);
}

int verb_resume(struct ctl *ctl)
{
	return run_plain(ctl, "Resume", optional_vm(ctl));
}

int verb_dry_run(struct ctl *ctl)
{
	bool on = strcmp(ctl->args[0], "on") == 0;

	if (!on && strcmp(ctl->args[0], "off") != 0)
		return ctl_usage_error(ctl, "\"%s\": must be on or off", ctl->args[0]);
	return run_plain(ctl, "SetDryRun", json_pack("{s:b}", "on", on));
}

int verb_reload(struct ctl *ctl)
{
	json_t *reply;
	int r = ctl_call(ctl, "Reload", NULL, &reply);

	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	if (get_bool(reply, "missing"))
		fprintf(ctl->out, "%s does not exist; using the defaults\n",
			get_text(reply, "path"));
	else
		fprintf(ctl->out, "loaded %s, %" INT " rule%s\n", get_text(reply, "path"),
			get_int(reply, "rules"), plural(get_int(reply, "rules")));
	json_decref(reply);
	return CTL_OK;
}
