// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink_parse.h"

#include <ctype.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No guest-physical address has more than 64 bits. */
#define RFN_END (1ULL << (64 - 21))

#define MAX_ATTRS 64

#define STATE_LEFT_OUT UINT32_MAX

enum kind {
	SKIP, /* an attribute that is known and of no interest */
	U16,
	U32,
	U64,
	UINT, /* 4 or 8 bytes into an u64 */
	RFN,  /* as UINT, below RFN_END */
	FLAG,
	STRING, /* printable, no blanks */
	LIMITS,
	MANY, /* nests, taken up by the caller */
};

/* How one attribute gets into its struct. The position in a table is the attribute's number. */
struct field {
	uint8_t kind;
	bool required;
	uint16_t offset;
	uint16_t size; /* of the target of a STRING */
	uint32_t max;  /* largest value of an U32, 0: any */
};

struct table {
	const struct field *fields;
	uint16_t end; /* number of fields */
};

#define AT(k, type, member, ...)                                                                   \
	{                                                                                          \
		.kind = (k), .offset = offsetof(type, member),                                     \
		.size = sizeof(((type *)0)->member), __VA_ARGS__                                   \
	}
#define TABLE(name)                                                                                \
	{                                                                                          \
		(name), sizeof(name) / sizeof((name)[0])                                           \
	}

static const struct field limits_fields[] = {
	[KVM_LPAGE_A_POLICY_MODE] = AT(U32, struct lp_limits, mode, .max = KVM_LPAGE_MODE_FAULT),
	[KVM_LPAGE_A_POLICY_MIN_QUIET_NS] = AT(UINT, struct lp_limits, min_quiet_ns),
	[KVM_LPAGE_A_POLICY_RATE] = AT(U32, struct lp_limits, rate_per_s),
	[KVM_LPAGE_A_POLICY_BURST] = AT(U32, struct lp_limits, burst_regions),
	[KVM_LPAGE_A_POLICY_BATCH] = AT(U32, struct lp_limits, batch_regions),
	[KVM_LPAGE_A_POLICY_MAX_STALL_NS] = AT(UINT, struct lp_limits, max_stall_ns),
	[KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS] = AT(UINT, struct lp_limits, notify_interval_ns),
};

