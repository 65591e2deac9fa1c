// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "daemon/config/config.h"
#include <tdx-lpage/protocol.h>
#include <tdx-lpage/text.h>

#include "daemon/control/fields.h"
#include "daemon/core/snapshot.h"
#include <tdx-lpage/base.h>

#define US(ns)	    ((json_int_t)((ns) / NS_PER_US))
#define DOC_COLUMNS 100

static const char *const name_sources[] = {
	[LP_NAME_NONE] = "none",
	[LP_NAME_IOCTL] = "ioctl",
	[LP_NAME_LIBVIRT] = "libvirt",
	[LP_NAME_QEMU] = "qemu",
};
/* In the order of the bits of enum kvm_lpage_incapable. */
static const char *const incapables[] = {
	"memfd_4k", "memfd_mmap", "align_gfn", "align_hva", "vendor", "host",
};

#define NAME_OF(table, i) ((i) < ARRAY_SIZE(table) ? (table)[i] : "unknown")

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *snake(const char *name)
{
	char text[TEXT_NAME_MAX];

	return json_string(text_snake(name, text));
}

static json_t *incapable_json(uint32_t flags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < 32; i++) {
		if (flags & UINT32_C(1) << i)
			json_array_append_new(list, json_string(NAME_OF(incapables, i)));
	}
	return list;
}

static json_t *reasons_json(const uint64_t *counts)
{
	json_t *object = json_object();
	char text[TEXT_NAME_MAX];

	for (int i = lpage_reason_next(-1); i >= 0; i = lpage_reason_next(i)) {
		if (counts[i])
			json_object_set_new(object,
					    text_snake(lpage_reason_name((unsigned int)i), text),
					    json_integer((json_int_t)counts[i]));
	}
	return object;
}

/* 1234567 is 123.4567 percent; four digits are all there is. */
static json_t *percent_json(uint64_t ppm)
{
	return ppm == UINT64_MAX ? json_null() : json_real((double)ppm / 10000);
}

static json_t *errno_json(int error)
{
	const char *name = error ? strerrorname_np(error < 0 ? -error : error) : NULL;

	return error ? json_string(name ? name : "unknown") : json_null();
}

/* What is held as a 32-bit number: enumerations and counters. */
static json_t *u32_json(enum field_kind kind, uint32_t value)
{
	switch (kind) {
	case FIELD_REASON:
		return snake(lpage_reason_name(value));
	case FIELD_STATE:
		return json_string(lpage_state_name(value));
	case FIELD_OP:
		return json_string(lpage_op_name(value));
	case FIELD_OPT_LAYER:
		return value == UINT32_MAX ? json_null() : json_string(lpage_layer_name(value));
	case FIELD_MODE:
		return snake(config_mode_name(value));
	case FIELD_VM_TYPE:
		return snake(config_vm_type_name((int)value));
	case FIELD_NAME_SOURCE:
		return json_string(NAME_OF(name_sources, value));
	case FIELD_INCAPABLE:
		return incapable_json(value);
	default:
		return json_integer(value);
	}
}

static json_t *u64_json(enum field_kind kind, uint64_t value)
{
	if (value == UINT64_MAX && kind != FIELD_U64 && kind != FIELD_US)
		return json_null();
	if (kind == FIELD_US || kind == FIELD_OPT_US)
		return json_integer(US(value));
	return json_integer((json_int_t)value);
}

static json_t *opt_ns_json(int64_t ns)
{
	return ns == INT64_MIN ? json_null() : json_integer(ns);
}

static json_t *object_or_null(const struct fields *fields, const void *base)
{
	return base ? fields_json(fields, base) : json_null();
}

static json_t *list_or_null(json_t *list)
{
	return list ? json_incref(list) : json_null();
}

