/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface of the core for control sockets, metrics and status text: snapshots of its state, and
 * requests to it. A vtable, so that they can be tested with a fake core.
 *
 * Nothing here blocks. Statistics are copies of the last known state; each group says how old it is
 * (ages in ns, LP_AGE_NEVER when it was never learnt). Those that must be fresh are asked for
 * with refresh().
 */
#ifndef TDX_LPAGE_SNAPSHOT_H
#define TDX_LPAGE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/state.h"
#include "daemon/link/link.h"
#include "daemon/policy/policy.h"
#include "tdx-lpage/reasons.h"

#define LP_AGE_NEVER UINT64_MAX

/* All reasons, the kernel's and the daemon's. */
#define LP_NR_REASONS LPAGE_REASON_END

/* Where a VM's name came from. */
enum lp_name_source {
	LP_NAME_NONE,	 /* none was found */
	LP_NAME_IOCTL,	 /* set by the VMM through KVM */
	LP_NAME_LIBVIRT, /* machine-qemu\x2d1\x2dNAME.scope, if nothing better is known */
	LP_NAME_QEMU,	 /* -name of the VMM's command line */
	LP_NAME_MAX
};

/* Who runs a VM: what rules match on. */
struct lp_identity {
	uint32_t vm_id;
	uint32_t pid;
	uint32_t type; /* as given to KVM_CREATE_VM */
	uint32_t uid;
	bool has_uid;
	/* What could not be read matches no rule. */
	bool cgroup_known;
	bool command_known;
	bool name_known; /* false: unreadable; true with name "": it has none */
	enum lp_name_source name_source;
	char name[KVM_LPAGE_NAME_MAX + 1];
	bool uuid_known;  /* false: unreadable; true with uuid "": it has none */
	char uuid[37];	  /* of QEMU's -uuid, in lower case */
	char command[64]; /* base name of the VMM's argv[0] */
	char slice[128];  /* innermost *.slice of the cgroup path, "" for none */
	char cgroup[256]; /* path below the cgroup root, "/..." */
	uint64_t memory_bytes;
};

/* Counts since the daemon learnt of the VM (or, in lp_status, since it started). */
struct lp_tally {
	uint64_t batches;
	uint64_t tried_regions;
	uint64_t merged_regions;
	uint64_t refused_regions;
	uint64_t split_regions; /* on request of clients */
	uint64_t holds;
	uint64_t releases;
	uint64_t dry_regions;  /* merges skipped by dry-run */
	uint64_t lost_regions; /* with unknown outcome */
	uint64_t failed_requests;
	uint64_t work_ns;
	uint64_t stall_max_ns;
	uint64_t stalled_batches;	 /* that stalled a vCPU for longer than max-stall */
	uint64_t refused[LP_NR_REASONS]; /* merges, by the first reason of each range */
};

/* Holds of one VM at the same time. */
#define LP_VM_HOLDS_MAX 16

struct lp_vm_hold {
	char owner[LP_HOLD_OWNER_MAX + 1];
	uint64_t left_ns; /* UINT64_MAX: ends with the connection only */
	bool attached;	  /* ends with the connection of its owner */
};

struct lp_vm_snapshot {
	struct lp_vm vm;
	struct lp_identity identity;
	const char *rule;   /* name of the rule in force, "" for the defaults; valid until reload */
	const char *policy; /* name of the policy in force */
	uint64_t walk_cost_ns_per_s; /* of the rule in force */
	uint64_t notify_interval_ns; /* the same */
	uint64_t merge_rate_per_s;   /* the same, and the next two */
	uint64_t batch_regions;
	uint64_t max_stall_ns;
	enum lpage_reason gate; /* what blocks all merges of the VM, NONE: nothing */
	bool paused;		/* the VM itself, not the host */
	uint64_t pause_left_ns; /* UINT64_MAX: not paused, or without end */
	struct lp_vm_hold holds[LP_VM_HOLDS_MAX];
	size_t nr_holds;
	bool dry_run; /* in force for it */
	bool stale;   /* events were lost, it is being resynchronized */
	struct lp_tally tally;
	struct policy_ledger ledger;
	struct policy_costs costs; /* in force */
	uint64_t tracked_regions;
	uint64_t queued_regions; /* requested, no outcome yet */
	uint64_t coverage_ppm;	 /* large / (large + table), UINT64_MAX when nothing is mapped */
	uint64_t lease_left_ns;	 /* of .vm.limits_admin; UINT64_MAX: they have no lease */
	uint64_t stats_age_ns;	 /* of .vm's regions and totals */
	uint64_t regions_age_ns; /* of the last complete dump of regions */
	uint64_t identity_age_ns;
	uint64_t last_merge_age_ns; /* by this daemon */
	uint64_t seen_age_ns;	    /* since the daemon first saw it */
	int last_error;		    /* negative errno of the last failed request, 0 for none */
	char last_error_text[128];
	uint64_t last_error_age_ns;
};

