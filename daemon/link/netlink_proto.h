/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netlink conversation: what was asked, what came back, whether the family is there. Knows
 * neither sockets nor the event loop, so that tests can feed it messages built in memory.
 *
 * Requests wait in two lines, calls and dumps. The kernel does one dump per socket at a time, calls
 * are answered while one runs. Each request under way has a deadline; a dump's is moved by every
 * message of it.
 */
#ifndef TDX_LPAGE_NETLINK_PROTO_H
#define TDX_LPAGE_NETLINK_PROTO_H

#include <linux/netlink.h>
#include <sys/queue.h>

#include "daemon/link/link.h"
#include "daemon/link/netlink_parse.h"

struct nl_msg;

/* What the conversation needs from its sockets. */
struct lp_proto_io {
	/* Sends on the request socket with sequence number @seq. 0 or negative errno. */
	int (*send)(void *ctx, struct nl_msg *msg, uint32_t seq);
	/* Joins a multicast group on the event socket. 0 or negative errno. */
	int (*join)(void *ctx, uint32_t group);
	/* Gives the request socket up for a new one: a dump on it hangs. 0 or negative errno. */
	int (*reopen)(void *ctx);
	/* Has lp_proto_pump() called from the event loop soon. */
	void (*wake)(void *ctx);
	uint64_t (*now_ns)(void *ctx);
};

enum lp_txn_kind {
	LP_TXN_NLCTRL, /* find nlctrl's own multicast group */
	LP_TXN_FAMILY, /* find our family */
	LP_TXN_VM,
	LP_TXN_VM_DUMP,
	LP_TXN_REGION_DUMP,
	LP_TXN_POLICY,
	LP_TXN_OP,
};

struct lp_txn {
	TAILQ_ENTRY(lp_txn) entry;
	enum lp_txn_kind kind;
	uint32_t seq; /* 0: not sent yet */
	uint32_t vm_id;
	uint32_t op;
	uint64_t tag;
	uint64_t deadline_ns;
	uint64_t cookie;
	unsigned int restarts;
	bool interrupted;
	bool answered;
	uint64_t generation;
	uint64_t resync_generation;
	struct nl_msg *msg;
};

TAILQ_HEAD(lp_txn_list, lp_txn);

/* An operation that the kernel has queued and not finished. */
struct lp_waiting {
	uint64_t cookie;
	uint64_t tag;
	uint32_t vm_id;
};

#define LP_PROTO_WAITING_MAX 256

struct lp_proto {
	struct lp_link *link;
	const struct lp_proto_io *io;
	void *io_ctx;
	struct lp_txn_list calls;
	struct lp_txn_list dumps;
	size_t nr_queued;
	uint16_t family; /* 0: absent */
	bool told_absent;
	bool retry_always; /* no event says when the family appears */
	uint64_t retry_ns; /* when to look for the family again, 0: no need */
	uint32_t next_seq;
	uint64_t next_tag;
	struct lp_waiting waiting[LP_PROTO_WAITING_MAX]; /* those whose tag is 0 are free */
	struct lp_nl_scratch scratch;
	struct lp_link_stats stats;
};

void lp_proto_init(struct lp_proto *proto, struct lp_link *link, const struct lp_proto_io *io,
		   void *io_ctx);
/* Forgets what is under way without a word. */
void lp_proto_done(struct lp_proto *proto);

/* Begins to look for the family. 0 or -ENOMEM. */
int lp_proto_start(struct lp_proto *proto);

/* Sends what waits and may be sent; ends what is past its deadline. */
void lp_proto_pump(struct lp_proto *proto);
/* When pump must be called at the latest, UINT64_MAX: no need. */
uint64_t lp_proto_deadline_ns(const struct lp_proto *proto);
/*
 * Are calls sent and not answered yet? Then what the request socket holds must be read before the
 * event socket: the kernel answers a call before it carries it out, so that the cookie comes before
 * the outcome, but on the other socket.
 */
bool lp_proto_calls_open(const struct lp_proto *proto);

/* Bytes from the request socket and from the event socket; several messages may be in them. */
void lp_proto_input(struct lp_proto *proto, const void *data, size_t len);
void lp_proto_event(struct lp_proto *proto, const void *data, size_t len);
/* Messages were lost on the event socket; or on the request socket. */
void lp_proto_event_loss(struct lp_proto *proto, enum lp_loss kind);
void lp_proto_input_loss(struct lp_proto *proto, enum lp_loss kind);

/* As the functions of the same name in struct lp_link_ops. */
int lp_proto_dump_vms(struct lp_proto *proto, uint32_t vm_id, uint64_t *ret_tag);
int lp_proto_dump_regions(struct lp_proto *proto, const struct lp_region_query *query,
			  uint64_t *ret_tag);
int lp_proto_set_policy(struct lp_proto *proto, uint32_t vm_id, const struct lp_limits *limits,
			uint64_t lease_ns, uint64_t *ret_tag);
int lp_proto_range_op(struct lp_proto *proto, uint32_t vm_id, uint32_t op,
		      const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
		      uint64_t *ret_tag);

#endif
