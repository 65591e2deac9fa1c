/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the manager share. Nobody else includes it, but tests. */
#ifndef TDX_LPAGE_CORE_INTERNAL_H
#define TDX_LPAGE_CORE_INTERNAL_H

#include <sys/queue.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/core/manager.h"
#include "daemon/core/regions.h"
#include "daemon/core/triage.h"
#include "daemon/policy/policy.h"

#define NS_NEVER   UINT64_MAX
#define RATE_SLOTS 10 /* seconds over which merges per second are counted */

/* How far a VM's dump of regions has to go back. */
enum dump_need { DUMP_NONE, DUMP_CHANGES, DUMP_FULL };

struct vm_entry {
	struct lp_vm vm;
	struct lp_identity identity;
	const struct config_settings *settings; /* of the configuration in force */
	const char *rule;			/* its name, "" for the defaults */
	struct lp_regions regions;
	struct lp_tally tally;
	struct lp_tally logged; /* the tally at the last summary */
	enum lpage_reason gate;
	enum lpage_reason policy_gate; /* the one that the policy was told */
	unsigned int nr_awaited;       /* merges of the policy whose report is not there yet */
	bool has_figures;	       /* a full description was seen, not only that it is new */
	bool stale;
	uint32_t listed_round; /* dump of VMs that listed it last */
	/* Times of the link's clock, 0: never. */
	uint64_t seen_ns;
	uint64_t figures_ns;
	uint64_t regions_ns;
	uint64_t full_ns;
	uint64_t identity_ns;
	uint64_t last_merge_ns;
	/* Reading. */
	uint64_t generation; /* up to which we know the regions */
	enum dump_need need_dump;
	bool hurry_dump; /* somebody waits for it */
	bool dumping_full;
	uint32_t region_round;
	uint64_t dump_tag; /* 0: none is under way */
	uint64_t dump_since;
	uint64_t dump_began_ns;
	bool need_figures;
	bool hurry_figures; /* somebody waits for them */
	uint64_t figures_tag;
	uint64_t figures_asked_ns;
	/* When what we know was asked for; it is at least as young. */
	uint64_t regions_fresh_ns;
	uint64_t figures_fresh_ns;
	uint64_t settle_ns; /* when to look once more at a VM that is new, 0: done */
	/* Limits of the admin's layer. */
	bool need_push;
	uint64_t push_tag;
	struct lp_limits pushed;
	bool foreign; /* somebody else changed them; they stay until our own change */
	/* Trouble. */
	unsigned int failures; /* in a row */
	const char *failing;   /* what it was that failed, a literal */
	uint64_t backoff_ns;   /* until then it is left alone */
	int last_error;
	char last_error_text[128];
	uint64_t last_error_ns;
	uint64_t queued_regions;
};

enum flight_state {
	FLIGHT_SENT,	/* the kernel has not queued it yet */
	FLIGHT_QUEUED,	/* outcome to come */
	FLIGHT_RESOLVE, /* the outcome is to be read off the regions */
};

/* An operation under way. */
struct flight {
	TAILQ_ENTRY(flight) entry;
	enum flight_state state;
	uint64_t tag;
	uint32_t vm_id;
	uint32_t op;
	uint64_t sent_ns;
	uint64_t deadline_ns;
	uint64_t window_ns; /* of a probe, else 0 */
	size_t nr_regions;
	size_t nr_ranges;
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	/* Of the policy's: regions whose outcome the answer left open. */
	size_t nr_open;
	uint64_t open_rfns[POLICY_BATCH_MAX];
	/* Somebody's who waits for it. */
	bool manual;
	bool awaited; /* counts in the VM's nr_awaited */
	lp_op_cb cb;
	void *ctx;
};

TAILQ_HEAD(flight_list, flight);

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	uint32_t vm_id;
	uint64_t since_ns;
	lp_refresh_cb cb;
	void *ctx;
};

TAILQ_HEAD(waiter_list, waiter);

struct watcher {
	TAILQ_ENTRY(watcher) entry;
	lp_watch_cb cb;
	void *ctx;
	bool gone;
};

TAILQ_HEAD(watcher_list, watcher);

struct recorder {
	TAILQ_ENTRY(recorder) entry;
	lp_record_cb cb;
	void *ctx;
};

TAILQ_HEAD(recorder_list, recorder);

/* Merges of the last seconds. */
struct rate {
	uint64_t second[RATE_SLOTS];
	uint64_t count[RATE_SLOTS];
};

