// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink_parse.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#include <ctype.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/link/netlink_attrs.h"

#define STATE_LEFT_OUT UINT32_MAX
#define LAYER_LEFT_OUT UINT32_MAX

static const struct lp_attr_field limits_fields[] = {
	[KVM_LPAGE_A_POLICY_MODE] =
		LP_ATTR_AT(U32, struct lp_limits, mode, .max = KVM_LPAGE_MODE_FAULT),
	[KVM_LPAGE_A_POLICY_MIN_QUIET_NS] = LP_ATTR_AT(UINT, struct lp_limits, min_quiet_ns),
	[KVM_LPAGE_A_POLICY_RATE] = LP_ATTR_AT(U32, struct lp_limits, rate_per_s),
	[KVM_LPAGE_A_POLICY_BURST] = LP_ATTR_AT(U32, struct lp_limits, burst_regions),
	[KVM_LPAGE_A_POLICY_BATCH] = LP_ATTR_AT(U32, struct lp_limits, batch_regions),
	[KVM_LPAGE_A_POLICY_MAX_STALL_NS] = LP_ATTR_AT(UINT, struct lp_limits, max_stall_ns),
	[KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS] =
		LP_ATTR_AT(UINT, struct lp_limits, notify_interval_ns),
};

static const struct lp_attr_table limits_table = LP_ATTR_TABLE(limits_fields);

