// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink_attrs.h"

#include <ctype.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

int lp_attr_next(struct lp_attr_span *span, struct lp_attr *ret)
{
	struct nlattr head;
	size_t padded;

	if (!span->len)
		return 0;
	if (span->len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, span->data, sizeof(head));
	if (head.nla_len < sizeof(head) || head.nla_len > span->len)
		return -EBADMSG;
	ret->type = head.nla_type & NLA_TYPE_MASK;
	ret->payload =
		(struct lp_attr_span){span->data + sizeof(head), head.nla_len - sizeof(head)};
	padded = NLA_ALIGN(head.nla_len);
	if (padded > span->len)
		padded = span->len;
	span->data += padded;
	span->len -= padded;
	return 1;
}

static int get_u16(const struct lp_attr_span *payload, void *to)
{
	if (payload->len != sizeof(uint16_t))
		return -EBADMSG;
	memcpy(to, payload->data, sizeof(uint16_t));
	return 0;
}

int lp_attr_u32(const struct lp_attr_span *payload, uint32_t max, void *to)
{
	uint32_t value;

	if (payload->len != sizeof(value))
		return -EBADMSG;
	memcpy(&value, payload->data, sizeof(value));
	if (max && value > max)
		return -EBADMSG;
	memcpy(to, &value, sizeof(value));
	return 0;
}

/* NLA_UINT is as long as it has to be; libnl 3.7 does not know the type. */
static int get_uint(const struct lp_attr_span *payload, uint64_t *ret)
{
	uint32_t small;

	if (payload->len == sizeof(*ret)) {
		memcpy(ret, payload->data, sizeof(*ret));
		return 0;
	}
	if (payload->len != sizeof(small))
		return -EBADMSG;
	memcpy(&small, payload->data, sizeof(small));
	*ret = small;
	return 0;
}

static int get_string(const struct lp_attr_span *payload, size_t size, char *to)
{
	size_t len = strnlen(payload->data, payload->len);

	/* At most one NUL, at the end. */
	if (len >= size || payload->len - len > 1)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)payload->data[i]))
			return -EBADMSG;
	}
	memcpy(to, payload->data, len);
	to[len] = '\0';
	return 0;
}

static int get_field(const struct lp_attr_field *field, const struct lp_attr_span *payload,
		     char *to)
{
	uint64_t value = 0;
	int r;

	switch ((enum lp_attr_kind)field->kind) {
	case LP_ATTR_U16:
		return get_u16(payload, to);
	case LP_ATTR_U32:
		return lp_attr_u32(payload, field->max, to);
	case LP_ATTR_FLAG:
		*(bool *)to = true;
		return payload->len ? -EBADMSG : 0;
	case LP_ATTR_STRING:
		return get_string(payload, field->size, to);
	case LP_ATTR_NEST:
		r = lp_attrs_parse(*payload, field->nest, to, &value);
		*(uint32_t *)(void *)to = (uint32_t)value;
		return r;
	case LP_ATTR_U64:
		if (payload->len != sizeof(value))
			return -EBADMSG;
		/* fallthrough */
	case LP_ATTR_UINT:
	case LP_ATTR_RFN:
		r = get_uint(payload, &value);
		if (r < 0 || (field->kind == LP_ATTR_RFN && value >= LP_RFN_END))
			return -EBADMSG;
		memcpy(to, &value, sizeof(value));
		return 0;
	case LP_ATTR_SKIP:
	case LP_ATTR_MANY:
		break;
	}
	return 0;
}

int lp_attrs_parse(struct lp_attr_span span, const struct lp_attr_table *table, void *out,
		   uint64_t *ret_seen)
{
	uint64_t seen = 0;
	struct lp_attr attr;
	int r;

	while ((r = lp_attr_next(&span, &attr)) > 0) {
		const struct lp_attr_field *field;

		if (attr.type >= table->end || attr.type >= LP_MAX_ATTRS)
			continue;
		field = &table->fields[attr.type];
		if (field->kind == LP_ATTR_SKIP)
			continue;
		if (field->kind != LP_ATTR_MANY && (seen & (1ULL << attr.type)))
			return -EBADMSG;
		seen |= 1ULL << attr.type;
		r = get_field(field, &attr.payload, (char *)out + field->offset);
		if (r < 0)
			return r;
	}
	for (unsigned int i = 0; i < table->end && r == 0; i++) {
		if (table->fields[i].required && !(seen & (1ULL << i)))
			r = -EBADMSG;
	}
	if (ret_seen)
		*ret_seen = seen;
	return r;
}

/* How many attributes of @type a well-formed span has. */
static size_t count_attrs(struct lp_attr_span span, uint16_t type)
{
	struct lp_attr attr;
	size_t count = 0;

	while (lp_attr_next(&span, &attr) > 0)
		count += attr.type == type;
	return count;
}

int lp_attrs_parse_many(struct lp_attr_span span, uint16_t type, const struct lp_attr_table *table,
			const void *init, void **array, size_t *capacity, size_t size,
			size_t *ret_count)
{
	size_t count = count_attrs(span, type);
	struct lp_attr attr;
	char *to;
	int r;

	r = array_reserve(array, capacity, count, size);
	if (r < 0)
		return r;
	*ret_count = count;
	if (!count)
		return 0;
	to = *array;
	while ((r = lp_attr_next(&span, &attr)) > 0) {
		if (attr.type != type)
			continue;
		memcpy(to, init, size);
		r = lp_attrs_parse(attr.payload, table, to, NULL);
		if (r < 0)
			return r;
		to += size;
	}
	return r;
}