/* What merges cost and saved while a rule was in force for their VM. Names of rules have no parentheses. */
#define LP_RULE_DEFAULTS "(defaults)" /* no rule matched */
#define LP_RULE_REMOVED	 "(removed)"  /* rules that are no longer in the configuration */

struct lp_rule_snapshot {
	const char *rule;	     /* valid until the next reload */
	uint64_t nr_vms;	     /* now */
	uint64_t large, table;	     /* their regions */
	uint64_t coverage_ppm;	     /* UINT64_MAX when nothing is mapped */
	struct policy_ledger ledger; /* the sum over all rules is that of lp_status */
};

/* A second configuration on the same events, which merges nothing, beside the one in force. */
struct lp_shadow_snapshot {
	char settings[256]; /* "policy threshold, quiet-time 10s": what it has instead */
	uint64_t age_ns;    /* since both are compared */
	uint64_t nr_vms;
	struct policy_ledger active; /* since then, VMs that are gone included */
	struct policy_ledger shadow;
	/* Merges of the shadow that nobody had tried by then: taken for accepted. */
	uint64_t assumed;
	uint64_t disproved;    /* of these, refused later; they are refusals in the ledger */
	uint64_t active_bytes; /* memory of either policy */
	uint64_t shadow_bytes; /* with what is left of earlier shadows */
};

struct lp_region_snapshot {
	struct lp_region region;
	uint64_t age_ns; /* since the kernel reported it */
};

struct lp_region_filter {
	uint64_t start_rfn;
	uint64_t nr_regions; /* 0: all */
	uint32_t states;     /* 1 << KVM_LPAGE_STATE_*, 0: all */
	uint64_t limit;	     /* 0: no limit */
};

struct lp_status {
	const char *version;
	const char *link; /* "netlink", "sim" */
	uint64_t now_ns;  /* the link's clock, that of the regions' times */
	uint32_t speed;	  /* ns of the link's clock per ns of ours; 1 for a kernel */
	bool degraded;
	char degraded_why[160]; /* "" unless degraded */
	bool paused;
	uint64_t pause_left_ns;	    /* UINT64_MAX: not paused, or without end */
	uint64_t nr_holds;	    /* of whole VMs */
	enum lpage_reason pressure; /* MEMORY_PRESSURE or CPU_PRESSURE: no merges are begun */
	uint64_t memory_pressure_ppm, cpu_pressure_ppm; /* read last, UINT64_MAX: never */
	uint64_t free_huge_blocks; /* of 2 MiB, of the host; UINT64_MAX: not known */
	bool dry_run;
	bool pid_namespace;  /* of the daemon: processes of VMMs cannot be identified */
	bool time_namespace; /* likewise; the offset is taken into account */
	const char *config_file;
	char config_error[256]; /* of the last reload, "" when it was fine */
	uint64_t config_age_ns; /* since the config in force was read */
	uint64_t uptime_ns;
	uint32_t nr_vms;
	uint64_t capable, large, table, mixed, unmapped, held; /* regions of all VMs */
	uint64_t coverage_ppm;
	uint64_t stats_age_ns; /* the oldest of all VMs */
	uint64_t merges_per_s; /* over the last 10 s */
	struct lp_tally tally;
	struct policy_ledger ledger; /* VMs that are gone included */
	struct lp_link_stats link_stats;
	uint64_t resyncs;
	uint64_t resync_age_ns; /* since the last complete dump of everything */
	uint64_t wakeups;	/* of the manager */
};

