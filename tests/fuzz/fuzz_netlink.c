// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as what the kernel sends: through the parser, the conversation and the manager behind it.
 *
 * An input is a row of datagrams: a byte (bit 0: event socket, else request socket; the rest: how
 * long to wait before it), two bytes of length, little endian, and the datagram. Sequence numbers
 * count back from the last request, for a fuzzer would not guess them.
 */
#include <event2/event.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/context.h"
#include "daemon/link/netlink_proto.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/nlbuild.h"

#define FAMILY 30

struct host {
	struct lp_link link; /* first */
	struct lp_proto proto;
	struct event_base *base;
	struct lp_manager *manager;
	struct lp_log log;
	uint64_t now_ns;
	uint32_t last_seq;
};

static struct host *host_of(struct lp_link *link)
{
	return (struct host *)link;
}

/* ---- a link with no socket ---- */

static int io_send(void *ctx, struct nl_msg *msg, uint32_t seq)
{
	(void)msg;
	((struct host *)ctx)->last_seq = seq;
	return 0;
}

static int io_join(void *ctx, uint32_t group)
{
	(void)ctx;
	(void)group;
	return 0;
}

static int io_reopen(void *ctx)
{
	(void)ctx;
	return 0;
}

static void io_wake(void *ctx)
{
	(void)ctx;
}

static uint64_t io_now_ns(void *ctx)
{
	return ((struct host *)ctx)->now_ns;
}

static const struct lp_proto_io io = {
	.send = io_send,
	.join = io_join,
	.reopen = io_reopen,
	.wake = io_wake,
	.now_ns = io_now_ns,
};

static int link_start(struct lp_link *link)
{
	return lp_proto_start(&host_of(link)->proto);
}

static void link_stop(struct lp_link *link)
{
	lp_proto_done(&host_of(link)->proto);
}

static uint64_t link_now_ns(const struct lp_link *link)
{
	return ((const struct host *)link)->now_ns;
}

static int link_dump_vms(struct lp_link *link, uint32_t vm_id, uint64_t *ret_tag)
{
	return lp_proto_dump_vms(&host_of(link)->proto, vm_id, ret_tag);
}

static int link_dump_regions(struct lp_link *link, const struct lp_region_query *query,
			     uint64_t *ret_tag)
{
	return lp_proto_dump_regions(&host_of(link)->proto, query, ret_tag);
}

static int link_set_policy(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			   uint64_t lease_ns, uint64_t *ret_tag)
{
	return lp_proto_set_policy(&host_of(link)->proto, vm_id, limits, lease_ns, ret_tag);
}

static int link_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
			 const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			 uint64_t *ret_tag)
{
	return lp_proto_range_op(&host_of(link)->proto, vm_id, op, ranges, nr_ranges, ttl_ns,
				 ret_tag);
}

static void link_stats(const struct lp_link *link, struct lp_link_stats *ret)
{
	*ret = ((const struct host *)link)->proto.stats;
}

static const struct lp_link_ops link_ops = {
	.name = "fuzz",
	.start = link_start,
	.stop = link_stop,
	.now_ns = link_now_ns,
	.dump_vms = link_dump_vms,
	.dump_regions = link_dump_regions,
	.set_policy = link_set_policy,
	.range_op = link_range_op,
	.stats = link_stats,
};

/* ---- the daemon around it ---- */

static void work(struct host *host)
{
	lp_proto_pump(&host->proto);
	manager_wake(host->manager);
	if (event_base_loop(host->base, EVLOOP_NONBLOCK) < 0)
		abort();
	lp_proto_pump(&host->proto);
}

static void answer(struct host *host, const struct nlbuild *b)
{
	lp_proto_input(&host->proto, b->bytes, b->hdr.nlmsg_len);
	work(host);
}

static void find_family(struct host *host)
{
	struct nlbuild b;
	uint32_t seq;

	work(host);
	seq = host->last_seq;
	nlb_family(&b, CTRL_CMD_NEWFAMILY, seq, GENL_ID_CTRL, "nlctrl", "notify", 16);
	answer(host, &b);
	nlb_error(&b, seq, 0, NULL);
	answer(host, &b);
	seq = host->last_seq;
	nlb_family(&b, CTRL_CMD_NEWFAMILY, seq, FAMILY, "kvm-lpage", "events", 9);
	answer(host, &b);
	nlb_error(&b, seq, 0, NULL);
	answer(host, &b);
	if (!host->manager->family)
		abort();
}

static void start(struct host *host)
{
	struct lp_manager_options options = {
		.base = host->base,
		.link = &host->link,
		.log = &host->log,
		.config_path = "/nonexistent",
		.procfs = "/nonexistent",
		.runtime_dir_fd = -1,
	};

	host->log = (struct lp_log){.file = NULL, .max_priority = -1};
	if (config_new_defaults("fuzz", &options.config) < 0)
		abort();
	options.config->defaults.policy = CONFIG_POLICY_EAGER;
	options.config->defaults.learn_costs = true;
	lp_proto_init(&host->proto, &host->link, &io, host);
	if (lp_manager_new(&options, &host->manager) < 0 || lp_manager_start(host->manager) < 0)
		abort();
	find_family(host);
}

/* ---- what always has to hold ---- */

static int ascending(void *ctx, const struct lp_region_snapshot *region)
{
	uint64_t *next = ctx;

	if (region->region.rfn < *next || region->region.state > KVM_LPAGE_STATE_MIXED)
		abort();
	*next = region->region.rfn + 1;
	return 0;
}

static void check(struct host *host)
{
	struct lp_core *core = lp_manager_core(host->manager);
	struct lp_region_filter all = {0};
	struct lp_vm_snapshot vm;
	struct lp_status status;
	uint32_t ids[16];
	size_t nr;

	core->ops->status(core, &status);
	nr = core->ops->vm_ids(core, 0, ids, 16);
	for (size_t i = 0; i < nr && i < 16; i++) {
		uint64_t next = 0, end;

		if (core->ops->vm(core, ids[i], &vm) < 0 ||
		    core->ops->regions(core, ids[i], &all, ascending, &next, &end) < 0)
			abort();
		/* Nothing can be under way that was not sent. */
		if (vm.queued_regions > 1 << 20)
			abort();
	}
}

/* One datagram, in memory of its own with room for a header. */
static void datagram(struct host *host, uint8_t how, const uint8_t *data, size_t len)
{
	struct nlmsghdr *hdr = malloc(len > sizeof(*hdr) ? len : sizeof(*hdr));

	if (!hdr)
		abort();
	memcpy(hdr, data, len);
	if (len >= sizeof(*hdr) && !(how & 1))
		hdr->nlmsg_seq = host->last_seq - hdr->nlmsg_seq % 8;
	host->now_ns += (uint64_t)(how >> 1) * (how >> 1) * 1000000;
	if (how & 1)
		lp_proto_event(&host->proto, hdr, len);
	else
		lp_proto_input(&host->proto, hdr, len);
	free(hdr);
	work(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host host = {.now_ns = 1000000000000};

	host.base = event_base_new();
	host.link = (struct lp_link){.ops = &link_ops, .base = host.base, .speed = 1};
	start(&host);
	while (size >= 3) {
		size_t len = data[1] | (size_t)data[2] << 8;
		uint8_t how = data[0];

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		datagram(&host, how, data, len);
		data += len;
		size -= len;
	}
	check(&host);
	lp_manager_free(host.manager);
	event_base_free(host.base);
	return 0;
}
