// SPDX-License-Identifier: GPL-2.0-or-later
/* The parser of netlink messages: every message cut short, and with every byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/link/netlink_parse.h"
#include "tests/lib/nlmessages.h"

/* Parses as every kind of message; the sanitizers see what is read and written. */
static void parse_as_all(const struct nlmsghdr *hdr, int results[9])
{
	struct lp_nl_scratch scratch = {0};
	struct lp_region_chunk chunk;
	struct lp_policy_change change;
	struct lp_nl_changed changed;
	struct lp_nl_family family;
	struct lp_nl_reply reply;
	struct lp_nl_end end;
	struct lp_done done;
	struct lp_vm vm;
	uint32_t vm_id;

	results[0] = lp_nl_parse_vm(hdr, &vm);
	results[1] = lp_nl_parse_regions(hdr, &scratch, &chunk);
	results[2] = lp_nl_parse_done(hdr, &scratch, &done);
	results[3] = lp_nl_parse_policy_change(hdr, &change);
	results[4] = lp_nl_parse_changed(hdr, &changed);
	results[5] = lp_nl_parse_vm_gone(hdr, &vm_id);
	results[6] = lp_nl_parse_reply(hdr, &reply);
	results[7] = lp_nl_parse_family(hdr, "events", &family);
	results[8] = lp_nl_parse_end(hdr, &end);
	(void)lp_nl_command(hdr);
	lp_nl_scratch_free(&scratch);
	for (int i = 0; i < 9; i++)
		assert_true(results[i] == 0 || results[i] == -EBADMSG);
}

static void build_any(struct nlbuild *b, int which)
{
	switch (which) {
	case 0:
		nlb_msg_vm(b);
		break;
	case 1:
		nlb_msg_regions(b);
		break;
	case 2:
		nlb_msg_done(b);
		break;
	case 3:
		nlb_msg_change(b);
		break;
	case 4:
		nlb_family(b, CTRL_CMD_NEWFAMILY, 1, NLB_FAMILY, "kvm-lpage", "events", 9);
		break;
	case 5:
		nlb_error(b, 1, -EINVAL, "some words");
		break;
	case 6:
		nlb_msg_probe(b);
		break;
	}
}

#define NR_ANY 7

static void a_message_cut_at_any_byte_is_refused(void **state)
{
	static const int kind[NR_ANY] = {0, 1, 2, 3, 7, 8, 2};
	int results[9];
	struct nlbuild b;

	(void)state;
	for (int which = 0; which < NR_ANY; which++) {
		build_any(&b, which);
		for (uint32_t len = NLMSG_HDRLEN; len <= b.hdr.nlmsg_len; len++) {
			/* Memory of just that length: a byte too far is seen. */
			struct nlmsghdr *cut = malloc(len);

			memcpy(cut, b.bytes, len);
			cut->nlmsg_len = len;
			parse_as_all(cut, results);
			/* Whole, or without some of its last padding: fine. Else in the middle of
			 * an attribute. */
			if (len == b.hdr.nlmsg_len)
				assert_int_equal(results[kind[which]], 0);
			free(cut);
		}
	}
}

/* An attribute that says it is longer than what holds it. */
static void a_cut_in_the_last_attribute_is_refused(void **state)
{
	struct nlbuild b;
	struct lp_vm vm;

	(void)state;
	nlb_msg_vm(&b);
	for (uint32_t less = 1; less <= 7; less++) {
		nlb_msg_vm(&b);
		b.hdr.nlmsg_len -= less;
		assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), -EBADMSG);
	}
	/* The eighth byte less: the attribute is gone as a whole. */
	nlb_msg_vm(&b);
	b.hdr.nlmsg_len -= 8;
	assert_int_equal(lp_nl_parse_vm(&b.hdr, &vm), 0);
}

static void a_message_changed_at_any_byte_is_survived(void **state)
{
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	int results[9];
	struct nlbuild b;

	(void)state;
	for (int which = 0; which < NR_ANY; which++) {
		build_any(&b, which);
		for (uint32_t at = NLMSG_HDRLEN; at < b.hdr.nlmsg_len; at++) {
			struct nlmsghdr *bent = malloc(b.hdr.nlmsg_len);

			for (size_t i = 0; i < sizeof(values); i++) {
				memcpy(bent, b.bytes, b.hdr.nlmsg_len);
				((unsigned char *)bent)[at] = values[i];
				parse_as_all(bent, results);
			}
			free(bent);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_cut_at_any_byte_is_refused),
		cmocka_unit_test(a_cut_in_the_last_attribute_is_refused),
		cmocka_unit_test(a_message_changed_at_any_byte_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
