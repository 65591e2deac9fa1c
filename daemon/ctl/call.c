// SPDX-License-Identifier: GPL-2.0-or-later
/* Connects to the daemon, and turns its errors into messages and exit codes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/call.h"
#include "daemon/ctl/client.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/protocol.h>
#include <tdx-lpage/text.h>

static bool wants_control(const struct ctl *ctl)
{
	return ctl->verb->write || ctl->write;
}

static int unreachable(struct ctl *ctl, const char *path, int error)
{
	fprintf(ctl->err, "tdx-lpctl: cannot reach tdx-lpaged at %s: %s\n", path, strerror(-error));
	if (error == -EACCES)
		fprintf(ctl->err,
			wants_control(ctl) ?
				"Requires root or membership in the group tdx-lpage-admin.\n" :
				"Requires root or membership in the group tdx-lpage.\n");
	else if (error == -ENOENT || error == -ECONNREFUSED)
		fprintf(ctl->err, "Is it running? Try: systemctl status tdx-lpaged\n");
	return CTL_UNREACHABLE;
}

static int try_connect(struct ctl *ctl, const char *name, char *path, size_t size)
{
	if (ctl->socket)
		snprintf(path, size, "%s", ctl->socket);
	else
		snprintf(path, size, "%s/%s", ctl->env.runtime_dir, name);
	return ctl_client_connect(path, ctl->timeout_ms, &ctl->client);
}

/* The daemon closes a connection that it has no place for, which only the first call shows. */
static int check_admitted(struct ctl *ctl)
{
	int r = ctl_client_ping(ctl->client, ctl->timeout_ms);

	if (r < 0)
		ctl->client = ctl_client_close(ctl->client);
	return r;
}

/* The control socket can read, too, and is for fewer. */
static int connect_to_read(struct ctl *ctl, char *path, size_t size)
{
	char other[4096];
	int r = try_connect(ctl, CONTROL_READ_SOCKET, path, size);

	if (r == 0)
		r = check_admitted(ctl);
	if (r < 0 && r != -ETIMEDOUT && try_connect(ctl, CONTROL_SOCKET, other, sizeof(other)) == 0)
		r = 0;
	return r;
}

int ctl_connect(struct ctl *ctl)
{
	char path[4096];
	int r;

	if (ctl->client)
		return CTL_OK;
	if (wants_control(ctl) || ctl->socket)
		r = try_connect(ctl, CONTROL_SOCKET, path, sizeof(path));
	else
		r = connect_to_read(ctl, path, sizeof(path));
	if (r == -ETIMEDOUT || r == -ECONNRESET || r == -EPIPE)
		return ctl_lost(ctl, r);
	return r < 0 ? unreachable(ctl, path, r) : CTL_OK;
}

int ctl_connect_to_wait(struct ctl *ctl)
{
	int r = ctl_connect(ctl), error;

	if (r != CTL_OK)
		return r;
	error = check_admitted(ctl);
	return error < 0 ? ctl_lost(ctl, error) : CTL_OK;
}

int ctl_lost(struct ctl *ctl, int error)
{
	ctl->client = ctl_client_close(ctl->client);
	if (error == -ETIMEDOUT)
		fprintf(ctl->err, "tdx-lpctl: tdx-lpaged does not respond\n");
	else if (error == -ECONNRESET || error == -EPIPE)
		fprintf(ctl->err,
			"tdx-lpctl: tdx-lpaged closed the connection; it was stopped, or it "
			"has too many clients\n");
	else
		fprintf(ctl->err, "tdx-lpctl: connection to tdx-lpaged failed: %s\n",
			strerror(-error));
	return CTL_UNREACHABLE;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

static int complain_bad_value(struct ctl *ctl, const json_t *params)
{
	char name[TEXT_NAME_MAX];
	json_t *value = json_object_get(params, "value");
	char *dump = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	fprintf(ctl->err, "tdx-lpctl: %s: %.80s is %s (allowed: %s)\n",
		text_kebab(text_of(params, "parameter"), name), dump ? dump : "null",
		json_is_number(value) ? "out of range" : "not valid", text_of(params, "allowed"));
	free(dump);
	return CTL_USAGE;
}

static int complain_ambiguous(struct ctl *ctl, const json_t *params)
{
	const char *vm = text_of(params, "vm");
	size_t i;
	json_t *id;

	if (!vm[strspn(vm, "0123456789")])
		return ctl_failure(ctl, "%s may be an id or a name; write id:%s or name:%s", vm, vm,
				   vm);
	fprintf(ctl->err, "tdx-lpctl: several VMs are named %s; use one of:", vm);
	json_array_foreach(json_object_get(params, "candidates"), i, id)
		fprintf(ctl->err, " id:%" JSON_INTEGER_FORMAT, json_integer_value(id));
	fputc('\n', ctl->err);
	return CTL_FAILED;
}

static int complain_config(struct ctl *ctl, const json_t *params)
{
	size_t i;
	json_t *line;

	json_array_foreach(json_object_get(params, "errors"), i, line)
		fprintf(ctl->err, "%s\n", json_string_value(line));
	fprintf(ctl->err,
		"tdx-lpctl: the new configuration was rejected; the old one remains in force\n");
	return CTL_FAILED;
}

static int complain_varlink(struct ctl *ctl, const char *name, const json_t *params)
{
	if (strcmp(name, "PermissionDenied") == 0)
		fprintf(ctl->err, "tdx-lpctl: this socket is read-only\n");
	else if (strcmp(name, "MethodNotFound") == 0 || strcmp(name, "InterfaceNotFound") == 0)
		fprintf(ctl->err,
			"tdx-lpctl: the daemon is a different version and does not support "
			"this call\n");
	else
		fprintf(ctl->err, "tdx-lpctl: %s (%s)\n", name, text_of(params, "parameter"));
	return CTL_FAILED;
}

int ctl_complain(struct ctl *ctl, const json_t *reply)
{
	const char *error = text_of(reply, "error");
	const json_t *params = json_object_get(reply, "parameters");
	const char *dot = strrchr(error, '.'), *name = dot ? dot + 1 : error;

	if (strncmp(error, CONTROL_INTERFACE ".", sizeof(CONTROL_INTERFACE)) != 0)
		return complain_varlink(ctl, name, params);
	if (strcmp(name, "BadValue") == 0)
		return complain_bad_value(ctl, params);
	if (strcmp(name, "AmbiguousName") == 0)
		return complain_ambiguous(ctl, params);
	if (strcmp(name, "BadConfig") == 0)
		return complain_config(ctl, params);
	if (strcmp(name, "NoSuchVm") == 0)
		return ctl_failure(ctl, "no VM has the id or name \"%s\"; see tdx-lpctl vm list",
				   text_of(params, "vm"));
	return ctl_failure(ctl, "%s (%s)", text_of(params, "text"), text_of(params, "errno"));
}

/* Names and command lines come from VMMs: control characters must not reach a terminal. */
static void sanitize_string(json_t *string)
{
	char *copy = strdup(json_string_value(string));

	if (copy) {
		text_clean(copy, "\n");
		json_string_set(string, copy);
	}
	free(copy);
}

static void sanitize(json_t *json)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(json))
		sanitize_string(json);
	json_array_foreach(json, i, value)
		sanitize(value);
	json_object_foreach(json, name, value)
		sanitize(value);
}