static const struct field vm_fields[] = {
	[KVM_LPAGE_A_VM_ID] = AT(U32, struct lp_vm, id, .required = true),
	[KVM_LPAGE_A_VM_NAME] = AT(STRING, struct lp_vm, name),
	[KVM_LPAGE_A_VM_PID] = AT(U32, struct lp_vm, pid),
	[KVM_LPAGE_A_VM_PID_START_NS] = AT(U64, struct lp_vm, pid_start_ns),
	[KVM_LPAGE_A_VM_UID] = AT(U32, struct lp_vm, uid),
	[KVM_LPAGE_A_VM_CGROUP_ID] = AT(U64, struct lp_vm, cgroup_id),
	[KVM_LPAGE_A_VM_TYPE] = AT(U32, struct lp_vm, type),
	[KVM_LPAGE_A_VM_VCPUS] = AT(U32, struct lp_vm, nr_vcpus),
	[KVM_LPAGE_A_VM_MEMORY_PAGES] = AT(UINT, struct lp_vm, memory_pages),
	[KVM_LPAGE_A_VM_RUNNING] = AT(FLAG, struct lp_vm, running),
	[KVM_LPAGE_A_VM_INCAPABLE] = AT(U32, struct lp_vm, incapable),
	[KVM_LPAGE_A_VM_POLICY] = AT(LIMITS, struct lp_vm, limits),
	[KVM_LPAGE_A_VM_POLICY_VMM] = AT(LIMITS, struct lp_vm, limits_vmm),
	[KVM_LPAGE_A_VM_POLICY_ADMIN] = AT(LIMITS, struct lp_vm, limits_admin),
	[KVM_LPAGE_A_VM_GENERATION] = AT(U64, struct lp_vm, generation),
	[KVM_LPAGE_A_VM_RESYNC_GENERATION] = AT(U64, struct lp_vm, resync_generation),
	[KVM_LPAGE_A_VM_CAPABLE] = AT(UINT, struct lp_vm, capable),
	[KVM_LPAGE_A_VM_LARGE] = AT(UINT, struct lp_vm, large),
	[KVM_LPAGE_A_VM_TABLE] = AT(UINT, struct lp_vm, table),
	[KVM_LPAGE_A_VM_MIXED] = AT(UINT, struct lp_vm, mixed),
	[KVM_LPAGE_A_VM_UNMAPPED] = AT(UINT, struct lp_vm, unmapped),
	[KVM_LPAGE_A_VM_HELD] = AT(UINT, struct lp_vm, held),
	[KVM_LPAGE_A_VM_TO_SHARED_PAGES] = AT(UINT, struct lp_vm, to_shared_pages),
	[KVM_LPAGE_A_VM_TO_PRIVATE_PAGES] = AT(UINT, struct lp_vm, to_private_pages),
	[KVM_LPAGE_A_VM_TO_SHARED_EVENTS] = AT(UINT, struct lp_vm, to_shared_events),
	[KVM_LPAGE_A_VM_TO_PRIVATE_EVENTS] = AT(UINT, struct lp_vm, to_private_events),
	[KVM_LPAGE_A_VM_MERGES] = AT(UINT, struct lp_vm, merges),
	[KVM_LPAGE_A_VM_SPLITS] = AT(UINT, struct lp_vm, splits),
	[KVM_LPAGE_A_VM_SPLIT_NS] = AT(UINT, struct lp_vm, split_ns),
	[KVM_LPAGE_A_VM_REFUSALS] = AT(UINT, struct lp_vm, refusals),
	[KVM_LPAGE_A_VM_WORK_NS] = AT(UINT, struct lp_vm, work_ns),
	[KVM_LPAGE_A_VM_OVERFLOWS] = AT(UINT, struct lp_vm, overflows),
	[KVM_LPAGE_A_VM_HUGE_BYTES] = AT(UINT, struct lp_vm, huge_bytes),
	[KVM_LPAGE_A_VM_RETAINED_BYTES] = AT(UINT, struct lp_vm, retained_bytes),
	[KVM_LPAGE_A_VM_CHUNKS] = AT(UINT, struct lp_vm, chunks),
};

static const struct field region_fields[] = {
	[KVM_LPAGE_A_REGION_RFN] = AT(RFN, struct lp_region, rfn),
	[KVM_LPAGE_A_REGION_STATE] = AT(U32, struct lp_region, state, .max = KVM_LPAGE_STATE_MIXED),
	[KVM_LPAGE_A_REGION_INHIBITED] = AT(FLAG, struct lp_region, inhibited),
	[KVM_LPAGE_A_REGION_HOLD_VMM_NS] = AT(U64, struct lp_region, hold_vmm_ns),
	[KVM_LPAGE_A_REGION_HOLD_ADMIN_NS] = AT(U64, struct lp_region, hold_admin_ns),
	[KVM_LPAGE_A_REGION_PRESENT] = AT(U32, struct lp_region, present_pages, .max = 512),
	[KVM_LPAGE_A_REGION_TO_SHARED_PAGES] = AT(U32, struct lp_region, to_shared_pages),
	[KVM_LPAGE_A_REGION_TO_PRIVATE_PAGES] = AT(U32, struct lp_region, to_private_pages),
	[KVM_LPAGE_A_REGION_TO_SHARED_EVENTS] = AT(U32, struct lp_region, to_shared_events),
	[KVM_LPAGE_A_REGION_TO_PRIVATE_EVENTS] = AT(U32, struct lp_region, to_private_events),
	[KVM_LPAGE_A_REGION_LAST_TO_SHARED_NS] = AT(U64, struct lp_region, last_to_shared_ns),
	[KVM_LPAGE_A_REGION_LAST_TO_PRIVATE_NS] = AT(U64, struct lp_region, last_to_private_ns),
	[KVM_LPAGE_A_REGION_LAST_OP] = AT(U32, struct lp_region, last_op),
	[KVM_LPAGE_A_REGION_LAST_REASON] = AT(U32, struct lp_region, last_reason),
	[KVM_LPAGE_A_REGION_LAST_OP_NS] = AT(U64, struct lp_region, last_op_ns),
	[KVM_LPAGE_A_REGION_GENERATION] = AT(U64, struct lp_region, generation),
};

