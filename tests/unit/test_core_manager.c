// SPDX-License-Identifier: GPL-2.0-or-later
/* The manager on a link that is none, with a clock that the test turns. */
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

#include "daemon/core/internal.h"
#include "tests/lib/fake_link.h"

struct host {
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
	/* Answers to what was asked of the core. */
	int answers;
	int error;
	uint64_t done_regions;
	int events[LP_WATCH_MAX];
};

static const char threshold_config[] = "version: 1\n"
				       "global: {log-interval: 60s}\n"
				       "defaults: {policy: threshold, quiet-time: 5s}\n"
				       "rules:\n"
				       "  - name: slow\n"
				       "    match: {vm-name: \"slow-*\"}\n"
				       "    min-quiet: 2s\n"
				       "    quiet-time: 1h\n";

static void on_ready(void *ctx)
{
	((struct host *)ctx)->ready++;
}

static void on_status(void *ctx, const char *text)
{
	struct host *host = ctx;

	host->statuses++;
	snprintf(host->status, sizeof(host->status), "%s", text);
}

static void on_reload(void *ctx)
{
	((struct host *)ctx)->reloads++;
}

static const struct lp_manager_hooks hooks = {
	.ready = on_ready,
	.status = on_status,
	.reload_begins = on_reload,
	.reload_ended = on_reload,
};

static void write_config(const struct host *host, const char *text)
{
	FILE *f = fopen(host->config_path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void start(struct host *host)
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
	};

	assert_int_equal(config_load(host->config_path, true, &options.config, &errors), 0);
	config_errors_done(&errors);
	assert_int_equal(lp_manager_new(&options, &host->manager), 0);
	host->core = lp_manager_core(host->manager);
	assert_int_equal(lp_manager_start(host->manager), 0);
}

static void stop(struct host *host)
{
	host->manager = lp_manager_free(host->manager);
	lp_state_done(&host->state);
}

