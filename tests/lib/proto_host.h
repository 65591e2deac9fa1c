/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The netlink conversation on sockets that are none: what its tests share. */
#ifndef TDX_LPAGE_TESTS_PROTO_HOST_H
#define TDX_LPAGE_TESTS_PROTO_HOST_H

#include <tdx-lpage/base.h>

#include "daemon/link/netlink_proto.h"
#include "tests/lib/link_seen.h"
#include "tests/lib/nlbuild.h"

#define FAMILY	 30
#define GROUP	 9
#define REQUESTS 64

struct proto_host {
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

/* Up to the question for our family. */
int proto_setup(void **state);
/* The same, answered: the family is there. */
int proto_setup_present(void **state);
int proto_teardown(void **state);

/* Gives what is in @host->b to the conversation: as an answer, or as an event. */
void proto_answer(struct proto_host *host);
void proto_event(struct proto_host *host);
/* Answers the request @seq with @error (0: an ACK) and an extended ACK's text unless NULL. */
void proto_ack(struct proto_host *host, uint32_t seq, int error, const char *text);
/* Of the request that was sent last. */
uint32_t proto_last_seq(const struct proto_host *host);
/* Answers the question for the family. */
void proto_find_family(struct proto_host *host);
/* Asks for a merge of three regions. */
int proto_merge(struct proto_host *host, uint32_t vm_id, uint64_t *ret_tag);

#define ABSENT(f)  cmocka_unit_test_setup_teardown(f, proto_setup, proto_teardown)
#define PRESENT(f) cmocka_unit_test_setup_teardown(f, proto_setup_present, proto_teardown)

#endif
