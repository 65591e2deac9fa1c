// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/core_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char core_host_config[] = "version: 1\n"
				"global: {log-interval: 60s}\n"
				"defaults: {policy: threshold, quiet-time: 5s}\n"
				"rules:\n"
				"  - name: slow\n"
				"    match: {vm-name: \"slow-*\"}\n"
				"    min-quiet: 2s\n"
				"    quiet-time: 1h\n";

static void on_ready(void *ctx)
{
	((struct core_host *)ctx)->ready++;
}

static void on_status(void *ctx, const char *text)
{
	struct core_host *host = ctx;

	host->statuses++;
	snprintf(host->status, sizeof(host->status), "%s", text);
}

static void on_reload(void *ctx)
{
	((struct core_host *)ctx)->reloads++;
}

static int on_configure(void *ctx, const struct config *config, char *why, size_t size)
{
	struct core_host *host = ctx;

	(void)config;
	snprintf(why, size, "metrics: address in use");
	return host->configure_error;
}

static int on_ask_args(void *ctx, const struct lp_vmm_query *query)
{
	struct core_host *host = ctx;

	if (!host->reads_args)
		return -ENOTCONN;
	host->asked = *query;
	host->nr_asked++;
	return 0;
}

static void on_give_back(void *ctx)
{
	((struct core_host *)ctx)->nr_given_back++;
}

static const struct lp_manager_hooks hooks = {
	.ready = on_ready,
	.status = on_status,
	.reload_begins = on_reload,
	.reload_ended = on_reload,
	.configure = on_configure,
	.ask_args = on_ask_args,
	.give_back = on_give_back,
};

static uint64_t clock_ns(void *ctx)
{
	return ((struct core_host *)ctx)->clock_ns;
}

