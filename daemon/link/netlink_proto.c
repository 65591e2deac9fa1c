// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink_proto.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/link/netlink_build.h"
#include "daemon/link/netlink_internal.h"

/* The kernel answers a call before send returns; this is for a kernel that is in trouble. */
#define CALL_DEADLINE_NS  (5 * NS_PER_S)
#define DUMP_DEADLINE_NS  (10 * NS_PER_S)
#define FAMILY_RETRY_NS	  (10 * NS_PER_S)
#define CALLS_OPEN_MAX	  16
#define QUEUED_MAX	  4096
#define DUMP_RESTARTS_MAX 3

bool lp_txn_is_dump(const struct lp_txn *txn)
{
	return txn->kind == LP_TXN_VM_DUMP || txn->kind == LP_TXN_REGION_DUMP;
}

bool lp_txn_is_nlctrl(const struct lp_txn *txn)
{
	return txn->kind == LP_TXN_NLCTRL || txn->kind == LP_TXN_FAMILY;
}

static struct lp_txn_list *list_of(struct lp_proto *proto, const struct lp_txn *txn)
{
	return lp_txn_is_dump(txn) ? &proto->dumps : &proto->calls;
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

void lp_proto_look_for_family(struct lp_proto *proto)
{
	if (ask_family(proto, LP_TXN_FAMILY, KVM_LPAGE_FAMILY_NAME) < 0)
		proto->retry_ns = proto->io->now_ns(proto->io_ctx) + FAMILY_RETRY_NS;
}

static void drop_family_txns(struct lp_proto *proto, struct lp_txn_list *list)
{
	struct lp_txn *txn, *next;

	for (txn = TAILQ_FIRST(list); txn; txn = next) {
		next = TAILQ_NEXT(txn, entry);
		if (!lp_txn_is_nlctrl(txn))
			drop_txn(proto, txn);
	}
}

void lp_proto_family_absent(struct lp_proto *proto, const char *why)
{
	bool was_there = proto->family;

	proto->family = 0;
	drop_family_txns(proto, &proto->calls);
	drop_family_txns(proto, &proto->dumps);
	memset(proto->waiting, 0, sizeof(proto->waiting));
	if (was_there || !proto->told_absent) {
		proto->told_absent = true;
		NOTIFY(proto, family, false, why);
	}
}

void lp_proto_family_present(struct lp_proto *proto, const struct lp_nl_family *found)
{
	char why[128];
	int r;

	if (proto->family && proto->family != found->id)
		lp_proto_family_absent(proto, "the kernel's kvm-lpage family was replaced");
	if (!found->group) {
		lp_proto_family_absent(proto,
				       "the kernel's kvm-lpage family has no group \"events\"");
		return;
	}
	r = proto->io->join(proto->io_ctx, found->group);
	if (r < 0) {
		snprintf(why, sizeof(why), "cannot join the kvm-lpage events: %s%s", strerror(-r),
			 r == -EPERM || r == -EACCES ? " (CAP_NET_ADMIN is missing)" : "");
		lp_proto_family_absent(proto, why);
		return;
	}
	if (proto->family)
		return;
	proto->family = found->id;
	proto->told_absent = false;
	NOTIFY(proto, family, true, "");
}

void lp_proto_nlctrl_answered(struct lp_proto *proto, const struct lp_nl_family *found)
{
	/* Without this group a family that comes later is seen by the retries only. */
	if (!found->group || proto->io->join(proto->io_ctx, found->group) < 0)
		proto->retry_always = true;
	lp_proto_look_for_family(proto);
}

/* The family's answer failed: gone or refused. */
static void family_failed(struct lp_proto *proto, const struct lp_txn *txn,
			  const struct lp_nl_end *end)
{
	char why[256];

	if (txn->kind == LP_TXN_NLCTRL) {
		proto->retry_always = true;
		lp_proto_look_for_family(proto);
		return;
	}
	if (end->error != -ENOENT || proto->retry_always)
		proto->retry_ns = proto->io->now_ns(proto->io_ctx) + FAMILY_RETRY_NS;
	/* In doubt: all that is known of the VMs is not thrown away for an answer that was lost. */
	if (end->error != -ENOENT && proto->family)
		return;
	if (end->error == -ENOENT)
		snprintf(why, sizeof(why), "kernel has no kvm-lpage family");
	else
		snprintf(why, sizeof(why),
			 "cannot find out whether the kernel has a kvm-lpage family: %s",
			 strerror(-end->error));
	lp_proto_family_absent(proto, why);
}

static void notify_dump_end(struct lp_proto *proto, const struct lp_txn *txn,
			    const struct lp_nl_end *end)
{
	struct lp_dump_end dump_end = {
		.tag = txn->tag,
		.vm_id = txn->vm_id,
		.of_regions = txn->kind == LP_TXN_REGION_DUMP,
		.error = end->error,
		.text = end->text,
		.interrupted = txn->interrupted,
		.generation = txn->generation,
		.resync_generation = txn->resync_generation,
	};

	NOTIFY(proto, dump_end, &dump_end);
}

static void op_answered(struct lp_proto *proto, const struct lp_txn *txn,
			const struct lp_nl_end *end)
{
	int error = end->error;
	const char *text = end->text;

	if (!error && !txn->answered) {
		error = -EBADMSG;
		text = "the kernel's reply has no cookie";
	}
	NOTIFY(proto, op_sent, txn->tag, txn->vm_id, error, text);
}

static void notify_end(struct lp_proto *proto, const struct lp_txn *txn,
		       const struct lp_nl_end *end)
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
		notify_dump_end(proto, txn, end);
		break;
	case LP_TXN_POLICY:
		NOTIFY(proto, policy_set, txn->tag, txn->vm_id, end->error, end->text);
		break;
	case LP_TXN_OP:
		op_answered(proto, txn, end);
		break;
	}
}

