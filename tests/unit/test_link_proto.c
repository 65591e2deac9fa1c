// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink conversation, without a socket: messages in, requests and events out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/link/netlink_build.h"
#include "daemon/link/netlink_proto.h"
#include "tests/lib/link_seen.h"
#include "tests/lib/nlbuild.h"

#define FAMILY	 30
#define GROUP	 9
#define NS_PER_S 1000000000ULL
#define REQUESTS 64

struct host {
	struct lp_link link;
	struct lp_proto proto;
	struct nlbuild b;
	uint64_t now_ns;
	/* What was sent. */
	struct {
		uint32_t seq;
		uint16_t type;
		uint8_t cmd;
		uint16_t flags;
	} sent[REQUESTS];
	size_t nr_sent;
	int send_error;
	int join_error;
	uint32_t joined;
	int reopened;
	struct link_seen seen;
};

/* ---- sockets that are none ---- */

static int fake_send(void *ctx, struct nl_msg *msg, uint32_t seq)
{
	struct host *host = ctx;
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
	struct host *host = ctx;

	/* nlctrl's own group is 16. */
	if (group != 16 && host->join_error)
		return host->join_error;
	host->joined = group;
	return 0;
}

static int fake_reopen(void *ctx)
{
	((struct host *)ctx)->reopened++;
	return 0;
}

static void fake_wake(void *ctx)
{
	(void)ctx;
}

static uint64_t fake_now(void *ctx)
{
	return ((struct host *)ctx)->now_ns;
}

static const struct lp_proto_io io = {
	.send = fake_send,
	.join = fake_join,
	.reopen = fake_reopen,
	.wake = fake_wake,
	.now_ns = fake_now,
};

static void answer(struct host *host)
{
	lp_proto_input(&host->proto, host->b.bytes, host->b.hdr.nlmsg_len);
	lp_proto_pump(&host->proto);
}

static void event(struct host *host)
{
	lp_proto_event(&host->proto, host->b.bytes, host->b.hdr.nlmsg_len);
	lp_proto_pump(&host->proto);
}

static void ack(struct host *host, uint32_t seq, int error, const char *text)
{
	nlb_error(&host->b, seq, error, text);
	answer(host);
}

static uint32_t last_seq(const struct host *host)
{
	assert_true(host->nr_sent > 0);
	return host->sent[host->nr_sent - 1].seq;
}

/* Up to the question for our family. */
static int setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	host->now_ns = NS_PER_S;
	lp_link_listen(&host->link, &link_seen_events, &host->seen);
	lp_proto_init(&host->proto, &host->link, &io, host);
	assert_int_equal(lp_proto_start(&host->proto), 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, 1);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, last_seq(host), GENL_ID_CTRL, "nlctrl", "notify",
		   16);
	answer(host);
	ack(host, host->sent[0].seq, 0, NULL);
	assert_int_equal(host->joined, 16);
	assert_int_equal(host->nr_sent, 2);
	assert_int_equal(host->seen.families, 0);
	*state = host;
	return 0;
}

static void find_family(struct host *host)
{
	uint32_t seq = last_seq(host);

	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, seq, FAMILY, "kvm-lpage", "events", GROUP);
	answer(host);
	ack(host, seq, 0, NULL);
}

static int setup_present(void **state)
{
	struct host *host;

	setup(state);
	host = *state;
	find_family(host);
	assert_true(host->seen.present);
	assert_int_equal(host->joined, GROUP);
	return 0;
}

static int teardown(void **state)
{
	struct host *host = *state;

	lp_proto_done(&host->proto);
	free(host);
	return 0;
}

static int merge(struct host *host, uint32_t vm_id, uint64_t *ret_tag)
{
	struct lp_range range = {5, 3};

	return lp_proto_range_op(&host->proto, vm_id, KVM_LPAGE_OP_MERGE, &range, 1, 0, ret_tag);
}

/* ---- the family ---- */