static const struct field chunk_fields[] = {
	[KVM_LPAGE_A_REGION_DUMP_VM_ID] = AT(U32, struct lp_region_chunk, vm_id, .required = true),
	[KVM_LPAGE_A_REGION_DUMP_GENERATION] = AT(U64, struct lp_region_chunk, generation),
	[KVM_LPAGE_A_REGION_DUMP_RESYNC_GENERATION] =
		AT(U64, struct lp_region_chunk, resync_generation),
	[KVM_LPAGE_A_REGION_DUMP_REGION] = {.kind = MANY},
};

static const struct field change_fields[] = {
	[KVM_LPAGE_A_POLICY_CHANGE_VM_ID] =
		AT(U32, struct lp_policy_change, vm_id, .required = true),
	[KVM_LPAGE_A_POLICY_CHANGE_POLICY] = AT(LIMITS, struct lp_policy_change, limits),
	[KVM_LPAGE_A_POLICY_CHANGE_LAYER] =
		AT(U32, struct lp_policy_change, layer, .max = KVM_LPAGE_LAYER_ADMIN),
	[KVM_LPAGE_A_POLICY_CHANGE_PID] = AT(U32, struct lp_policy_change, pid),
	[KVM_LPAGE_A_POLICY_CHANGE_UID] = AT(U32, struct lp_policy_change, uid),
};

static const struct field result_fields[] = {
	[KVM_LPAGE_A_RESULT_START_RFN] = AT(RFN, struct lp_result, start_rfn),
	[KVM_LPAGE_A_RESULT_NR_REGIONS] =
		AT(U32, struct lp_result, nr_regions, .max = KVM_LPAGE_RANGE_REGIONS_MAX),
	[KVM_LPAGE_A_RESULT_DONE] =
		AT(U32, struct lp_result, done, .max = KVM_LPAGE_RANGE_REGIONS_MAX),
	[KVM_LPAGE_A_RESULT_REFUSED] =
		AT(U32, struct lp_result, refused, .max = KVM_LPAGE_RANGE_REGIONS_MAX),
	[KVM_LPAGE_A_RESULT_REASON] = AT(U32, struct lp_result, reason),
	[KVM_LPAGE_A_RESULT_REASON_RFN] = AT(RFN, struct lp_result, reason_rfn),
	[KVM_LPAGE_A_RESULT_REASON_LAYER] =
		AT(U32, struct lp_result, reason_layer, .max = KVM_LPAGE_LAYER_ADMIN),
	[KVM_LPAGE_A_RESULT_NS] = AT(UINT, struct lp_result, ns),
};

static const struct field batch_fields[] = {
	[KVM_LPAGE_A_BATCH_REGIONS] = AT(U32, struct lp_batch, regions),
	[KVM_LPAGE_A_BATCH_MERGED] = AT(U32, struct lp_batch, merged),
	[KVM_LPAGE_A_BATCH_FIXED_NS] = AT(UINT, struct lp_batch, fixed_ns),
	[KVM_LPAGE_A_BATCH_REGIONS_NS] = AT(UINT, struct lp_batch, regions_ns),
	[KVM_LPAGE_A_BATCH_STALL_NS] = AT(UINT, struct lp_batch, stall_ns),
	[KVM_LPAGE_A_BATCH_KICKED] = AT(U32, struct lp_batch, kicked),
};

static const struct field done_fields[] = {
	[KVM_LPAGE_A_REQUEST_VM_ID] = AT(U32, struct lp_done, vm_id, .required = true),
	[KVM_LPAGE_A_REQUEST_COOKIE] = AT(U64, struct lp_done, cookie),
	[KVM_LPAGE_A_REQUEST_OP] = AT(U32, struct lp_done, op),
	[KVM_LPAGE_A_REQUEST_RESULT] = {.kind = MANY},
	[KVM_LPAGE_A_REQUEST_BATCH] = {.kind = MANY},
};

static const struct field reply_fields[] = {
	[KVM_LPAGE_A_REQUEST_COOKIE] = AT(U64, struct lp_nl_reply, cookie, .required = true),
};

