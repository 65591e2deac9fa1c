// SPDX-License-Identifier: GPL-2.0-or-later
/* What the made-up core shows: its host, VMs, rules and regions. */
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "tests/lib/fake_core.h"

#define SECOND 1000000000ULL

static void init_status(struct lp_status *status)
{
	*status = (struct lp_status){
		.version = "0.1.0",
		.link = "sim",
		.now_ns = 1000 * SECOND,
		.speed = 1,
		.config_file = "/etc/tdx-lpage.yaml",
		.config_age_ns = 61 * SECOND,
		.uptime_ns = 3700 * SECOND,
		.nr_vms = 2,
		.capable = 12288,
		.large = 12000,
		.table = 250,
		.mixed = 30,
		.unmapped = 8,
		.held = 3,
		.coverage_ppm = 979592,
		.pause_left_ns = UINT64_MAX,
		.nr_holds = 2,
		.memory_pressure_ppm = UINT64_MAX,
		.cpu_pressure_ppm = UINT64_MAX,
		.free_huge_blocks = 1234,
		.stats_age_ns = 120000000,
		.merges_per_s = 14,
		.tally = {.merged_regions = 400,
			  .refused_regions = 20,
			  .refused = {[LPAGE_REASON_NOT_ACCEPTED] = 19, [LPAGE_REASON_BUSY] = 1}},
		.ledger = {.waiting_regions = 90,
			   .merges = 400,
			   .refusals = 20,
			   .splits = 120,
			   .regrets = 7,
			   .spent_ns = 12340000,
			   .split_ns = 5400000,
			   .walk_saved_ns = 98765000000,
			   .regret_ns = 273000},
		.link_stats = {.requests = 90, .lost = {[LP_LOSS_OVERRUN] = 1}},
		.resyncs = 1,
		.resync_age_ns = 600 * SECOND,
		.wakeups = 5000,
	};
}

static void init_web(struct lp_vm_snapshot *vm)
{
	*vm = (struct lp_vm_snapshot){
		.lease_left_ns = 450 * NS_PER_S,
		.vm = {.id = 1,
		       .pid = 4242,
		       .uid = 107,
		       .has_uid = true,
		       .type = 5,
		       .nr_vcpus = 8,
		       .running = true,
		       .limits = {.set = LP_LIMIT(KVM_LPAGE_A_POLICY_MODE) |
					 LP_LIMIT(KVM_LPAGE_A_POLICY_BATCH),
				  .mode = KVM_LPAGE_MODE_MANAGED,
				  .batch_regions = 32},
		       .capable = 4096,
		       .large = 4000,
		       .table = 60,
		       .mixed = 30,
		       .unmapped = 6,
		       .held = 3,
		       .merges = 300,
		       .splits = 310,
		       .refusals = 20,
		       .retained_bytes = 1 << 21},
		.identity = {.vm_id = 1,
			     .has_uid = true,
			     .uid = 107,
			     .type = 5,
			     .cgroup_known = true,
			     .command_known = true,
			     .name_known = true,
			     .name_source = LP_NAME_LIBVIRT,
			     .name = "web-1",
			     .command = "qemu-system-x86_64",
			     .slice = "machine.slice",
			     .cgroup = "/machine.slice/web.scope",
			     .memory_bytes = 8ULL << 30},
		.rule = "web",
		.policy = "adaptive",
		.pause_left_ns = UINT64_MAX,
		.merge_rate_per_s = 1000,
		.batch_regions = 32,
		.max_stall_ns = 2000000,
		.costs = {.merge_ns = 31000},
		.gate = LPAGE_REASON_VM_HELD,
		.holds = {{.owner = "libvirt", .left_ns = 28 * SECOND},
			  {.owner = "backup", .left_ns = UINT64_MAX, .attached = true}},
		.nr_holds = 2,
		.tally = {.merged_regions = 300},
		.ledger = {.waiting_regions = 60,
			   .merges = 300,
			   .refusals = 20,
			   .splits = 110,
			   .regrets = 7,
			   .spent_ns = 9270000,
			   .split_ns = 4950000,
			   .walk_saved_ns = 4220000,
			   .regret_ns = 273000},
		.tracked_regions = 96,
		.queued_regions = 4,
		.coverage_ppm = 985222,
		.stats_age_ns = 80000000,
		.regions_age_ns = 90000000,
		.identity_age_ns = 3000 * SECOND,
		.last_merge_age_ns = 2 * SECOND,
		.seen_age_ns = 3000 * SECOND,
	};
}

