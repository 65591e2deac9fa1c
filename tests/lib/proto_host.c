// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/proto_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/genetlink.h>
#include <netlink/msg.h>
#include <stdlib.h>

static int fake_send(void *ctx, struct nl_msg *msg, uint32_t seq)
{
	struct proto_host *host = ctx;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct genlmsghdr *genl = nlmsg_data(hdr);

	if (host->send_error)
		return host->send_error;
	assert_true(host->nr_sent < REQUESTS);
	host->sent[host->nr_sent].seq = seq;
	host->sent[host->nr_sent].type = hdr->nlmsg_type;
	host->sent[host->nr_sent].cmd = genl->cmd;
	host->sent[host->nr_sent].flags = hdr->nlmsg_flags;
	host->nr_sent++;
	return 0;
}

static int fake_join(void *ctx, uint32_t group)
{
	struct proto_host *host = ctx;

	/* nlctrl's own group is 16. */
	if (group != 16 && host->join_error)
		return host->join_error;
	host->joined = group;
	return 0;
}

static int fake_reopen(void *ctx)
{
	((struct proto_host *)ctx)->reopened++;
	return 0;
}

static void fake_wake(void *ctx)
{
	(void)ctx;
}

static uint64_t fake_now(void *ctx)
{
	return ((struct proto_host *)ctx)->now_ns;
}

static const struct lp_proto_io io = {
	.send = fake_send,
	.join = fake_join,
	.reopen = fake_reopen,
	.wake = fake_wake,
	.now_ns = fake_now,
};

void proto_answer(struct proto_host *host)
{
	lp_proto_input(&host->proto, host->b.bytes, host->b.hdr.nlmsg_len);
	lp_proto_pump(&host->proto);
}

void proto_event(struct proto_host *host)
{
	lp_proto_event(&host->proto, host->b.bytes, host->b.hdr.nlmsg_len);
	lp_proto_pump(&host->proto);
}

void proto_ack(struct proto_host *host, uint32_t seq, int error, const char *text)
{
	nlb_error(&host->b, seq, error, text);
	proto_answer(host);
}

uint32_t proto_last_seq(const struct proto_host *host)
{
	assert_true(host->nr_sent > 0);
	return host->sent[host->nr_sent - 1].seq;
}

int proto_setup(void **state)
{
	struct proto_host *host = calloc(1, sizeof(*host));

	host->now_ns = NS_PER_S;
	lp_link_listen(&host->link, &link_seen_events, &host->seen);
	lp_proto_init(&host->proto, &host->link, &io, host);
	assert_int_equal(lp_proto_start(&host->proto), 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, 1);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, proto_last_seq(host), GENL_ID_CTRL, "nlctrl",
		   "notify", 16);
	proto_answer(host);
	proto_ack(host, host->sent[0].seq, 0, NULL);
	assert_int_equal(host->joined, 16);
	assert_int_equal(host->nr_sent, 2);
	assert_int_equal(host->seen.families, 0);
	*state = host;
	return 0;
}

void proto_find_family(struct proto_host *host)
{
	uint32_t seq = proto_last_seq(host);

	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, seq, FAMILY, "kvm-lpage", "events", GROUP);
	proto_answer(host);
	proto_ack(host, seq, 0, NULL);
}

int proto_setup_present(void **state)
{
	struct proto_host *host;

	proto_setup(state);
	host = *state;
	proto_find_family(host);
	assert_true(host->seen.present);
	assert_int_equal(host->joined, GROUP);
	return 0;
}

int proto_teardown(void **state)
{
	struct proto_host *host = *state;

	lp_proto_done(&host->proto);
	free(host);
	return 0;
}

int proto_merge(struct proto_host *host, uint32_t vm_id, uint64_t *ret_tag)
{
	struct lp_range range = {5, 3};

	return lp_proto_range_op(&host->proto, vm_id, KVM_LPAGE_OP_MERGE, &range, 1, 0, ret_tag);
}
