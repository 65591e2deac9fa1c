/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rows of the table in verbs.c run. Each returns an exit code. */
#ifndef TDX_LPAGE_CTL_VERBS_H
#define TDX_LPAGE_CTL_VERBS_H

#include "daemon/ctl/ctl.h"

/* show.c */
int verb_status(struct ctl *ctl);
int verb_vm_list(struct ctl *ctl);
int verb_vm_show(struct ctl *ctl);

/* region_verbs.c */
int verb_region_list(struct ctl *ctl);
int verb_explain(struct ctl *ctl);

/* The regions of a VM by gate, as a table. */
void ctl_print_gates(struct ctl *ctl, const json_t *gates);

/* plan.c */
int verb_plan(struct ctl *ctl);

/* map.c */
int verb_region_map(struct ctl *ctl);

/* top.c */
int verb_top(struct ctl *ctl);

/* act.c */
int verb_merge(struct ctl *ctl);
int verb_split(struct ctl *ctl);
int verb_pause(struct ctl *ctl);
int verb_resume(struct ctl *ctl);
int verb_dry_run(struct ctl *ctl);
int verb_reload(struct ctl *ctl);

/*
 * Carries out an operation on the ranges of the command line, and prints what was refused. Takes the
 * reference to @params. Returns CTL_FAILED when a region was refused.
 */
int ctl_range_op(struct ctl *ctl, const char *method, json_t *params);

/* hold.c */
int verb_hold(struct ctl *ctl);
int verb_release(struct ctl *ctl);

/* probe.c */
int verb_probe(struct ctl *ctl);

/* conf.c */
int verb_config_show(struct ctl *ctl);
int verb_config_check(struct ctl *ctl);

/* watch.c */
int verb_watch(struct ctl *ctl);
int verb_wait(struct ctl *ctl);

/* record.c */
int verb_record(struct ctl *ctl);

/* doctor.c */
int verb_doctor(struct ctl *ctl);

/* simulate.c */
int verb_simulate(struct ctl *ctl);

/* tune.c */
int verb_tune(struct ctl *ctl);

/* help.c */
int verb_help(struct ctl *ctl);

/* complete.c */
int verb_complete(struct ctl *ctl);

#endif
