// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/control/methods.h"

static json_t *lines_json(char *text)
{
	json_t *lines = json_array();
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		/* A path need not be UTF-8, the complaint about it is not lost for that. */
		if (json_array_append_new(lines, json_string(line)) < 0)
			json_array_append_new(lines, json_string("(a line that is not UTF-8)"));
	return lines;
}

void method_reload(struct control_call *call)
{
	struct lp_core *core = call->core;
	const struct config *config;
	char *text = NULL;
	int r = core->ops->reload(core, &text);

	if (r < 0 && text) {
		control_error(call, "BadConfig", json_pack("{s:o}", "errors", lines_json(text)));
	} else if (r < 0) {
		control_failed(call, r, NULL);
	} else {
		config = core->ops->config(core);
		control_reply(call,
			      json_pack("{s:s, s:b, s:I}", "path", config->path, "missing",
					config->missing, "rules", (json_int_t)config->nr_rules));
	}
	free(text);
}

static void reply_result(struct control_call *call, int r)
{
	if (r < 0)
		control_not_kept(call, r, "too many VMs are paused");
	else
		control_reply(call, json_object());
}

static void set_paused(struct control_call *call, bool paused)
{
	uint64_t for_ns = (uint64_t)control_param_int(call, "for_us", 0) * NS_PER_US;
	uint32_t id;

	if (control_param_vm(call, &id))
		reply_result(call, call->core->ops->set_paused(call->core, id, paused, for_ns));
}

void method_pause(struct control_call *call)
{
	set_paused(call, true);
}

void method_resume(struct control_call *call)
{
	set_paused(call, false);
}

void method_set_dry_run(struct control_call *call)
{
	bool on = control_param_bool(call, "on");

	reply_result(call, call->core->ops->set_dry_run(call->core, on));
}