static void test_absent(void **state)
{
	struct host *host = *state;

	ack(host, last_seq(host), -ENOENT, NULL);
	assert_int_equal(host->seen.families, 1);
	assert_false(host->seen.present);
	assert_string_equal(host->seen.why, "kernel has no kvm-lpage family");
	/* Nothing is left to wait for but the kernel's own word. */
	assert_true(lp_proto_deadline_ns(&host->proto) == UINT64_MAX);
	assert_int_equal(merge(host, 1, NULL), -ENOTCONN);
	assert_int_equal(lp_proto_dump_vms(&host->proto, 0, NULL), -ENOTCONN);
}

static void test_comes_and_goes(void **state)
{
	struct host *host = *state;

	ack(host, last_seq(host), -ENOENT, NULL);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, 0, 77, "other", NULL, 0);
	event(host);
	assert_int_equal(host->nr_sent, 2);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, 0, FAMILY, "kvm-lpage", "events", GROUP);
	event(host);
	assert_int_equal(host->nr_sent, 3);
	find_family(host);
	assert_true(host->seen.present);
	assert_int_equal(merge(host, 1, NULL), 0);
	nlb_family(&host->b, CTRL_CMD_DELFAMILY, 0, FAMILY, "kvm-lpage", NULL, 0);
	event(host);
	assert_false(host->seen.present);
	assert_int_equal(host->seen.families, 3);
	/* What was under way has ended without a word, and waits for nothing. */
	assert_int_equal(host->seen.sents, 0);
	assert_true(lp_proto_deadline_ns(&host->proto) == UINT64_MAX);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, 0, FAMILY + 1, "kvm-lpage", "events", GROUP);
	event(host);
	find_family(host);
	assert_true(host->seen.present);
}

static void test_not_privileged(void **state)
{
	struct host *host = *state;

	host->join_error = -EPERM;
	find_family(host);
	assert_false(host->seen.present);
	assert_non_null(strstr(host->seen.why, "CAP_NET_ADMIN"));
}

static void test_family_not_answered(void **state)
{
	struct host *host = *state;

	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.families, 1);
	assert_false(host->seen.present);
	/* It is asked again. */
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, 3);
}

/* The word that it went was lost; a request finds out. */
static void test_went_unseen(void **state)
{
	struct host *host = *state;

	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	ack(host, last_seq(host), -ENOENT, NULL);
	assert_int_equal(host->seen.sent_error, -ENOENT);
	assert_int_equal(host->sent[host->nr_sent - 1].type, GENL_ID_CTRL);
	ack(host, last_seq(host), -ENOENT, NULL);
	assert_false(host->seen.present);
}

/* It is there, and whether it still is has not been answered: no reason to forget all VMs. */
static void test_kept_while_in_doubt(void **state)
{
	struct host *host = *state;
	size_t before;

	lp_proto_event_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_pump(&host->proto);
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->proto.stats.timeouts, 1);
	assert_int_equal(host->seen.families, 1);
	assert_true(host->seen.present);
	assert_int_equal(merge(host, 1, NULL), 0);
	/* It is asked again, and a clear answer counts. */
	lp_proto_pump(&host->proto);
	ack(host, last_seq(host), -EBUSY, NULL);
	before = host->nr_sent;
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, before + 1);
	assert_int_equal(host->sent[host->nr_sent - 1].type, GENL_ID_CTRL);
	ack(host, last_seq(host), -ENOENT, NULL);
	assert_int_equal(host->seen.families, 2);
	assert_false(host->seen.present);
}

/* ---- dumps ---- */

static void region_message(struct host *host, uint32_t seq, uint16_t flags, uint64_t generation)
{
	size_t nest;

	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_REGION_GET, seq);
	host->b.hdr.nlmsg_flags = NLM_F_MULTI | flags;
	nlb_u32(&host->b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 1);
	nlb_u64(&host->b, KVM_LPAGE_A_REGION_DUMP_GENERATION, generation);
	nest = nlb_nest(&host->b, KVM_LPAGE_A_REGION_DUMP_REGION);
	nlb_u32(&host->b, KVM_LPAGE_A_REGION_RFN, 5);
	nlb_end(&host->b, nest);
	answer(host);
}