static int setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	host->base = event_base_new();
	fake_link_init(&host->fake, host->base);
	host->log = (struct lp_log){.file = open_memstream(&host->log_text, &host->log_size),
				    .max_priority = LOG_DEBUG};
	strcpy(host->dir, "/tmp/test_core.XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	snprintf(host->config_path, sizeof(host->config_path), "%s/config.yaml", host->dir);
	host->dir_fd = open(host->dir, O_RDONLY | O_DIRECTORY);
	write_config(host, threshold_config);
	start(host);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	struct host *host = *state;

	stop(host);
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

/* Lets the manager do what is due. */
static void run(struct host *host)
{
	manager_wake(host->manager);
	assert_true(event_base_loop(host->base, EVLOOP_NONBLOCK) >= 0);
}

/* The same, with the link answering, until there is nothing more to say. */
static void settle(struct host *host)
{
	run(host);
	for (int i = 0; fake_link_answer(&host->fake) > 0; i++) {
		assert_true(i < 20);
		run(host);
	}
}

static void pass(struct host *host, uint64_t ns)
{
	host->fake.now_ns += ns;
	run(host);
}

static bool logged(const struct host *host, const char *words)
{
	return strstr(host->log_text, words) != NULL;
}

static void add_vm(struct host *host, uint32_t id, const char *name)
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

/* A region that came back to private just now. */
static struct lp_region *add_region(struct host *host, uint64_t rfn)
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

/* One VM with regions 4, 5 and 6 to be merged after 5 s. */
static void one_vm(struct host *host)
{
	add_vm(host, 7, "web-1");
	for (uint64_t rfn = 4; rfn <= 6; rfn++)
		add_region(host, rfn);
	fake_link_family(&host->fake, true);
	settle(host);
}

static struct lp_vm_snapshot shown(struct host *host)
{
	struct lp_vm_snapshot vm;

	assert_int_equal(host->core->ops->vm(host->core, 7, &vm), 0);
	return vm;
}

/* ---- life ---- */

static void test_absent(void **state)
{
	struct host *host = *state;
	struct lp_status status;

	run(host);
	assert_int_equal(host->ready, 0);
	fake_link_family(&host->fake, false);
	run(host);
	assert_int_equal(host->ready, 1);
	assert_string_equal(host->status, "degraded: kernel has no kvm-lpage family");
	host->core->ops->status(host->core, &status);
	assert_true(status.degraded);
	assert_string_equal(status.degraded_why, "kernel has no kvm-lpage family");
	assert_int_equal(host->fake.nr_asked, 0);
	/* And then nothing at all. */
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
}

static void test_ready_after_first_dump(void **state)
{
	struct host *host = *state;

	add_vm(host, 7, "web-1");
	fake_link_family(&host->fake, true);
	run(host);
	assert_int_equal(host->ready, 0);
	assert_int_equal(fake_link_answer(&host->fake), 1);
	run(host);
	/* The VM is known, its regions are not. */
	assert_int_equal(host->ready, 0);
	settle(host);
	assert_int_equal(host->ready, 1);
	pass(host, 2 * NS_PER_S);
	assert_string_equal(host->status, "1 VM, 62 % of 8 regions large, 0 merges/s");
}

static void test_ready_when_a_vm_cannot_be_read(void **state)
{
	struct host *host = *state;
	struct lp_dump_end end = {.of_regions = true, .vm_id = 7, .error = -EIO, .text = ""};

	add_vm(host, 7, "web-1");
	fake_link_family(&host->fake, true);
	run(host);
	assert_int_equal(fake_link_answer(&host->fake), 1);
	run(host);
	end.tag = fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->tag;
	host->fake.link.events->dump_end(host->fake.link.ctx, &end);
	run(host);
	assert_int_equal(host->ready, 1);
}

static void test_family_goes_and_comes(void **state)
{
	struct host *host = *state;
	uint32_t ids[4];

	one_vm(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 1);
	fake_link_family(&host->fake, false);
	pass(host, 2 * NS_PER_S);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 0);
	assert_string_equal(host->status, "degraded: kernel has no kvm-lpage family");
	fake_link_family(&host->fake, true);
	settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 1);
	assert_int_equal(host->ready, 1);
}

/* ---- merging ---- */

