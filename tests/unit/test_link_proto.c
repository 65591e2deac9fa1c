// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink conversation: the family, dumps, and what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#include "tests/lib/proto_host.h"

/* ---- the family ---- */

static void an_absent_family_is_reported(void **state)
{
	struct proto_host *host = *state;

	proto_ack(host, proto_last_seq(host), -ENOENT, NULL);
	assert_int_equal(host->seen.families, 1);
	assert_false(host->seen.present);
	assert_string_equal(host->seen.why, "kernel has no kvm-lpage family");
	/* Nothing is left to wait for but the kernel's own word. */
	assert_true(lp_proto_deadline_ns(&host->proto) == UINT64_MAX);
	assert_int_equal(proto_merge(host, 1, NULL), -ENOTCONN);
	assert_int_equal(lp_proto_dump_vms(&host->proto, 0, NULL), -ENOTCONN);
}

static void a_family_may_come_and_go(void **state)
{
	struct proto_host *host = *state;

	proto_ack(host, proto_last_seq(host), -ENOENT, NULL);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, 0, 77, "other", NULL, 0);
	proto_event(host);
	assert_int_equal(host->nr_sent, 2);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, 0, FAMILY, "kvm-lpage", "events", GROUP);
	proto_event(host);
	assert_int_equal(host->nr_sent, 3);
	proto_find_family(host);
	assert_true(host->seen.present);
	assert_int_equal(proto_merge(host, 1, NULL), 0);
	nlb_family(&host->b, CTRL_CMD_DELFAMILY, 0, FAMILY, "kvm-lpage", NULL, 0);
	proto_event(host);
	assert_false(host->seen.present);
	assert_int_equal(host->seen.families, 3);
	/* What was under way has ended without a word, and waits for nothing. */
	assert_int_equal(host->seen.sents, 0);
	assert_true(lp_proto_deadline_ns(&host->proto) == UINT64_MAX);
	nlb_family(&host->b, CTRL_CMD_NEWFAMILY, 0, FAMILY + 1, "kvm-lpage", "events", GROUP);
	proto_event(host);
	proto_find_family(host);
	assert_true(host->seen.present);
}

static void missing_privileges_are_reported(void **state)
{
	struct proto_host *host = *state;

	host->join_error = -EPERM;
	proto_find_family(host);
	assert_false(host->seen.present);
	assert_non_null(strstr(host->seen.why, "CAP_NET_ADMIN"));
}

static void an_unanswered_family_request_is_repeated(void **state)
{
	struct proto_host *host = *state;

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
static void a_replaced_family_is_noticed(void **state)
{
	struct proto_host *host = *state;

	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	proto_ack(host, proto_last_seq(host), -ENOENT, NULL);
	assert_int_equal(host->seen.sent_error, -ENOENT);
	assert_int_equal(host->sent[host->nr_sent - 1].type, GENL_ID_CTRL);
	proto_ack(host, proto_last_seq(host), -ENOENT, NULL);
	assert_false(host->seen.present);
}

/* It is there, and whether it still is has not been answered: no reason to forget all VMs. */
static void the_family_is_kept_while_in_doubt(void **state)
{
	struct proto_host *host = *state;
	size_t before;

	lp_proto_event_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_pump(&host->proto);
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->proto.stats.timeouts, 1);
	assert_int_equal(host->seen.families, 1);
	assert_true(host->seen.present);
	assert_int_equal(proto_merge(host, 1, NULL), 0);
	/* It is asked again, and a clear answer counts. */
	lp_proto_pump(&host->proto);
	proto_ack(host, proto_last_seq(host), -EBUSY, NULL);
	before = host->nr_sent;
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->nr_sent, before + 1);
	assert_int_equal(host->sent[host->nr_sent - 1].type, GENL_ID_CTRL);
	proto_ack(host, proto_last_seq(host), -ENOENT, NULL);
	assert_int_equal(host->seen.families, 2);
	assert_false(host->seen.present);
}

/* ---- dumps ---- */

