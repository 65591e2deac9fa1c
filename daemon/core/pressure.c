// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/pressure.h"

#include <stdio.h>
#include <string.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>

#include "daemon/core/shadow.h"
#include "daemon/core/watchers.h"

/* PSI_FREQ of kernel/sched/psi.c: the averages do not change more often. */
#define LOOK_INTERVAL_NS (2 * NS_PER_S)

#define UNKNOWN_PPM UINT32_MAX

void pressure_init(struct lp_manager *m)
{
	m->pressure = (struct pressure){.memory_ppm = UNKNOWN_PPM, .cpu_ppm = UNKNOWN_PPM};
}

static bool has_limit(const struct lp_manager *m)
{
	return m->config->global.memory_pressure_limit_ppm ||
	       m->config->global.cpu_pressure_limit_ppm;
}

/* Above its limit; or, once it was, not below half of it. What is not known is not above. */
static bool is_above(uint32_t ppm, uint32_t limit_ppm, bool was)
{
	return limit_ppm && ppm != UNKNOWN_PPM && ppm > (was ? limit_ppm / 2 : limit_ppm);
}

static enum lpage_reason find_gate(const struct lp_manager *m)
{
	const struct config_global *global = &m->config->global;
	const struct pressure *pressure = &m->pressure;
	bool shut = pressure->gate != LPAGE_REASON_NONE;

	if (is_above(pressure->memory_ppm, global->memory_pressure_limit_ppm, shut))
		return LPAGE_REASON_MEMORY_PRESSURE;
	if (is_above(pressure->cpu_ppm, global->cpu_pressure_limit_ppm, shut))
		return LPAGE_REASON_CPU_PRESSURE;
	return LPAGE_REASON_NONE;
}

static void set_gate(struct lp_manager *m, enum lpage_reason gate)
{
	static const struct lp_log_about about = {.message = LP_MESSAGE_PAUSE};
	const struct lpage_reason_info *info = lpage_reason_info(gate);
	bool shut = gate != LPAGE_REASON_NONE;

	if (gate == m->pressure.gate)
		return;
	m->pressure.gate = gate;
	manager_pause_policy(m);
	shadow_set_paused(m);
	lp_log(m->log, LOG_NOTICE, &about, "%s%s", shut ? "no merges are begun: " : "merging again",
	       shut ? info->why : "");
	watchers_notify_text(m, LP_WATCH_PAUSE, "%s%s",
			     shut ? "no merges are begun: " : "merging again",
			     shut ? info->why : "");
	manager_status_soon(m);
}

static uint32_t read_ppm(const struct lp_manager *m, const char *resource, uint32_t limit_ppm)
{
	uint32_t ppm;

	if (!limit_ppm || !m->options.procfs ||
	    procfs_pressure(m->options.procfs, resource, &ppm) < 0)
		return UNKNOWN_PPM;
	return ppm;
}

static void look(struct lp_manager *m)
{
	const struct config_global *global = &m->config->global;

	m->pressure.memory_ppm = read_ppm(m, "memory", global->memory_pressure_limit_ppm);
	m->pressure.cpu_ppm = read_ppm(m, "cpu", global->cpu_pressure_limit_ppm);
	m->pressure.next_ns = manager_clock(m) + LOOK_INTERVAL_NS;
	set_gate(m, find_gate(m));
}

void pressure_apply_config(struct lp_manager *m)
{
	if (has_limit(m)) {
		look(m);
		if (m->pressure.memory_ppm == UNKNOWN_PPM && m->pressure.cpu_ppm == UNKNOWN_PPM)
			lp_log(m->log, LOG_WARNING, NULL,
			       "limits of pressure have no effect: the kernel has no pressure stall "
			       "information (CONFIG_PSI, psi=1)");
		return;
	}
	set_gate(m, LPAGE_REASON_NONE);
	pressure_init(m);
}

/* Somebody may want to merge. */
static bool is_merge_due(const struct lp_manager *m)
{
	return m->family && policy_next_deadline(m->policy) <= manager_now(m);
}

void pressure_run(struct lp_manager *m)
{
	if (!has_limit(m) || (m->pressure.gate == LPAGE_REASON_NONE && !is_merge_due(m)))
		return;
	if (manager_clock(m) >= m->pressure.next_ns)
		look(m);
}

uint64_t pressure_left_ns(const struct lp_manager *m)
{
	uint64_t now_ns;

	if (m->pressure.gate == LPAGE_REASON_NONE)
		return NS_NEVER;
	now_ns = manager_clock(m);
	return m->pressure.next_ns > now_ns ? m->pressure.next_ns - now_ns : 0;
}

static uint64_t shown(uint32_t ppm)
{
	return ppm == UNKNOWN_PPM ? UINT64_MAX : ppm;
}

void pressure_view(const struct lp_manager *m, struct lp_status *ret)
{
	ret->pressure = m->pressure.gate;
	ret->memory_pressure_ppm = shown(m->pressure.memory_ppm);
	ret->cpu_pressure_ppm = shown(m->pressure.cpu_ppm);
	ret->free_huge_blocks = UINT64_MAX;
	if (m->options.procfs)
		(void)procfs_free_huge_blocks(m->options.procfs, &ret->free_huge_blocks);
}

void pressure_explain(const struct lp_manager *m, struct lp_explain *ret)
{
	bool memory = m->pressure.gate == LPAGE_REASON_MEMORY_PRESSURE;
	uint32_t ppm = memory ? m->pressure.memory_ppm : m->pressure.cpu_ppm;
	uint32_t limit_ppm = memory ? m->config->global.memory_pressure_limit_ppm :
				      m->config->global.cpu_pressure_limit_ppm;

	snprintf(
		ret->text, sizeof(ret->text),
		"tasks waited for %s for %u.%02u %% of the last 10 s; below %u.%02u %% merging goes on",
		memory ? "memory" : "a CPU", ppm / 10000, ppm / 100 % 100, limit_ppm / 20000,
		limit_ppm / 200 % 100);
}