static void dump_done(struct host *host, uint32_t seq)
{
	nlb_done(&host->b, seq, 0);
	answer(host);
}

static void test_one_dump_at_a_time(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct host *host = *state;
	size_t before = host->nr_sent;
	uint64_t tag;

	assert_int_equal(lp_proto_dump_vms(&host->proto, 0, NULL), 0);
	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, &tag), 0);
	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	/* The call goes beside the first dump, the second dump waits. */
	assert_int_equal(host->nr_sent, before + 2);
	assert_true(host->sent[before].cmd != host->sent[before + 1].cmd);
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_VM_GET, host->sent[before + 1].seq);
	nlb_u32(&host->b, KVM_LPAGE_A_VM_ID, 1);
	answer(host);
	assert_int_equal(host->seen.vms, 1);
	dump_done(host, host->sent[before + 1].seq);
	assert_int_equal(host->seen.dump_ends, 1);
	assert_false(host->seen.end.of_regions);
	assert_int_equal(host->nr_sent, before + 3);
	assert_int_equal(host->sent[before + 2].cmd, KVM_LPAGE_CMD_REGION_GET);
	region_message(host, last_seq(host), 0, 40);
	region_message(host, last_seq(host), 0, 41);
	dump_done(host, last_seq(host));
	assert_int_equal(host->seen.nr_regions, 2);
	assert_int_equal(host->seen.dump_ends, 2);
	assert_int_equal(host->seen.end.tag, tag);
	assert_int_equal(host->seen.end.generation, 40);
	assert_false(host->seen.end.interrupted);
}

static void test_interrupted_dump(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct host *host = *state;
	size_t before = host->nr_sent;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(host->seen.dump_ends, 0);
		region_message(host, last_seq(host), NLM_F_DUMP_INTR, 40);
		dump_done(host, last_seq(host));
	}
	/* Three times more, then it says that it has holes. */
	assert_int_equal(host->nr_sent, before + 4);
	assert_int_equal(host->seen.dump_ends, 1);
	assert_true(host->seen.end.interrupted);
	assert_int_equal(host->proto.stats.dump_restarts, 3);
}

static void test_wrong_vm_in_dump(void **state)
{
	struct lp_region_query query = {.vm_id = 2};
	struct host *host = *state;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	region_message(host, last_seq(host), 0, 40);
	assert_int_equal(host->seen.nr_regions, 0);
	assert_int_equal(host->seen.losses, 1);
}

static void test_dump_hangs(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct host *host = *state;
	uint64_t first_ns;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	first_ns = lp_proto_deadline_ns(&host->proto);
	/* A message is progress. */
	host->now_ns = first_ns - 1;
	region_message(host, last_seq(host), 0, 40);
	assert_true(lp_proto_deadline_ns(&host->proto) > first_ns);
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.end.error, -ETIMEDOUT);
	assert_int_equal(host->reopened, 1);
	/* What the old socket still had is an answer to nothing. */
	dump_done(host, last_seq(host));
	assert_int_equal(host->seen.dump_ends, 1);
	assert_int_equal(host->proto.stats.stray, 1);
}

static void test_dump_refused(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct host *host = *state;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	ack(host, last_seq(host), -ESRCH, "no such VM");
	assert_int_equal(host->seen.end.error, -ESRCH);
	assert_string_equal(host->seen.text, "no such VM");
}

/* ---- operations ---- */

static void cookie(struct host *host, uint32_t seq, uint64_t value)
{
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_MERGE, seq);
	nlb_u64(&host->b, KVM_LPAGE_A_REQUEST_COOKIE, value);
	answer(host);
	ack(host, seq, 0, NULL);
}

