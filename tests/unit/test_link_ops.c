// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink conversation: operations, their outcomes, and the limits of what is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/msg.h>
#include <string.h>

#include "daemon/link/netlink_build.h"
#include "tests/lib/proto_host.h"

static void cookie(struct proto_host *host, uint32_t seq, uint64_t value)
{
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_MERGE, seq);
	nlb_u64(&host->b, KVM_LPAGE_A_REQUEST_COOKIE, value);
	proto_answer(host);
	proto_ack(host, seq, 0, NULL);
}

static void done(struct proto_host *host, uint32_t vm_id, uint64_t value)
{
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_OP_DONE_NTF, 0);
	nlb_u32(&host->b, KVM_LPAGE_A_REQUEST_VM_ID, vm_id);
	nlb_u64(&host->b, KVM_LPAGE_A_REQUEST_COOKIE, value);
	nlb_u32(&host->b, KVM_LPAGE_A_REQUEST_OP, KVM_LPAGE_OP_MERGE);
	proto_event(host);
}

static void a_merge_is_requested_and_reported(void **state)
{
	struct proto_host *host = *state;
	uint64_t first, second;
	size_t before = host->nr_sent;

	assert_int_equal(proto_merge(host, 1, &first), 0);
	assert_int_equal(proto_merge(host, 2, &second), 0);
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
static void a_long_operation_is_not_forgotten(void **state)
{
	struct proto_host *host = *state;
	uint64_t probe, other;

	assert_int_equal(proto_merge(host, 1, &probe), 0);
	lp_proto_pump(&host->proto);
	cookie(host, proto_last_seq(host), 1);
	for (uint64_t i = 2; i < 2 + 2 * LP_PROTO_WAITING_MAX; i++) {
		host->nr_sent = 0;
		assert_int_equal(proto_merge(host, 2, &other), 0);
		lp_proto_pump(&host->proto);
		cookie(host, proto_last_seq(host), i);
		done(host, 2, i);
		assert_int_equal(host->seen.done_tag, other);
	}
	done(host, 1, 1);
	assert_int_equal(host->seen.done_tag, probe);
}

/* Outcomes that never come take no room for good: the oldest gives way. */
static void the_oldest_operation_is_forgotten_first(void **state)
{
	struct proto_host *host = *state;
	uint64_t tags[LP_PROTO_WAITING_MAX + 1];

	for (uint64_t i = 0; i <= LP_PROTO_WAITING_MAX; i++) {
		host->nr_sent = 0;
		assert_int_equal(proto_merge(host, 1, &tags[i]), 0);
		lp_proto_pump(&host->proto);
		cookie(host, proto_last_seq(host), i + 1);
	}
	done(host, 1, 1);
	assert_int_equal(host->seen.done_tag, 0);
	done(host, 1, 2);
	assert_int_equal(host->seen.done_tag, tags[1]);
	done(host, 1, LP_PROTO_WAITING_MAX + 1);
	assert_int_equal(host->seen.done_tag, tags[LP_PROTO_WAITING_MAX]);
}

static void a_refused_merge_is_reported(void **state)
{
	struct proto_host *host = *state;

	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	proto_ack(host, proto_last_seq(host), -EBUSY, "the queue of the VM is full");
	assert_int_equal(host->seen.sent_error, -EBUSY);
	assert_string_equal(host->seen.text, "the queue of the VM is full");
}

static void a_merge_without_cookie_fails(void **state)
{
	struct proto_host *host = *state;

	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	proto_ack(host, proto_last_seq(host), 0, NULL);
	assert_int_equal(host->seen.sent_error, -EBADMSG);
}

static void an_unanswered_merge_times_out(void **state)
{
	struct proto_host *host = *state;

	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.sent_error, -ETIMEDOUT);
	assert_int_equal(host->proto.stats.timeouts, 1);
	assert_int_equal(host->reopened, 0);
}

static void a_failing_send_is_reported(void **state)
{
	struct proto_host *host = *state;

	host->send_error = -ENOBUFS;
	assert_int_equal(proto_merge(host, 1, NULL), 0);
	/* Not from within the call. */
	assert_int_equal(host->seen.sents, 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.sents, 1);
	assert_int_equal(host->seen.sent_error, -ENOBUFS);
}

static void calls_wait_their_turn(void **state)
{
	struct proto_host *host = *state;
	size_t before = host->nr_sent;

	for (int i = 0; i < 20; i++)
		assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, before + 16);
	proto_ack(host, host->sent[before].seq, -EBUSY, NULL);
	assert_int_equal(host->nr_sent, before + 17);
}

static void bad_arguments_are_refused(void **state)
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
static void probe_windows_are_checked(void **state)
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

static void limits_are_sent(void **state)
{
	struct lp_limits limits = {.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE), .mode = 1};
	struct proto_host *host = *state;

	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, 0, NULL), 0);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->sent[host->nr_sent - 1].cmd, KVM_LPAGE_CMD_POLICY_SET);
	proto_ack(host, proto_last_seq(host), 0, NULL);
	assert_int_equal(host->seen.policy_sets, 1);
	/* A lease alone is a renewal. */
	limits.set = 0;
	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, NS_PER_S, NULL), 0);
	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, 0, NULL), -EINVAL);
	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, NS_PER_S - 1, NULL),
			 -EINVAL);
	assert_int_equal(lp_proto_set_policy(&host->proto, 1, &limits, 3600 * NS_PER_S + 1, NULL),
			 -EINVAL);
}

static void operations_of_a_vm_that_is_gone_end(void **state)
{
	struct proto_host *host = *state;

	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	cookie(host, proto_last_seq(host), 100);
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_VM_GONE_NTF, 0);
	nlb_u32(&host->b, KVM_LPAGE_A_VM_ID, 1);
	proto_event(host);
	assert_int_equal(host->seen.gone, 1);
	done(host, 1, 100);
	assert_int_equal(host->seen.done_tag, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PRESENT(a_merge_is_requested_and_reported),
		PRESENT(a_long_operation_is_not_forgotten),
		PRESENT(the_oldest_operation_is_forgotten_first),
		PRESENT(a_refused_merge_is_reported),
		PRESENT(a_merge_without_cookie_fails),
		PRESENT(an_unanswered_merge_times_out),
		PRESENT(a_failing_send_is_reported),
		PRESENT(calls_wait_their_turn),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(probe_windows_are_checked),
		PRESENT(limits_are_sent),
		PRESENT(operations_of_a_vm_that_is_gone_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
