/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a kernel is reached.
 *
 * A link knows the VMs of one kernel (the real one through netlink, or a simulated one), their
 * regions, and carries operations to it. Everything is asynchronous: a function of struct
 * lp_link_ops starts something and returns, what comes of it arrives through struct lp_link_events,
 * from the event loop, never from inside the call that started it.
 *
 * Words: a region is a 2 MiB aligned range of a VM's private guest-physical memory, its number is
 * rfn = gfn >> 9. Points in time are ns of the link's own clock (ops->now_ns; CLOCK_MONOTONIC for
 * a kernel), so that they compare with the times in what the link delivers. Modes, states,
 * operations, reasons and layers are the KVM_LPAGE_* values of <linux/kvm_lpage.h>.
 */
#ifndef TDX_LPAGE_LINK_H
#define TDX_LPAGE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm_lpage.h>

struct event_base;

/* Safety limits of a VM; only the fields whose bit LP_LIMIT(KVM_LPAGE_A_POLICY_*) is in @set. */
struct lp_limits {
	uint32_t set;
	uint32_t mode;
	uint32_t rate_per_s;	/* merges tried per second, 0: no limit */
	uint32_t burst_regions; /* size of the token bucket */
	uint32_t batch_regions;
	uint32_t pad;
	uint64_t min_quiet_ns;
	uint64_t max_stall_ns; /* 0: no limit */
	uint64_t notify_interval_ns;
};

#define LP_LIMIT(attr) (1U << (attr))

/* A VM as the kernel describes it. */
struct lp_vm {
	uint32_t id; /* never reused while the host is up */
	uint32_t pid;
	uint32_t uid;
	uint32_t type; /* as given to KVM_CREATE_VM */
	uint32_t nr_vcpus;
	uint32_t incapable; /* KVM_LPAGE_INCAPABLE_* */
	bool running;
	bool has_uid;
	char name[KVM_LPAGE_NAME_MAX + 1]; /* "" when the VMM set none */
	uint64_t pid_start_ns;		   /* CLOCK_BOOTTIME */
	uint64_t cgroup_id;
	uint64_t memory_pages;
	struct lp_limits limits; /* in force */
	struct lp_limits limits_vmm;
	struct lp_limits limits_admin;
	uint64_t admin_lease_ns; /* left of the lease of limits_admin, 0: none */
	uint64_t generation;
	uint64_t resync_generation;
	/* Regions. */
	uint64_t capable;
	uint64_t large;
	uint64_t table;
	uint64_t mixed;
	uint64_t unmapped;
	uint64_t held;
	/* Totals since the VM was created. */
	uint64_t to_shared_pages;
	uint64_t to_private_pages;
	uint64_t to_shared_events;
	uint64_t to_private_events;
	uint64_t merges;
	uint64_t splits;
	uint64_t split_ns;
	uint64_t refusals;
	uint64_t work_ns;
	uint64_t overflows;
	uint64_t huge_bytes;
	uint64_t retained_bytes;
	uint32_t worker_errno; /* why the task of the VM could not be started, 0 if it was or need not be */
	uint64_t chunks;
	uint64_t probes; /* regions that were probed */
	uint64_t probe_touches;
	uint64_t probe_cancels; /* without a verdict */
};

/* A region as the kernel describes it; counters are modulo 2^32. */
struct lp_region {
	uint64_t rfn;
	uint32_t level; /* KVM_LPAGE_LEVEL_2M: a link delivers no others */
	uint32_t state; /* mixed also when all pages are shared, see @shared */
	bool shared;	/* no page of it is private */
	bool inhibited;
	uint32_t present_pages; /* only when the dump asked for it */
	uint32_t to_shared_pages;
	uint32_t to_private_pages;
	uint32_t to_shared_events;
	uint32_t to_private_events;
	uint32_t last_op;
	uint32_t last_reason;
	uint64_t hold_vmm_ns;	/* end of the hold; 0: none, UINT64_MAX: life of the VM */
	uint64_t hold_admin_ns; /* the same of the admin's layer */
	uint64_t last_to_shared_ns;
	uint64_t last_to_private_ns;
	uint64_t last_op_ns;
	uint64_t generation;
};