void core_host_write_config(const struct core_host *host, const char *text)
{
	FILE *f = fopen(host->config_path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

void core_host_start(struct core_host *host)
{
	struct config_errors errors = {0};
	struct lp_manager_options options = {
		.base = host->base,
		.link = &host->fake.link,
		.log = &host->log,
		.config_path = host->config_path,
		.config_must_exist = true,
		.procfs = host->dir,
		.runtime_dir_fd = host->dir_fd,
		.state = &host->state,
		.dry_run = host->dry_run,
		.hooks = &hooks,
		.hooks_ctx = host,
		.clock_ns = clock_ns,
	};

	assert_int_equal(config_load(host->config_path, true, &options.config, &errors), 0);
	config_errors_done(&errors);
	assert_int_equal(lp_manager_new(&options, &host->manager), 0);
	host->core = lp_manager_core(host->manager);
	assert_int_equal(lp_manager_start(host->manager), 0);
}

void core_host_stop(struct core_host *host)
{
	host->manager = lp_manager_free(host->manager);
	lp_state_done(&host->state);
}

int core_host_setup(void **state)
{
	struct core_host *host = calloc(1, sizeof(*host));

	host->base = event_base_new();
	host->clock_ns = 77 * NS_PER_S;
	fake_link_init(&host->fake, host->base);
	host->log = (struct lp_log){.file = open_memstream(&host->log_text, &host->log_size),
				    .max_priority = LOG_DEBUG};
	strcpy(host->dir, "/tmp/test_core.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	snprintf(host->config_path, sizeof(host->config_path), "%s/config.yaml", host->dir);
	host->dir_fd = open(host->dir, O_RDONLY | O_DIRECTORY);
	core_host_write_config(host, core_host_config);
	core_host_start(host);
	*state = host;
	return 0;
}

int core_host_teardown(void **state)
{
	struct core_host *host = *state;

	core_host_stop(host);
	fclose(host->log.file);
	free(host->log_text);
	event_base_free(host->base);
	(void)unlinkat(host->dir_fd, "switches", 0);
	unlink(host->config_path);
	close(host->dir_fd);
	assert_int_equal(rmdir(host->dir), 0);
	free(host);
	return 0;
}

void core_host_run(struct core_host *host)
{
	manager_wake(host->manager);
	assert_true(event_base_loop(host->base, EVLOOP_NONBLOCK) >= 0);
}

void core_host_settle(struct core_host *host)
{
	core_host_run(host);
	for (int i = 0; fake_link_answer(&host->fake) > 0; i++) {
		assert_true(i < 20);
		core_host_run(host);
	}
}

void core_host_stall(struct core_host *host, uint64_t ns)
{
	host->fake.now_ns += ns;
	host->clock_ns += ns;
	core_host_run(host);
}

void core_host_pass(struct core_host *host, uint64_t ns)
{
	/* As if the timer had fired whenever it was due. */
	host->manager->timer_own_ns = 0;
	core_host_stall(host, ns);
}

bool core_host_logged(const struct core_host *host, const char *words)
{
	return strstr(host->log_text, words) != NULL;
}

void core_host_add_vm(struct core_host *host, uint32_t id, const char *name)
{
	struct lp_vm *vm = &host->fake.vms[host->fake.nr_vms++];

	*vm = (struct lp_vm){
		.id = id,
		.running = true,
		.has_uid = true,
		.memory_pages = 8 * 512,
		.generation = 10,
		.capable = 8,
		.large = 5,
		.table = 3,
		.limits = {.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE),
			   .mode = KVM_LPAGE_MODE_MANAGED},
	};
	snprintf(vm->name, sizeof(vm->name), "%s", name);
}

struct lp_region *core_host_add_region(struct core_host *host, uint64_t rfn)
{
	struct lp_region *region = &host->fake.regions[host->fake.nr_regions++];

	*region = (struct lp_region){
		.rfn = rfn,
		.state = KVM_LPAGE_STATE_TABLE,
		.to_shared_pages = 1,
		.to_private_pages = 1,
		.to_shared_events = 1,
		.to_private_events = 1,
		.last_to_shared_ns = host->fake.now_ns - NS_PER_MS,
		.last_to_private_ns = host->fake.now_ns,
		.generation = 10,
	};
	return region;
}

void core_host_one_vm_fixture(struct core_host *host)
{
	core_host_add_vm(host, VM_WEB, "web-1");
	for (uint64_t rfn = RFN_FIRST; rfn <= RFN_LAST; rfn++)
		core_host_add_region(host, rfn);
	fake_link_family(&host->fake, true);
	core_host_settle(host);
}

void core_host_restart(struct core_host *host)
{
	unsigned int line;

	core_host_stop(host);
	assert_int_equal(lp_state_load(host->dir_fd, "", &host->state, &line), 0);
	core_host_start(host);
	host->fake.nr_asked = 0;
	fake_link_family(&host->fake, true);
	core_host_settle(host);
}

void core_host_changed(struct core_host *host)
{
	fake_link_changed(&host->fake, VM_WEB);
}

void core_host_lose_events(struct core_host *host)
{
	fake_link_lose_events(&host->fake);
}

void core_host_vm_gone(struct core_host *host)
{
	fake_link_vm_gone(&host->fake, VM_WEB);
}

struct fake_asked *core_host_op(struct core_host *host)
{
	return fake_link_open(&host->fake, FAKE_OP);
}

struct lp_vm_snapshot core_host_web(struct core_host *host)
{
	struct lp_vm_snapshot vm;

	assert_int_equal(host->core->ops->vm(host->core, VM_WEB, &vm), 0);
	return vm;
}

struct lp_status core_host_status(struct core_host *host)
{
	struct lp_status status;

	host->core->ops->status(host->core, &status);
	return status;
}

size_t core_host_nr_vms(struct core_host *host)
{
	return host->core->ops->vm_ids(host->core, 0, NULL, 0);
}

enum lpage_reason core_host_reason(struct core_host *host, uint64_t rfn)
{
	struct lp_explain why;

	assert_int_equal(host->core->ops->explain(host->core, VM_WEB, rfn, &why), 0);
	return why.reason;
}

int core_host_reload(struct core_host *host, char **ret_text)
{
	return host->core->ops->reload(host->core, ret_text);
}

int core_host_set_paused(struct core_host *host, uint32_t vm_id, bool paused)
{
	return host->core->ops->set_paused(host->core, vm_id, paused, 0);
}

int core_host_pause_for(struct core_host *host, uint32_t vm_id, uint64_t for_ns)
{
	return host->core->ops->set_paused(host->core, vm_id, true, for_ns);
}

int core_host_hold(struct core_host *host, uint32_t vm_id, const char *owner, uint64_t for_ns)
{
	return host->core->ops->hold_vm(host->core, vm_id, owner, for_ns, NULL, NULL);
}

int core_host_release(struct core_host *host, uint32_t vm_id, const char *owner)
{
	return host->core->ops->release_vm(host->core, vm_id, owner);
}

int core_host_set_dry_run(struct core_host *host, bool dry_run)
{
	return host->core->ops->set_dry_run(host->core, dry_run);
}

static void on_refreshed(void *ctx, int error)
{
	struct core_host *host = ctx;

	host->answers++;
	host->error = error;
}

int core_host_refresh(struct core_host *host, uint32_t vm_id)
{
	return host->core->ops->refresh(host->core, vm_id, on_refreshed, host);
}

static void on_op(void *ctx, const struct lp_done *done, int error, const char *text)
{
	struct core_host *host = ctx;

	(void)text;
	host->answers++;
	host->error = error;
	for (size_t i = 0; done && i < done->nr_results; i++)
		host->done_regions += done->results[i].done;
}

int core_host_range_op(struct core_host *host, uint32_t vm_id, uint32_t op,
		       const struct lp_range *range, uint64_t ttl_ns)
{
	return host->core->ops->range_op(host->core, vm_id, op, range, 1, ttl_ns, on_op, host);
}