static void done(struct host *host, uint32_t vm_id, uint64_t value)
{
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(&host->b, KVM_LPAGE_A_REQUEST_VM_ID, vm_id);
	nlb_u64(&host->b, KVM_LPAGE_A_REQUEST_COOKIE, value);
	nlb_u32(&host->b, KVM_LPAGE_A_REQUEST_OP, KVM_LPAGE_OP_MERGE);
	event(host);
}

static void test_merge(void **state)
{
	struct host *host = *state;
	uint64_t first, second;
	size_t before = host->nr_sent;

	assert_int_equal(merge(host, 1, &first), 0);
	assert_int_equal(merge(host, 2, &second), 0);
	lp_proto_pump(&host->proto);
	assert_true(lp_proto_calls_open(&host->proto));
	cookie(host, host->sent[before].seq, 100);
	assert_int_equal(host->seen.sent_tag, first);
	cookie(host, host->sent[before + 1].seq, 100);
	assert_int_equal(host->seen.sent_tag, second);
	assert_int_equal(host->seen.sent_error, 0);
	assert_false(lp_proto_calls_open(&host->proto));
	assert_true(lp_proto_deadline_ns(&host->proto) == UINT64_MAX);
	/* Cookies are per VM as far as we know. */
	done(host, 2, 100);
	assert_int_equal(host->seen.done_tag, second);
	done(host, 1, 100);
	assert_int_equal(host->seen.done_tag, first);
	/* Once only; and somebody else's. */
	done(host, 1, 100);
	assert_int_equal(host->seen.done_tag, 0);
	assert_int_equal(host->seen.dones, 3);
}

/* A probe takes up to 10 s; what is asked and answered meanwhile must not make it anybody's. */
static void test_long_operation_is_not_forgotten(void **state)
{
	struct host *host = *state;
	uint64_t probe, other;

	assert_int_equal(merge(host, 1, &probe), 0);
	lp_proto_pump(&host->proto);
	cookie(host, last_seq(host), 1);
	for (uint64_t i = 2; i < 2 + 2 * LP_PROTO_WAITING_MAX; i++) {
		host->nr_sent = 0;
		assert_int_equal(merge(host, 2, &other), 0);
		lp_proto_pump(&host->proto);
		cookie(host, last_seq(host), i);
		done(host, 2, i);
		assert_int_equal(host->seen.done_tag, other);
	}
	done(host, 1, 1);
	assert_int_equal(host->seen.done_tag, probe);
}

/* Outcomes that never come take no room for good: the oldest gives way. */
static void test_oldest_is_forgotten_first(void **state)
{
	struct host *host = *state;
	uint64_t tags[LP_PROTO_WAITING_MAX + 1];

	for (uint64_t i = 0; i <= LP_PROTO_WAITING_MAX; i++) {
		host->nr_sent = 0;
		assert_int_equal(merge(host, 1, &tags[i]), 0);
		lp_proto_pump(&host->proto);
		cookie(host, last_seq(host), i + 1);
	}
	done(host, 1, 1);
	assert_int_equal(host->seen.done_tag, 0);
	done(host, 1, 2);
	assert_int_equal(host->seen.done_tag, tags[1]);
	done(host, 1, LP_PROTO_WAITING_MAX + 1);
	assert_int_equal(host->seen.done_tag, tags[LP_PROTO_WAITING_MAX]);
}

static void test_merge_refused(void **state)
{
	struct host *host = *state;

	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	ack(host, last_seq(host), -EBUSY, "the queue of the VM is full");
	assert_int_equal(host->seen.sent_error, -EBUSY);
	assert_string_equal(host->seen.text, "the queue of the VM is full");
}

static void test_merge_without_cookie(void **state)
{
	struct host *host = *state;

	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	ack(host, last_seq(host), 0, NULL);
	assert_int_equal(host->seen.sent_error, -EBADMSG);
}