static void test_merges_when_quiet(void **state)
{
	struct host *host = *state;
	struct fake_asked *op;
	struct lp_vm_snapshot vm;

	one_vm(host);
	pass(host, 4 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	pass(host, 2 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	assert_non_null(op);
	/* Neighbours are one range. */
	assert_int_equal(op->op, KVM_LPAGE_OP_MERGE);
	assert_int_equal(op->nr_ranges, 1);
	assert_int_equal(op->ranges[0].start_rfn, 4);
	assert_int_equal(op->ranges[0].nr_regions, 3);
	assert_int_equal(shown(host).queued_regions, 3);
	fake_link_finish(&host->fake, op, 0);
	run(host);
	vm = shown(host);
	assert_int_equal(vm.queued_regions, 0);
	assert_int_equal(vm.tally.merged_regions, 3);
	assert_int_equal(vm.tally.batches, 1);
	assert_int_equal(vm.tally.stall_max_ns, 3000);
	assert_int_equal(vm.last_merge_age_ns, 0);
	/* Nothing more is to be done about them. */
	pass(host, 60 * NS_PER_S);
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 1);
	assert_true(logged(host, "VM 7 (web-1): 3 merged; 62.5 % of 8 regions large"));
}

static void test_refusal_backs_off(void **state)
{
	struct host *host = *state;

	one_vm(host);
	pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP),
			 KVM_LPAGE_REASON_NOT_ACCEPTED);
	run(host);
	assert_int_equal(shown(host).tally.refused[KVM_LPAGE_REASON_NOT_ACCEPTED], 3);
	assert_int_equal(shown(host).tally.merged_regions, 0);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	/* It is tried again, later. */
	for (int i = 0; i < 600 && !fake_link_open(&host->fake, FAKE_OP); i++)
		pass(host, NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

/* Some of a range refused, the answer names the first only: the regions' records say the rest. */
static void test_partial_outcome(void **state)
{
	struct host *host = *state;
	struct fake_asked *op;
	struct lp_result result = {.start_rfn = 4,
				   .nr_regions = 3,
				   .done = 1,
				   .refused = 2,
				   .reason = KVM_LPAGE_REASON_BUSY,
				   .reason_rfn = 4};
	struct lp_done done = {
		.vm_id = 7, .op = KVM_LPAGE_OP_MERGE, .results = &result, .nr_results = 1};
	struct policy_explanation why;

	one_vm(host);
	pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	done.tag = op->tag;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	host->fake.link.events->op_done(host->fake.link.ctx, &done);
	for (int i = 0; i < 3; i++) {
		struct lp_region *region = &host->fake.regions[i];

		region->generation = 11;
		region->last_op = KVM_LPAGE_OP_MERGE;
		region->last_op_ns = host->fake.now_ns;
		region->last_reason = i == 1 ? KVM_LPAGE_REASON_NONE : KVM_LPAGE_REASON_BUSY;
		region->state = i == 1 ? KVM_LPAGE_STATE_LARGE : KVM_LPAGE_STATE_TABLE;
	}
	host->fake.vms[0].generation = 11;
	settle(host);
	assert_int_equal(shown(host).queued_regions, 0);
	assert_int_equal(shown(host).tally.lost_regions, 0);
	assert_int_equal(policy_explain(host->manager->policy, 7, 6, host->fake.now_ns, &why), 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_BUSY);
	assert_int_equal(policy_explain(host->manager->policy, 7, 5, host->fake.now_ns, &why), 0);
	assert_int_equal(why.last_refusal, LPAGE_REASON_NONE);
}

/* The event with the outcome never comes. */
static void test_lost_outcome(void **state)
{
	struct host *host = *state;
	struct fake_asked *op;

	one_vm(host);
	pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, 0, "");
	for (int i = 0; i < 2; i++) {
		host->fake.regions[i].state = KVM_LPAGE_STATE_LARGE;
		host->fake.regions[i].generation = 11;
	}
	host->fake.vms[0].generation = 11;
	pass(host, 6 * NS_PER_S);
	settle(host);
	assert_int_equal(shown(host).queued_regions, 0);
	/* Of one of the three nothing is known. */
	assert_int_equal(shown(host).tally.lost_regions, 1);
}

static void test_request_refused(void **state)
{
	struct host *host = *state;
	struct fake_asked *op;
	struct lp_vm_snapshot vm;

	one_vm(host);
	pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, -EBUSY,
					"the queue of the VM is full");
	run(host);
	vm = shown(host);
	assert_int_equal(vm.gate, LPAGE_REASON_BACKOFF);
	assert_int_equal(vm.last_error, -EBUSY);
	assert_string_equal(vm.last_error_text, "merging: the queue of the VM is full");
	assert_int_equal(vm.queued_regions, 0);
	pass(host, NS_PER_S);
	assert_int_equal(shown(host).gate, LPAGE_REASON_NONE);
}

static void test_vm_unknown_to_kernel(void **state)
{
	struct host *host = *state;
	struct fake_asked *op;
	uint32_t ids[4];

	one_vm(host);
	pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	op->answered = true;
	host->fake.nr_vms = 0;
	host->fake.link.events->op_sent(host->fake.link.ctx, op->tag, 7, -ESRCH, "");
	settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 0);
}

static void test_vm_gone_in_flight(void **state)
{
	struct host *host = *state;
	struct fake_asked *op;

	one_vm(host);
	pass(host, 6 * NS_PER_S);
	op = fake_link_open(&host->fake, FAKE_OP);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	/* What comes after it is about nobody. */
	fake_link_finish(&host->fake, op, 0);
	run(host);
	assert_true(logged(host, "VM 7 (web-1): gone"));
}

