// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink_proto.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/link/netlink_build.h"

#define NS_PER_S 1000000000ULL

/* The kernel answers a call before send returns; this is for a kernel that is in trouble. */
#define CALL_DEADLINE_NS  (5 * NS_PER_S)
#define DUMP_DEADLINE_NS  (10 * NS_PER_S)
#define FAMILY_RETRY_NS	  (10 * NS_PER_S)
#define CALLS_OPEN_MAX	  16
#define QUEUED_MAX	  4096
#define DUMP_RESTARTS_MAX 3

#define TELL(proto, event, ...)                                                                    \
	do {                                                                                       \
		const struct lp_link_events *events_ = (proto)->link->events;                      \
		if (events_ && events_->event)                                                     \
			events_->event((proto)->link->ctx, __VA_ARGS__);                           \
	} while (0)

static bool is_dump(const struct lp_txn *txn)
{
	return txn->kind == LP_TXN_VM_DUMP || txn->kind == LP_TXN_REGION_DUMP;
}

static bool is_nlctrl(const struct lp_txn *txn)
{
	return txn->kind == LP_TXN_NLCTRL || txn->kind == LP_TXN_FAMILY;
}

static struct lp_txn_list *list_of(struct lp_proto *proto, const struct lp_txn *txn)
{
	return is_dump(txn) ? &proto->dumps : &proto->calls;
}

static void unlink_txn(struct lp_proto *proto, struct lp_txn *txn)
{
	TAILQ_REMOVE(list_of(proto, txn), txn, entry);
	proto->nr_queued--;
}

static void free_txn(struct lp_txn *txn)
{
	nlmsg_free(txn->msg);
	free(txn);
}

/* Ends a transaction without a word. */
static void drop_txn(struct lp_proto *proto, struct lp_txn *txn)
{
	unlink_txn(proto, txn);
	free_txn(txn);
}

/* Takes @msg over, also on error. */
static int enqueue(struct lp_proto *proto, const struct lp_txn *init, struct nl_msg *msg,
		   uint64_t *ret_tag)
{
	struct lp_txn *txn;

	if (!msg)
		return -ENOMEM;
	if (proto->nr_queued >= QUEUED_MAX) {
		nlmsg_free(msg);
		return -EAGAIN;
	}
	txn = malloc(sizeof(*txn));
	if (!txn) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	*txn = *init;
	txn->msg = msg;
	txn->tag = ++proto->next_tag;
	TAILQ_INSERT_TAIL(list_of(proto, txn), txn, entry);
	proto->nr_queued++;
	if (ret_tag)
		*ret_tag = txn->tag;
	proto->io->wake(proto->io_ctx);
	return 0;
}

static int ask_family(struct lp_proto *proto, enum lp_txn_kind kind, const char *name)
{
	struct lp_txn init = {.kind = kind};
	struct lp_txn *txn;

	/* One question at a time is enough. */
	TAILQ_FOREACH(txn, &proto->calls, entry) {
		if (txn->kind == kind && !txn->answered)
			return 0;
	}
	return enqueue(proto, &init, lp_nl_build_getfamily(name), NULL);
}

static void look_for_family(struct lp_proto *proto)
{
	if (ask_family(proto, LP_TXN_FAMILY, KVM_LPAGE_FAMILY_NAME) < 0)
		proto->retry_ns = proto->io->now_ns(proto->io_ctx) + FAMILY_RETRY_NS;
}

static void drop_family_txns(struct lp_proto *proto, struct lp_txn_list *list)
{
	struct lp_txn *txn, *next;

	for (txn = TAILQ_FIRST(list); txn; txn = next) {
		next = TAILQ_NEXT(txn, entry);
		if (!is_nlctrl(txn))
			drop_txn(proto, txn);
	}
}

/* The family is not (or no longer) there; says so once. */
static void family_absent(struct lp_proto *proto, const char *why)
{
	bool was_there = proto->family;

	proto->family = 0;
	drop_family_txns(proto, &proto->calls);
	drop_family_txns(proto, &proto->dumps);
	memset(proto->waiting, 0, sizeof(proto->waiting));
	if (was_there || !proto->told_absent) {
		proto->told_absent = true;
		TELL(proto, family, false, why);
	}
}

static void family_present(struct lp_proto *proto, const struct lp_nl_family *found)
{
	char why[128];
	int r;

	if (proto->family && proto->family != found->id)
		family_absent(proto, "the kernel's kvm-lpage family was replaced");
	if (!found->group) {
		family_absent(proto, "the kernel's kvm-lpage family has no group \"events\"");
		return;
	}
	r = proto->io->join(proto->io_ctx, found->group);
	if (r < 0) {
		snprintf(why, sizeof(why), "cannot join the kvm-lpage events: %s%s", strerror(-r),
			 r == -EPERM || r == -EACCES ? " (CAP_NET_ADMIN is missing)" : "");
		family_absent(proto, why);
		return;
	}
	if (proto->family)
		return;
	proto->family = found->id;
	proto->told_absent = false;
	TELL(proto, family, true, "");
}