static void test_merge_not_answered(void **state)
{
	struct host *host = *state;

	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.sent_error, -ETIMEDOUT);
	assert_int_equal(host->proto.stats.timeouts, 1);
	assert_int_equal(host->reopened, 0);
}

static void test_send_fails(void **state)
{
	struct host *host = *state;

	host->send_error = -ENOBUFS;
	assert_int_equal(merge(host, 1, NULL), 0);
	/* Not from within the call. */
	assert_int_equal(host->seen.sents, 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.sents, 1);
	assert_int_equal(host->seen.sent_error, -ENOBUFS);
}

static void test_calls_wait_their_turn(void **state)
{
	struct host *host = *state;
	size_t before = host->nr_sent;

	for (int i = 0; i < 20; i++)
		assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, before + 16);
	ack(host, host->sent[before].seq, -EBUSY, NULL);
	assert_int_equal(host->nr_sent, before + 17);
}

static void test_arguments(void **state)
{
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX + 1];
	struct lp_range range = {0, 1};

	(void)state;
	for (size_t i = 0; i < KVM_LPAGE_RANGES_MAX + 1; i++)
		ranges[i] = (struct lp_range){i, 1};
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, ranges, 64, 0), 0);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, ranges, 65, 0), -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, ranges, 0, 0), -EINVAL);
	assert_int_equal(lp_range_op_check(0, KVM_LPAGE_OP_MERGE, ranges, 1, 0), -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_NONE, ranges, 1, 0), -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_HOLD, ranges, 1, 0), -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_HOLD, ranges, 1, 3600 * NS_PER_S), 0);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_HOLD, ranges, 1, 3601 * NS_PER_S),
			 -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, ranges, 1, 1), -EINVAL);
	range.nr_regions = 512;
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, &range, 1, 0), 0);
	range.nr_regions = 513;
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, &range, 1, 0), -EINVAL);
	range = (struct lp_range){(1ULL << 43) - 1, 1};
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, &range, 1, 0), 0);
	range.nr_regions = 2;
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, &range, 1, 0), -EINVAL);
	range = (struct lp_range){0, KVM_LPAGE_PROBES_MAX};
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, &range, 1, 10000), 0);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, &range, 1, 9999), -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, &range, 1, 0), -EINVAL);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, &range, 1, 10 * NS_PER_S), 0);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, &range, 1, 10 * NS_PER_S + 1),
			 -EINVAL);
	range.nr_regions++;
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, &range, 1, NS_PER_S), -EINVAL);
	ranges[0].nr_regions = 2;
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, ranges, 63, NS_PER_S), 0);
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_PROBE, ranges, 64, NS_PER_S), -EINVAL);
	range = (struct lp_range){UINT64_MAX, 512};
	assert_int_equal(lp_range_op_check(1, KVM_LPAGE_OP_MERGE, &range, 1, 0), -EINVAL);
}

/* What the kernel's policy demands of a probe, and that a hold is told apart from it. */
static void test_windows(void **state)
{
	const struct lp_range ranges[] = {{5, 3}, {9, 1}};
	struct nl_msg *msg;
	struct genlmsghdr *genl;

	(void)state;
	msg = lp_nl_build_range_op(FAMILY, 7, KVM_LPAGE_OP_PROBE, ranges, 2, 10 * NS_PER_S);
	assert_non_null(msg);
	genl = nlmsg_data(nlmsg_hdr(msg));
	assert_int_equal(genl->cmd, KVM_LPAGE_CMD_PROBE);
	assert_non_null(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN, KVM_LPAGE_A_REQUEST_RANGE));
	assert_null(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN, KVM_LPAGE_A_REQUEST_TTL_NS));
	assert_true(nla_get_u64(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN,
						KVM_LPAGE_A_REQUEST_WINDOW_NS)) == 10 * NS_PER_S);
	nlmsg_free(msg);
	msg = lp_nl_build_range_op(FAMILY, 7, KVM_LPAGE_OP_HOLD, ranges, 1, NS_PER_S);
	assert_non_null(msg);
	assert_non_null(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN, KVM_LPAGE_A_REQUEST_TTL_NS));
	assert_null(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN, KVM_LPAGE_A_REQUEST_WINDOW_NS));
	nlmsg_free(msg);
}

