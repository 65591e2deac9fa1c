// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/vmm_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct vmm_asked {
	struct lp_vmm_query query;
	uint64_t deadline_ns;
	uint64_t tag; /* 0: not sent */
	TAILQ_ENTRY(vmm_asked) entry;
};

void vmm_queue_init(struct vmm_queue *queue)
{
	*queue = (struct vmm_queue){0};
	TAILQ_INIT(&queue->prompt);
	TAILQ_INIT(&queue->slow);
}

void vmm_queue_done(struct vmm_queue *queue)
{
	struct lp_vmm_query query;

	while (vmm_queue_expire(queue, 0, true, &query))
		;
	vmm_queue_unsend(queue);
}

static bool is_slow(const struct vmm_queue *queue, uint32_t uid)
{
	for (size_t i = 0; i < queue->nr_slow && i < VMM_QUEUE_SLOW_MAX; i++) {
		if (queue->slow_uids[i] == uid)
			return true;
	}
	return false;
}

/* Its user's processes come last from now on. */
static void set_slow(struct vmm_queue *queue, uint32_t uid)
{
	struct vmm_asked *asked, *next;

	if (is_slow(queue, uid))
		return;
	queue->slow_uids[queue->nr_slow++ % VMM_QUEUE_SLOW_MAX] = uid;
	for (asked = TAILQ_FIRST(&queue->prompt); asked; asked = next) {
		next = TAILQ_NEXT(asked, entry);
		if (asked->query.uid != uid)
			continue;
		TAILQ_REMOVE(&queue->prompt, asked, entry);
		TAILQ_INSERT_TAIL(&queue->slow, asked, entry);
	}
}

int vmm_queue_add(struct vmm_queue *queue, const struct lp_vmm_query *query, uint64_t now_ns)
{
	struct vmm_asked *asked = calloc(1, sizeof(*asked));

	if (!asked)
		return -ENOMEM;
	asked->query = *query;
	asked->deadline_ns = now_ns + VMM_QUEUE_DEADLINE_NS;
	if (is_slow(queue, query->uid))
		TAILQ_INSERT_TAIL(&queue->slow, asked, entry);
	else
		TAILQ_INSERT_TAIL(&queue->prompt, asked, entry);
	return 0;
}

static struct vmm_asked_list *first_list(struct vmm_queue *queue)
{
	return TAILQ_EMPTY(&queue->prompt) ? &queue->slow : &queue->prompt;
}

bool vmm_queue_next(struct vmm_queue *queue, struct vmm_request *ret)
{
	struct vmm_asked_list *list = first_list(queue);
	struct vmm_asked *asked = TAILQ_FIRST(list);

	if (queue->sent || !asked)
		return false;
	TAILQ_REMOVE(list, asked, entry);
	asked->tag = ++queue->last_tag;
	queue->sent = asked;
	queue->expired = false;
	*ret = (struct vmm_request){asked->tag, asked->query};
	return true;
}

/* Strings end within their arrays, and a success has the command. */
static bool is_sound(const struct vmm_reply *reply)
{
	const struct lp_vmm_args *args = &reply->args;

	return reply->error <= 0 && memchr(args->command, '\0', sizeof(args->command)) &&
	       memchr(args->name, '\0', sizeof(args->name)) &&
	       memchr(args->uuid, '\0', sizeof(args->uuid));
}

int vmm_queue_answer(struct vmm_queue *queue, const struct vmm_reply *reply, size_t len,
		     struct lp_vmm_query *ret)
{
	bool expired = queue->expired;

	if (len != sizeof(*reply) || !queue->sent || reply->tag != queue->sent->tag ||
	    !is_sound(reply))
		return -EBADMSG;
	*ret = queue->sent->query;
	if (reply->error == -ETIMEDOUT)
		set_slow(queue, ret->uid);
	vmm_queue_unsend(queue);
	return expired ? -EAGAIN : 0;
}

static bool take_first(struct vmm_asked_list *list, uint64_t now_ns, bool all,
		       struct lp_vmm_query *ret)
{
	struct vmm_asked *asked = TAILQ_FIRST(list);

	if (!asked || (!all && asked->deadline_ns > now_ns))
		return false;
	*ret = asked->query;
	TAILQ_REMOVE(list, asked, entry);
	free(asked);
	return true;
}

bool vmm_queue_expire(struct vmm_queue *queue, uint64_t now_ns, bool all, struct lp_vmm_query *ret)
{
	struct vmm_asked *sent = queue->sent;

	if (sent && !queue->expired && (all || sent->deadline_ns <= now_ns)) {
		queue->expired = true;
		*ret = sent->query;
		return true;
	}
	return take_first(&queue->prompt, now_ns, all, ret) ||
	       take_first(&queue->slow, now_ns, all, ret);
}

bool vmm_queue_stuck(const struct vmm_queue *queue)
{
	return queue->sent && queue->expired;
}

void vmm_queue_unsend(struct vmm_queue *queue)
{
	free(queue->sent);
	queue->sent = NULL;
	queue->expired = false;
}

static uint64_t earlier(const struct vmm_asked *asked, uint64_t due_ns)
{
	return asked && asked->deadline_ns < due_ns ? asked->deadline_ns : due_ns;
}

uint64_t vmm_queue_deadline_ns(const struct vmm_queue *queue)
{
	uint64_t due_ns = earlier(queue->expired ? NULL : queue->sent, UINT64_MAX);

	due_ns = earlier(TAILQ_FIRST(&queue->prompt), due_ns);
	return earlier(TAILQ_FIRST(&queue->slow), due_ns);
}
