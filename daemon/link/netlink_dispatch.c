// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#include "daemon/link/netlink_internal.h"

/* The oldest is dropped when the table is full; a free slot's tag is 0. */
static void await(struct lp_proto *proto, const struct lp_txn *txn)
{
	struct lp_waiting *slot = proto->waiting;

	for (size_t i = 1; i < LP_PROTO_WAITING_MAX && slot->tag; i++) {
		if (proto->waiting[i].tag < slot->tag)
			slot = &proto->waiting[i];
	}
	*slot = (struct lp_waiting){txn->cookie, txn->tag, txn->vm_id};
}

/* The tag of a finished operation, 0 when it is not ours. */
static uint64_t take_waiting(struct lp_proto *proto, uint32_t vm_id, uint64_t cookie)
{
	for (size_t i = 0; i < LP_PROTO_WAITING_MAX; i++) {
		struct lp_waiting *slot = &proto->waiting[i];
		uint64_t tag = slot->tag;

		if (!tag || slot->cookie != cookie || slot->vm_id != vm_id)
			continue;
		*slot = (struct lp_waiting){0};
		return tag;
	}
	return 0;
}

static struct lp_txn *find_in(struct lp_txn_list *list, uint32_t seq)
{
	struct lp_txn *txn;

	TAILQ_FOREACH(txn, list, entry) {
		if (txn->seq == seq)
			return txn;
	}
	return NULL;
}

static struct lp_txn *find_txn(struct lp_proto *proto, uint32_t seq)
{
	struct lp_txn *txn;

	if (!seq)
		return NULL;
	txn = find_in(&proto->calls, seq);
	return txn ? txn : find_in(&proto->dumps, seq);
}

static int vm_answer(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_vm vm;
	int r;

	r = lp_nl_parse_vm(hdr, &vm);
	if (r < 0)
		return r;
	NOTIFY(proto, vm, &vm, true);
	return 0;
}

static int regions_answer(struct lp_proto *proto, struct lp_txn *txn, const struct nlmsghdr *hdr)
{
	struct lp_region_chunk chunk;
	int r;

	r = lp_nl_parse_regions(hdr, &proto->scratch, &chunk);
	if (r < 0)
		return r;
	if (chunk.vm_id != txn->vm_id)
		return -EBADMSG;
	/* The first message's: what changed meanwhile comes again with the next dump. */
	if (!txn->generation || chunk.generation < txn->generation)
		txn->generation = chunk.generation;
	txn->resync_generation = chunk.resync_generation;
	NOTIFY(proto, regions, txn->tag, &chunk);
	return 0;
}

static int family_answer(struct lp_proto *proto, struct lp_txn *txn, const struct nlmsghdr *hdr)
{
	bool ours = txn->kind == LP_TXN_FAMILY;
	struct lp_nl_family found;
	int r;

	r = lp_nl_parse_family(hdr, ours ? KVM_LPAGE_MCGRP_EVENTS : "notify", &found);
	if (r < 0)
		return r;
	txn->answered = true;
	if (ours)
		lp_proto_family_present(proto, &found);
	else
		lp_proto_nlctrl_answered(proto, &found);
	return 0;
}

static int op_answer(struct lp_proto *proto, struct lp_txn *txn, const struct nlmsghdr *hdr)
{
	struct lp_nl_reply reply;
	int r;

	r = lp_nl_parse_reply(hdr, &reply);
	if (r < 0)
		return r;
	txn->answered = true;
	txn->cookie = reply.cookie;
	await(proto, txn);
	return 0;
}

/* The body of an answer; the end comes apart from it. */
static int answer(struct lp_proto *proto, struct lp_txn *txn, const struct nlmsghdr *hdr)
{
	if (lp_txn_is_nlctrl(txn))
		return hdr->nlmsg_type == GENL_ID_CTRL ? family_answer(proto, txn, hdr) : -EBADMSG;
	if (hdr->nlmsg_type != proto->family)
		return -EBADMSG;
	switch (txn->kind) {
	case LP_TXN_VM:
	case LP_TXN_VM_DUMP:
		return vm_answer(proto, hdr);
	case LP_TXN_REGION_DUMP:
		return regions_answer(proto, txn, hdr);
	case LP_TXN_OP:
		return op_answer(proto, txn, hdr);
	default:
		return -EBADMSG;
	}
}

static void malformed(struct lp_proto *proto)
{
	proto->stats.lost[LP_LOSS_MALFORMED]++;
	NOTIFY(proto, loss, LP_LOSS_MALFORMED);
}

static void end_message(struct lp_proto *proto, struct lp_txn *txn, const struct nlmsghdr *hdr)
{
	struct lp_nl_end end;

	if (lp_nl_parse_end(hdr, &end) < 0) {
		malformed(proto);
		end = (struct lp_nl_end){.error = -EBADMSG, .text = "malformed answer"};
	}
	if (!end.error && lp_txn_restart_dump(proto, txn))
		return;
	lp_txn_end(proto, txn, &end);
}

static void input_message(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_txn *txn = find_txn(proto, hdr->nlmsg_seq);

	proto->stats.messages++;
	if (hdr->nlmsg_type == NLMSG_NOOP)
		return;
	if (!txn) {
		proto->stats.stray++;
		return;
	}
	if (hdr->nlmsg_flags & NLM_F_DUMP_INTR)
		txn->interrupted = true;
	if (hdr->nlmsg_type == NLMSG_ERROR || hdr->nlmsg_type == NLMSG_DONE) {
		end_message(proto, txn, hdr);
		return;
	}
	lp_txn_extend(proto, txn);
	if (answer(proto, txn, hdr) < 0)
		malformed(proto);
}

