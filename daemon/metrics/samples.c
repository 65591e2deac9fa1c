// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/metrics/samples.h"

#include <math.h>
#include <stdio.h>

#include <tdx-lpage/base.h>

#include "daemon/core/snapshot.h"

#define ROW(name, ...)			       {METRICS_ID_##name, NULL, NULL},
#define LABELLED_ROW(name, label, word, value) {METRICS_ID_##name, label, word},

static const struct metrics_row vm_rows[] = {METRICS_VM(ROW) METRICS_VM_LABELLED(LABELLED_ROW)};
static const struct metrics_row rule_rows[] = {METRICS_RULE(ROW)};

_Static_assert(ARRAY_SIZE(vm_rows) == METRICS_VM_VALUES, "a value for each row");
_Static_assert(ARRAY_SIZE(rule_rows) <= METRICS_VM_VALUES, "a value for each row");

const struct metrics_rows metrics_vm_rows = {vm_rows, ARRAY_SIZE(vm_rows)};
const struct metrics_rows metrics_rule_rows = {rule_rows, ARRAY_SIZE(rule_rows)};

#define TAKE(name, type, unit, help, value)	ret->values[i++] = (double)(value);
#define TAKE_LABELLED(name, label, word, value) ret->values[i++] = (double)(value);

/* Names of VMs and rules have no character that needs escaping. */
void metrics_take_vm(const struct lp_vm_snapshot *v, bool names, struct metrics_subject *ret)
{
	size_t i = 0;

	if (names)
		snprintf(ret->labels, sizeof(ret->labels), "vm=\"%u\",name=\"%s\"", v->vm.id,
			 v->identity.name);
	else
		snprintf(ret->labels, sizeof(ret->labels), "vm=\"%u\"", v->vm.id);
	ret->word = lpage_reason_name(v->gate);
	METRICS_VM(TAKE)
	METRICS_VM_LABELLED(TAKE_LABELLED)
}

void metrics_take_rule(const struct lp_rule_snapshot *r, struct metrics_subject *ret)
{
	size_t i = 0;

	snprintf(ret->labels, sizeof(ret->labels), "rule=\"%s\"", r->rule);
	ret->word = "";
	METRICS_RULE(TAKE)
}