/* What `watch` shows. */
enum lp_watch_kind {
	LP_WATCH_FAMILY,
	LP_WATCH_VM,
	LP_WATCH_VM_GONE,
	LP_WATCH_OP_DONE,
	LP_WATCH_OP_FAILED,
	LP_WATCH_DRY_RUN, /* a batch skipped by dry-run */
	LP_WATCH_POLICY,
	LP_WATCH_PAUSE,
	LP_WATCH_LOSS,
	LP_WATCH_RELOAD,
	LP_WATCH_HOLD, /* of a whole VM */
	LP_WATCH_MAX
};

struct lp_watch_event {
	enum lp_watch_kind kind;
	uint64_t now_ns;	    /* CLOCK_MONOTONIC */
	uint32_t vm_id;		    /* 0: not about one VM */
	const char *vm_name;	    /* its name; NULL: not known. Set by watchers_notify() */
	const char *text;	    /* one line for people */
	const struct lp_done *done; /* LP_WATCH_OP_DONE */
	/* LP_WATCH_DRY_RUN, LP_WATCH_OP_FAILED: */
	uint32_t op;
	const struct lp_range *ranges;
	size_t nr_ranges;
	int error;
};

/* What `record` gets, as the link reports it. */
enum lp_record_kind {
	LP_RECORD_VM, /* new, or updated */
	LP_RECORD_VM_GONE,
	LP_RECORD_REGIONS, /* part of a dump */
	LP_RECORD_LOSS,	   /* the link lost events; a dump of everything follows */
};

struct lp_record_event {
	enum lp_record_kind kind;
	uint64_t now_ns; /* the link's clock */
	uint32_t vm_id;
	const struct lp_region *regions; /* valid during the callback */
	size_t nr_regions;
};

typedef void (*lp_record_cb)(void *ctx, const struct lp_record_event *event);
typedef void (*lp_watch_cb)(void *ctx, const struct lp_watch_event *event);
/* @done is NULL when @error (negative errno) is set; @text is then one line for people. */
typedef void (*lp_op_cb)(void *ctx, const struct lp_done *done, int error, const char *text);
typedef void (*lp_refresh_cb)(void *ctx, int error);
/* A hold has ended: "expired", "released" or "gone" (the VM). */
typedef void (*lp_hold_cb)(void *ctx, const char *why);
/* Returns 0 to go on, anything else ends the walk and is returned from it. */
typedef int (*lp_region_cb)(void *ctx, const struct lp_region_snapshot *region);

/* What blocks the next merge of a region. */
struct lp_explain {
	enum lpage_reason reason; /* the first gate that blocks it, NONE: none, QUEUED: due */
	uint64_t wait_ns;	  /* until it opens by itself, UINT64_MAX: unknown */
	/* Until the policy tries a merge, if nothing happens and budgets allow; UINT64_MAX: it does not. */
	uint64_t try_ns;
	bool estimated; /* @text rests on an estimate (walk cost) */
	char text[256]; /* the actual number and the one required, for people */
};

struct config;
struct lp_core;