static void init_db(struct lp_vm_snapshot *vm)
{
	*vm = (struct lp_vm_snapshot){
		.lease_left_ns = UINT64_MAX,
		.vm = {.id = 7,
		       .pid = 5151,
		       .type = 1,
		       .incapable = KVM_LPAGE_INCAPABLE_MEMFD_4K | KVM_LPAGE_INCAPABLE_ALIGN_HVA,
		       .capable = 8192,
		       .large = 8000,
		       .table = 190,
		       .unmapped = 2,
		       .merges = 100},
		.identity = {.vm_id = 7,
			     .name_known = true,
			     .name_source = LP_NAME_IOCTL,
			     .name = "db",
			     .memory_bytes = 16ULL << 30},
		.rule = "",
		.policy = "adaptive",
		.gate = LPAGE_REASON_PAUSED,
		.paused = true,
		.pause_left_ns = 290 * SECOND,
		.coverage_ppm = 976801,
		.stats_age_ns = 120000000,
		.regions_age_ns = LP_AGE_NEVER,
		.identity_age_ns = LP_AGE_NEVER,
		.last_merge_age_ns = LP_AGE_NEVER,
		.last_error_age_ns = LP_AGE_NEVER,
	};
}

/* The rule of web-1, and the defaults, which have what web-1 has not. */
static void init_rules(struct fake_core *fake)
{
	const struct lp_vm_snapshot *web = &fake->vms[0], *db = &fake->vms[1];

	fake->rules[0] = (struct lp_rule_snapshot){
		.rule = web->rule,
		.nr_vms = 1,
		.large = web->vm.large,
		.table = web->vm.table,
		.coverage_ppm = web->coverage_ppm,
		.ledger = web->ledger,
	};
	fake->rules[1] = (struct lp_rule_snapshot){
		.rule = LP_RULE_DEFAULTS,
		.nr_vms = 1,
		.large = db->vm.large,
		.table = db->vm.table,
		.coverage_ppm = db->coverage_ppm,
		.ledger = fake->status.ledger,
	};
	policy_ledger_since(&fake->rules[1].ledger, &web->ledger);
	fake->rules[1].ledger.waiting_regions -= web->ledger.waiting_regions;
	fake->nr_rules = 2;
}

static void init_regions(struct fake_core *fake)
{
	const struct lp_region_snapshot regions[] = {
		{.region = {.rfn = 0,
			    .state = KVM_LPAGE_STATE_TABLE,
			    .to_shared_events = 3,
			    .to_shared_pages = 40,
			    .to_private_events = 3,
			    .to_private_pages = 40,
			    .last_to_shared_ns = 990 * SECOND,
			    .last_to_private_ns = 995 * SECOND,
			    .last_op = KVM_LPAGE_OP_MERGE,
			    .last_reason = KVM_LPAGE_REASON_NOT_ACCEPTED,
			    .last_op_ns = 996 * SECOND,
			    .generation = 17},
		 .age_ns = 80000000},
		{.region = {.rfn = 5,
			    .state = KVM_LPAGE_STATE_MIXED,
			    .to_shared_events = 1,
			    .to_shared_pages = 512,
			    .last_to_shared_ns = 999 * SECOND,
			    .hold_admin_ns = 1030 * SECOND,
			    .generation = 18},
		 .age_ns = 80000000},
		{.region = {.rfn = 2048,
			    .state = KVM_LPAGE_STATE_LARGE,
			    .hold_vmm_ns = UINT64_MAX,
			    .generation = 3},
		 .age_ns = 80000000},
	};

	memcpy(fake->regions, regions, sizeof(regions));
	fake->nr_regions = ARRAY_SIZE(regions);
}

void fake_core_init(struct fake_core *fake)
{
	static const char text[] = "version: 1\n"
				   "rules:\n"
				   "  - {name: web, match: {vm-name: 'web-*'}, min-quiet: 2s}\n"
				   "  - {name: far, match: {cgroup: '/x/*'}, mode: off}\n";
	struct config_errors errors;

	memset(fake, 0, sizeof(*fake));
	fake->core.ops = &fake_core_ops;
	init_status(&fake->status);
	init_web(&fake->vms[0]);
	init_db(&fake->vms[1]);
	fake->nr_vms = 2;
	init_rules(fake);
	init_regions(fake);
	if (config_parse_buffer("/etc/tdx-lpage.yaml", text, strlen(text), &fake->config, &errors) <
	    0)
		abort();
	config_errors_done(&errors);
	fake->explain = (struct lp_explain){
		.reason = LPAGE_REASON_NOT_DUE,
		.wait_ns = 4 * SECOND,
		.estimated = true,
		.try_ns = 4 * SECOND,
		.text = "quiet for 5 s, due after 9 s",
	};
}

void fake_core_done(struct fake_core *fake)
{
	config_free(fake->config);
}
