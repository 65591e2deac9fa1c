// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/policy/budget.h"

#include <math.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/internal.h"

/*
 * Pauses of the latency guard: the first one, and the longest that doubling leads to. Higher: a VM
 * whose batches stall it is stalled less often; lower: its merges come sooner. `make bench-constant
 * NAME=GUARD_FIRST_NS VALUE=NS_PER_MS T=test_policy` hands out the next batch too soon;
 * NAME=GUARD_LAST_NS VALUE='600 * NS_PER_S' pauses for longer than a minute.
 */
#define GUARD_FIRST_NS (100 * NS_PER_MS)
#define GUARD_LAST_NS  (60 * NS_PER_S)

/*
 * Multiple of its equal share from which on a VM leaves half of each global bucket to the others.
 * Higher: one busy VM can use what the others leave; lower: others find a fuller bucket. `make
 * bench-constant NAME=FAIR_FACTOR VALUE=1000.0 T=test_policy` lets a greedy VM delay nine others.
 */
#define FAIR_FACTOR 2.0

void bucket_init(struct bucket *bucket, uint64_t rate_per_s, uint64_t now_ns)
{
	int64_t depth = (int64_t)(rate_per_s * (BUDGET_SPAN_NS / NS_PER_S));

	*bucket = (struct bucket){depth, depth, rate_per_s, now_ns};
}

void bucket_set_rate(struct bucket *bucket, uint64_t rate_per_s, uint64_t now_ns)
{
	double part = bucket->depth ? (double)bucket->level / (double)bucket->depth : 1.0;

	if (rate_per_s == bucket->rate_per_s)
		return;
	bucket_init(bucket, rate_per_s, now_ns);
	bucket->level = (int64_t)(part * (double)bucket->depth);
}

void bucket_fill(struct bucket *bucket, uint64_t now_ns)
{
	uint64_t span_ns = now_ns - bucket->filled_ns;
	uint64_t tokens;

	if (span_ns >= 2 * BUDGET_SPAN_NS && bucket->level >= 0) {
		bucket->level = bucket->depth;
		bucket->filled_ns = now_ns;
		return;
	}
	if (span_ns > 100 * BUDGET_SPAN_NS)
		span_ns = 100 * BUDGET_SPAN_NS;
	tokens = (uint64_t)((double)span_ns * (double)bucket->rate_per_s / (double)NS_PER_S);
	if (!tokens)
		return;
	bucket->level += (int64_t)tokens;
	if (bucket->level >= bucket->depth) {
		bucket->level = bucket->depth;
		bucket->filled_ns = now_ns;
		return;
	}
	/* The fraction of a token that did not fit stays in the time. */
	bucket->filled_ns += tokens * NS_PER_S / bucket->rate_per_s;
}

uint64_t bucket_when_ns(const struct bucket *bucket, int64_t level, uint64_t now_ns)
{
	double missing = (double)(level - bucket->level);
	uint64_t when_ns;

	if (missing <= 0 || !bucket->rate_per_s)
		return now_ns;
	when_ns = bucket->filled_ns +
		  (uint64_t)ceil(missing * (double)NS_PER_S / (double)bucket->rate_per_s);
	return when_ns > now_ns ? when_ns : now_ns + 1;
}

/* Tries of the last BUDGET_SPAN_NS, roughly: they fade exponentially. */
static double faded(double usage, uint64_t since_ns, uint64_t now_ns)
{
	return usage * exp(-(double)(now_ns - since_ns) / (double)BUDGET_SPAN_NS);
}

/* Does the VM take so much that it has to leave half of each global bucket to the others? */
static bool above_fair_share(const struct policy_vm *vm, uint64_t now_ns)
{
	const struct policy *policy = vm->policy;
	double own = faded(vm->usage, vm->usage_ns, now_ns);
	double all = faded(policy->usage, policy->usage_ns, now_ns);

	return policy->nr_vms > 1 && own * (double)policy->nr_vms > FAIR_FACTOR * all;
}

/* What stands against a try. */
struct limit {
	const struct bucket *bucket;
	uint64_t tokens; /* per region */
	int64_t reserve; /* that has to stay */
	enum lpage_reason reason;
};

