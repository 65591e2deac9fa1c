// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/call.h"

/* Nobody waits for an answer that there is no memory for; of a stream it is the end. */
static const char no_memory[] = "{\"error\":\"" CONTROL_INTERFACE
				".Failed\",\"parameters\":{\"errno\":\"ENOMEM\",\"text\":"
				"\"Cannot allocate memory\"}}";

/* Takes the reference to @frame; NULL: there was no memory for it. */
static int send_frame(const struct control_call *call, json_t *frame)
{
	char *text = frame ? json_dumps(frame, JSON_COMPACT) : NULL;
	const char *sent = text ? text : no_memory;
	int r = call->channel->send(call->channel->ctx, sent, strlen(sent));

	free(text);
	json_decref(frame);
	return text ? r : -ENOMEM;
}

void control_reply(struct control_call *call, json_t *params)
{
	/* Nobody waits for an answer that cannot be made, such as of a path that is not UTF-8. */
	if (!params) {
		control_failed(call, -EILSEQ, "the reply cannot be encoded as JSON");
		return;
	}
	if (call->oneway)
		json_decref(params);
	else
		(void)send_frame(call, json_pack("{s:o}", "parameters", params));
	call->channel->done(call->channel->ctx);
}

int control_reply_more(struct control_call *call, json_t *params)
{
	if (call->oneway) {
		json_decref(params);
		return 0;
	}
	return send_frame(call, json_pack("{s:o, s:b}", "parameters", params, "continues", 1));
}

size_t control_pending(const struct control_call *call)
{
	return call->channel->pending(call->channel->ctx);
}

void control_again(struct control_call *call)
{
	call->channel->again(call->channel->ctx);
}

void control_error(struct control_call *call, const char *name, json_t *params)
{
	char full[128];

	snprintf(full, sizeof(full), "%s%s", strchr(name, '.') ? "" : CONTROL_INTERFACE ".", name);
	if (call->oneway)
		json_decref(params);
	else
		(void)send_frame(call, json_pack("{s:s, s:o}", "error", full, "parameters",
						 params ? params : json_object()));
	call->channel->done(call->channel->ctx);
}

void control_bad_value(struct control_call *call, const char *parameter, json_t *value,
		       const char *allowed)
{
	control_error(call, "BadValue",
		      json_pack("{s:s, s:O, s:s}", "parameter", parameter, "value",
				value ? value : json_null(), "allowed", allowed));
}

void control_failed(struct control_call *call, int error, const char *text)
{
	const char *name = strerrorname_np(-error);

	control_error(call, "Failed",
		      json_pack("{s:s, s:s}", "errno", name ? name : "unknown", "text",
				text ? text : strerror(-error)));
}

void control_not_kept(struct control_call *call, int error, const char *too_many)
{
	char text[128];

	if (error == -ESRCH || error == -ENOMEM) {
		control_failed(call, error, NULL);
	} else if (error == -E2BIG) {
		control_failed(call, error, too_many);
	} else {
		snprintf(text, sizeof(text), "cannot write the state file: %s", strerror(-error));
		control_failed(call, error, text);
	}
}