/* Some regions of a dump. @regions belongs to the link and is valid during the callback. */
struct lp_region_chunk {
	uint32_t vm_id;
	uint64_t generation; /* of the VM when the dump began */
	uint64_t resync_generation;
	const struct lp_region *regions;
	size_t nr_regions;
};

struct lp_range {
	uint64_t start_rfn;
	uint32_t nr_regions; /* 1 ... KVM_LPAGE_RANGE_REGIONS_MAX */
};

/* What became of one range of an operation. */
struct lp_result {
	uint64_t start_rfn;
	uint32_t level; /* as in struct lp_region */
	uint32_t nr_regions;
	uint32_t done;
	uint32_t refused;
	uint32_t reason; /* of the first refusal */
	uint64_t reason_rfn;
	bool has_layer;
	uint32_t reason_layer; /* whose limit or hold refused, when @has_layer */
	uint64_t ns;
};

/* One TLB tracking cycle of a merge. */
struct lp_batch {
	uint32_t regions; /* tried */
	uint32_t merged;
	uint32_t kicked; /* vCPUs that had to leave the guest */
	uint64_t fixed_ns;
	uint64_t regions_ns; /* all regions together */
	uint64_t stall_ns;
};

/* What a probe found out about a region. */
struct lp_probed {
	uint64_t rfn;
	uint32_t level; /* as in struct lp_region */
	bool touched;
	uint32_t reason;	 /* why there is no verdict; NONE: there is one */
	uint64_t first_touch_ns; /* 0: not known */
};

/* An operation has ended. The arrays belong to the link and are valid during the callback. */
struct lp_done {
	uint64_t tag; /* of the request; 0: somebody else's */
	uint64_t cookie;
	uint32_t vm_id;
	uint32_t op;
	const struct lp_result *results; /* in the order of the request's ranges */
	size_t nr_results;
	const struct lp_batch *batches;
	size_t nr_batches;
	const struct lp_probed *probed; /* of a probe: every region, in the order of the ranges */
	size_t nr_probed;
};

/* Which regions a dump shall list. */
struct lp_region_query {
	uint32_t vm_id;
	uint32_t states; /* 1 << KVM_LPAGE_STATE_*, 0: all that are noteworthy */
	uint64_t start_rfn;
	uint64_t nr_regions; /* 0: up to the end of guest memory */
	uint64_t since;	     /* only what changed after this generation; 0: everything */
	bool present;	     /* count mapped pages; nr_regions <= KVM_LPAGE_RANGE_REGIONS_MAX */
};

/* How a dump ended. */
struct lp_dump_end {
	uint64_t tag;
	uint32_t vm_id;	  /* 0: dump of all VMs */
	bool of_regions;  /* else of VMs */
	int error;	  /* 0 or negative errno */
	const char *text; /* the kernel's words on the error, "" for none */
	bool interrupted; /* the data changed underneath; what was delivered may have holes */
	/* Of regions: of the VM when the dump began, the next @since; 0 when it listed nothing. */
	uint64_t generation;
	uint64_t resync_generation;
};

struct lp_policy_change {
	uint32_t vm_id;
	uint32_t layer;
	uint32_t pid; /* who */
	uint32_t uid;
	bool expired;		 /* nobody: the lease of the admin's layer was over */
	struct lp_limits limits; /* now in force */
};

/* Why events may have been lost. */
enum lp_loss {
	LP_LOSS_OVERRUN,   /* the event socket's buffer overflowed */
	LP_LOSS_TRUNCATED, /* a message was longer than the buffer */
	LP_LOSS_MALFORMED, /* a message was malformed */
	LP_LOSS_MAX
};

/*
 * Events of a link. Each may be NULL. @ctx is the one given to lp_link_init(). A callback may call
 * every function of the link but stop and free.
 */