static const struct field gone_fields[] = {
	[KVM_LPAGE_A_VM_ID] = AT(U32, struct lp_nl_changed, vm_id, .required = true),
};

static const struct field changed_fields[] = {
	[KVM_LPAGE_A_VM_ID] = AT(U32, struct lp_nl_changed, vm_id, .required = true),
	[KVM_LPAGE_A_VM_GENERATION] = AT(U64, struct lp_nl_changed, generation),
};

static const struct field family_fields[] = {
	[CTRL_ATTR_FAMILY_ID] = AT(U16, struct lp_nl_family, id, .required = true),
	[CTRL_ATTR_FAMILY_NAME] = AT(STRING, struct lp_nl_family, name, .required = true),
	[CTRL_ATTR_VERSION] = AT(U32, struct lp_nl_family, version),
	[CTRL_ATTR_MCAST_GROUPS] = {.kind = MANY},
};

struct group {
	uint32_t id;
	char name[32];
};

static const struct field group_fields[] = {
	[CTRL_ATTR_MCAST_GRP_NAME] = AT(STRING, struct group, name, .required = true),
	[CTRL_ATTR_MCAST_GRP_ID] = AT(U32, struct group, id, .required = true),
};

static const struct table limits_table = TABLE(limits_fields);
static const struct table vm_table = TABLE(vm_fields);
static const struct table region_table = TABLE(region_fields);
static const struct table chunk_table = TABLE(chunk_fields);
static const struct table change_table = TABLE(change_fields);
static const struct table result_table = TABLE(result_fields);
static const struct table batch_table = TABLE(batch_fields);
static const struct table done_table = TABLE(done_fields);
static const struct table reply_table = TABLE(reply_fields);
static const struct table gone_table = TABLE(gone_fields);
static const struct table changed_table = TABLE(changed_fields);
static const struct table family_table = TABLE(family_fields);
static const struct table group_table = TABLE(group_fields);

/* A run of attributes. */
struct span {
	const char *data;
	size_t len;
};

/* An attribute, taken off the front of a span. */
struct attr {
	uint16_t type;
	struct span payload;
};

/* Returns 1 and the next attribute, 0 at the end, -EBADMSG. */
static int next_attr(struct span *span, struct attr *ret)
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
	ret->payload = (struct span){span->data + sizeof(head), head.nla_len - sizeof(head)};
	padded = NLA_ALIGN(head.nla_len);
	if (padded > span->len)
		padded = span->len;
	span->data += padded;
	span->len -= padded;
	return 1;
}

static int get_u16(const struct span *payload, void *to)
{
	if (payload->len != sizeof(uint16_t))
		return -EBADMSG;
	memcpy(to, payload->data, sizeof(uint16_t));
	return 0;
}

static int get_u32(const struct span *payload, uint32_t max, void *to)
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
static int get_uint(const struct span *payload, uint64_t *ret)
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

static int get_string(const struct span *payload, size_t size, char *to)
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

static int parse_limits(struct span span, struct lp_limits *ret);

static int get_field(const struct field *field, const struct span *payload, char *to)
{
	uint64_t value;
	int r;

	switch ((enum kind)field->kind) {
	case U16:
		return get_u16(payload, to);
	case U32:
		return get_u32(payload, field->max, to);
	case FLAG:
		*(bool *)to = true;
		return payload->len ? -EBADMSG : 0;
	case STRING:
		return get_string(payload, field->size, to);
	case LIMITS:
		return parse_limits(*payload, (struct lp_limits *)(void *)to);
	case U64:
		if (payload->len != sizeof(value))
			return -EBADMSG;
		/* fallthrough */
	case UINT:
	case RFN:
		r = get_uint(payload, &value);
		if (r < 0 || (field->kind == RFN && value >= RFN_END))
			return -EBADMSG;
		memcpy(to, &value, sizeof(value));
		return 0;
	case SKIP:
	case MANY:
		break;
	}
	return 0;
}

/*
 * Fills @out, which is zero, from @span as @table says. *@ret_seen, if not NULL, gets a bit per
 * attribute that was there.
 */
