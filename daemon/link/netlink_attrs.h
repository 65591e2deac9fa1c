/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink attributes into structs, by tables. Pure. Strict: see netlink_parse.h. Functions return 0 or
 * -EBADMSG, unless they say otherwise.
 */
#ifndef TDX_LPAGE_NETLINK_ATTRS_H
#define TDX_LPAGE_NETLINK_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tdx-lpage/base.h>

/* No guest-physical address has more than 64 bits. */
#define LP_RFN_END (1ULL << (64 - REGION_BYTES_SHIFT))

#define LP_MAX_ATTRS 64

enum lp_attr_kind {
	LP_ATTR_SKIP, /* an attribute that is known and of no interest */
	LP_ATTR_U16,
	LP_ATTR_U32,
	LP_ATTR_U64,
	LP_ATTR_UINT, /* 4 or 8 bytes into an u64 */
	LP_ATTR_RFN,  /* as LP_ATTR_UINT, below LP_RFN_END */
	LP_ATTR_FLAG,
	LP_ATTR_STRING, /* printable, no blanks */
	LP_ATTR_NEST, /* a struct that begins with an u32, which gets a bit per field that was there */
	LP_ATTR_MANY, /* nests, taken up by the caller */
};

struct lp_attr_table;

/* How one attribute gets into its struct. The position in a table is the attribute's number. */
struct lp_attr_field {
	uint8_t kind;
	bool required;
	uint16_t offset;
	uint16_t size; /* of the target of a LP_ATTR_STRING */
	uint32_t max;  /* largest value of an U32, 0: any */
	const struct lp_attr_table *nest;
};

struct lp_attr_table {
	const struct lp_attr_field *fields;
	uint16_t end; /* number of fields */
};

#define LP_ATTR_AT(k, type, member, ...)                                                           \
	{                                                                                          \
		.kind = LP_ATTR_##k, .offset = offsetof(type, member),                             \
		.size = sizeof(((type *)0)->member), __VA_ARGS__                                   \
	}
#define LP_ATTR_TABLE(name)                                                                        \
	{                                                                                          \
		(name), ARRAY_SIZE(name)                                                           \
	}

/* A run of attributes. */
struct lp_attr_span {
	const char *data;
	size_t len;
};

/* An attribute, taken off the front of a span. */
struct lp_attr {
	uint16_t type;
	struct lp_attr_span payload;
};

/* Takes the next attribute off @span. Returns 1, 0 at the end, -EBADMSG. */
int lp_attr_next(struct lp_attr_span *span, struct lp_attr *ret);

int lp_attr_u32(const struct lp_attr_span *payload, uint32_t max, void *to);

/*
 * Fills @out, which is zero or set before, from @span as @table says. *@ret_seen, if not NULL, gets a
 * bit per attribute that was there.
 */
int lp_attrs_parse(struct lp_attr_span span, const struct lp_attr_table *table, void *out,
		   uint64_t *ret_seen);

/*
 * Parses every attribute of @type in @span as a nest, into consecutive elements of *@array (@size
 * bytes each, capacity for *@capacity, grown if need be), each of which begins as @init. Also -ENOMEM.
 */
int lp_attrs_parse_many(struct lp_attr_span span, uint16_t type, const struct lp_attr_table *table,
			const void *init, void **array, size_t *capacity, size_t size,
			size_t *ret_count);

#endif
