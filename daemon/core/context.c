// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/context.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

uint64_t manager_now(const struct lp_manager *m)
{
	return m->link->ops->now_ns(m->link);
}

uint64_t manager_clock(const struct lp_manager *m)
{
	return m->options.clock_ns ? m->options.clock_ns(m->options.hooks_ctx) : monotonic_ns();
}

uint64_t manager_end_ns(const struct lp_manager *m, uint64_t for_ns)
{
	return for_ns ? manager_clock(m) + for_ns : 0;
}

uint64_t manager_left_ns(const struct lp_manager *m, uint64_t until_ns)
{
	uint64_t now_ns = manager_clock(m);

	if (!until_ns)
		return UINT64_MAX;
	return until_ns > now_ns ? until_ns - now_ns : 0;
}

void manager_ends_changed(struct lp_manager *m)
{
	m->next_end_ns = lp_state_next_end_ns(&m->state);
	manager_status_soon(m);
	manager_wake(m);
}

int manager_save_state(struct lp_manager *m)
{
	static const struct lp_log_about about = {.message = LP_MESSAGE_PAUSE};
	int r = lp_state_save(m->options.runtime_dir_fd, &m->state);

	if (r < 0)
		lp_log(m->log, LOG_ERR, &about, "cannot write the state file: %s", strerror(-r));
	return r;
}

void manager_wake(struct lp_manager *m)
{
	if (m->working)
		manager_go_on(m);
	else
		event_active(m->wake, EV_TIMEOUT, 0);
}

void manager_go_on(struct lp_manager *m)
{
	m->unfinished = true;
}

bool manager_deferred(struct lp_manager *m, int result)
{
	if (result != -EAGAIN)
		return false;
	m->link_full_ns = manager_now(m);
	return true;
}

bool manager_link_full(const struct lp_manager *m)
{
	return m->link_full_ns && manager_now(m) < m->link_full_ns + LINK_RETRY_NS;
}

bool manager_is_linked(const struct lp_manager *m)
{
	return m->family && !m->walks[WALK_LOST].pending;
}

bool manager_dry_run(const struct lp_manager *m)
{
	return m->options.dry_run || m->state.dry_run || m->config->global.dry_run;
}

bool manager_stands_still(const struct lp_manager *m)
{
	return m->state.paused || m->pressure.gate != LPAGE_REASON_NONE ||
	       m->walks[WALK_STALE].pending || m->walks[WALK_BEHIND].pending;
}

void manager_pause_policy(struct lp_manager *m)
{
	policy_pause_all(m->policy, manager_stands_still(m), manager_now(m));
}

int manager_configure(struct lp_manager *m, const struct config *config,
		      char why[static MANAGER_WHY_MAX])
{
	const struct lp_manager_hooks *hooks = m->options.hooks;

	if (!hooks || !hooks->configure)
		return 0;
	return hooks->configure(m->options.hooks_ctx, config, why, MANAGER_WHY_MAX);
}

void manager_status_soon(struct lp_manager *m)
{
	if (!m->status_due_ns)
		m->status_due_ns = manager_now(m) + (m->status[0] ? STATUS_INTERVAL_NS : 0);
}

void manager_summary_soon(struct lp_manager *m)
{
	uint64_t interval_ns = m->config->global.log_interval_ns;

	if (!m->summary_due_ns && interval_ns)
		m->summary_due_ns = manager_now(m) + interval_ns;
}

void manager_set_host_error(struct lp_manager *m, int error, const char *text)
{
	snprintf(m->host_error, sizeof(m->host_error), "kernel refuses requests: %.100s%s", text,
		 error == -EPERM ? " (CAP_NET_ADMIN is missing)" : "");
}