static int parse_table(struct span span, const struct table *table, void *out, uint64_t *ret_seen)
{
	uint64_t seen = 0;
	struct attr attr;
	int r;

	while ((r = next_attr(&span, &attr)) > 0) {
		const struct field *field;

		if (attr.type >= table->end || attr.type >= MAX_ATTRS)
			continue;
		field = &table->fields[attr.type];
		if (field->kind == SKIP)
			continue;
		if (field->kind != MANY && (seen & (1ULL << attr.type)))
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

static int parse_limits(struct span span, struct lp_limits *ret)
{
	uint64_t seen;
	int r;

	*ret = (struct lp_limits){0};
	r = parse_table(span, &limits_table, ret, &seen);
	ret->set = (uint32_t)seen;
	return r;
}

/* The attributes of a generic netlink message. */
static int message_span(const struct nlmsghdr *hdr, struct span *ret)
{
	if (hdr->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return -EBADMSG;
	*ret = (struct span){(const char *)hdr + NLMSG_HDRLEN + GENL_HDRLEN,
			     hdr->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN};
	return 0;
}

static int parse_message(const struct nlmsghdr *hdr, const struct table *table, void *out,
			 uint64_t *ret_seen)
{
	struct span span;
	int r;

	r = message_span(hdr, &span);
	return r < 0 ? r : parse_table(span, table, out, ret_seen);
}

/* How many attributes of @type a well-formed span has. */
static size_t count_attrs(struct span span, uint16_t type)
{
	struct attr attr;
	size_t count = 0;

	while (next_attr(&span, &attr) > 0)
		count += attr.type == type;
	return count;
}

/* Makes *@array (elements of @size bytes) hold at least @wanted elements. */
static int make_room(void **array, size_t *room, size_t wanted, size_t size)
{
	void *bigger;

	if (wanted <= *room)
		return 0;
	bigger = realloc(*array, wanted * size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*room = wanted;
	return 0;
}

/*
 * Parses every attribute of @type in @span as a nest, into consecutive elements of *@array, each of
 * which begins as @init.
 */
static int parse_many(struct span span, uint16_t type, const struct table *table, const void *init,
		      void **array, size_t *room, size_t size, size_t *ret_count)
{
	size_t count = count_attrs(span, type);
	struct attr attr;
	char *to;
	int r;

	r = make_room(array, room, count, size);
	if (r < 0)
		return r;
	*ret_count = count;
	if (!count)
		return 0;
	to = *array;
	while ((r = next_attr(&span, &attr)) > 0) {
		if (attr.type != type)
			continue;
		memcpy(to, init, size);
		r = parse_table(attr.payload, table, to, NULL);
		if (r < 0)
			return r;
		to += size;
	}
	return r;
}

int lp_nl_command(const struct nlmsghdr *hdr)
{
	const struct genlmsghdr *genl;

	if (hdr->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return -EBADMSG;
	genl = (const void *)((const char *)hdr + NLMSG_HDRLEN);
	return genl->cmd;
}

static bool name_ok(const char *name)
{
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("._:@+-", *name))
			return false;
	}
	return true;
}

int lp_nl_parse_vm(const struct nlmsghdr *hdr, struct lp_vm *ret)
{
	uint64_t seen;
	int r;

	*ret = (struct lp_vm){0};
	r = parse_message(hdr, &vm_table, ret, &seen);
	if (r < 0)
		return r;
	/* Root's id is 0 and may have been left out as zero, unlike an id that is not known. */
	ret->has_uid = (seen & (1ULL << KVM_LPAGE_A_VM_UID)) ||
		       (seen & (1ULL << KVM_LPAGE_A_VM_PID));
	return ret->id && name_ok(ret->name) ? 0 : -EBADMSG;
}

static int parse_vm_ref(const struct nlmsghdr *hdr, const struct table *table,
			struct lp_nl_changed *ret)
{
	int r;

	*ret = (struct lp_nl_changed){0};
	r = parse_message(hdr, table, ret, NULL);
	if (r < 0)
		return r;
	return ret->vm_id ? 0 : -EBADMSG;
}

int lp_nl_parse_vm_gone(const struct nlmsghdr *hdr, uint32_t *ret_vm_id)
{
	struct lp_nl_changed gone;
	int r;

	r = parse_vm_ref(hdr, &gone_table, &gone);
	*ret_vm_id = gone.vm_id;
	return r;
}

int lp_nl_parse_changed(const struct nlmsghdr *hdr, struct lp_nl_changed *ret)
{
	return parse_vm_ref(hdr, &changed_table, ret);
}

int lp_nl_parse_reply(const struct nlmsghdr *hdr, struct lp_nl_reply *ret)
{
	*ret = (struct lp_nl_reply){0};
	return parse_message(hdr, &reply_table, ret, NULL);
}

int lp_nl_parse_policy_change(const struct nlmsghdr *hdr, struct lp_policy_change *ret)
{
	int r;

	*ret = (struct lp_policy_change){0};
	r = parse_message(hdr, &change_table, ret, NULL);
	if (r < 0)
		return r;
	return ret->vm_id ? 0 : -EBADMSG;
}

/* The state is left out when no page is private. */
static void note_shared(struct lp_region *regions, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (regions[i].state != STATE_LEFT_OUT)
			continue;
		regions[i].state = KVM_LPAGE_STATE_MIXED;
		regions[i].shared = true;
	}
}

int lp_nl_parse_regions(const struct nlmsghdr *hdr, struct lp_nl_scratch *scratch,
			struct lp_region_chunk *ret)
{
	static const struct lp_region init = {.state = STATE_LEFT_OUT};
	struct span span;
	int r;

	*ret = (struct lp_region_chunk){0};
	r = parse_message(hdr, &chunk_table, ret, NULL);
	if (r < 0)
		return r;
	if (!ret->vm_id)
		return -EBADMSG;
	r = message_span(hdr, &span);
	if (r < 0)
		return r;
	r = parse_many(span, KVM_LPAGE_A_REGION_DUMP_REGION, &region_table, &init,
		       (void **)&scratch->regions, &scratch->regions_room,
		       sizeof(*scratch->regions), &ret->nr_regions);
	if (r < 0)
		return r;
	note_shared(scratch->regions, ret->nr_regions);
	ret->regions = scratch->regions;
	return 0;
}

static bool results_ok(const struct lp_result *results, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (results[i].done + results[i].refused > results[i].nr_regions)
			return false;
	}
	return true;
}

/* A result carries a layer only when one refused; layer 0 (vmm) may have been left out as zero. */
static void note_layers(struct lp_result *results, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		uint32_t reason = results[i].reason;

		results[i].has_layer =
			reason == KVM_LPAGE_REASON_MODE_OFF || reason == KVM_LPAGE_REASON_HELD ||
			reason == KVM_LPAGE_REASON_TOO_RECENT ||
			reason == KVM_LPAGE_REASON_RATE_LIMITED || results[i].reason_layer;
		/* Left out: one. */
		if (!results[i].nr_regions)
			results[i].nr_regions = 1;
	}
}