static void test_policy_set(void **state)
{
	struct lp_limits limits = {.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE), .mode = 1};
	struct host *host = *state;

	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, NULL), 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->sent[host->nr_sent - 1].cmd, KVM_LPAGE_CMD_POLICY_SET);
	ack(host, last_seq(host), 0, NULL);
	assert_int_equal(host->seen.policy_sets, 1);
	limits.set = 0;
	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, NULL), -EINVAL);
}

/* ---- events and loss ---- */

static void test_vm_gone(void **state)
{
	struct host *host = *state;

	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	cookie(host, last_seq(host), 100);
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_VM_GONE_NTF, 0);
	nlb_u32(&host->b, KVM_LPAGE_A_VM_ID, 1);
	event(host);
	assert_int_equal(host->seen.gone, 1);
	done(host, 1, 100);
	assert_int_equal(host->seen.done_tag, 0);
}

static void test_malformed(void **state)
{
	struct host *host = *state;

	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_CHANGED_NTF, 0);
	event(host);
	assert_int_equal(host->seen.losses, 1);
	assert_int_equal(host->seen.changes, 0);
	/* A header that says more than there is. */
	host->b.hdr.nlmsg_len = 100;
	lp_proto_event(&host->proto, host->b.bytes, 40);
	assert_int_equal(host->seen.losses, 2);
	/* Less than a header. */
	lp_proto_event(&host->proto, host->b.bytes, 3);
	assert_int_equal(host->seen.losses, 3);
	/* A command of a newer kernel is none of it. */
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_MAX + 1, 0);
	event(host);
	assert_int_equal(host->seen.losses, 3);
	assert_int_equal(host->proto.stats.lost[LP_LOSS_MALFORMED], 3);
}

static void test_loss_looks_for_family(void **state)
{
	struct host *host = *state;
	size_t before = host->nr_sent;

	lp_proto_event_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_event_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.losses, 2);
	/* Asked once. */
	assert_int_equal(host->nr_sent, before + 1);
	find_family(host);
	assert_int_equal(host->seen.families, 1);
}

static void test_answers_lost(void **state)
{
	struct host *host = *state;

	assert_int_equal(merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	lp_proto_input_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.sent_error, -ETIMEDOUT);
	assert_int_equal(host->seen.losses, 1);
}

#define ABSENT(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define PRESENT(f) cmocka_unit_test_setup_teardown(f, setup_present, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ABSENT(test_absent),
		ABSENT(test_comes_and_goes),
		ABSENT(test_not_privileged),
		ABSENT(test_family_not_answered),
		PRESENT(test_went_unseen),
		PRESENT(test_kept_while_in_doubt),
		PRESENT(test_one_dump_at_a_time),
		PRESENT(test_interrupted_dump),
		PRESENT(test_wrong_vm_in_dump),
		PRESENT(test_dump_hangs),
		PRESENT(test_dump_refused),
		PRESENT(test_merge),
		PRESENT(test_long_operation_is_not_forgotten),
		PRESENT(test_oldest_is_forgotten_first),
		PRESENT(test_merge_refused),
		PRESENT(test_merge_without_cookie),
		PRESENT(test_merge_not_answered),
		PRESENT(test_send_fails),
		PRESENT(test_calls_wait_their_turn),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_windows),
		PRESENT(test_policy_set),
		PRESENT(test_vm_gone),
		PRESENT(test_malformed),
		PRESENT(test_loss_looks_for_family),
		PRESENT(test_answers_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