/* How many regions a bucket lets pass. */
static unsigned int limit_allow(const struct limit *limit, unsigned int want)
{
	const struct bucket *bucket = limit->bucket;
	int64_t spare = bucket->level - limit->reserve;

	if (!bucket->rate_per_s)
		return want;
	if (spare < (int64_t)limit->tokens) {
		/* What costs more than a full bucket is let through by a full bucket. */
		bool full = bucket->level >= bucket->depth;

		return full && limit->reserve == 0 ? 1 : 0;
	}
	spare /= (int64_t)limit->tokens;
	return spare < want ? (unsigned int)spare : want;
}

/* When a bucket that lets nothing pass will let a region pass. */
static uint64_t limit_until_ns(const struct limit *limit, uint64_t now_ns)
{
	int64_t level = limit->reserve + (int64_t)limit->tokens;

	if (level > limit->bucket->depth)
		level = limit->bucket->depth;
	return bucket_when_ns(limit->bucket, level, now_ns);
}

void budget_fill(struct policy_vm *vm, uint64_t now_ns)
{
	bucket_fill(&vm->rate, now_ns);
	bucket_fill(&vm->policy->rate, now_ns);
	bucket_fill(&vm->policy->cpu, now_ns);
}

unsigned int budget_allow(const struct policy_vm *vm, unsigned int want, uint64_t now_ns,
			  enum lpage_reason *ret_reason, uint64_t *ret_until_ns)
{
	const struct policy *policy = vm->policy;
	bool greedy = above_fair_share(vm, now_ns);
	struct limit limits[] = {
		{&vm->rate, 1, 0, LPAGE_REASON_VM_RATE},
		{&policy->rate, 1, greedy ? policy->rate.depth / 2 : 0, LPAGE_REASON_GLOBAL_RATE},
		{&policy->cpu, vm->cost.merge_ns, greedy ? policy->cpu.depth / 2 : 0,
		 LPAGE_REASON_CPU_BUDGET},
	};

	if (now_ns < vm->guard_until_ns) {
		*ret_reason = LPAGE_REASON_LATENCY_GUARD;
		*ret_until_ns = vm->guard_until_ns;
		return 0;
	}
	if (want > vm->guard_batch)
		want = vm->guard_batch;
	*ret_until_ns = now_ns;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		unsigned int allowed;
		uint64_t until_ns;

		allowed = limit_allow(&limits[i], want);
		if (allowed) {
			want = allowed < want ? allowed : want;
			continue;
		}
		until_ns = limit_until_ns(&limits[i], now_ns);
		/* The one that opens last is the one to name. */
		if (until_ns > *ret_until_ns) {
			*ret_until_ns = until_ns;
			*ret_reason = limits[i].reason;
		}
	}
	return *ret_until_ns > now_ns ? 0 : want;
}

void budget_charge(struct policy_vm *vm, unsigned int nr, uint64_t now_ns)
{
	struct policy *policy = vm->policy;

	bucket_take(&vm->rate, nr);
	bucket_take(&policy->rate, nr);
	bucket_take(&policy->cpu, nr * vm->cost.merge_ns);
	vm->usage = faded(vm->usage, vm->usage_ns, now_ns) + nr;
	vm->usage_ns = now_ns;
	policy->usage = faded(policy->usage, policy->usage_ns, now_ns) + nr;
	policy->usage_ns = now_ns;
}

void budget_correct(struct policy_vm *vm, uint64_t ns)
{
	struct bucket *cpu = &vm->policy->cpu;

	if (!cpu->rate_per_s)
		return;
	cpu->level += (int64_t)vm->cost.merge_ns - (int64_t)ns;
	if (cpu->level > cpu->depth)
		cpu->level = cpu->depth;
}

void budget_guard(struct policy_vm *vm, const struct policy_batch_cost *cost, uint64_t now_ns)
{
	if (cost->stall_ns <= vm->settings.max_stall_ns) {
		if (vm->guard_batch < vm->settings.batch)
			vm->guard_batch++;
		vm->guard_span_ns /= 2;
		return;
	}
	vm->guard_batch = cost->regions > 1 ? cost->regions / 2 : 1;
	vm->guard_span_ns = vm->guard_span_ns < GUARD_FIRST_NS ? GUARD_FIRST_NS :
								 2 * vm->guard_span_ns;
	if (vm->guard_span_ns > GUARD_LAST_NS)
		vm->guard_span_ns = GUARD_LAST_NS;
	vm->guard_until_ns = now_ns + vm->guard_span_ns;
}