int lp_nl_parse_done(const struct nlmsghdr *hdr, struct lp_nl_scratch *scratch, struct lp_done *ret)
{
	static const struct lp_result no_result;
	static const struct lp_batch no_batch;
	struct span span;
	int r;

	*ret = (struct lp_done){0};
	r = parse_message(hdr, &done_table, ret, NULL);
	if (r < 0)
		return r;
	if (!ret->vm_id)
		return -EBADMSG;
	r = message_span(hdr, &span);
	if (r < 0)
		return r;
	r = parse_many(span, KVM_LPAGE_A_REQUEST_RESULT, &result_table, &no_result,
		       (void **)&scratch->results, &scratch->results_room,
		       sizeof(*scratch->results), &ret->nr_results);
	if (r < 0)
		return r;
	r = parse_many(span, KVM_LPAGE_A_REQUEST_BATCH, &batch_table, &no_batch,
		       (void **)&scratch->batches, &scratch->batches_room,
		       sizeof(*scratch->batches), &ret->nr_batches);
	if (r < 0)
		return r;
	note_layers(scratch->results, ret->nr_results);
	if (!results_ok(scratch->results, ret->nr_results))
		return -EBADMSG;
	ret->results = scratch->results;
	ret->batches = scratch->batches;
	return 0;
}