struct lp_manager {
	struct lp_core core;
	struct lp_manager_options options;
	struct lp_link *link;
	const struct lp_log *log;
	struct config *config;
	char config_error[256];
	struct lp_state state;
	struct policy *policy;
	struct event *wake;
	struct event *timer;
	struct vm_entry **vms; /* by id, ascending */
	size_t nr_vms;
	size_t vms_room;
	struct flight_list flights;
	size_t nr_own_flights; /* those that are not manual */
	struct waiter_list waiters;
	struct watcher_list watchers;
	bool telling; /* report_event() goes through them */
	struct recorder_list recorders;
	/* The family. */
	bool family;
	bool answered; /* it is known whether there is one */
	bool ready;
	char why[160];	      /* why there is none */
	char host_error[160]; /* why nothing can be asked of it, "" for nothing */
	/* The dump of VMs. */
	bool need_vms;
	bool vms_listed; /* at least once */
	uint64_t vms_tag;
	uint32_t vms_round;
	uint64_t vms_retry_ns;
	unsigned int vms_failures;
	/* Resync. */
	uint64_t resync_due_ns; /* 0: none is due */
	uint64_t resync_ns;
	uint64_t loss_ns; /* when events were lost last, 0: never */
	uint64_t resyncs;
	/* Logs and status. */
	uint64_t start_ns;
	uint64_t config_ns;
	uint64_t summary_due_ns; /* 0: nothing to tell */
	uint64_t status_due_ns;	 /* 0: nothing to tell */
	char status[192];
	struct rate rate;
	uint64_t wakeups;
	struct lp_tally gone_tally; /* of the VMs that are gone */
};

/* manager.c */
uint64_t manager_now(const struct lp_manager *m);
/* Has the work done soon, from the event loop. */
void manager_wake(struct lp_manager *m);
bool manager_dry_run(const struct lp_manager *m);
#define MANAGER_WHY_MAX 160
/* Has others do what @config asks of them. Negative errno, and why. */
int manager_configure(struct lp_manager *m, const struct config *config,
		      char why[static MANAGER_WHY_MAX]);
