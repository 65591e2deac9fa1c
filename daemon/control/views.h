/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the core is shown, and under which names. */
#ifndef TDX_LPAGE_CONTROL_VIEWS_H
#define TDX_LPAGE_CONTROL_VIEWS_H

#include "daemon/control/fields.h"
#include "daemon/core/snapshot.h"

/* The host, with what the configuration adds to it. */
struct host_view {
	struct lp_status status; /* first: its own tables read it */
	const char *pressure;	 /* NULL: none */
	bool config_missing;
	uint64_t rules;
};

/* A VM, with the rule that could not be decided for it. */
struct vm_view {
	struct lp_vm_snapshot vm; /* first: its own tables read it */
	const char *rule_passed_over;
	json_t *holds; /* of control_vm_json() */
};

/* A region, with what is worked out from it. */
struct region_view {
	struct lp_region region;
	uint64_t gpa;
	uint64_t to_shared_age_ns; /* LP_AGE_NEVER: never converted */
	uint64_t to_private_age_ns;
	uint64_t op_age_ns;
	uint64_t hold_vmm_left_ns; /* UINT64_MAX: none, or without end */
	uint64_t hold_admin_left_ns;
	bool held_by_vmm;
	bool held_by_admin;
	uint64_t age_ns;
};

/* A region as `record` sends it. Times are from the begin of the recording. */
struct observation_view {
	struct lp_region region;
	int64_t to_shared_ns; /* INT64_MIN: never */
	int64_t to_private_ns;
	int64_t op_ns;
};

/* An answer of the core's explain, with the table's words on it. */
struct explain_view {
	uint32_t vm_id;
	uint64_t gpa;
	uint32_t reason;
	const char *why;
	const char *remedy;
	const char *text;
	uint64_t wait_ns;
	bool estimated;
};

/* How many regions of a VM one gate keeps at 4 KiB. */
struct gate_view {
	uint32_t reason;
	const char *why;
	const char *remedy;
	uint64_t regions;
	uint64_t gpa;	  /* of the first one */
	uint64_t wait_ns; /* the shortest; UINT64_MAX: unknown */
};

/* What the policy is about to do with a VM. */
struct plan_view {
	uint64_t coverage_ppm; /* UINT64_MAX: nothing is mapped */
	uint64_t large;
	uint64_t table;
	uint64_t merges;
	uint64_t due_now;
	uint64_t work_ns;
	uint64_t stall_ns; /* of a batch, at most */
	uint64_t merges_per_s;
	uint32_t limit; /* the reason that a try above that rate is refused for */
	uint64_t done_ns;
	uint64_t after_ppm;
	uint64_t goal_ppm;
	uint64_t goal_ns; /* UINT64_MAX: these merges do not reach it */
};

/* The TLB tracking cycles of an operation, summed up. */
struct batches_view {
	uint64_t nr;
	uint64_t regions;
	uint64_t merged;
	uint64_t kicked;
	uint64_t fixed_ns;
	uint64_t regions_ns;
	uint64_t stall_max_ns;
};

struct result_view {
	struct lp_result result;
	uint32_t layer; /* who refused; UINT32_MAX: nobody in particular */
};

/* A region that was probed. */
struct probed_view {
	struct lp_probed probed;
	uint64_t gpa;
	uint64_t first_touch_age_ns; /* LP_AGE_NEVER: not known, or none */
};

/* What `watch` shows of an event. */
struct event_view {
	const char *kind;
	uint64_t now_ns;
	uint64_t vm_id;	     /* UINT64_MAX: not about one VM */
	const char *vm_name; /* NULL: not known */
	const char *text;
	const char *op; /* NULL: none */
	int error;
	json_t *ranges;
	json_t *results;
	const struct batches_view *batches; /* NULL: none */
};

/* A part of a recording. UINT64_MAX and NULL: not in it. Times are from the begin of the recording. */
struct record_view {
	const char *kind;
	int64_t time_ns;
	uint64_t speed;
	const struct config_settings *costs;
	uint64_t vm_id;
	const char *name;
	uint64_t memory_bytes;
	uint64_t walk_ns_per_s;
	uint64_t notify_interval_ns;
	uint64_t known_regions;
	json_t *regions;
	uint64_t lost_regions;
};

extern const struct fields control_range_fields;       /* struct lp_range */
extern const struct fields control_event_fields;       /* struct event_view */
extern const struct fields control_record_fields;      /* struct record_view */
extern const struct fields control_host_fields;	       /* struct host_view */
extern const struct fields control_rule_fields;	       /* struct lp_rule_snapshot */
extern const struct fields control_shadow_fields;      /* struct lp_shadow_snapshot */
extern const struct fields control_vm_hold_fields;     /* struct lp_vm_hold */
extern const struct fields control_vm_fields;	       /* struct vm_view: control_vm_json() */
extern const struct fields control_vm_detail_fields;   /* the same, and more of it */
extern const struct fields control_region_fields;      /* struct region_view */
extern const struct fields control_observation_fields; /* struct observation_view */
extern const struct fields control_explain_fields;     /* struct explain_view */
extern const struct fields control_gate_fields;	       /* struct gate_view */
extern const struct fields control_plan_fields;	       /* struct plan_view */
extern const struct fields control_result_fields;      /* struct result_view */
extern const struct fields control_batches_fields;     /* struct batches_view */
extern const struct fields control_probed_fields;      /* struct probed_view */

/* Every table, in the order of the interface description; ends with NULL. */
extern const struct fields *const control_all_fields[];

/* Asks the core for a VM. Returns 0 or -ESRCH. Strings in @ret last until the next reload. */
int control_vm_view(const struct lp_core *core, uint32_t vm_id, struct vm_view *ret);

/* Returns a new object of a VM, by one of its two tables; or NULL without memory. */
json_t *control_vm_json(const struct fields *fields, struct vm_view *vm);

/* @now_ns: the link's clock. */
void control_region_view(const struct lp_region_snapshot *region, uint64_t now_ns,
			 struct region_view *ret);

json_t *control_result_json(const struct lp_result *result);
/* @now_ns: the link's clock. */
json_t *control_probed_json(const struct lp_probed *probed, uint64_t now_ns);

/* Adds what an answer of the kernel says of its batches. */
void control_add_batches(struct batches_view *sum, const struct lp_done *done);

#endif