void lp_nl_scratch_free(struct lp_nl_scratch *scratch)
{
	free(scratch->regions);
	free(scratch->results);
	free(scratch->batches);
	*scratch = (struct lp_nl_scratch){0};
}

/* CTRL_ATTR_MCAST_GROUPS is a list of nests, numbered from 1. */
static int find_group(struct span groups, const char *name, uint32_t *ret)
{
	struct attr attr;
	int r;

	while ((r = next_attr(&groups, &attr)) > 0) {
		struct group group = {0};

		r = parse_table(attr.payload, &group_table, &group, NULL);
		if (r < 0)
			return r;
		if (!strcmp(group.name, name))
			*ret = group.id;
	}
	return r;
}

int lp_nl_parse_family(const struct nlmsghdr *hdr, const char *group, struct lp_nl_family *ret)
{
	struct attr attr;
	struct span span;
	int r;

	*ret = (struct lp_nl_family){0};
	r = parse_message(hdr, &family_table, ret, NULL);
	if (r < 0)
		return r;
	r = message_span(hdr, &span);
	while (r >= 0 && (r = next_attr(&span, &attr)) > 0) {
		if (attr.type == CTRL_ATTR_MCAST_GROUPS)
			r = find_group(attr.payload, group, &ret->group);
	}
	return r;
}

/* Where the TLVs of an extended ACK begin, and what error it carries. */
static int end_parts(const struct nlmsghdr *hdr, int *ret_error, struct span *ret_tlvs)
{
	const char *payload = (const char *)hdr + NLMSG_HDRLEN;
	size_t len, skip = sizeof(int32_t);
	struct nlmsgerr err;
	int32_t code;

	if (hdr->nlmsg_len < NLMSG_HDRLEN + skip)
		return -EBADMSG;
	len = hdr->nlmsg_len - NLMSG_HDRLEN;
	memcpy(&code, payload, sizeof(code));
	if (hdr->nlmsg_type == NLMSG_ERROR) {
		if (len < sizeof(err))
			return -EBADMSG;
		memcpy(&err, payload, sizeof(err));
		skip = sizeof(err);
		/* A refused request comes back whole unless the socket asked for the header only. */
		if (!(hdr->nlmsg_flags & NLM_F_CAPPED) && err.msg.nlmsg_len > NLMSG_HDRLEN)
			skip += NLMSG_ALIGN(err.msg.nlmsg_len - NLMSG_HDRLEN);
	}
	if (code > 0 || code < -4095)
		return -EBADMSG;
	*ret_error = code;
	*ret_tlvs = (struct span){NULL, 0};
	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return 0;
	if (skip > len)
		return -EBADMSG;
	*ret_tlvs = (struct span){payload + skip, len - skip};
	return 0;
}

/* Text of the kernel's for a log line: what is not printable becomes a question mark. */
static void copy_text(char *to, size_t size, const struct span *from)
{
	size_t len = from->len < size ? from->len : size - 1;

	len = strnlen(from->data, len);
	for (size_t i = 0; i < len; i++)
		to[i] = isprint((unsigned char)from->data[i]) ? from->data[i] : '?';
	to[len] = '\0';
}

int lp_nl_parse_end(const struct nlmsghdr *hdr, struct lp_nl_end *ret)
{
	uint32_t missing = 0;
	struct attr attr;
	struct span tlvs;
	int r;

	*ret = (struct lp_nl_end){0};
	r = end_parts(hdr, &ret->error, &tlvs);
	if (r < 0)
		return r;
	while ((r = next_attr(&tlvs, &attr)) > 0) {
		if (attr.type == NLMSGERR_ATTR_MSG)
			copy_text(ret->text, sizeof(ret->text), &attr.payload);
		/* Since Linux 6.1, which Debian 12's headers know: not always in older ones. */
		if (attr.type == NLMSGERR_ATTR_MISS_TYPE)
			(void)get_u32(&attr.payload, 0, &missing);
	}
	if (!ret->text[0] && missing)
		snprintf(ret->text, sizeof(ret->text), "attribute %u is missing", missing);
	return r;
}