void manager_log_vm(const struct lp_manager *m, int priority, enum lp_message message,
		    const struct vm_entry *vm, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* vms.c */
struct vm_entry *vms_find(const struct lp_manager *m, uint32_t vm_id);
/* A VM that is new, or known and described anew. */
void vms_update(struct lp_manager *m, const struct lp_vm *vm, bool full);
void vms_remove(struct lp_manager *m, struct vm_entry *vm, const char *why);
void vms_remove_all(struct lp_manager *m, const char *why);
void vms_remove_unlisted(struct lp_manager *m);
/* Finds the rule that is in force. */
void vms_apply_rule(struct lp_manager *m, struct vm_entry *vm);
void vms_identify(struct lp_manager *m, struct vm_entry *vm);
/*
 * Tells the policy what keeps the VM from being merged. A merge whose report is awaited does, too:
 * the latency guard and the costs are to learn from each batch before the next one is asked for.
 */
void vms_set_gate(struct lp_manager *m, struct vm_entry *vm);
/* Counts a failed request and keeps away for a while. @what must be a literal. */
void vms_failed(struct lp_manager *m, struct vm_entry *vm, const char *what, int error,
		const char *text);
/* @what went well again; another thing may still fail. */
void vms_succeeded(struct lp_manager *m, struct vm_entry *vm, const char *what);
bool vms_dry_run(const struct lp_manager *m, const struct vm_entry *vm);
/* Hands the dry-run switch and the limits to the policy. */
void vms_set_global(struct lp_manager *m);

/* sync.c: reading from the kernel, and the limits that are written to it. */
void sync_run(struct lp_manager *m);
uint64_t sync_deadline_ns(const struct lp_manager *m);
void sync_regions(struct lp_manager *m, uint64_t tag, const struct lp_region_chunk *chunk);
void sync_dump_end(struct lp_manager *m, const struct lp_dump_end *end);
void sync_changed(struct lp_manager *m, uint32_t vm_id);
void sync_loss(struct lp_manager *m, enum lp_loss kind);
void sync_pushed(struct lp_manager *m, uint64_t tag, uint32_t vm_id, int error, const char *text);
void sync_policy_changed(struct lp_manager *m, const struct lp_policy_change *change);
int sync_refresh(struct lp_core *core, uint32_t vm_id, lp_refresh_cb cb, void *ctx);
void sync_refresh_cancel(struct lp_core *core, void *ctx);
/* Tells waiters that have waited long enough, or all of them an error. */
void sync_check_waiters(struct lp_manager *m, int error);
/* Has every VM of the first dump been read, or is it known that none can be? */
bool sync_settled(const struct lp_manager *m);

/* flights.c: the operations under way. */

/* The kernel's worker is bounded; after this the outcome was lost. */
#define OUTCOME_DEADLINE_NS (5 * NS_PER_S)

/* Not sent yet. @manual: asked for by people. NULL: out of memory. */
struct flight *flight_new(struct lp_manager *m, struct vm_entry *vm, uint32_t op,
			  const struct lp_range *ranges, size_t nr_ranges, bool manual);
struct flight *flight_find(const struct lp_manager *m, uint64_t tag);
void flight_drop(struct lp_manager *m, struct flight *flight);
/* A merge was asked for: until its report is there, its VM's next batch has to wait. */
void flight_await(struct lp_manager *m, struct vm_entry *vm, struct flight *flight);
/* The report is there, or will never come. */
void flight_seen(struct lp_manager *m, struct flight *flight);

/* actions.c */
void actions_run(struct lp_manager *m);
uint64_t actions_deadline_ns(const struct lp_manager *m);
void actions_sent(struct lp_manager *m, uint64_t tag, int error, const char *text);
void actions_done(struct lp_manager *m, const struct lp_done *done);
/* The regions of a VM have been read anew, by a dump that began at @began_ns. */
void actions_resolve(struct lp_manager *m, struct vm_entry *vm, uint64_t began_ns);
/* Ends what is under way for a VM (0: all). */
void actions_cancel(struct lp_manager *m, uint32_t vm_id, int error, const char *why);
int actions_range_op(struct lp_core *core, uint32_t vm_id, uint32_t op,
		     const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns, lp_op_cb cb,
		     void *ctx);
void actions_range_op_cancel(struct lp_core *core, void *ctx);

/* report.c: summaries, status, rate, watchers. */
void report_run(struct lp_manager *m);
uint64_t report_deadline_ns(const struct lp_manager *m);
/* Something changed that the status line may show. */
void report_status_soon(struct lp_manager *m);
/* Something was done that the next summary shall tell. */
void report_activity(struct lp_manager *m);
void report_vm_end(struct lp_manager *m, const struct vm_entry *vm);
void report_merges(struct lp_manager *m, uint64_t merged);
uint64_t report_merges_per_s(const struct lp_manager *m);
void report_event(struct lp_manager *m, const struct lp_watch_event *event);
/* The same for an event that is a line of text. */
void report_text(struct lp_manager *m, enum lp_watch_kind kind, uint32_t vm_id, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));
int report_watch(struct lp_core *core, lp_watch_cb cb, void *ctx);
void report_unwatch(struct lp_core *core, lp_watch_cb cb, void *ctx);
void report_drop_watchers(struct lp_manager *m);
void tally_add(struct lp_tally *to, const struct lp_tally *from);

/* record.c: those who record what the link tells. */
void record_vm(struct lp_manager *m, uint32_t vm_id, enum lp_record_kind kind);
void record_regions(struct lp_manager *m, const struct lp_region_chunk *chunk);
void record_loss(struct lp_manager *m);
int record_start(struct lp_core *core, lp_record_cb cb, void *ctx);
void record_stop(struct lp_core *core, lp_record_cb cb, void *ctx);
void record_drop_all(struct lp_manager *m);

/* view.c: what others see. */
void view_status(const struct lp_core *core, struct lp_status *ret);
size_t view_vm_ids(const struct lp_core *core, uint32_t *ids, size_t room);
int view_vm(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret);
int view_regions(const struct lp_core *core, uint32_t vm_id, const struct lp_region_filter *filter,
		 lp_region_cb cb, void *ctx);
int view_explain(const struct lp_core *core, uint32_t vm_id, uint64_t rfn, struct lp_explain *ret);
const struct config *view_config(const struct lp_core *core);
uint64_t view_coverage_ppm(uint64_t large, uint64_t table);

/* switches.c: what people switch. */
int switches_set_paused(struct lp_core *core, uint32_t vm_id, bool paused);
int switches_set_dry_run(struct lp_core *core, bool dry_run);
int switches_reload(struct lp_core *core, char **ret_text);

static inline struct lp_manager *manager_of(struct lp_core *core)
{
	return (struct lp_manager *)core;
}

static inline const struct lp_manager *manager_of_const(const struct lp_core *core)
{
	return (const struct lp_manager *)core;
}

static inline uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