/* ---- limits and rules ---- */

static void test_pushes_limits(void **state)
{
	struct host *host = *state;
	struct fake_asked *push;

	add_vm(host, 7, "slow-1");
	fake_link_family(&host->fake, true);
	run(host);
	fake_link_answer(&host->fake);
	run(host);
	push = fake_link_open(&host->fake, FAKE_SET_POLICY);
	assert_non_null(push);
	assert_int_equal(push->limits.mode, KVM_LPAGE_MODE_MANAGED);
	assert_int_equal(push->limits.min_quiet_ns, 2 * NS_PER_S);
	assert_int_equal(push->limits.rate_per_s, 1000);
	assert_int_equal(push->limits.burst_regions, 100);
	assert_int_equal(push->limits.batch_regions, 32);
	assert_int_equal(push->limits.max_stall_ns, 2 * NS_PER_MS);
	assert_int_equal(push->limits.notify_interval_ns, 100 * NS_PER_MS);
	settle(host);
	assert_string_equal(shown(host).rule, "slow");
	/* Once; and not at all by the next daemon, which finds them in force. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	host->fake.vms[0].limits_admin = push->limits;
	stop(host);
	host->fake.nr_asked = 0;
	start(host);
	fake_link_family(&host->fake, true);
	settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
}

static void test_reload(void **state)
{
	struct host *host = *state;
	char *text = NULL;

	one_vm(host);
	assert_string_equal(shown(host).rule, "");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	/* The same again changes nothing. */
	assert_int_equal(host->core->ops->reload(host->core, &text), 0);
	assert_null(text);
	settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(host->reloads, 2);
	write_config(host, "version: 1\nrules: [{name: web, match: {vm-name: web-*}, "
			   "policy: threshold, quiet-time: 1s, batch: 8}]\n");
	assert_int_equal(host->core->ops->reload(host->core, &text), 0);
	settle(host);
	assert_string_equal(shown(host).rule, "web");
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
	pass(host, 2 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

static void test_bad_reload(void **state)
{
	struct host *host = *state;
	struct lp_status status;
	char *text = NULL;

	one_vm(host);
	write_config(host, "version: 1\ndefaults:\n  quiet-time: 5parsecs\n");
	assert_int_equal(host->core->ops->reload(host->core, &text), -EINVAL);
	assert_non_null(text);
	assert_non_null(strstr(text, "config.yaml:3:"));
	assert_non_null(strstr(text, "quiet-time"));
	free(text);
	assert_true(logged(host, "config.yaml:3:"));
	host->core->ops->status(host->core, &status);
	assert_non_null(strstr(status.config_error, "quiet-time"));
	pass(host, 2 * NS_PER_S);
	assert_non_null(strstr(host->status, "last reload failed"));
	/* The old one is in force. */
	pass(host, 4 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
	write_config(host, threshold_config);
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	host->core->ops->status(host->core, &status);
	assert_string_equal(status.config_error, "");
}

static void test_foreign_change(void **state)
{
	struct host *host = *state;
	struct lp_policy_change change = {
		.vm_id = 7, .layer = KVM_LPAGE_LAYER_ADMIN, .pid = 1, .uid = 0};

	one_vm(host);
	change.limits = host->fake.vms[0].limits;
	change.limits.mode = KVM_LPAGE_MODE_OFF;
	host->fake.vms[0].limits = change.limits;
	host->fake.link.events->policy_changed(host->fake.link.ctx, &change);
	settle(host);
	assert_int_equal(shown(host).gate, LPAGE_REASON_MODE_OFF);
	assert_true(logged(host, "limits were changed by pid 1"));
	pass(host, 10 * NS_PER_S);
	settle(host);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	/* Nobody fights over it; whoever reloads wants the configuration in force. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
	assert_int_equal(host->core->ops->reload(host->core, NULL), 0);
	settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 2);
}

/* ---- switches ---- */

static void test_dry_run(void **state)
{
	struct host *host = *state;
	struct lp_range range = {4, 1};

	stop(host);
	host->dry_run = true;
	start(host);
	one_vm(host);
	pass(host, 6 * NS_PER_S);
	settle(host);
	/* Nothing is asked that changes anything. */
	assert_int_equal(fake_link_count(&host->fake, FAKE_OP), 0);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_int_equal(shown(host).tally.dry_regions, 3);
	assert_int_equal(shown(host).gate, LPAGE_REASON_DRY_RUN);
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_MERGE, &range, 1, 0,
						   NULL, NULL),
			 -EPERM);
	/* The command line wins. */
	assert_int_equal(host->core->ops->set_dry_run(host->core, false), 0);
	assert_true(shown(host).dry_run);
}

static void test_dry_run_off_pushes(void **state)
{
	struct host *host = *state;

	assert_int_equal(host->core->ops->set_dry_run(host->core, true), 0);
	one_vm(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 0);
	assert_int_equal(host->core->ops->set_dry_run(host->core, false), 0);
	settle(host);
	assert_int_equal(fake_link_count(&host->fake, FAKE_SET_POLICY), 1);
}

static void restart(struct host *host)
{
	unsigned int line;

	stop(host);
	assert_int_equal(lp_state_load(host->dir_fd, &host->state, &line), 0);
	start(host);
	host->fake.nr_asked = 0;
	fake_link_family(&host->fake, true);
	settle(host);
}

static void test_pause_is_kept(void **state)
{
	struct host *host = *state;

	one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), 0);
	pass(host, 6 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(shown(host).gate, LPAGE_REASON_PAUSED);
	assert_non_null(strstr(host->status, "paused"));
	restart(host);
	pass(host, 6 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(host->core->ops->set_paused(host->core, 0, false), 0);
	run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

static void test_pause_of_one(void **state)
{
	struct host *host = *state;

	one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 8, true), -ESRCH);
	assert_int_equal(host->core->ops->set_paused(host->core, 7, true), 0);
	restart(host);
	assert_true(shown(host).paused);
	pass(host, 6 * NS_PER_S);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	assert_int_equal(host->core->ops->set_paused(host->core, 7, false), 0);
	run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

static void test_pause_that_cannot_be_kept(void **state)
{
	struct host *host = *state;
	int fd = host->manager->options.runtime_dir_fd;

	one_vm(host);
	host->manager->options.runtime_dir_fd = -1;
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), -EBADF);
	host->manager->options.runtime_dir_fd = fd;
	assert_int_equal(shown(host).gate, LPAGE_REASON_NONE);
}