static const struct lp_attr_field vm_fields[] = {
	[KVM_LPAGE_A_VM_ID] = LP_ATTR_AT(U32, struct lp_vm, id, .required = true),
	[KVM_LPAGE_A_VM_NAME] = LP_ATTR_AT(STRING, struct lp_vm, name),
	[KVM_LPAGE_A_VM_PID] = LP_ATTR_AT(U32, struct lp_vm, pid),
	[KVM_LPAGE_A_VM_PID_START_NS] = LP_ATTR_AT(U64, struct lp_vm, pid_start_ns),
	[KVM_LPAGE_A_VM_UID] = LP_ATTR_AT(U32, struct lp_vm, uid),
	[KVM_LPAGE_A_VM_CGROUP_ID] = LP_ATTR_AT(U64, struct lp_vm, cgroup_id),
	[KVM_LPAGE_A_VM_TYPE] = LP_ATTR_AT(U32, struct lp_vm, type),
	[KVM_LPAGE_A_VM_VCPUS] = LP_ATTR_AT(U32, struct lp_vm, nr_vcpus),
	[KVM_LPAGE_A_VM_MEMORY_PAGES] = LP_ATTR_AT(UINT, struct lp_vm, memory_pages),
	[KVM_LPAGE_A_VM_RUNNING] = LP_ATTR_AT(FLAG, struct lp_vm, running),
	[KVM_LPAGE_A_VM_INCAPABLE] = LP_ATTR_AT(U32, struct lp_vm, incapable),
	[KVM_LPAGE_A_VM_POLICY] = LP_ATTR_AT(NEST, struct lp_vm, limits, .nest = &limits_table),
	[KVM_LPAGE_A_VM_POLICY_VMM] =
		LP_ATTR_AT(NEST, struct lp_vm, limits_vmm, .nest = &limits_table),
	[KVM_LPAGE_A_VM_POLICY_ADMIN] =
		LP_ATTR_AT(NEST, struct lp_vm, limits_admin, .nest = &limits_table),
	[KVM_LPAGE_A_VM_GENERATION] = LP_ATTR_AT(U64, struct lp_vm, generation),
	[KVM_LPAGE_A_VM_RESYNC_GENERATION] = LP_ATTR_AT(U64, struct lp_vm, resync_generation),
	[KVM_LPAGE_A_VM_CAPABLE] = LP_ATTR_AT(UINT, struct lp_vm, capable),
	[KVM_LPAGE_A_VM_LARGE] = LP_ATTR_AT(UINT, struct lp_vm, large),
	[KVM_LPAGE_A_VM_TABLE] = LP_ATTR_AT(UINT, struct lp_vm, table),
	[KVM_LPAGE_A_VM_MIXED] = LP_ATTR_AT(UINT, struct lp_vm, mixed),
	[KVM_LPAGE_A_VM_UNMAPPED] = LP_ATTR_AT(UINT, struct lp_vm, unmapped),
	[KVM_LPAGE_A_VM_HELD] = LP_ATTR_AT(UINT, struct lp_vm, held),
	[KVM_LPAGE_A_VM_TO_SHARED_PAGES] = LP_ATTR_AT(UINT, struct lp_vm, to_shared_pages),
	[KVM_LPAGE_A_VM_TO_PRIVATE_PAGES] = LP_ATTR_AT(UINT, struct lp_vm, to_private_pages),
	[KVM_LPAGE_A_VM_TO_SHARED_EVENTS] = LP_ATTR_AT(UINT, struct lp_vm, to_shared_events),
	[KVM_LPAGE_A_VM_TO_PRIVATE_EVENTS] = LP_ATTR_AT(UINT, struct lp_vm, to_private_events),
	[KVM_LPAGE_A_VM_MERGES] = LP_ATTR_AT(UINT, struct lp_vm, merges),
	[KVM_LPAGE_A_VM_SPLITS] = LP_ATTR_AT(UINT, struct lp_vm, splits),
	[KVM_LPAGE_A_VM_SPLIT_NS] = LP_ATTR_AT(UINT, struct lp_vm, split_ns),
	[KVM_LPAGE_A_VM_REFUSALS] = LP_ATTR_AT(UINT, struct lp_vm, refusals),
	[KVM_LPAGE_A_VM_WORK_NS] = LP_ATTR_AT(UINT, struct lp_vm, work_ns),
	[KVM_LPAGE_A_VM_OVERFLOWS] = LP_ATTR_AT(UINT, struct lp_vm, overflows),
	[KVM_LPAGE_A_VM_HUGE_BYTES] = LP_ATTR_AT(UINT, struct lp_vm, huge_bytes),
	[KVM_LPAGE_A_VM_RETAINED_BYTES] = LP_ATTR_AT(UINT, struct lp_vm, retained_bytes),
	[KVM_LPAGE_A_VM_WORKER_ERRNO] = LP_ATTR_AT(U32, struct lp_vm, worker_errno),
	[KVM_LPAGE_A_VM_CHUNKS] = LP_ATTR_AT(UINT, struct lp_vm, chunks),
	[KVM_LPAGE_A_VM_ADMIN_LEASE_NS] = LP_ATTR_AT(UINT, struct lp_vm, admin_lease_ns),
	[KVM_LPAGE_A_VM_PROBES] = LP_ATTR_AT(UINT, struct lp_vm, probes),
	[KVM_LPAGE_A_VM_PROBE_TOUCHES] = LP_ATTR_AT(UINT, struct lp_vm, probe_touches),
	[KVM_LPAGE_A_VM_PROBE_CANCELS] = LP_ATTR_AT(UINT, struct lp_vm, probe_cancels),
};

