// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/verbs.h"

/* "FILE", "FILE, DROP-IN", or that there is none. */
static void print_files(struct ctl *ctl, json_t *reply)
{
	json_t *files = json_object_get(reply, "files"), *file;
	size_t i;

	if (json_array_size(files) == 0)
		fprintf(ctl->out, "%s%s", get_text(reply, "path"),
			get_bool(reply, "missing") ? " (does not exist, using the defaults)" : "");
	json_array_foreach(files, i, file)
		fprintf(ctl->out, "%s%s", i ? ", " : "", json_string_value(file));
}

int verb_config_show(struct ctl *ctl)
{
	bool origins = ctl_option(ctl, "--effective");
	json_t *reply;
	int r = ctl_call(ctl, "GetConfig", origins ? json_pack("{s:b}", "origins", true) : NULL,
			 &reply);

	if (r != CTL_OK)
		return r;
	if (ctl->json) {
		json_object_del(reply, "text");
		return ctl_print_json(ctl, reply);
	}
	fputs("# configuration in force, from ", ctl->out);
	print_files(ctl, reply);
	fprintf(ctl->out, "\n%s", get_text(reply, "text"));
	json_decref(reply);
	return CTL_OK;
}

static json_t *text_or_null(const char *text)
{
	json_t *string = text ? json_string(text) : NULL;

	return string ? string : json_null();
}

static json_t *errors_json(const struct config_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->nr; i++) {
		const struct config_error *e = &errors->errors[i];

		/* A path may be any bytes. */
		json_array_append_new(
			list, json_pack("{s:o, s:i, s:i, s:o, s:o, s:o, s:o}", "path",
					text_or_null(e->path), "line", e->line, "column", e->column,
					"key", text_or_null(e->key), "value",
					text_or_null(e->value), "allowed", text_or_null(e->allowed),
					"message", text_or_null(e->message)));
	}
	return list;
}

/* As the daemon does it: only a file that was named has to be there. */
int verb_config_check(struct ctl *ctl)
{
	const char *path = ctl->nr_args ? ctl->args[0] : CONFIG_PATH;
	struct config_errors errors = {0}, warnings = {0};
	struct config *config = NULL;
	int r = config_load(path, ctl->nr_args, &config, &errors);
	int code = r < 0 ? CTL_FAILED : CTL_OK;

	if (r == 0)
		r = config_lint(config, &warnings);
	if (r == -ENOMEM)
		code = ctl_failure(ctl, "%s", strerror(ENOMEM));
	else if (ctl->json)
		ctl_print_json(ctl, json_pack("{s:s, s:b, s:o, s:I, s:o}", "path", path, "good",
					      r == 0, "errors", errors_json(&errors), "suppressed",
					      (json_int_t)errors.suppressed, "warnings",
					      errors_json(&warnings)));
	else if (r < 0)
		config_errors_print(ctl->err, &errors);
	else
		config_good_print(ctl->out, path, config);
	if (!ctl->json)
		config_warnings_print(ctl->err, &warnings);
	config_errors_done(&warnings);
	config_free(config);
	config_errors_done(&errors);
	return code;
}
