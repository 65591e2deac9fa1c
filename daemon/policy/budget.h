/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be spent: token buckets, fair shares, and the latency guard. */
#ifndef TDX_LPAGE_POLICY_BUDGET_H
#define TDX_LPAGE_POLICY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "tdx-lpage/reasons.h"
#include <tdx-lpage/base.h>

struct policy;
struct policy_vm;
struct policy_batch_cost;

/*
 * What a bucket holds, as the time that fills it. Longer: bursts pass at once; shorter: the limit
 * holds over shorter times. `make bench-constant NAME=BUDGET_SPAN_NS VALUE=NS_PER_S T=test_policy`
 * hands out one region where ten are expected.
 */
#define BUDGET_SPAN_NS (10 * NS_PER_S)

/* Tokens. The level may fall below 0, when something cost more than was thought. */
struct bucket {
	int64_t level;
	int64_t depth;
	uint64_t rate_per_s; /* 0: no limit */
	uint64_t filled_ns;
};

/* A bucket that holds what BUDGET_SPAN_NS brings, full. */
void bucket_init(struct bucket *bucket, uint64_t rate_per_s, uint64_t now_ns);

/* Changes the rate; the level keeps its fraction of the depth. */
void bucket_set_rate(struct bucket *bucket, uint64_t rate_per_s, uint64_t now_ns);

void bucket_fill(struct bucket *bucket, uint64_t now_ns);

/* When @level will be reached, if nothing is taken. */
uint64_t bucket_when_ns(const struct bucket *bucket, int64_t level, uint64_t now_ns);

static inline void bucket_take(struct bucket *bucket, uint64_t tokens)
{
	if (bucket->rate_per_s)
		bucket->level -= (int64_t)tokens;
}

/* Brings the buckets that a try of @vm draws from up to date. */
void budget_fill(struct policy_vm *vm, uint64_t now_ns);

/*
 * How many regions of @vm may be tried now, at most @want; after budget_fill(). When 0, @ret_reason
 * says which limit is in the way, and *ret_until_ns until when.
 */
unsigned int budget_allow(const struct policy_vm *vm, unsigned int want, uint64_t now_ns,
			  enum lpage_reason *ret_reason, uint64_t *ret_until_ns);

/* Charges @nr tries at the expected cost. */
void budget_charge(struct policy_vm *vm, unsigned int nr, uint64_t now_ns);

/* One of the tries cost @ns instead of the expected cost. */
void budget_correct(struct policy_vm *vm, uint64_t ns);

/* Watches the reported stall: a VM that exceeds its max-stall gets smaller batches and a pause. */
void budget_guard(struct policy_vm *vm, const struct policy_batch_cost *cost, uint64_t now_ns);

#endif