static void region_message(struct proto_host *host, uint32_t seq, uint16_t flags,
			   uint64_t generation)
{
	size_t nest;

	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_REGION_GET, seq);
	host->b.hdr.nlmsg_flags = NLM_F_MULTI | flags;
	nlb_u32(&host->b, KVM_LPAGE_A_REGION_DUMP_VM_ID, 1);
	nlb_u64(&host->b, KVM_LPAGE_A_REGION_DUMP_GENERATION, generation);
	nest = nlb_nest(&host->b, KVM_LPAGE_A_REGION_DUMP_REGION);
	nlb_u32(&host->b, KVM_LPAGE_A_REGION_RFN, 5);
	nlb_end(&host->b, nest);
	proto_answer(host);
}

static void dump_done(struct proto_host *host, uint32_t seq)
{
	nlb_done(&host->b, seq, 0);
	proto_answer(host);
}

static void one_dump_runs_at_a_time(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct proto_host *host = *state;
	size_t before = host->nr_sent;
	uint64_t tag;

	assert_int_equal(lp_proto_dump_vms(&host->proto, 0, NULL), 0);
	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, &tag), 0);
	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	/* The call goes beside the first dump, the second dump waits. */
	assert_int_equal(host->nr_sent, before + 2);
	assert_true(host->sent[before].cmd != host->sent[before + 1].cmd);
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_VM_GET, host->sent[before + 1].seq);
	nlb_u32(&host->b, KVM_LPAGE_A_VM_ID, 1);
	proto_answer(host);
	assert_int_equal(host->seen.vms, 1);
	dump_done(host, host->sent[before + 1].seq);
	assert_int_equal(host->seen.dump_ends, 1);
	assert_false(host->seen.end.of_regions);
	assert_int_equal(host->nr_sent, before + 3);
	assert_int_equal(host->sent[before + 2].cmd, KVM_LPAGE_CMD_REGION_GET);
	region_message(host, proto_last_seq(host), 0, 40);
	region_message(host, proto_last_seq(host), 0, 41);
	dump_done(host, proto_last_seq(host));
	assert_int_equal(host->seen.nr_regions, 2);
	assert_int_equal(host->seen.dump_ends, 2);
	assert_int_equal(host->seen.end.tag, tag);
	assert_int_equal(host->seen.end.generation, 40);
	assert_false(host->seen.end.interrupted);
}

static void an_interrupted_dump_is_reported(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct proto_host *host = *state;
	size_t before = host->nr_sent;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(host->seen.dump_ends, 0);
		region_message(host, proto_last_seq(host), NLM_F_DUMP_INTR, 40);
		dump_done(host, proto_last_seq(host));
	}
	/* Three times more, then it says that it has holes. */
	assert_int_equal(host->nr_sent, before + 4);
	assert_int_equal(host->seen.dump_ends, 1);
	assert_true(host->seen.end.interrupted);
	assert_int_equal(host->proto.stats.dump_restarts, 3);
}

static void a_wrong_vm_in_a_dump_is_refused(void **state)
{
	struct lp_region_query query = {.vm_id = 2};
	struct proto_host *host = *state;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	region_message(host, proto_last_seq(host), 0, 40);
	assert_int_equal(host->seen.nr_regions, 0);
	assert_int_equal(host->seen.losses, 1);
}

static void a_dump_that_hangs_times_out(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct proto_host *host = *state;
	uint64_t first_ns;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	first_ns = lp_proto_deadline_ns(&host->proto);
	/* A message is progress. */
	host->now_ns = first_ns - 1;
	region_message(host, proto_last_seq(host), 0, 40);
	assert_true(lp_proto_deadline_ns(&host->proto) > first_ns);
	host->now_ns = lp_proto_deadline_ns(&host->proto);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.end.error, -ETIMEDOUT);
	assert_int_equal(host->reopened, 1);
	/* What the old socket still had is an answer to nothing. */
	dump_done(host, proto_last_seq(host));
	assert_int_equal(host->seen.dump_ends, 1);
	assert_int_equal(host->proto.stats.stray, 1);
}