/* ---- reading again ---- */

static void test_changed(void **state)
{
	struct host *host = *state;
	struct fake_asked *dump;

	one_vm(host);
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	run(host);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 10);
	settle(host);
	/* Slots went: a dump of changes is not enough, and what is not listed is gone. */
	host->fake.vms[0].generation = 20;
	host->fake.resync_generation = 15;
	host->fake.nr_regions = 1;
	host->fake.link.events->changed(host->fake.link.ctx, 7, 20);
	run(host);
	settle(host);
	assert_int_equal(shown(host).tracked_regions, 1);
	host->fake.resync_generation = 0;
}

/* The data changed underneath: what was listed may have holes. */
static void test_interrupted_dump(void **state)
{
	struct lp_dump_end end = {
		.of_regions = true, .vm_id = 7, .text = "", .interrupted = true, .generation = 30};
	struct host *host = *state;
	struct fake_asked *dump;

	one_vm(host);
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	run(host);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	dump->answered = true;
	end.tag = dump->tag;
	host->fake.link.events->dump_end(host->fake.link.ctx, &end);
	run(host);
	/* After a pause, and from the beginning. */
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	pass(host, NS_PER_S);
	dump = fake_link_open(&host->fake, FAKE_DUMP_REGIONS);
	assert_non_null(dump);
	assert_int_equal(dump->since, 0);
}