static const struct lp_attr_field region_fields[] = {
	[KVM_LPAGE_A_REGION_RFN] = LP_ATTR_AT(RFN, struct lp_region, rfn),
	[KVM_LPAGE_A_REGION_STATE] =
		LP_ATTR_AT(U32, struct lp_region, state, .max = KVM_LPAGE_STATE_MIXED),
	[KVM_LPAGE_A_REGION_INHIBITED] = LP_ATTR_AT(FLAG, struct lp_region, inhibited),
	[KVM_LPAGE_A_REGION_HOLD_VMM_NS] = LP_ATTR_AT(U64, struct lp_region, hold_vmm_ns),
	[KVM_LPAGE_A_REGION_HOLD_ADMIN_NS] = LP_ATTR_AT(U64, struct lp_region, hold_admin_ns),
	[KVM_LPAGE_A_REGION_PRESENT] =
		LP_ATTR_AT(U32, struct lp_region, present_pages, .max = REGION_PAGES),
	[KVM_LPAGE_A_REGION_TO_SHARED_PAGES] = LP_ATTR_AT(U32, struct lp_region, to_shared_pages),
	[KVM_LPAGE_A_REGION_TO_PRIVATE_PAGES] = LP_ATTR_AT(U32, struct lp_region, to_private_pages),
	[KVM_LPAGE_A_REGION_TO_SHARED_EVENTS] = LP_ATTR_AT(U32, struct lp_region, to_shared_events),
	[KVM_LPAGE_A_REGION_TO_PRIVATE_EVENTS] =
		LP_ATTR_AT(U32, struct lp_region, to_private_events),
	[KVM_LPAGE_A_REGION_LAST_TO_SHARED_NS] =
		LP_ATTR_AT(U64, struct lp_region, last_to_shared_ns),
	[KVM_LPAGE_A_REGION_LAST_TO_PRIVATE_NS] =
		LP_ATTR_AT(U64, struct lp_region, last_to_private_ns),
	[KVM_LPAGE_A_REGION_LAST_OP] = LP_ATTR_AT(U32, struct lp_region, last_op),
	[KVM_LPAGE_A_REGION_LAST_REASON] = LP_ATTR_AT(U32, struct lp_region, last_reason),
	[KVM_LPAGE_A_REGION_LAST_OP_NS] = LP_ATTR_AT(U64, struct lp_region, last_op_ns),
	[KVM_LPAGE_A_REGION_GENERATION] = LP_ATTR_AT(U64, struct lp_region, generation),
	[KVM_LPAGE_A_REGION_LEVEL] = LP_ATTR_AT(U32, struct lp_region, level),
};

static const struct lp_attr_field chunk_fields[] = {
	[KVM_LPAGE_A_REGION_DUMP_VM_ID] =
		LP_ATTR_AT(U32, struct lp_region_chunk, vm_id, .required = true),
	[KVM_LPAGE_A_REGION_DUMP_GENERATION] = LP_ATTR_AT(U64, struct lp_region_chunk, generation),
	[KVM_LPAGE_A_REGION_DUMP_RESYNC_GENERATION] =
		LP_ATTR_AT(U64, struct lp_region_chunk, resync_generation),
	[KVM_LPAGE_A_REGION_DUMP_REGION] = {.kind = LP_ATTR_MANY},
};

static const struct lp_attr_field change_fields[] = {
	[KVM_LPAGE_A_POLICY_CHANGE_VM_ID] =
		LP_ATTR_AT(U32, struct lp_policy_change, vm_id, .required = true),
	[KVM_LPAGE_A_POLICY_CHANGE_POLICY] =
		LP_ATTR_AT(NEST, struct lp_policy_change, limits, .nest = &limits_table),
	[KVM_LPAGE_A_POLICY_CHANGE_LAYER] =
		LP_ATTR_AT(U32, struct lp_policy_change, layer, .max = KVM_LPAGE_LAYER_ADMIN),
	[KVM_LPAGE_A_POLICY_CHANGE_PID] = LP_ATTR_AT(U32, struct lp_policy_change, pid),
	[KVM_LPAGE_A_POLICY_CHANGE_UID] = LP_ATTR_AT(U32, struct lp_policy_change, uid),
	[KVM_LPAGE_A_POLICY_CHANGE_EXPIRED] = LP_ATTR_AT(FLAG, struct lp_policy_change, expired),
};

