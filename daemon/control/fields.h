/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of fields: how a struct becomes a JSON object, and the Varlink type that describes it.
 * Durations and ages are in us in JSON (jq rounds above 2^53), as names ending in _us say.
 */
#ifndef TDX_LPAGE_CONTROL_FIELDS_H
#define TDX_LPAGE_CONTROL_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
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
	FIELD_NAME,	/* const char *, never NULL */
	FIELD_I64,
	FIELD_US,      /* uint64_t ns */
	FIELD_OPT_US,  /* uint64_t ns, null for UINT64_MAX */
	FIELD_NET_US,  /* struct policy_ledger: what was saved less what was spent */
	FIELD_OPT_NS,  /* int64_t ns, null for INT64_MIN; for what needs each of them */
	FIELD_PERCENT, /* uint64_t millionths, null for UINT64_MAX */
	FIELD_REASON,  /* uint32_t and the like: enum lpage_reason */
	FIELD_STATE,
	FIELD_OP,
	FIELD_OPT_LAYER, /* null for UINT32_MAX */
	FIELD_MODE,
	FIELD_VM_TYPE,
	FIELD_NAME_SOURCE,
	FIELD_INCAPABLE,  /* uint32_t flags: a list of names */
	FIELD_REASONS,	  /* uint64_t[LP_NR_REASONS]: an object of those that are not 0 */
	FIELD_OBJECT,	  /* struct; its own table */
	FIELD_OPT_OBJECT, /* const void *, null when NULL; its own table */
	FIELD_LIST,	  /* json_t *: a list of objects, with their table; borrowed */
	FIELD_OPT_LIST,	  /* the same, null when NULL */
};

struct fields;

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	const struct fields *object;
	uint32_t set_bit; /* if not 0: null unless the uint32_t that the struct begins with has this bit */
};

struct fields {
	const char *type; /* name of the Varlink type */
	const char *doc;
	const struct field *rows;
	size_t nr;
	bool sparse; /* members that are null are left out */
};

#define FIELDS(type_name, type_doc, table, ...)                                                    \
	{                                                                                          \
		.type = type_name, .doc = type_doc, .rows = table, .nr = ARRAY_SIZE(table),        \
		__VA_ARGS__                                                                        \
	}

/* Returns a new object of what @base points to, or NULL without memory. */
json_t *fields_json(const struct fields *fields, const void *base);

/* Writes @text as a Varlink comment, in lines of at most 100 columns. */
void fields_print_doc(FILE *f, const char *text);

/* Writes the comment, then "type Name (\n  field: type,\n ...)". */
void fields_print_type(FILE *f, const struct fields *fields);

#endif