struct lp_link_events {
	/* The kernel can (or can no longer) be talked to; @why is one line for people. On false all
	 * VMs are gone, and what was under way has ended without a further word. */
	void (*family)(void *ctx, bool present, const char *why);
	/* A VM: from a dump (@full), or new, then without the statistics that need a walk. */
	void (*vm)(void *ctx, const struct lp_vm *vm, bool full);
	void (*vm_gone)(void *ctx, uint32_t vm_id);
	void (*regions)(void *ctx, uint64_t tag, const struct lp_region_chunk *chunk);
	void (*dump_end)(void *ctx, const struct lp_dump_end *end);
	/* An operation was queued (error 0: op_done follows unless lost) or refused as a whole. */
	void (*op_sent)(void *ctx, uint64_t tag, uint32_t vm_id, int error, const char *text);
	void (*op_done)(void *ctx, const struct lp_done *done);
	/* Answer to set_policy. */
	void (*policy_set)(void *ctx, uint64_t tag, uint32_t vm_id, int error, const char *text);
	void (*policy_changed)(void *ctx, const struct lp_policy_change *change);
	/* The generation has advanced since the VM was last dumped. Not repeated before a dump. */
	void (*changed)(void *ctx, uint32_t vm_id, uint64_t generation);
	/* Events may have been lost: only a full dump gives certainty. */
	void (*loss)(void *ctx, enum lp_loss kind);
};

/* Counters of a link, for status and metrics. */
struct lp_link_stats {
	uint64_t requests;
	uint64_t failed_requests; /* answered with an error */
	uint64_t timeouts;
	uint64_t messages;
	uint64_t dump_restarts; /* dumps repeated because the data changed underneath */
	uint64_t stray;		/* answers to nothing that was asked, e.g. after a timeout */
	uint64_t lost[LP_LOSS_MAX];
};

struct lp_link;

struct lp_link_ops {
	const char *name;
	/* Begins; the first event is `family`. Negative errno when sockets or files cannot be had. */
	int (*start)(struct lp_link *link);
	/* Forgets everything that is under way, closes all. No event comes after it. */
	void (*stop)(struct lp_link *link);
	void (*free)(struct lp_link *link);
	uint64_t (*now_ns)(const struct lp_link *link);

	/*
	 * The following return 0 and a tag (> 0, never reused), or -ENOTCONN while the family is
	 * absent, -EAGAIN when as much waits as may (ask again after an answer), -EINVAL for arguments outside the ABI's
	 * limits, -ENOMEM. @ret_tag may be NULL.
	 */
	/* @vm_id 0: all VMs. Ends with dump_end. */
	int (*dump_vms)(struct lp_link *link, uint32_t vm_id, uint64_t *ret_tag);
	int (*dump_regions)(struct lp_link *link, const struct lp_region_query *query,
			    uint64_t *ret_tag);
	/* Sets the given fields of the admin's layer, or none. @lease_ns: for how long the layer lasts
	 * from now, 1 s ... 1 h; 0: as it is. */
	int (*set_policy)(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			  uint64_t lease_ns, uint64_t *ret_tag);
	/* @op: KVM_LPAGE_OP_*. @ttl_ns: of a hold; the window of a probe; else 0. At most
	 * KVM_LPAGE_RANGES_MAX ranges; in a probe, at most KVM_LPAGE_PROBES_MAX regions. */
	int (*range_op)(struct lp_link *link, uint32_t vm_id, uint32_t op,
			const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			uint64_t *ret_tag);
	void (*stats)(const struct lp_link *link, struct lp_link_stats *ret);
};

/* First member of every implementation. */
struct lp_link {
	const struct lp_link_ops *ops;
	const struct lp_link_events *events;
	void *ctx;
	struct event_base *base;
	uint32_t speed; /* ns of the link's clock per ns of ours; 1 for a kernel */
};

/* Sets who listens. Before start. @events must live as long as the link. */
static inline void lp_link_listen(struct lp_link *link, const struct lp_link_events *events,
				  void *ctx)
{
	link->events = events;
	link->ctx = ctx;
}

#endif