/* Calls @each for every message of a buffer; what is left over is malformed. */
static void for_each_message(struct lp_proto *proto, const void *data, size_t len,
			     void (*each)(struct lp_proto *proto, const struct nlmsghdr *hdr))
{
	const char *at = data;

	while (len) {
		const struct nlmsghdr *hdr = (const void *)at;
		size_t step;

		if (len < sizeof(*hdr) || hdr->nlmsg_len < sizeof(*hdr) || hdr->nlmsg_len > len) {
			malformed(proto);
			return;
		}
		each(proto, hdr);
		step = NLMSG_ALIGN(hdr->nlmsg_len);
		if (step > len)
			step = len;
		at += step;
		len -= step;
	}
}

void lp_proto_input(struct lp_proto *proto, const void *data, size_t len)
{
	for_each_message(proto, data, len, input_message);
}

static int done_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_done done;
	int r;

	r = lp_nl_parse_done(hdr, &proto->scratch, &done);
	if (r < 0)
		return r;
	done.tag = take_waiting(proto, done.vm_id, done.cookie);
	NOTIFY(proto, op_done, &done);
	return 0;
}

static void forget_waiting(struct lp_proto *proto, uint32_t vm_id)
{
	for (size_t i = 0; i < LP_PROTO_WAITING_MAX; i++) {
		if (proto->waiting[i].vm_id == vm_id)
			proto->waiting[i] = (struct lp_waiting){0};
	}
}

static int gone_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	uint32_t vm_id;
	int r;

	r = lp_nl_parse_vm_gone(hdr, &vm_id);
	if (r < 0)
		return r;
	forget_waiting(proto, vm_id);
	NOTIFY(proto, vm_gone, vm_id);
	return 0;
}

static int new_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_vm vm;
	int r;

	r = lp_nl_parse_vm(hdr, &vm);
	if (r < 0)
		return r;
	NOTIFY(proto, vm, &vm, false);
	return 0;
}

static int policy_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_policy_change change;
	int r;

	r = lp_nl_parse_policy_change(hdr, &change);
	if (r < 0)
		return r;
	NOTIFY(proto, policy_changed, &change);
	return 0;
}

static int changed_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_nl_changed changed;
	int r;

	r = lp_nl_parse_changed(hdr, &changed);
	if (r < 0)
		return r;
	NOTIFY(proto, changed, changed.vm_id, changed.generation);
	return 0;
}

static int family_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	int cmd = lp_nl_command(hdr);

	switch (cmd) {
	case KVM_LPAGE_CMD_VM_NEW_NTF:
		return new_event(proto, hdr);
	case KVM_LPAGE_CMD_VM_GONE_NTF:
		return gone_event(proto, hdr);
	case KVM_LPAGE_CMD_POLICY_NTF:
		return policy_event(proto, hdr);
	case KVM_LPAGE_CMD_OP_DONE_NTF:
		return done_event(proto, hdr);
	case KVM_LPAGE_CMD_CHANGED_NTF:
		return changed_event(proto, hdr);
	}
	/* A newer kernel may send more. */
	return cmd < 0 ? cmd : 0;
}

static int nlctrl_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	int cmd = lp_nl_command(hdr);
	struct lp_nl_family family;
	int r;

	if (cmd != CTRL_CMD_NEWFAMILY && cmd != CTRL_CMD_DELFAMILY)
		return cmd < 0 ? cmd : 0;
	r = lp_nl_parse_family(hdr, KVM_LPAGE_MCGRP_EVENTS, &family);
	if (r < 0 || strcmp(family.name, KVM_LPAGE_FAMILY_NAME) != 0)
		return r;
	if (cmd == CTRL_CMD_DELFAMILY)
		lp_proto_family_absent(proto, "kernel's kvm-lpage family disappeared");
	else
		lp_proto_look_for_family(proto);
	return 0;
}

static void event_message(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	int r = 0;

	proto->stats.messages++;
	if (hdr->nlmsg_type == GENL_ID_CTRL)
		r = nlctrl_event(proto, hdr);
	else if (proto->family && hdr->nlmsg_type == proto->family)
		r = family_event(proto, hdr);
	if (r < 0)
		malformed(proto);
}

void lp_proto_event(struct lp_proto *proto, const void *data, size_t len)
{
	for_each_message(proto, data, len, event_message);
}

void lp_proto_event_loss(struct lp_proto *proto, enum lp_loss kind)
{
	proto->stats.lost[kind]++;
	/* That the family went or came may be among what was lost. */
	lp_proto_look_for_family(proto);
	NOTIFY(proto, loss, kind);
}

void lp_proto_input_loss(struct lp_proto *proto, enum lp_loss kind)
{
	struct lp_txn *txn, *next;

	proto->stats.lost[kind]++;
	/* Dumps are never lost, the kernel waits for buffer space. */
	for (txn = TAILQ_FIRST(&proto->calls); txn; txn = next) {
		next = TAILQ_NEXT(txn, entry);
		if (txn->seq)
			txn->deadline_ns = 0;
	}
	proto->io->wake(proto->io_ctx);
	NOTIFY(proto, loss, kind);
}