struct lp_core_ops {
	void (*status)(const struct lp_core *core, struct lp_status *ret);
	/* Writes up to @capacity ids in ascending order, from @first on; returns how many there are. */
	size_t (*vm_ids)(const struct lp_core *core, uint32_t first, uint32_t *ids,
			 size_t capacity);
	/* The same of VMs with that name, but returns how many it wrote. */
	size_t (*vms_named)(const struct lp_core *core, const char *name, uint32_t *ids,
			    size_t capacity);
	/* -ESRCH: no such VM. */
	int (*vm)(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret);
	/*
	 * Writes up to @capacity rules in the order of the configuration, the defaults, and what became
	 * of rules that are gone; returns how many there are.
	 */
	size_t (*rules)(const struct lp_core *core, struct lp_rule_snapshot *ret, size_t capacity);
	/* -ENOENT: the configuration has no shadow. */
	int (*shadow)(const struct lp_core *core, struct lp_shadow_snapshot *ret);
	/*
	 * In ascending order of rfn, as the kernel reported them last. Looks at a bounded part of
	 * the VM's memory, and may find nothing there: *@ret_next is where to go on, UINT64_MAX at
	 * the end. -ESRCH: no such VM.
	 */
	int (*regions)(const struct lp_core *core, uint32_t vm_id,
		       const struct lp_region_filter *filter, lp_region_cb cb, void *ctx,
		       uint64_t *ret_next);
	/* Asks the kernel for statistics and regions anew (@vm_id 0: of all), then calls @cb once,
	 * unless refresh_cancel() with the same @ctx came first. */
	int (*refresh)(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx);
	void (*refresh_cancel)(struct lp_core *core, void *ctx);

	/* @vm_id 0: the whole host. Kept across restarts. @for_ns: of a pause, counted by the host's
	 * clock, also on a simulated host; 0: until it is ended. A new pause replaces the one before.
	 * -ESRCH; -E2BIG: too many VMs are paused; -ENOMEM; or the error of writing the state. */
	int (*set_paused)(struct lp_core *core, uint32_t vm_id, bool paused, uint64_t for_ns);
	int (*set_dry_run)(struct lp_core *core, bool dry_run);
	/*
	 * Holds a whole VM: neither the policy nor range_op() merges any of it while anybody holds it.
	 * @for_ns as above. Kept across restarts; of each owner (characters of text_is_name_char(), at
	 * most LP_HOLD_OWNER_MAX) there is one, which another call replaces. With @ended, the hold is
	 * one more, not kept, lasts until hold_cancel() with the same @ctx at the latest, and @ended is
	 * called once if it ends before that. -ESRCH; -E2BIG: too many holds; -ENOMEM; or the error of
	 * writing the state.
	 */
	int (*hold_vm)(struct lp_core *core, uint32_t vm_id, const char *owner, uint64_t for_ns,
		       lp_hold_cb ended, void *ctx);
	void (*hold_cancel)(struct lp_core *core, void *ctx);
	/* Ends the holds of an owner (NULL: of all). Returns how many, or as above. */
	int (*release_vm)(struct lp_core *core, uint32_t vm_id, const char *owner);
	/* Carried out whatever policy and pause say, as somebody requested it, but not under dry-run
	 * (-EPERM), and no merge of a VM that is held (-EBUSY). @cb is called once, unless range_op_cancel() comes first. */
	int (*range_op)(struct lp_core *core, uint32_t vm_id, uint32_t op,
			const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			lp_op_cb cb, void *ctx);
	void (*range_op_cancel)(struct lp_core *core, void *ctx);
	/* Reloads the configuration, all or nothing. On error *@ret_text (the caller frees it) has
	 * one line per error, FILE:LINE:COLUMN: first, and the old one remains in force. */
	int (*reload)(struct lp_core *core, char **ret_text);

	/* The configuration in force; valid until the next reload. */
	const struct config *(*config)(const struct lp_core *core);
	/* Checks every gate of one region, in order. -ESRCH: no such VM, -ERANGE: no such region. */
	int (*explain)(const struct lp_core *core, uint32_t vm_id, uint64_t rfn,
		       struct lp_explain *ret);

	int (*watch)(struct lp_core *core, lp_watch_cb cb, void *ctx);
	void (*unwatch)(struct lp_core *core, lp_watch_cb cb, void *ctx);

	/* Records all that the link reports of VMs and regions. Changes nothing. -ENOMEM. */
	int (*record)(struct lp_core *core, lp_record_cb cb, void *ctx);
	void (*unrecord)(struct lp_core *core, lp_record_cb cb, void *ctx);
};

/* First member of every core. */
struct lp_core {
	const struct lp_core_ops *ops;
};

#endif
