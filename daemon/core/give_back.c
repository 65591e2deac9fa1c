// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/give_back.h"

/* VMs that stop together are given back together; and the heap is walked no more often than this. */
#define GIVE_BACK_NS (30 * NS_PER_S)

/* Arenas of 256 KiB in a turn. Higher: longer turns; lower: more of them. */
#define SLICE 16

void give_back_soon(struct lp_manager *m)
{
	if (!m->give_back_own_ns)
		m->give_back_own_ns = manager_clock(m) + GIVE_BACK_NS;
}

/* Returns whether there are more. */
static bool give_blocks_back(struct lp_manager *m)
{
	unsigned int steps = SLICE;
	bool more = blocks_give_back(&m->blocks, &steps);

	more |= policy_give_back(m->policy, &steps);
	return more | (m->shadow.policy && policy_give_back(m->shadow.policy, &steps));
}

void give_back_run(struct lp_manager *m)
{
	const struct lp_manager_hooks *hooks = m->options.hooks;

	if (m->give_back_own_ns && manager_clock(m) >= m->give_back_own_ns) {
		m->give_back_own_ns = 0;
		m->giving_back = true;
	}
	if (!m->giving_back)
		return;
	m->giving_back = give_blocks_back(m);
	if (m->giving_back)
		manager_go_on(m);
	else if (hooks && hooks->give_back)
		hooks->give_back(m->options.hooks_ctx);
}

uint64_t give_back_left_ns(const struct lp_manager *m)
{
	return m->give_back_own_ns ? manager_left_ns(m, m->give_back_own_ns) : NS_NEVER;
}