static void test_unknown_vm_changed(void **state)
{
	struct host *host = *state;
	uint32_t ids[4];

	one_vm(host);
	add_vm(host, 9, "late");
	host->fake.link.events->changed(host->fake.link.ctx, 9, 1);
	settle(host);
	assert_int_equal(host->core->ops->vm_ids(host->core, ids, 4), 2);
	assert_int_equal(ids[1], 9);
}

static void test_loss(void **state)
{
	struct host *host = *state;
	struct lp_status status;

	one_vm(host);
	for (int i = 0; i < 100; i++)
		host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	run(host);
	assert_true(shown(host).stale);
	assert_int_equal(shown(host).gate, LPAGE_REASON_STALE);
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	pass(host, 300 * NS_PER_MS);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	assert_int_equal(fake_link_open(&host->fake, FAKE_DUMP_REGIONS)->since, 0);
	settle(host);
	assert_false(shown(host).stale);
	host->core->ops->status(host->core, &status);
	assert_int_equal(status.resyncs, 1);
	/* The next one waits. */
	host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	pass(host, 300 * NS_PER_MS);
	assert_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
	pass(host, 2 * NS_PER_S);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_VMS));
}

static void test_not_running(void **state)
{
	struct host *host = *state;

	add_vm(host, 7, "web-1");
	host->fake.vms[0].running = false;
	add_region(host, 4);
	fake_link_family(&host->fake, true);
	settle(host);
	pass(host, 6 * NS_PER_S);
	assert_int_equal(shown(host).gate, LPAGE_REASON_NOT_RUNNING);
	assert_null(fake_link_open(&host->fake, FAKE_OP));
	host->fake.vms[0].running = true;
	host->fake.link.events->changed(host->fake.link.ctx, 7, 11);
	settle(host);
	pass(host, 3 * NS_PER_S);
	settle(host);
	assert_int_equal(shown(host).gate, LPAGE_REASON_NONE);
	assert_non_null(fake_link_open(&host->fake, FAKE_OP));
}

/* ---- the core's users ---- */

static void on_refreshed(void *ctx, int error)
{
	struct host *host = ctx;

	host->answers++;
	host->error = error;
}

static void on_op(void *ctx, const struct lp_done *done, int error, const char *text)
{
	struct host *host = ctx;

	(void)text;
	host->answers++;
	host->error = error;
	for (size_t i = 0; done && i < done->nr_results; i++)
		host->done_regions += done->results[i].done;
}

static void on_watch(void *ctx, const struct lp_watch_event *event)
{
	struct host *host = ctx;

	host->events[event->kind]++;
	/* Leaving from within is allowed. */
	if (event->kind == LP_WATCH_LOSS)
		host->core->ops->unwatch(host->core, on_watch, host);
}

static void test_refresh(void **state)
{
	struct host *host = *state;

	assert_int_equal(host->core->ops->refresh(host->core, 0, on_refreshed, host), -ENOTCONN);
	one_vm(host);
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(host->core->ops->refresh(host->core, 8, on_refreshed, host), -ESRCH);
	assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
	assert_int_equal(host->answers, 0);
	host->fake.vms[0].large = 8;
	settle(host);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(shown(host).vm.large, 8);
	/* What was under way before is not fresh enough. */
	host->fake.link.events->changed(host->fake.link.ctx, 7, 12);
	host->fake.now_ns += 3 * NS_PER_S;
	run(host);
	assert_non_null(fake_link_open(&host->fake, FAKE_DUMP_REGIONS));
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
	assert_true(fake_link_answer(&host->fake) > 0);
	run(host);
	assert_int_equal(host->answers, 1);
	/* Figures of now beside regions of before are not it either. */
	for (struct fake_asked *asked; (asked = fake_link_open(&host->fake, FAKE_DUMP_VM));) {
		struct lp_dump_end end = {.tag = asked->tag, .vm_id = 7, .text = ""};

		asked->answered = true;
		host->fake.link.events->dump_end(host->fake.link.ctx, &end);
		run(host);
	}
	assert_int_equal(host->answers, 1);
	settle(host);
	assert_int_equal(host->answers, 2);
	/* It goes while somebody waits. */
	assert_int_equal(host->core->ops->refresh(host->core, 7, on_refreshed, host), 0);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	run(host);
	assert_int_equal(host->answers, 3);
	assert_int_equal(host->error, -ESRCH);
}

