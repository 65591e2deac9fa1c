// SPDX-License-Identifier: GPL-2.0-or-later
/* org.varlink.service, the interface's text, and the way from a name to a method. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/service.h"
#include "daemon/control/views.h"

#define VARLINK "org.varlink.service"

static const char varlink_text[] =
	"# The Varlink service interface.\n"
	"interface org.varlink.service\n\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
	"interfaces: []string)\n\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

static const char interface_doc[] =
	"The state of tdx-lpaged, and what it can be asked to do. Names ending in _us are microseconds. An age is "
	"that of the values beside it, null for never. A VM is named by its id or its name.";

static const char errors_text[] =
	"# No VM has this id or name.\n"
	"error NoSuchVm (vm: string)\n"
	"# Several VMs have this name; their ids.\n"
	"error AmbiguousName (vm: string, candidates: []int)\n"
	"# A parameter is missing or out of range.\n"
	"error BadValue (parameter: string, value: ?object, allowed: string)\n"
	"# The configuration was rejected; each line begins with FILE:LINE:COLUMN.\n"
	"error BadConfig (errors: []string)\n"
	"# The operation failed; errno is a name such as EPERM.\n"
	"error Failed (errno: string, text: string)\n";

static const char *param_type_text(enum param_type type)
{
	switch (type) {
	case PARAM_STRING:
		return "string";
	case PARAM_BOOL:
		return "bool";
	case PARAM_INT:
		return "int";
	case PARAM_RANGES:
		return "[]Range";
	case PARAM_STATES:
	case PARAM_NAMES:
		return "[]string";
	}
	return "object";
}

static void print_method(FILE *f, const struct method *m)
{
	const char *sep = "";

	fputc('\n', f);
	fields_print_doc(f, m->doc);
	if (m->write)
		fputs("# Control socket only.\n", f);
	fprintf(f, "method %s(", m->name);
	for (const struct param *p = m->params; p->name; p++, sep = ", ")
		fprintf(f, "%s%s: %s%s", sep, p->name, p->required ? "" : "?",
			param_type_text(p->type));
	fprintf(f, ") -> (%s)\n", m->returns);
}

void control_print_interface(FILE *f)
{
	fields_print_doc(f, interface_doc);
	fputs("interface " CONTROL_INTERFACE "\n", f);
	for (const struct fields *const *fields = control_all_fields; *fields; fields++) {
		fputc('\n', f);
		fields_print_type(f, *fields);
	}
	for (const struct method *m = control_methods; m->name; m++)
		print_method(f, m);
	fputc('\n', f);
	fputs(errors_text, f);
}

static void get_info(struct control_call *call)
{
	control_reply(call,
		      json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "tdx-lpage", "product",
				"tdx-lpaged", "version", TDX_LPAGE_VERSION, "url",
				"man:tdx-lpaged(8)", "interfaces", VARLINK, CONTROL_INTERFACE));
}

static void describe_own(struct control_call *call)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		control_failed(call, -ENOMEM, NULL);
		return;
	}
	control_print_interface(f);
	if (fclose(f) == 0)
		control_reply(call, json_pack("{s:s}", "description", text));
	else
		control_failed(call, -ENOMEM, NULL);
	free(text);
}

static void get_interface_description(struct control_call *call)
{
	const char *name = json_string_value(json_object_get(call->params, "interface"));

	if (!name)
		control_error(call, VARLINK ".InvalidParameter",
			      json_pack("{s:s}", "parameter", "interface"));
	else if (strcmp(name, VARLINK) == 0)
		control_reply(call, json_pack("{s:s}", "description", varlink_text));
	else if (strcmp(name, CONTROL_INTERFACE) == 0)
		describe_own(call);
	else
		control_error(call, VARLINK ".InterfaceNotFound",
			      json_pack("{s:s}", "interface", name));
}

static void method_not_found(struct control_call *call, const char *name)
{
	control_error(call, VARLINK ".MethodNotFound", json_pack("{s:s}", "method", name));
}

static void dispatch_varlink(struct control_call *call, const char *name)
{
	if (strcmp(name, "GetInfo") == 0)
		get_info(call);
	else if (strcmp(name, "GetInterfaceDescription") == 0)
		get_interface_description(call);
	else
		method_not_found(call, name);
}

static void dispatch_own(struct control_call *call, const char *name, bool write)
{
	const struct method *m = control_methods;

	while (m->name && strcmp(m->name, name) != 0)
		m++;
	call->method = m->name ? m : NULL;
	if (!m->name)
		method_not_found(call, name);
	else if (m->write && !write)
		control_error(call, VARLINK ".PermissionDenied", NULL);
	else if (m->streams && !call->more)
		control_error(call, VARLINK ".ExpectedMore", NULL);
	else if (control_check_params(call))
		m->call(call);
}

void control_dispatch(struct control_call *call, const char *method, bool write)
{
	const char *dot = strrchr(method, '.');
	size_t len = dot ? (size_t)(dot - method) : 0;

	if (len == strlen(VARLINK) && memcmp(method, VARLINK, len) == 0)
		dispatch_varlink(call, dot + 1);
	else if (len == strlen(CONTROL_INTERFACE) && memcmp(method, CONTROL_INTERFACE, len) == 0)
		dispatch_own(call, dot + 1, write);
	else
		control_error(call, VARLINK ".InterfaceNotFound",
			      json_pack("{s:s%}", "interface", method, len));
}
