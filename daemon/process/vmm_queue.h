/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines that are to be read: which one is next, and when to give up. Pure; times are of any clock.
 *
 * One is read at a time. A user whose process made the reader wait comes after all others from then on:
 * what one user's VMMs do must not keep those of others unknown.
 */
#ifndef TDX_LPAGE_PROCESS_VMM_QUEUE_H
#define TDX_LPAGE_PROCESS_VMM_QUEUE_H

#include <stdbool.h>
#include <sys/queue.h>

#include <tdx-lpage/base.h>

#include "daemon/core/vmm_args.h"

/* From the question to the answer, however many are asked and however slow they are. */
#define VMM_QUEUE_DEADLINE_NS (5 * NS_PER_S)

#define VMM_QUEUE_SLOW_MAX 16 /* users; the one that was slow longest ago is forgiven */

/* What goes to the process that reads, and what comes back: one packet each. */
struct vmm_request {
	uint64_t tag;
	struct lp_vmm_query query;
};

struct vmm_reply {
	uint64_t tag;
	int32_t error; /* 0 or negative errno */
	struct lp_vmm_args args;
};

struct vmm_asked;
TAILQ_HEAD(vmm_asked_list, vmm_asked);

struct vmm_queue {
	struct vmm_asked_list prompt, slow; /* in the order in which they were asked */
	struct vmm_asked *sent;		    /* NULL: none */
	bool expired;			    /* ->sent was given up, its answer is of no use */
	uint64_t last_tag;
	uint32_t slow_uids[VMM_QUEUE_SLOW_MAX];
	size_t nr_slow; /* ever; the last of them are kept */
};

void vmm_queue_init(struct vmm_queue *queue);
void vmm_queue_done(struct vmm_queue *queue);

/* 0, -ENOMEM. */
int vmm_queue_add(struct vmm_queue *queue, const struct lp_vmm_query *query, uint64_t now_ns);

/* What to send now. False: nothing, or the answer to the last one is still to come. */
bool vmm_queue_next(struct vmm_queue *queue, struct vmm_request *ret);

/*
 * Takes what came, @len bytes. 0, and whose answer it is; -EAGAIN: it came too late and is of no use;
 * -EBADMSG: it is no answer to what was sent.
 */
int vmm_queue_answer(struct vmm_queue *queue, const struct vmm_reply *reply, size_t len,
		     struct lp_vmm_query *ret);

/* Takes one whose time is over, or (@all) any one. False: there is none. */
bool vmm_queue_expire(struct vmm_queue *queue, uint64_t now_ns, bool all, struct lp_vmm_query *ret);

/* Is the answer overdue to what was sent? */
bool vmm_queue_stuck(const struct vmm_queue *queue);

/* Forgets what was sent: whoever would have answered is gone. */
void vmm_queue_unsend(struct vmm_queue *queue);

/* When vmm_queue_expire() has something next, UINT64_MAX: not at all. */
uint64_t vmm_queue_deadline_ns(const struct vmm_queue *queue);

#endif