static void test_refresh_cancel(void **state)
{
	struct host *host = *state;

	one_vm(host);
	host->fake.now_ns += NS_PER_S;
	assert_int_equal(host->core->ops->refresh(host->core, 0, on_refreshed, host), 0);
	host->core->ops->refresh_cancel(host->core, host);
	settle(host);
	assert_int_equal(host->answers, 0);
}

static void test_manual(void **state)
{
	struct host *host = *state;
	struct lp_range range = {0, 512};

	one_vm(host);
	assert_int_equal(host->core->ops->set_paused(host->core, 0, true), 0);
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_SPLIT, &range, 1, 0,
						   on_op, host),
			 0);
	assert_int_equal(fake_link_open(&host->fake, FAKE_OP)->op, KVM_LPAGE_OP_SPLIT);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP), 0);
	assert_int_equal(host->answers, 1);
	assert_int_equal(host->error, 0);
	assert_int_equal(host->done_regions, 512);
	assert_int_equal(shown(host).tally.split_regions, 512);
	/* The counts of refusals are those of merges. */
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_SPLIT, &range, 1, 0,
						   NULL, NULL),
			 0);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP),
			 KVM_LPAGE_REASON_BAD_RANGE);
	assert_int_equal(shown(host).tally.refused[KVM_LPAGE_REASON_BAD_RANGE], 0);
	assert_int_equal(shown(host).tally.split_regions, 512);
	/* Nothing is heard. */
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_RELEASE, &range, 1,
						   0, on_op, host),
			 0);
	pass(host, 6 * NS_PER_S);
	assert_int_equal(host->answers, 2);
	assert_int_equal(host->error, -ETIMEDOUT);
	/* Whoever left is not called. */
	assert_int_equal(host->core->ops->range_op(host->core, 7, KVM_LPAGE_OP_RELEASE, &range, 1,
						   0, on_op, host),
			 0);
	host->core->ops->range_op_cancel(host->core, host);
	pass(host, 6 * NS_PER_S);
	assert_int_equal(host->answers, 2);
	assert_int_equal(host->core->ops->range_op(host->core, 8, KVM_LPAGE_OP_SPLIT, &range, 1, 0,
						   on_op, host),
			 -ESRCH);
}

static void test_watch(void **state)
{
	struct host *host = *state;

	assert_int_equal(host->core->ops->watch(host->core, on_watch, host), 0);
	one_vm(host);
	assert_int_equal(host->events[LP_WATCH_FAMILY], 1);
	assert_int_equal(host->events[LP_WATCH_VM], 1);
	pass(host, 6 * NS_PER_S);
	fake_link_finish(&host->fake, fake_link_open(&host->fake, FAKE_OP), 0);
	assert_int_equal(host->events[LP_WATCH_OP_DONE], 1);
	host->fake.link.events->loss(host->fake.link.ctx, LP_LOSS_OVERRUN);
	host->fake.link.events->vm_gone(host->fake.link.ctx, 7);
	assert_int_equal(host->events[LP_WATCH_LOSS], 1);
	assert_int_equal(host->events[LP_WATCH_VM_GONE], 0);
}

static int count_region(void *ctx, const struct lp_region_snapshot *region)
{
	struct host *host = ctx;

	host->answers++;
	host->done_regions += region->region.rfn;
	return 0;
}