static void nlctrl_answered(struct lp_proto *proto, const struct lp_nl_family *found)
{
	/* Without this group a family that comes later is seen by the retries only. */
	if (!found->group || proto->io->join(proto->io_ctx, found->group) < 0)
		proto->retry_always = true;
	look_for_family(proto);
}

/* The family's answer failed: gone or refused. */
static void family_failed(struct lp_proto *proto, const struct lp_txn *txn,
			  const struct lp_nl_end *end)
{
	char why[256];

	if (txn->kind == LP_TXN_NLCTRL) {
		proto->retry_always = true;
		look_for_family(proto);
		return;
	}
	if (end->error != -ENOENT || proto->retry_always)
		proto->retry_ns = proto->io->now_ns(proto->io_ctx) + FAMILY_RETRY_NS;
	if (end->error == -ENOENT)
		snprintf(why, sizeof(why), "kernel has no kvm-lpage family");
	else
		snprintf(why, sizeof(why),
			 "kernel does not say whether it has a kvm-lpage family: %s",
			 strerror(-end->error));
	family_absent(proto, why);
}

static void await(struct lp_proto *proto, const struct lp_txn *txn)
{
	struct lp_waiting *slot = &proto->waiting[proto->next_waiting];

	proto->next_waiting = (proto->next_waiting + 1) % LP_PROTO_WAITING_MAX;
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

static void tell_dump_end(struct lp_proto *proto, const struct lp_txn *txn,
			  const struct lp_nl_end *end)
{
	struct lp_dump_end tell = {
		.tag = txn->tag,
		.vm_id = txn->vm_id,
		.of_regions = txn->kind == LP_TXN_REGION_DUMP,
		.error = end->error,
		.text = end->text,
		.interrupted = txn->interrupted,
		.generation = txn->generation,
		.resync_generation = txn->resync_generation,
	};

	TELL(proto, dump_end, &tell);
}

static void op_answered(struct lp_proto *proto, const struct lp_txn *txn,
			const struct lp_nl_end *end)
{
	int error = end->error;
	const char *text = end->text;

	if (!error && !txn->answered) {
		error = -EBADMSG;
		text = "the kernel's answer has no cookie";
	}
	TELL(proto, op_sent, txn->tag, txn->vm_id, error, text);
}

static void tell_end(struct lp_proto *proto, const struct lp_txn *txn, const struct lp_nl_end *end)
{
	switch (txn->kind) {
	case LP_TXN_NLCTRL:
	case LP_TXN_FAMILY:
		if (end->error || !txn->answered)
			family_failed(proto, txn, end);
		break;
	case LP_TXN_VM:
	case LP_TXN_VM_DUMP:
	case LP_TXN_REGION_DUMP:
		tell_dump_end(proto, txn, end);
		break;
	case LP_TXN_POLICY:
		TELL(proto, policy_set, txn->tag, txn->vm_id, end->error, end->text);
		break;
	case LP_TXN_OP:
		op_answered(proto, txn, end);
		break;
	}
}

/* Ends a transaction; its request has been answered, or never will be. */
static void end_txn(struct lp_proto *proto, struct lp_txn *txn, const struct lp_nl_end *end)
{
	bool nlctrl = is_nlctrl(txn);

	unlink_txn(proto, txn);
	if (end->error)
		proto->stats.failed_requests++;
	tell_end(proto, txn, end);
	free_txn(txn);
	/* The id is unknown: the family went, and that it did may have been lost. */
	if (end->error == -ENOENT && !nlctrl && proto->family)
		look_for_family(proto);
	proto->io->wake(proto->io_ctx);
}

static void fail_txn(struct lp_proto *proto, struct lp_txn *txn, int error, const char *text)
{
	struct lp_nl_end end = {.error = error};

	snprintf(end.text, sizeof(end.text), "%s", text);
	end_txn(proto, txn, &end);
}

/* A dump that was interrupted is done again, a few times. Returns whether it is. */
static bool restart_dump(struct lp_proto *proto, struct lp_txn *txn)
{
	if (!is_dump(txn) || !txn->interrupted || txn->restarts >= DUMP_RESTARTS_MAX)
		return false;
	txn->restarts++;
	txn->interrupted = false;
	txn->seq = 0;
	proto->stats.dump_restarts++;
	proto->io->wake(proto->io_ctx);
	return true;
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
	TELL(proto, vm, &vm, true);
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
	TELL(proto, regions, txn->tag, &chunk);
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
		family_present(proto, &found);
	else
		nlctrl_answered(proto, &found);
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
	if (is_nlctrl(txn))
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
	TELL(proto, loss, LP_LOSS_MALFORMED);
}

static void end_message(struct lp_proto *proto, struct lp_txn *txn, const struct nlmsghdr *hdr)
{
	struct lp_nl_end end;

	if (lp_nl_parse_end(hdr, &end) < 0) {
		malformed(proto);
		end = (struct lp_nl_end){.error = -EBADMSG, .text = "malformed answer"};
	}
	if (!end.error && restart_dump(proto, txn))
		return;
	end_txn(proto, txn, &end);
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
	txn->deadline_ns = proto->io->now_ns(proto->io_ctx) +
			   (is_dump(txn) ? DUMP_DEADLINE_NS : CALL_DEADLINE_NS);
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
	TELL(proto, op_done, &done);
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
	TELL(proto, vm_gone, vm_id);
	return 0;
}

static int new_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_vm vm;
	int r;

	r = lp_nl_parse_vm(hdr, &vm);
	if (r < 0)
		return r;
	TELL(proto, vm, &vm, false);
	return 0;
}

