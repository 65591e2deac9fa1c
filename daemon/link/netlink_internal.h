/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What netlink_proto.c (requests, the family) and netlink_dispatch.c (answers, events) share. */
#ifndef TDX_LPAGE_NETLINK_INTERNAL_H
#define TDX_LPAGE_NETLINK_INTERNAL_H

#include "daemon/link/netlink_proto.h"

/* Calls back whoever listens, if to this event. */
#define NOTIFY(proto, event, ...)                                                                  \
	do {                                                                                       \
		const struct lp_link_events *events_ = (proto)->link->events;                      \
		if (events_ && events_->event)                                                     \
			events_->event((proto)->link->ctx, __VA_ARGS__);                           \
	} while (0)

bool lp_txn_is_dump(const struct lp_txn *txn);
bool lp_txn_is_nlctrl(const struct lp_txn *txn);
/* Progress: it may take as long as from the beginning. */
void lp_txn_extend(const struct lp_proto *proto, struct lp_txn *txn);
/* Ends and frees a transaction; its request has been answered, or never will be. */
void lp_txn_end(struct lp_proto *proto, struct lp_txn *txn, const struct lp_nl_end *end);
/* A dump that was interrupted is done again, a few times. Returns whether it is. */
bool lp_txn_restart_dump(struct lp_proto *proto, struct lp_txn *txn);

/* Asks for our family, unless that is being done. */
void lp_proto_look_for_family(struct lp_proto *proto);
/* The family is not (or no longer) there; says so once. */
void lp_proto_family_absent(struct lp_proto *proto, const char *why);
void lp_proto_family_present(struct lp_proto *proto, const struct lp_nl_family *found);
/* nlctrl has described itself: we can hear of families that come and go. */
void lp_proto_nlctrl_answered(struct lp_proto *proto, const struct lp_nl_family *found);

#endif