static int refuse_region(void *ctx, const struct lp_region_snapshot *region)
{
	(void)region;
	((struct host *)ctx)->answers++;
	return -ECANCELED;
}

static void test_regions(void **state)
{
	struct lp_region_filter all = {0}, some = {.start_rfn = 5, .nr_regions = 1},
				paged = {.skip = 1, .limit = 1},
				large = {.states = 1U << KVM_LPAGE_STATE_LARGE};
	struct host *host = *state;

	one_vm(host);
	assert_int_equal(host->core->ops->regions(host->core, 7, &all, count_region, host), 0);
	assert_int_equal(host->answers, 3);
	assert_int_equal(host->done_regions, 15);
	assert_int_equal(host->core->ops->regions(host->core, 7, &some, count_region, host), 0);
	assert_int_equal(host->answers, 4);
	assert_int_equal(host->core->ops->regions(host->core, 7, &paged, count_region, host), 0);
	assert_int_equal(host->done_regions, 15 + 5 + 5);
	assert_int_equal(host->core->ops->regions(host->core, 7, &large, count_region, host), 0);
	assert_int_equal(host->answers, 5);
	assert_int_equal(host->core->ops->regions(host->core, 7, &all, refuse_region, host),
			 -ECANCELED);
	assert_int_equal(host->answers, 6);
	assert_int_equal(host->core->ops->regions(host->core, 8, &all, count_region, host), -ESRCH);
}

static void test_explain(void **state)
{
	struct lp_explain why;
	struct host *host = *state;

	one_vm(host);
	pass(host, NS_PER_S);
	assert_int_equal(host->core->ops->explain(host->core, 7, 5, &why), 0);
	assert_int_equal(why.reason, LPAGE_REASON_NOT_DUE);
	assert_non_null(strstr(why.text, "quiet for "));
	assert_non_null(strstr(why.text, ", merged after "));
	assert_true(why.wait_ns > 3 * NS_PER_S && why.wait_ns <= 5 * NS_PER_S);
	assert_int_equal(host->core->ops->explain(host->core, 8, 5, &why), -ESRCH);
	assert_int_equal(host->core->ops->explain(host->core, 7, UINT64_MAX, &why), -ERANGE);
}

/* ---- when nothing happens ---- */

static void test_idle(void **state)
{
	struct host *host = *state;
	uint64_t before;

	add_vm(host, 7, "web-1");
	fake_link_family(&host->fake, true);
	settle(host);
	/* The one late look at a new VM, and the status line. */
	pass(host, 61 * NS_PER_S);
	settle(host);
	pass(host, 3 * NS_PER_S);
	settle(host);
	pass(host, 20 * NS_PER_S);
	settle(host);
	before = host->fake.nr_asked;
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
	pass(host, 3600 * NS_PER_S);
	assert_int_equal(host->fake.nr_asked, before);
	assert_int_equal(event_base_get_num_events(host->base, EVENT_BASE_COUNT_ADDED), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_absent),
		T(test_ready_after_first_dump),
		T(test_ready_when_a_vm_cannot_be_read),
		T(test_family_goes_and_comes),
		T(test_merges_when_quiet),
		T(test_refusal_backs_off),
		T(test_partial_outcome),
		T(test_lost_outcome),
		T(test_request_refused),
		T(test_vm_unknown_to_kernel),
		T(test_vm_gone_in_flight),
		T(test_pushes_limits),
		T(test_reload),
		T(test_bad_reload),
		T(test_foreign_change),
		T(test_dry_run),
		T(test_dry_run_off_pushes),
		T(test_pause_is_kept),
		T(test_pause_of_one),
		T(test_pause_that_cannot_be_kept),
		T(test_changed),
		T(test_interrupted_dump),
		T(test_unknown_vm_changed),
		T(test_loss),
		T(test_not_running),
		T(test_refresh),
		T(test_refresh_cancel),
		T(test_manual),
		T(test_watch),
		T(test_regions),
		T(test_explain),
		T(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
