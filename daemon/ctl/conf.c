// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/verbs.h"

int verb_config_show(struct ctl *ctl)
{
	json_t *reply;
	int r = ctl_call(ctl, "GetConfig", NULL, &reply);

	if (r != CTL_OK)
		return r;
	if (ctl->json) {
		json_object_del(reply, "text");
		return ctl_print_json(ctl, reply);
	}
	fprintf(ctl->out, "# configuration in force, from %s%s\n%s", get_text(reply, "path"),
		get_bool(reply, "missing") ? " (does not exist, using the defaults)" : "",
		get_text(reply, "text"));
	json_decref(reply);
	return CTL_OK;
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *errors_json(const struct config_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->nr; i++) {
		const struct config_error *e = &errors->errors[i];
		json_t *value = text_or_null(e->value);

		/* A value may be any bytes. */
		json_array_append_new(list,
				      json_pack("{s:i, s:i, s:o, s:o, s:o, s:s}", "line", e->line,
						"column", e->column, "key", text_or_null(e->key),
						"value", value ? value : json_null(), "allowed",
						text_or_null(e->allowed), "message", e->message));
	}
	return list;
}

int verb_config_check(struct ctl *ctl)
{
	const char *path = ctl->nr_args ? ctl->args[0] : CONFIG_PATH;
	struct config_errors errors = {0};
	struct config *config = NULL;
	int r = config_load(path, true, &config, &errors), code = r < 0 ? CTL_FAILED : CTL_OK;

	if (r == -ENOMEM)
		code = ctl_failure(ctl, "%s", strerror(ENOMEM));
	else if (ctl->json)
		ctl_print_json(ctl, json_pack("{s:s, s:b, s:o, s:I}", "path", path, "good", r == 0,
					      "errors", errors_json(&errors), "suppressed",
					      (json_int_t)errors.suppressed));
	else if (r < 0)
		config_errors_print(ctl->err, &errors);
	else
		fprintf(ctl->out, "%s is valid, %zu rule%s\n", path, config->nr_rules,
			plural((json_int_t)config->nr_rules));
	config_free(config);
	config_errors_done(&errors);
	return code;
}