static const struct lp_attr_field result_fields[] = {
	[KVM_LPAGE_A_RESULT_START_RFN] = LP_ATTR_AT(RFN, struct lp_result, start_rfn),
	[KVM_LPAGE_A_RESULT_NR_REGIONS] =
		LP_ATTR_AT(U32, struct lp_result, nr_regions, .max = KVM_LPAGE_RANGE_REGIONS_MAX),
	[KVM_LPAGE_A_RESULT_DONE] =
		LP_ATTR_AT(U32, struct lp_result, done, .max = KVM_LPAGE_RANGE_REGIONS_MAX),
	[KVM_LPAGE_A_RESULT_REFUSED] =
		LP_ATTR_AT(U32, struct lp_result, refused, .max = KVM_LPAGE_RANGE_REGIONS_MAX),
	[KVM_LPAGE_A_RESULT_REASON] = LP_ATTR_AT(U32, struct lp_result, reason),
	[KVM_LPAGE_A_RESULT_REASON_RFN] = LP_ATTR_AT(RFN, struct lp_result, reason_rfn),
	[KVM_LPAGE_A_RESULT_REASON_LAYER] =
		LP_ATTR_AT(U32, struct lp_result, reason_layer, .max = KVM_LPAGE_LAYER_ADMIN),
	[KVM_LPAGE_A_RESULT_NS] = LP_ATTR_AT(UINT, struct lp_result, ns),
	[KVM_LPAGE_A_RESULT_LEVEL] = LP_ATTR_AT(U32, struct lp_result, level),
};

static const struct lp_attr_field batch_fields[] = {
	[KVM_LPAGE_A_BATCH_REGIONS] = LP_ATTR_AT(U32, struct lp_batch, regions),
	[KVM_LPAGE_A_BATCH_MERGED] = LP_ATTR_AT(U32, struct lp_batch, merged),
	[KVM_LPAGE_A_BATCH_FIXED_NS] = LP_ATTR_AT(UINT, struct lp_batch, fixed_ns),
	[KVM_LPAGE_A_BATCH_REGIONS_NS] = LP_ATTR_AT(UINT, struct lp_batch, regions_ns),
	[KVM_LPAGE_A_BATCH_STALL_NS] = LP_ATTR_AT(UINT, struct lp_batch, stall_ns),
	[KVM_LPAGE_A_BATCH_KICKED] = LP_ATTR_AT(U32, struct lp_batch, kicked),
};

static const struct lp_attr_field probed_fields[] = {
	[KVM_LPAGE_A_PROBED_RFN] = LP_ATTR_AT(RFN, struct lp_probed, rfn),
	[KVM_LPAGE_A_PROBED_TOUCHED] = LP_ATTR_AT(FLAG, struct lp_probed, touched),
	[KVM_LPAGE_A_PROBED_FIRST_TOUCH_NS] = LP_ATTR_AT(U64, struct lp_probed, first_touch_ns),
	[KVM_LPAGE_A_PROBED_REASON] = LP_ATTR_AT(U32, struct lp_probed, reason),
	[KVM_LPAGE_A_PROBED_LEVEL] = LP_ATTR_AT(U32, struct lp_probed, level),
};

static const struct lp_attr_field done_fields[] = {
	[KVM_LPAGE_A_REQUEST_VM_ID] = LP_ATTR_AT(U32, struct lp_done, vm_id, .required = true),
	[KVM_LPAGE_A_REQUEST_COOKIE] = LP_ATTR_AT(U64, struct lp_done, cookie),
	[KVM_LPAGE_A_REQUEST_OP] = LP_ATTR_AT(U32, struct lp_done, op),
	[KVM_LPAGE_A_REQUEST_RESULT] = {.kind = LP_ATTR_MANY},
	[KVM_LPAGE_A_REQUEST_BATCH] = {.kind = LP_ATTR_MANY},
	[KVM_LPAGE_A_REQUEST_PROBED] = {.kind = LP_ATTR_MANY},
};

static const struct lp_attr_field reply_fields[] = {
	[KVM_LPAGE_A_REQUEST_COOKIE] =
		LP_ATTR_AT(U64, struct lp_nl_reply, cookie, .required = true),
};

