/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A core without a kernel: fixed figures, and a record of what was asked of it. */
#ifndef TDX_LPAGE_TESTS_FAKE_CORE_H
#define TDX_LPAGE_TESTS_FAKE_CORE_H

#include "daemon/core/snapshot.h"

#define FAKE_VMS     4
#define FAKE_REGIONS 16
#define FAKE_RULES   2
#define FAKE_CALLS   32
#define FAKE_SLICE   1024 /* regions that one call of regions() looks at */

struct fake_core {
	struct lp_core core; /* first */
	struct lp_status status;
	struct lp_vm_snapshot vms[FAKE_VMS];
	size_t nr_vms;
	struct lp_rule_snapshot rules[FAKE_RULES];
	size_t nr_rules;
	struct lp_shadow_snapshot shadow; /* age 0: none */
	size_t nr_late;			  /* VMs that appear ... */
	unsigned int nr_absent;		  /* ... when the status was asked for so often */
	struct lp_region_snapshot regions[FAKE_REGIONS]; /* of every VM */
	size_t nr_regions;
	uint64_t nr_generated; /* instead: so many in state table */
	struct config *config;
	struct lp_explain explain;
	uint64_t nr_explained; /* regions that were asked for */

	/* What was asked, one line each, as far as there is room. */
	char calls[FAKE_CALLS][128];
	size_t nr_calls;
	int result;		 /* of every call that can fail */
	const char *reload_text; /* complaints of reload() */
	bool answer_at_once;	 /* else by fake_core_answer() */

	/* What is open. */
	lp_op_cb op_cb;
	void *op_ctx;
	struct lp_result results[KVM_LPAGE_RANGES_MAX];
	size_t nr_results;
	struct lp_probed probed[KVM_LPAGE_PROBES_MAX];
	size_t nr_probed;
	uint32_t op;
	uint32_t op_vm;
	uint32_t refuse_reason; /* of every region asked for; 0: done */
	lp_refresh_cb refresh_cb;
	void *refresh_ctx;
	lp_hold_cb hold_cb;
	void *hold_ctx;
	lp_watch_cb watch_cb;
	void *watch_ctx;
	lp_record_cb record_cb;
	void *record_ctx;
};

extern const struct lp_core_ops fake_core_ops;

/* Two VMs, "web-1" (1) and "db" (7), and some regions; every name, number and age differs. */
void fake_core_init(struct fake_core *fake);
void fake_core_done(struct fake_core *fake);

/* Answers what is open, a refresh or an operation. @error: 0 or a negative errno. */
void fake_core_answer(struct fake_core *fake, int error);

/* Ends the hold of whoever has attached one. */
void fake_core_end_hold(struct fake_core *fake, const char *why);

/* Sends an event to whoever watches. */
void fake_core_event(struct fake_core *fake, const struct lp_watch_event *event);

/* Tells whoever records. */
void fake_core_record(struct fake_core *fake, const struct lp_record_event *event);

#endif