static void a_refused_dump_is_reported(void **state)
{
	struct lp_region_query query = {.vm_id = 1};
	struct proto_host *host = *state;

	assert_int_equal(lp_proto_dump_regions(&host->proto, &query, NULL), 0);
	lp_proto_pump(&host->proto);
	proto_ack(host, proto_last_seq(host), -ESRCH, "no such VM");
	assert_int_equal(host->seen.end.error, -ESRCH);
	assert_string_equal(host->seen.text, "no such VM");
}

/* ---- events and loss ---- */

static void a_malformed_event_is_a_loss(void **state)
{
	struct proto_host *host = *state;

	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_CHANGED_NTF, 0);
	proto_event(host);
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
	proto_event(host);
	assert_int_equal(host->seen.losses, 3);
	assert_int_equal(host->proto.stats.lost[LP_LOSS_MALFORMED], 3);
}

/* Adds the message that is being built to a datagram. */
static size_t pack(const struct proto_host *host, char *datagram, size_t len)
{
	memcpy(datagram + len, host->b.bytes, NLMSG_ALIGN(host->b.hdr.nlmsg_len));
	return len + NLMSG_ALIGN(host->b.hdr.nlmsg_len);
}

/* The kernel tells of all VMs at once, message behind message. */
static void events_come_many_in_a_datagram(void **state)
{
	static _Alignas(struct nlmsghdr) char datagram[8192];
	struct proto_host *host = *state;
	size_t len = 0;

	for (uint32_t vm_id = 1; vm_id <= 50; vm_id++) {
		nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_CHANGED_NTF, 0);
		nlb_u32(&host->b, KVM_LPAGE_A_VM_ID, vm_id);
		nlb_u64(&host->b, KVM_LPAGE_A_VM_GENERATION, 100 + vm_id);
		len = pack(host, datagram, len);
	}
	nlb_start(&host->b, FAMILY, KVM_LPAGE_CMD_VM_GONE_NTF, 0);
	nlb_u32(&host->b, KVM_LPAGE_A_VM_ID, 7);
	len = pack(host, datagram, len);
	assert_true(len < sizeof(datagram));

	lp_proto_event(&host->proto, datagram, len);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.changes, 50);
	assert_int_equal(host->seen.generation, 150);
	assert_int_equal(host->seen.vms_gone, 1);
	assert_int_equal(host->seen.gone, 7);
	assert_int_equal(host->seen.losses, 0);

	/* Of a datagram that breaks off, what was whole counts. */
	lp_proto_event(&host->proto, datagram, len - 8);
	assert_int_equal(host->seen.changes, 100);
	assert_int_equal(host->seen.vms_gone, 1);
	assert_int_equal(host->seen.losses, 1);
}

static void a_loss_looks_for_the_family(void **state)
{
	struct proto_host *host = *state;
	size_t before = host->nr_sent;

	lp_proto_event_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_event_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.losses, 2);
	/* Asked once. */
	assert_int_equal(host->nr_sent, before + 1);
	proto_find_family(host);
	assert_int_equal(host->seen.families, 1);
}

static void lost_answers_time_out(void **state)
{
	struct proto_host *host = *state;

	assert_int_equal(proto_merge(host, 1, NULL), 0);
	lp_proto_pump(&host->proto);
	lp_proto_input_loss(&host->proto, LP_LOSS_OVERRUN);
	lp_proto_pump(&host->proto);
	assert_int_equal(host->seen.sent_error, -ETIMEDOUT);
	assert_int_equal(host->seen.losses, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ABSENT(an_absent_family_is_reported),
		ABSENT(a_family_may_come_and_go),
		ABSENT(missing_privileges_are_reported),
		ABSENT(an_unanswered_family_request_is_repeated),
		PRESENT(a_replaced_family_is_noticed),
		PRESENT(the_family_is_kept_while_in_doubt),
		PRESENT(one_dump_runs_at_a_time),
		PRESENT(an_interrupted_dump_is_reported),
		PRESENT(a_wrong_vm_in_a_dump_is_refused),
		PRESENT(a_dump_that_hangs_times_out),
		PRESENT(a_refused_dump_is_reported),
		PRESENT(a_malformed_event_is_a_loss),
		PRESENT(events_come_many_in_a_datagram),
		PRESENT(a_loss_looks_for_the_family),
		PRESENT(lost_answers_time_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