static const struct lp_attr_field gone_fields[] = {
	[KVM_LPAGE_A_VM_ID] = LP_ATTR_AT(U32, struct lp_nl_changed, vm_id, .required = true),
};

static const struct lp_attr_field changed_fields[] = {
	[KVM_LPAGE_A_VM_ID] = LP_ATTR_AT(U32, struct lp_nl_changed, vm_id, .required = true),
	[KVM_LPAGE_A_VM_GENERATION] = LP_ATTR_AT(U64, struct lp_nl_changed, generation),
};

static const struct lp_attr_field family_fields[] = {
	[CTRL_ATTR_FAMILY_ID] = LP_ATTR_AT(U16, struct lp_nl_family, id, .required = true),
	[CTRL_ATTR_FAMILY_NAME] = LP_ATTR_AT(STRING, struct lp_nl_family, name, .required = true),
	[CTRL_ATTR_VERSION] = LP_ATTR_AT(U32, struct lp_nl_family, version),
	[CTRL_ATTR_MCAST_GROUPS] = {.kind = LP_ATTR_MANY},
};

struct group {
	uint32_t id;
	char name[32];
};

static const struct lp_attr_field group_fields[] = {
	[CTRL_ATTR_MCAST_GRP_NAME] = LP_ATTR_AT(STRING, struct group, name, .required = true),
	[CTRL_ATTR_MCAST_GRP_ID] = LP_ATTR_AT(U32, struct group, id, .required = true),
};

static const struct lp_attr_table vm_table = LP_ATTR_TABLE(vm_fields);
static const struct lp_attr_table region_table = LP_ATTR_TABLE(region_fields);
static const struct lp_attr_table chunk_table = LP_ATTR_TABLE(chunk_fields);
static const struct lp_attr_table change_table = LP_ATTR_TABLE(change_fields);
static const struct lp_attr_table result_table = LP_ATTR_TABLE(result_fields);
static const struct lp_attr_table batch_table = LP_ATTR_TABLE(batch_fields);
static const struct lp_attr_table probed_table = LP_ATTR_TABLE(probed_fields);
static const struct lp_attr_table done_table = LP_ATTR_TABLE(done_fields);
static const struct lp_attr_table reply_table = LP_ATTR_TABLE(reply_fields);
static const struct lp_attr_table gone_table = LP_ATTR_TABLE(gone_fields);
static const struct lp_attr_table changed_table = LP_ATTR_TABLE(changed_fields);
static const struct lp_attr_table family_table = LP_ATTR_TABLE(family_fields);
static const struct lp_attr_table group_table = LP_ATTR_TABLE(group_fields);