static json_t *field_json(const struct field *field, const void *p)
{
	switch (field->kind) {
	case FIELD_U64:
	case FIELD_OPT_U64:
	case FIELD_US:
	case FIELD_OPT_US:
		return u64_json(field->kind, *(const uint64_t *)p);
	case FIELD_I64:
		return json_integer(*(const int64_t *)p);
	case FIELD_NET_US:
		return json_integer(policy_ledger_net_ns(p) / (int64_t)NS_PER_US);
	case FIELD_OPT_NS:
		return opt_ns_json(*(const int64_t *)p);
	case FIELD_PERCENT:
		return percent_json(*(const uint64_t *)p);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)p);
	case FIELD_TEXT:
		return json_string(p);
	case FIELD_OPT_TEXT:
		return text_or_null(p);
	case FIELD_STRING:
		return text_or_null(*(const char *const *)p);
	case FIELD_NAME:
		return json_string(*(const char *const *)p);
	case FIELD_ERRNO:
		return errno_json(*(const int *)p);
	case FIELD_REASONS:
		return reasons_json(p);
	case FIELD_OBJECT:
		return fields_json(field->object, p);
	case FIELD_OPT_OBJECT:
		return object_or_null(field->object, *(const void *const *)p);
	case FIELD_LIST:
	case FIELD_OPT_LIST:
		return list_or_null(*(json_t *const *)p);
	default:
		return u32_json(field->kind, *(const uint32_t *)p);
	}
}

static bool is_set(const struct field *field, const void *base)
{
	return !field->set_bit || (*(const uint32_t *)base & field->set_bit);
}

json_t *fields_json(const struct fields *fields, const void *base)
{
	json_t *object = json_object();

	for (size_t i = 0; i < fields->nr; i++) {
		const struct field *field = &fields->rows[i];
		json_t *value = is_set(field, base) ?
					field_json(field, (const char *)base + field->offset) :
					json_null();

		if (fields->sparse && json_is_null(value))
			continue;

		/* A name that is not UTF-8 must not hide the rest. */
		if (!value)
			value = json_string("(not UTF-8)");
		if (json_object_set_new(object, field->name, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static const char *field_type(const struct field *field)
{
	switch (field->kind) {
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_US:
	case FIELD_I64:
	case FIELD_NET_US:
		return "int";
	case FIELD_OPT_U64:
	case FIELD_OPT_US:
	case FIELD_OPT_NS:
		return "?int";
	case FIELD_BOOL:
		return "bool";
	case FIELD_PERCENT:
		return "?float";
	case FIELD_ERRNO:
	case FIELD_OPT_TEXT:
	case FIELD_OPT_LAYER:
	case FIELD_STRING:
		return "?string";
	case FIELD_INCAPABLE:
		return "[]string";
	case FIELD_REASONS:
		return "[string]int";
	case FIELD_OPT_OBJECT:
		return "?";
	case FIELD_OPT_LIST:
		return "?[]";
	case FIELD_LIST:
		return "[]";
	case FIELD_OBJECT:
		return "";
	default:
		return "string";
	}
}

void fields_print_doc(FILE *f, const char *text)
{
	size_t column = 0;

	for (const char *word = text; *word;) {
		size_t len = strcspn(word, " ");

		if (column + 1 + len > DOC_COLUMNS) {
			fputc('\n', f);
			column = 0;
		}
		fprintf(f, "%s%.*s", column ? " " : "# ", (int)len, word);
		column += len + (column ? 1 : 2);
		word += len + strspn(word + len, " ");
	}
	fputc('\n', f);
}

void fields_print_type(FILE *f, const struct fields *fields)
{
	fields_print_doc(f, fields->doc);
	fprintf(f, "type %s (\n", fields->type);
	for (size_t i = 0; i < fields->nr; i++) {
		const struct field *field = &fields->rows[i];

		fprintf(f, "  %s: %s%s%s%s\n", field->name, field->set_bit ? "?" : "",
			field_type(field), field->object ? field->object->type : "",
			i + 1 < fields->nr ? "," : "");
	}
	fputs(")\n", f);
}
