/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods behind the table in methods.c; see there for what each does. */
#ifndef TDX_LPAGE_CONTROL_METHODS_H
#define TDX_LPAGE_CONTROL_METHODS_H

#include "daemon/control/call.h"

/* read.c: nothing changes. Those that can ask the kernel first are cancelled by method_unfresh(). */
void method_ping(struct control_call *call);
void method_status(struct control_call *call);
void method_list_vms(struct control_call *call);
void method_show_vm(struct control_call *call);
void method_list_regions(struct control_call *call);
void method_get_config(struct control_call *call);
void method_unfresh(struct control_call *call);

/*
 * For a method with the parameter "fresh": asks the kernel and has the method called again. Returns
 * true when @call is to go on later, or has ended.
 */
bool method_wait_fresh(struct control_call *call, uint32_t vm_id);

struct region_list {
	json_t *regions;
	size_t limit;
	uint64_t now_ns;
	json_t *next;
};

/*
 * Fills @list as far as its limit, and a slice of the VM's memory, go. Returns 0 or a negative errno;
 * what is in @list is the caller's to drop in either case.
 */
int method_regions(struct lp_core *core, uint32_t vm_id, struct lp_region_filter *filter,
		   struct region_list *list);

void method_get_shadow(struct control_call *call);

/* explain.c */
void method_explain(struct control_call *call);
void method_explain_vm(struct control_call *call);
void method_explain_vm_cancel(struct control_call *call);

/* plan.c; cancelled as explain_vm is. */
void method_plan_vm(struct control_call *call);

/* watch.c */
void method_watch(struct control_call *call);
void method_unwatch(struct control_call *call);

/* record.c */
void method_record(struct control_call *call);
void method_unrecord(struct control_call *call);
void method_record_drained(struct control_call *call);

/* write.c */
void method_reload(struct control_call *call);
void method_pause(struct control_call *call);
void method_resume(struct control_call *call);
void method_set_dry_run(struct control_call *call);

/* holds.c */
void method_hold_vm(struct control_call *call);
void method_hold_vm_attached(struct control_call *call);
void method_unhold_vm(struct control_call *call);
void method_release_vm(struct control_call *call);

/* range_ops.c */
void method_merge(struct control_call *call);
void method_split(struct control_call *call);
void method_hold(struct control_call *call);
void method_release(struct control_call *call);
void method_ranges_cancel(struct control_call *call);

/* probe.c */
void method_probe(struct control_call *call);
void method_probe_cancel(struct control_call *call);

#endif