void lp_txn_end(struct lp_proto *proto, struct lp_txn *txn, const struct lp_nl_end *end)
{
	bool nlctrl = lp_txn_is_nlctrl(txn);

	unlink_txn(proto, txn);
	if (end->error)
		proto->stats.failed_requests++;
	notify_end(proto, txn, end);
	free_txn(txn);
	/* The id is unknown: the family went, and that it did may have been lost. */
	if (end->error == -ENOENT && !nlctrl && proto->family)
		lp_proto_look_for_family(proto);
	proto->io->wake(proto->io_ctx);
}

static void fail_txn(struct lp_proto *proto, struct lp_txn *txn, int error, const char *text)
{
	struct lp_nl_end end = {.error = error};

	snprintf(end.text, sizeof(end.text), "%s", text);
	lp_txn_end(proto, txn, &end);
}

void lp_txn_extend(const struct lp_proto *proto, struct lp_txn *txn)
{
	txn->deadline_ns = proto->io->now_ns(proto->io_ctx) +
			   (lp_txn_is_dump(txn) ? DUMP_DEADLINE_NS : CALL_DEADLINE_NS);
}

bool lp_txn_restart_dump(struct lp_proto *proto, struct lp_txn *txn)
{
	if (!lp_txn_is_dump(txn) || !txn->interrupted || txn->restarts >= DUMP_RESTARTS_MAX)
		return false;
	txn->restarts++;
	txn->interrupted = false;
	txn->seq = 0;
	proto->stats.dump_restarts++;
	proto->io->wake(proto->io_ctx);
	return true;
}

static bool may_send(const struct lp_proto *proto, const struct lp_txn *txn)
{
	return lp_txn_is_nlctrl(txn) || proto->family;
}

static void send_txn(struct lp_proto *proto, struct lp_txn *txn)
{
	int r;

	if (!++proto->next_seq)
		++proto->next_seq;
	txn->seq = proto->next_seq;
	lp_txn_extend(proto, txn);
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
		lp_proto_look_for_family(proto);
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
			uint64_t lease_ns, uint64_t *ret_tag)
{
	struct lp_txn init = {.kind = LP_TXN_POLICY, .vm_id = vm_id};

	if (!proto->family)
		return -ENOTCONN;
	if (!lp_policy_set_ok(vm_id, limits, lease_ns))
		return -EINVAL;
	return enqueue(proto, &init, lp_nl_build_policy_set(proto->family, vm_id, limits, lease_ns),
		       ret_tag);
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
