/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager on a fake link, whose clock the test advances: what its tests share. */
#ifndef TDX_LPAGE_TESTS_CORE_HOST_H
#define TDX_LPAGE_TESTS_CORE_HOST_H

#include "daemon/core/context.h"
#include "tests/lib/fake_link.h"

/* The VMs of the tests. */
enum {
	VM_ALL = 0, /* the whole host */
	VM_WEB = 7, /* "web-1", the one that most tests are about */
	VM_WEB_2 = 8,
	VM_LATE = 9, /* appears during the test */
	VM_ABSENT = 99,
};

/* The regions of VM_WEB: neighbours, which became private just now. */
enum {
	RFN_FIRST = 4,
	RFN_MIDDLE,
	RFN_LAST,
	NR_RFNS = RFN_LAST - RFN_FIRST + 1,
};

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
	uint64_t clock_ns; /* the host's own */
	bool dry_run;
	struct lp_manager *manager;
	struct lp_core *core;
	int ready;
	int statuses;
	char status[192];
	int reloads;
	int configure_error;	   /* of the next configuration */
	bool reads_args;	   /* somebody reads command lines: the test */
	struct lp_vmm_query asked; /* whose command line was asked for last */
	int nr_asked;
	int nr_given_back; /* times that memory of VMs that are gone was to be given back */
	/* Answers to requests to the core. */
	int answers;
	int error;
	uint64_t done_regions;
	int events[LP_WATCH_MAX];
};

/* The configuration that a test starts with: regions are merged after 5 s without conversions. */
extern const char core_host_config[];

/* The configuration for the next start or reload. */
void core_host_write_config(const struct core_host *host, const char *text);
void core_host_start(struct core_host *host);
void core_host_stop(struct core_host *host);
int core_host_setup(void **state);
int core_host_teardown(void **state);

/* Lets the manager do what is due. */
void core_host_run(struct core_host *host);

/* The same, with the link answering dumps, until there are none left. */
void core_host_settle(struct core_host *host);

/* Advances the clocks, then lets the manager do what is due. */
void core_host_pass(struct core_host *host, uint64_t ns);

/* The same, but the manager was kept from running meanwhile. */
void core_host_stall(struct core_host *host, uint64_t ns);
bool core_host_logged(const struct core_host *host, const char *words);

/* Adds a VM to what the link lists. */
void core_host_add_vm(struct core_host *host, uint32_t id, const char *name);

/* Adds a region that became private just now. */
struct lp_region *core_host_add_region(struct core_host *host, uint64_t rfn);

/* The family is there, with VM_WEB and its regions, due in 5 s. */
void core_host_one_vm_fixture(struct core_host *host);

/* A new manager, with the switches as the last one left them. */
void core_host_restart(struct core_host *host);

/* The kernel reports that regions of VM_WEB changed, that events were lost, that VM_WEB is gone. */
void core_host_changed(struct core_host *host);
void core_host_lose_events(struct core_host *host);
void core_host_vm_gone(struct core_host *host);

/* The merge or other operation that waits for an answer, or NULL. */
struct fake_asked *core_host_op(struct core_host *host);

/* What the core shows. */
struct lp_vm_snapshot core_host_web(struct core_host *host);
struct lp_status core_host_status(struct core_host *host);
size_t core_host_nr_vms(struct core_host *host);
enum lpage_reason core_host_reason(struct core_host *host, uint64_t rfn);

/* Operations of struct lp_core_ops; answers are counted in host->answers. */
int core_host_reload(struct core_host *host, char **ret_text);
int core_host_set_paused(struct core_host *host, uint32_t vm_id, bool paused);
int core_host_pause_for(struct core_host *host, uint32_t vm_id, uint64_t for_ns);
int core_host_hold(struct core_host *host, uint32_t vm_id, const char *owner, uint64_t for_ns);
int core_host_release(struct core_host *host, uint32_t vm_id, const char *owner);
int core_host_set_dry_run(struct core_host *host, bool dry_run);
int core_host_refresh(struct core_host *host, uint32_t vm_id);
int core_host_range_op(struct core_host *host, uint32_t vm_id, uint32_t op,
		       const struct lp_range *range, uint64_t ttl_ns);

/* A test with a host of its own. */
#define CORE_HOST_TEST(f) cmocka_unit_test_setup_teardown(f, core_host_setup, core_host_teardown)

#endif