/* The attributes of a generic netlink message. */
static int message_span(const struct nlmsghdr *hdr, struct lp_attr_span *ret)
{
	if (hdr->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return -EBADMSG;
	*ret = (struct lp_attr_span){(const char *)hdr + NLMSG_HDRLEN + GENL_HDRLEN,
				     hdr->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN};
	return 0;
}

static int parse_message(const struct nlmsghdr *hdr, const struct lp_attr_table *table, void *out,
			 uint64_t *ret_seen)
{
	struct lp_attr_span span;
	int r;

	r = message_span(hdr, &span);
	return r < 0 ? r : lp_attrs_parse(span, table, out, ret_seen);
}

/* The same of a message that has to name a VM; @vm_id is the member of @out. */
static int parse_of_vm(const struct nlmsghdr *hdr, const struct lp_attr_table *table, void *out,
		       const uint32_t *vm_id)
{
	int r;

	r = parse_message(hdr, table, out, NULL);
	if (r < 0)
		return r;
	return *vm_id ? 0 : -EBADMSG;
}

/* All attributes of @type, each an item that begins as @init; *items grows as needed. */
static int parse_list(const struct nlmsghdr *hdr, uint16_t type, const struct lp_attr_table *table,
		      const void *init, void **items, size_t *capacity, size_t size, size_t *ret_nr)
{
	struct lp_attr_span span;
	int r;

	r = message_span(hdr, &span);
	if (r < 0)
		return r;
	return lp_attrs_parse_many(span, type, table, init, items, capacity, size, ret_nr);
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
		if (!text_is_name_char(*name))
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

static int parse_vm_ref(const struct nlmsghdr *hdr, const struct lp_attr_table *table,
			struct lp_nl_changed *ret)
{
	*ret = (struct lp_nl_changed){0};
	return parse_of_vm(hdr, table, ret, &ret->vm_id);
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
	*ret = (struct lp_policy_change){0};
	return parse_of_vm(hdr, &change_table, ret, &ret->vm_id);
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

/* Drops regions of other page levels, which only a later kernel reports. */
static size_t drop_other_levels(struct lp_region *regions, size_t nr)
{
	size_t kept = 0;

	for (size_t i = 0; i < nr; i++) {
		if (regions[i].level == KVM_LPAGE_LEVEL_2M)
			regions[kept++] = regions[i];
	}
	return kept;
}

int lp_nl_parse_regions(const struct nlmsghdr *hdr, struct lp_nl_scratch *scratch,
			struct lp_region_chunk *ret)
{
	static const struct lp_region init = {.state = STATE_LEFT_OUT, .level = KVM_LPAGE_LEVEL_2M};
	int r;

	*ret = (struct lp_region_chunk){0};
	r = parse_of_vm(hdr, &chunk_table, ret, &ret->vm_id);
	if (r < 0)
		return r;
	r = parse_list(hdr, KVM_LPAGE_A_REGION_DUMP_REGION, &region_table, &init,
		       (void **)&scratch->regions, &scratch->regions_room,
		       sizeof(*scratch->regions), &ret->nr_regions);
	if (r < 0)
		return r;
	ret->nr_regions = drop_other_levels(scratch->regions, ret->nr_regions);
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

/* A result carries a layer only when one refused. */
static void note_layers(struct lp_result *results, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		results[i].has_layer = results[i].reason_layer != LAYER_LEFT_OUT;
		if (!results[i].has_layer)
			results[i].reason_layer = 0;
		/* Left out: one. */
		if (!results[i].nr_regions)
			results[i].nr_regions = 1;
	}
}

/* A touch is a verdict, and its time is that of a touch. */
static bool probed_ok(const struct lp_probed *probed, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (probed[i].touched ? probed[i].reason != KVM_LPAGE_REASON_NONE :
					probed[i].first_touch_ns != 0)
			return false;
	}
	return nr <= KVM_LPAGE_PROBES_MAX;
}

int lp_nl_parse_done(const struct nlmsghdr *hdr, struct lp_nl_scratch *scratch, struct lp_done *ret)
{
	static const struct lp_result no_result = {.reason_layer = LAYER_LEFT_OUT,
						   .level = KVM_LPAGE_LEVEL_2M};
	static const struct lp_batch no_batch;
	static const struct lp_probed no_probed = {.level = KVM_LPAGE_LEVEL_2M};
	int r;

	*ret = (struct lp_done){0};
	r = parse_of_vm(hdr, &done_table, ret, &ret->vm_id);
	if (r < 0)
		return r;
	r = parse_list(hdr, KVM_LPAGE_A_REQUEST_RESULT, &result_table, &no_result,
		       (void **)&scratch->results, &scratch->results_room,
		       sizeof(*scratch->results), &ret->nr_results);
	if (r < 0)
		return r;
	r = parse_list(hdr, KVM_LPAGE_A_REQUEST_BATCH, &batch_table, &no_batch,
		       (void **)&scratch->batches, &scratch->batches_room,
		       sizeof(*scratch->batches), &ret->nr_batches);
	if (r < 0)
		return r;
	r = parse_list(hdr, KVM_LPAGE_A_REQUEST_PROBED, &probed_table, &no_probed,
		       (void **)&scratch->probed, &scratch->probed_room, sizeof(*scratch->probed),
		       &ret->nr_probed);
	if (r < 0)
		return r;
	note_layers(scratch->results, ret->nr_results);
	if (!results_ok(scratch->results, ret->nr_results) ||
	    !probed_ok(scratch->probed, ret->nr_probed))
		return -EBADMSG;
	ret->results = scratch->results;
	ret->batches = scratch->batches;
	ret->probed = scratch->probed;
	return 0;
}

void lp_nl_scratch_free(struct lp_nl_scratch *scratch)
{
	free(scratch->regions);
	free(scratch->results);
	free(scratch->batches);
	free(scratch->probed);
	*scratch = (struct lp_nl_scratch){0};
}

/* CTRL_ATTR_MCAST_GROUPS is a list of nests, numbered from 1. */
static int find_group(struct lp_attr_span groups, const char *name, uint32_t *ret)
{
	struct lp_attr attr;
	int r;

	while ((r = lp_attr_next(&groups, &attr)) > 0) {
		struct group group = {0};

		r = lp_attrs_parse(attr.payload, &group_table, &group, NULL);
		if (r < 0)
			return r;
		if (!strcmp(group.name, name))
			*ret = group.id;
	}
	return r;
}

int lp_nl_parse_family(const struct nlmsghdr *hdr, const char *group, struct lp_nl_family *ret)
{
	struct lp_attr attr;
	struct lp_attr_span span;
	int r;

	*ret = (struct lp_nl_family){0};
	r = parse_message(hdr, &family_table, ret, NULL);
	if (r < 0)
		return r;
	r = message_span(hdr, &span);
	while (r >= 0 && (r = lp_attr_next(&span, &attr)) > 0) {
		if (attr.type == CTRL_ATTR_MCAST_GROUPS)
			r = find_group(attr.payload, group, &ret->group);
	}
	return r;
}

/* Where the TLVs of an extended ACK begin, and what error it carries. */
static int end_parts(const struct nlmsghdr *hdr, int *ret_error, struct lp_attr_span *ret_tlvs)
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
	*ret_tlvs = (struct lp_attr_span){NULL, 0};
	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return 0;
	if (skip > len)
		return -EBADMSG;
	*ret_tlvs = (struct lp_attr_span){payload + skip, len - skip};
	return 0;
}

/* Text of the kernel's for a log line: what is not printable becomes a question mark. */
static void copy_text(char *to, size_t size, const struct lp_attr_span *from)
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
	struct lp_attr attr;
	struct lp_attr_span tlvs;
	int r;

	*ret = (struct lp_nl_end){0};
	r = end_parts(hdr, &ret->error, &tlvs);
	if (r < 0)
		return r;
	while ((r = lp_attr_next(&tlvs, &attr)) > 0) {
		if (attr.type == NLMSGERR_ATTR_MSG)
			copy_text(ret->text, sizeof(ret->text), &attr.payload);
		/* Since Linux 6.1, which Debian 12's headers know: not always in older ones. */
		if (attr.type == NLMSGERR_ATTR_MISS_TYPE)
			(void)lp_attr_u32(&attr.payload, 0, &missing);
	}
	if (!ret->text[0] && missing)
		snprintf(ret->text, sizeof(ret->text), "attribute %u is missing", missing);
	return r;
}

const struct lp_nl_decoder lp_nl_decoders[] = {
	{"policy", NULL, &limits_table},
	{"region", NULL, &region_table},
	{"result", NULL, &result_table},
	{"batch", NULL, &batch_table},
	{"probed", NULL, &probed_table},
	{"vm", "vm-get", &vm_table},
	{"vm", "vm-gone-ntf", &gone_table},
	{"vm", "changed-ntf", &changed_table},
	{"region-dump", "region-get", &chunk_table},
	{"policy-change", "policy-ntf", &change_table},
	{"request", "merge", &reply_table},
	{"request", "op-done-ntf", &done_table},
	{NULL, NULL, NULL},
};
