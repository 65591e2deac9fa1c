/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One VM: its state, the gate that blocks its merges, and its failures. */
#ifndef TDX_LPAGE_CORE_VM_H
#define TDX_LPAGE_CORE_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/context.h"
#include "daemon/core/log.h"
#include "daemon/core/regions.h"
#include "daemon/core/vmm_args.h"

/* Which dump of regions a VM needs: none, what changed since the last one, or all. */
enum dump_need { DUMP_NONE, DUMP_CHANGES, DUMP_FULL };

/* Reading the VM from the kernel: sync.c and refresh.c. Times are of the link's clock, 0: never. */
struct vm_sync {
	uint64_t generation; /* up to which its regions are known */
	enum dump_need need_dump;
	bool hurry_dump; /* somebody waits for it */
	bool dumping_full;
	bool dump_lost; /* not all of it could be kept */
	/* After a full dump, regions that it did not list are dropped, a slice at a time. */
	bool sweeping;
	uint64_t sweep_rfn;
	uint64_t sweep_generation; /* of the dump */
	uint32_t region_round;
	uint64_t dump_tag; /* 0: none is under way */
	uint64_t dump_since;
	uint64_t dump_began_ns;
	uint64_t regions_ns;
	uint64_t full_ns; /* last full dump */
	bool need_stats;
	bool hurry_stats; /* somebody waits for them */
	uint64_t stats_tag;
	uint64_t stats_asked_ns;
	uint64_t stats_ns;
	/* When the request was sent that the data came from: it is not older. */
	uint64_t regions_fresh_ns;
	uint64_t stats_fresh_ns;
	uint64_t behind_ns; /* changes may be unread that are older, 0: none */
	uint64_t settle_ns; /* when a new VM is dumped once more, 0: done */
};

/* Limits of the admin's layer: limits.c. */
struct vm_limits {
	bool need_push;
	uint64_t push_tag;
	struct lp_limits pushed;
	uint64_t renew_ns;    /* when the lease of the layer is renewed, 0: it has none */
	uint64_t sent_ns;     /* the last one */
	uint64_t answered_ns; /* the last one that was accepted */
	uint64_t end_ns;      /* of the lease, as far as is known, 0: it has none */
	bool renewing;	      /* all that is under way is a renewal */
	bool foreign;	      /* changed by another process; kept until the next reload */
	/* Changed by whom cannot be told, in a pid namespace: the values have to say it. */
	bool doubt;
	uint64_t doubt_ns; /* since when */
	uint32_t doubt_pid, doubt_uid;
};

/* Failed requests: vm_failed() and vm_succeeded(). */
struct vm_trouble {
	unsigned int failures; /* in a row */
	const char *failing;   /* which request failed, a literal */
	uint64_t backoff_ns;   /* no requests until then */
	int last_error;
	char last_error_text[128];
	uint64_t last_error_ns;
	uint64_t logged_ns; /* when a failure was logged last, 0: never */
};

/* The command line of the VMM: asked for when the VM appears, and once more if that failed. */
struct vm_args {
	bool asked;
	bool awaited; /* the first time: nothing is decided before the answer */
	bool known;
	struct lp_vmm_args args;
};

/* When something is to be done for the VM: due.c. */
struct vm_due {
	TAILQ_ENTRY(vm_entry) entry; /* of those that are parked */
	bool parked;
	struct heap_item item; /* of those that are not; its key is a time in ns */
};

struct vm_entry {
	struct lp_vm vm; /* changed by accounts_describe() only, as far as it is in the sums */
	TAILQ_ENTRY(vm_entry) by_stats;
	LIST_ENTRY(vm_entry) by_name;
	bool named; /* .by_name is in a list */
	struct lp_identity identity;
	struct vm_args args;
	bool decided; /* its first rule was found; before that, it has that of what is known */
	struct config_settings own_settings;	/* of the configuration that was in force last */
	const struct config_settings *settings; /* the same, NULL: none yet */
	char rule[CONFIG_NAME_MAX + 1];		/* its name, "" for the defaults */
	struct lp_regions regions;
	struct lp_tally tally;
	struct lp_tally logged; /* the tally at the last summary */
	struct policy_ledger logged_ledger;
	struct account *account; /* of its rule */
	enum lpage_reason gate;
	enum lpage_reason policy_gate; /* the one that the policy was given */
	unsigned int nr_awaited;       /* merges of the policy without a report yet */
	uint64_t queued_regions;
	bool has_stats; /* a full description has been read */
	bool stale;
	uint32_t listed_round; /* the last dump of VMs that listed it */
	uint32_t family_round; /* the family that it is of */
	/* Times of the link's clock, 0: never. */
	uint64_t seen_ns;
	uint64_t identity_ns;
	uint64_t last_merge_ns;
	struct vm_due due;
	struct vm_sync sync;
	struct vm_limits limits;
	struct vm_trouble trouble;
};

/* Its family is gone, and so is the VM: it is about to be removed. */
bool vm_is_lost(const struct lp_manager *m, const struct vm_entry *vm);

/* How many are not. */
size_t vms_there(const struct lp_manager *m);

/* NULL when there is none, or it is lost. */
struct vm_entry *vm_find(const struct lp_manager *m, uint32_t vm_id);

/* The index of the VM in m->vms, or the one at which to insert it. */
size_t vm_position(const struct lp_manager *m, uint32_t vm_id);

/* Logs a line about the VM, with its id and name in front. */
void vm_log(const struct lp_manager *m, int priority, enum lp_message message,
	    const struct vm_entry *vm, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Is dry-run in force for the VM: its own or the host's? */
bool vm_dry_run(const struct lp_manager *m, const struct vm_entry *vm);

/* The key by which pauses and holds of the VM are kept. */
struct lp_vm_key vm_key(const struct vm_entry *vm);

/* The pause of the VM itself, NULL: none; and its holds, as lp_state_vm_holds() has them. */
const struct lp_paused_vm *vm_pause(const struct lp_manager *m, const struct vm_entry *vm);
struct lp_hold *vm_holds(const struct lp_manager *m, const struct vm_entry *vm, size_t *ret_nr);
bool vm_held(const struct lp_manager *m, const struct vm_entry *vm);

/*
 * Finds the gate that blocks merges of the VM, and gives it to the policy. A merge without a report
 * blocks the next one, too: latency guard and costs learn from each batch before the next.
 */
void vm_set_gate(struct lp_manager *m, struct vm_entry *vm);

/*
 * Counts a failed request (negative errno), and backs off. @what: which request, a literal. @text: the
 * kernel's message, may be NULL.
 */
void vm_failed(struct lp_manager *m, struct vm_entry *vm, const char *what, int error,
	       const char *text);

/* Ends the backoff, if @what is the request that failed. */
void vm_succeeded(struct lp_manager *m, struct vm_entry *vm, const char *what);

/* Dumps the regions of the VM when the next request may be sent; the larger need wins. */
void vm_want_dump(struct lp_manager *m, struct vm_entry *vm, enum dump_need need);

#endif