static int policy_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_policy_change change;
	int r;

	r = lp_nl_parse_policy_change(hdr, &change);
	if (r < 0)
		return r;
	TELL(proto, policy_changed, &change);
	return 0;
}

static int changed_event(struct lp_proto *proto, const struct nlmsghdr *hdr)
{
	struct lp_nl_changed changed;
	int r;

	r = lp_nl_parse_changed(hdr, &changed);
	if (r < 0)
		return r;
	TELL(proto, changed, changed.vm_id, changed.generation);
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
	/* A newer kernel may have more to tell. */
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
		family_absent(proto, "kernel's kvm-lpage family went away");
	else
		look_for_family(proto);
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
	look_for_family(proto);
	TELL(proto, loss, kind);
}

void lp_proto_input_loss(struct lp_proto *proto, enum lp_loss kind)
{
	struct lp_txn *txn, *next;

	proto->stats.lost[kind]++;
	/* Dumps are never lost, the kernel waits for room. */
	for (txn = TAILQ_FIRST(&proto->calls); txn; txn = next) {
		next = TAILQ_NEXT(txn, entry);
		if (txn->seq)
			txn->deadline_ns = 0;
	}
	proto->io->wake(proto->io_ctx);
	TELL(proto, loss, kind);
}

static bool may_send(const struct lp_proto *proto, const struct lp_txn *txn)
{
	return is_nlctrl(txn) || proto->family;
}

static void send_txn(struct lp_proto *proto, struct lp_txn *txn)
{
	uint64_t now_ns = proto->io->now_ns(proto->io_ctx);
	int r;

	if (!++proto->next_seq)
		++proto->next_seq;
	txn->seq = proto->next_seq;
	txn->deadline_ns = now_ns + (is_dump(txn) ? DUMP_DEADLINE_NS : CALL_DEADLINE_NS);
	proto->stats.requests++;
	r = proto->io->send(proto->io_ctx, txn->msg, txn->seq);
	if (r < 0)
		fail_txn(proto, txn, r, "cannot send to the kernel");
}

static size_t calls_open(const struct lp_proto *proto)
{
	const struct lp_txn *txn;
	size_t count = 0;

	TAILQ_FOREACH(txn, &proto->calls, entry)
		count += txn->seq != 0;
	return count;
}

bool lp_proto_calls_open(const struct lp_proto *proto)
{
	return calls_open(proto) > 0;
}

static struct lp_txn *first_unsent(const struct lp_proto *proto, const struct lp_txn_list *list)
{
	struct lp_txn *txn;

	TAILQ_FOREACH(txn, list, entry) {
		if (!txn->seq && may_send(proto, txn))
			return txn;
	}
	return NULL;
}

static struct lp_txn *first_expired(const struct lp_txn_list *list, uint64_t now_ns)
{
	struct lp_txn *txn;

	TAILQ_FOREACH(txn, list, entry) {
		if (txn->seq && txn->deadline_ns <= now_ns)
			return txn;
	}
	return NULL;
}

/* A dump that hangs keeps the socket busy for good: get a new one. */
static void expire_dump(struct lp_proto *proto, struct lp_txn *dump)
{
	struct lp_txn *txn;

	proto->stats.timeouts++;
	fail_txn(proto, dump, -ETIMEDOUT, "the kernel stopped answering");
	(void)proto->io->reopen(proto->io_ctx);
	TAILQ_FOREACH(txn, &proto->calls, entry) {
		if (txn->seq)
			txn->deadline_ns = 0;
	}
}

