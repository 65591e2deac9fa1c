// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/give_back.h"

/* VMs that stop together are given back together; and the heap is walked no more often than this. */
#define GIVE_BACK_NS (30 * NS_PER_S)

void give_back_soon(struct lp_manager *m)
{
	if (!m->give_back_own_ns)
		m->give_back_own_ns = manager_clock(m) + GIVE_BACK_NS;
}

void give_back_run(struct lp_manager *m)
{
	const struct lp_manager_hooks *hooks = m->options.hooks;

	if (!m->give_back_own_ns || manager_clock(m) < m->give_back_own_ns)
		return;
	m->give_back_own_ns = 0;
	if (hooks && hooks->give_back)
		hooks->give_back(m->options.hooks_ctx);
}

uint64_t give_back_left_ns(const struct lp_manager *m)
{
	return m->give_back_own_ns ? manager_left_ns(m, m->give_back_own_ns) : NS_NEVER;
}
