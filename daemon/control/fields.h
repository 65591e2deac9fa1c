/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of fields: how a struct becomes a JSON object, and the Varlink type that describes it.
 * Durations and ages are in us in JSON (jq rounds above 2^53), as names ending in _us say.
 */
#ifndef TDX_LPAGE_CONTROL_FIELDS_H
#define TDX_LPAGE_CONTROL_FIELDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tdx-lpage/base.h>

enum field_kind {
	FIELD_U32,
	FIELD_U64,
	FIELD_OPT_U64, /* null for UINT64_MAX */
	FIELD_ERRNO,   /* int: negative errno, null for 0, else its name */
	FIELD_BOOL,
	FIELD_TEXT,	/* char array */
	FIELD_OPT_TEXT, /* char array, null when empty */
	FIELD_STRING,	/* const char *, null when NULL or empty */
	FIELD_US,	/* uint64_t ns */
	FIELD_OPT_US,	/* uint64_t ns, null for UINT64_MAX */
	FIELD_OPT_NS,	/* int64_t ns, null for INT64_MIN; for what needs each of them */
	FIELD_PERCENT,	/* uint64_t millionths, null for UINT64_MAX */
	FIELD_REASON,	/* uint32_t and the like: enum lpage_reason */
	FIELD_STATE,
	FIELD_OP,
	FIELD_OPT_LAYER, /* null for UINT32_MAX */
	FIELD_MODE,
	FIELD_VM_TYPE,
	FIELD_NAME_SOURCE,
	FIELD_INCAPABLE, /* uint32_t flags: a list of names */
	FIELD_REASONS,	 /* uint64_t[LP_NR_REASONS]: an object of those that are not 0 */
	FIELD_LIMITS,	 /* struct lp_limits: null for what is not set */
	FIELD_OBJECT,	 /* struct; its own table */
};

struct fields;

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	const struct fields *object;
};

struct fields {
	const char *type; /* name of the Varlink type */
	const struct field *rows;
	size_t nr;
};

#define FIELDS(type_name, table)                                                                   \
	{                                                                                          \
		type_name, table, ARRAY_SIZE(table)                                                \
	}

/* Returns a new object of what @base points to, or NULL without memory. */
json_t *fields_json(const struct fields *fields, const void *base);

/* Writes "type Name (\n  field: type,\n ...)". */
void fields_print_type(FILE *f, const struct fields *fields);

#endif