/* Is it the error that the verb asked to get without a complaint? */
static bool is_expected(const struct ctl *ctl, const json_t *reply)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	const char *dot = error ? strrchr(error, '.') : NULL;

	return ctl->expected_error && dot && !strcmp(dot + 1, ctl->expected_error);
}

static int not_understood(struct ctl *ctl)
{
	return ctl_failure(ctl, "the answer cannot be understood; the daemon is a different "
				"version");
}

int ctl_receive(struct ctl *ctl, int timeout_ms, json_t **ret)
{
	CLEANUP(json_decrefp) json_t *reply = NULL;
	json_t *params;
	int r = ctl_client_receive(ctl->client, timeout_ms, &reply);

	if (r < 0)
		return ctl_lost(ctl, r);
	if (!ctl->json)
		sanitize(reply);
	if (is_expected(ctl, reply))
		return CTL_EXPECTED;
	if (json_object_get(reply, "error"))
		return ctl_complain(ctl, reply);
	params = json_object_get(reply, "parameters");
	if (!json_is_object(params))
		return not_understood(ctl);
	*ret = json_incref(params);
	return CTL_OK;
}

/* What an answer cannot do without: a figure that is missing is not 0. */
static const struct {
	const char *method;
	const char *member;
	json_type type;
} members[] = {
	{"Status", "host", JSON_OBJECT},	 {"ListVms", "vms", JSON_ARRAY},
	{"ShowVm", "vm", JSON_OBJECT},		 {"ListRegions", "regions", JSON_ARRAY},
	{"Explain", "explanation", JSON_OBJECT}, {"ExplainVm", "gates", JSON_ARRAY},
	{"GetConfig", "text", JSON_STRING},	 {"Reload", "path", JSON_STRING},
	{"Merge", "done", JSON_INTEGER},	 {"Merge", "results", JSON_ARRAY},
	{"Split", "done", JSON_INTEGER},	 {"Split", "results", JSON_ARRAY},
	{"Hold", "done", JSON_INTEGER},		 {"Hold", "results", JSON_ARRAY},
	{"Release", "done", JSON_INTEGER},	 {"Release", "results", JSON_ARRAY},
	{"Probe", "touched", JSON_INTEGER},	 {"Probe", "regions", JSON_ARRAY},
	{"Watch", "event", JSON_OBJECT},	 {"Record", "record", JSON_OBJECT},
	{"PlanVm", "plan", JSON_OBJECT},	 {"HoldVm", "owner", JSON_STRING},
	{"ReleaseVm", "released", JSON_INTEGER}, {"HoldVmAttached", "owner", JSON_STRING},
};

int ctl_check_reply(struct ctl *ctl, const char *method, const json_t *params)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const json_t *member = json_object_get(params, members[i].member);

		if (!strcmp(members[i].method, method) &&
		    (!member || json_typeof(member) != members[i].type))
			return not_understood(ctl);
	}
	return CTL_OK;
}

int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **ret)
{
	CLEANUP(json_decrefp) json_t *reply = NULL;
	int r = ctl_connect(ctl);

	if (r == CTL_OK) {
		int error = ctl_client_send(ctl->client, method, params, false);

		if (error < 0)
			r = ctl_lost(ctl, error);
	}
	json_decref(params);
	if (r == CTL_OK)
		r = ctl_receive(ctl, ctl->timeout_ms, &reply);
	if (r == CTL_OK)
		r = ctl_check_reply(ctl, method, reply);
	if (r == CTL_OK)
		*ret = json_incref(reply);
	return r;
}
