/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is kept of a VM or a rule while a scrape is under way: the values of its samples. Nothing in
 * it ends with the VM or the configuration.
 */
#ifndef TDX_LPAGE_METRICS_SAMPLES_H
#define TDX_LPAGE_METRICS_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/metrics/families.h"

struct lp_rule_snapshot;
struct lp_vm_snapshot;

#define METRICS_ONE(...)   +1
#define METRICS_VM_VALUES  (METRICS_VM(METRICS_ONE) METRICS_VM_LABELLED(METRICS_ONE))
#define METRICS_LABELS_MAX 96 /* vm="4294967295",name="..." */

/* A sample of every subject. Those of one family follow each other. */
struct metrics_row {
	enum metrics_id family;
	const char *label; /* beside those of the subject, NULL: none */
	const char *value; /* of the label, NULL: the subject's .word */
};

struct metrics_rows {
	const struct metrics_row *rows;
	size_t nr;
};

extern const struct metrics_rows metrics_vm_rows;
extern const struct metrics_rows metrics_rule_rows;

struct metrics_subject {
	char labels[METRICS_LABELS_MAX]; /* without braces */
	const char *word;		 /* a literal */
	double values[METRICS_VM_VALUES];
};

/* @names: with the label "name", which is confidential. */
void metrics_take_vm(const struct lp_vm_snapshot *vm, bool names, struct metrics_subject *ret);
void metrics_take_rule(const struct lp_rule_snapshot *rule, struct metrics_subject *ret);

#endif
