/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager on a link that is none, with a clock that the test turns: what its tests share. */
#ifndef TDX_LPAGE_TESTS_CORE_HOST_H
#define TDX_LPAGE_TESTS_CORE_HOST_H

#include "daemon/core/context.h"
#include "tests/lib/fake_link.h"

struct core_host {
	struct event_base *base;
	struct fake_link fake;
	struct lp_log log;
	char *log_text;
	size_t log_size;
	char dir[40];
	char config_path[64];
	int dir_fd;
	struct lp_state state;
	bool dry_run;
	struct lp_manager *manager;
	struct lp_core *core;
	int ready;
	int statuses;
	char status[192];
	int reloads;
	int configure_error; /* of the next configuration */
	/* Answers to what was asked of the core. */
	int answers;
	int error;
	uint64_t done_regions;
	int events[LP_WATCH_MAX];
};

/* The configuration that a test begins with: what is quiet for 5 s is merged. */
extern const char core_host_config[];

/* The configuration for the next start or reload. */
void core_host_write_config(const struct core_host *host, const char *text);
void core_host_start(struct core_host *host);
void core_host_stop(struct core_host *host);
int core_host_setup(void **state);
int core_host_teardown(void **state);
/* Lets the manager do what is due. */
void core_host_run(struct core_host *host);

/* The same, with the link answering, until there is nothing more to say. */
void core_host_settle(struct core_host *host);

/* Time passes, and the manager does what is due then. */
void core_host_pass(struct core_host *host, uint64_t ns);
bool core_host_logged(const struct core_host *host, const char *words);
/* To what the link will list. */
void core_host_add_vm(struct core_host *host, uint32_t id, const char *name);
/* A region that came back to private just now. */
struct lp_region *core_host_add_region(struct core_host *host, uint64_t rfn);

/* One VM with regions 4, 5 and 6 to be merged after 5 s. */
void core_host_one_vm(struct core_host *host);

/* What the core shows of VM 7. */
struct lp_vm_snapshot core_host_shown(struct core_host *host);
/* A new manager, with the switches as the last one left them. */
void core_host_restart(struct core_host *host);

/* A test with a host of its own. */
#define CORE_HOST_TEST(f) cmocka_unit_test_setup_teardown(f, core_host_setup, core_host_teardown)

#endif