static void expire(struct lp_proto *proto)
{
	uint64_t now_ns = proto->io->now_ns(proto->io_ctx);
	struct lp_txn *txn;

	while ((txn = first_expired(&proto->dumps, now_ns)))
		expire_dump(proto, txn);
	while ((txn = first_expired(&proto->calls, now_ns))) {
		proto->stats.timeouts++;
		fail_txn(proto, txn, -ETIMEDOUT, "the kernel did not answer");
	}
	if (proto->retry_ns && proto->retry_ns <= now_ns) {
		proto->retry_ns = 0;
		look_for_family(proto);
	}
}

void lp_proto_pump(struct lp_proto *proto)
{
	struct lp_txn *txn;

	expire(proto);
	for (size_t open = calls_open(proto); open < CALLS_OPEN_MAX; open++) {
		txn = first_unsent(proto, &proto->calls);
		if (!txn)
			break;
		send_txn(proto, txn);
	}
	txn = TAILQ_FIRST(&proto->dumps);
	if (txn && !txn->seq)
		send_txn(proto, txn);
}

uint64_t lp_proto_deadline_ns(const struct lp_proto *proto)
{
	uint64_t first = proto->retry_ns ? proto->retry_ns : UINT64_MAX;
	const struct lp_txn *txn;

	TAILQ_FOREACH(txn, &proto->calls, entry) {
		if (txn->seq && txn->deadline_ns < first)
			first = txn->deadline_ns;
	}
	txn = TAILQ_FIRST(&proto->dumps);
	if (txn && txn->seq && txn->deadline_ns < first)
		first = txn->deadline_ns;
	return first;
}

int lp_proto_dump_vms(struct lp_proto *proto, uint32_t vm_id, uint64_t *ret_tag)
{
	struct lp_txn init = {.kind = vm_id ? LP_TXN_VM : LP_TXN_VM_DUMP, .vm_id = vm_id};

	if (!proto->family)
		return -ENOTCONN;
	return enqueue(proto, &init, lp_nl_build_vm_get(proto->family, vm_id), ret_tag);
}

int lp_proto_dump_regions(struct lp_proto *proto, const struct lp_region_query *query,
			  uint64_t *ret_tag)
{
	struct lp_txn init = {.kind = LP_TXN_REGION_DUMP, .vm_id = query->vm_id};

	if (!proto->family)
		return -ENOTCONN;
	if (!query->vm_id || (query->present && (!query->nr_regions ||
						 query->nr_regions > KVM_LPAGE_RANGE_REGIONS_MAX)))
		return -EINVAL;
	return enqueue(proto, &init, lp_nl_build_region_get(proto->family, query), ret_tag);
}

int lp_proto_set_policy(struct lp_proto *proto, uint32_t vm_id, const struct lp_limits *limits,
			uint64_t *ret_tag)
{
	struct lp_txn init = {.kind = LP_TXN_POLICY, .vm_id = vm_id};

	if (!proto->family)
		return -ENOTCONN;
	if (!vm_id || !limits->set)
		return -EINVAL;
	return enqueue(proto, &init, lp_nl_build_policy_set(proto->family, vm_id, limits), ret_tag);
}

int lp_proto_range_op(struct lp_proto *proto, uint32_t vm_id, uint32_t op,
		      const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
		      uint64_t *ret_tag)
{
	struct lp_txn init = {.kind = LP_TXN_OP, .vm_id = vm_id, .op = op};

	if (!proto->family)
		return -ENOTCONN;
	if (lp_range_op_check(vm_id, op, ranges, nr_ranges, ttl_ns) < 0)
		return -EINVAL;
	return enqueue(proto, &init,
		       lp_nl_build_range_op(proto->family, vm_id, op, ranges, nr_ranges, ttl_ns),
		       ret_tag);
}

void lp_proto_init(struct lp_proto *proto, struct lp_link *link, const struct lp_proto_io *io,
		   void *io_ctx)
{
	*proto = (struct lp_proto){.link = link, .io = io, .io_ctx = io_ctx};
	TAILQ_INIT(&proto->calls);
	TAILQ_INIT(&proto->dumps);
}

int lp_proto_start(struct lp_proto *proto)
{
	return ask_family(proto, LP_TXN_NLCTRL, "nlctrl");
}

void lp_proto_done(struct lp_proto *proto)
{
	struct lp_txn *txn;

	while ((txn = TAILQ_FIRST(&proto->calls)))
		drop_txn(proto, txn);
	while ((txn = TAILQ_FIRST(&proto->dumps)))
		drop_txn(proto, txn);
	lp_nl_scratch_free(&proto->scratch);
}
