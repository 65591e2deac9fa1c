/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a trace says before any policy runs over it: its VMs, how long it is, what things cost. */
#ifndef TDX_LPAGE_REPORT_FACTS_H
#define TDX_LPAGE_REPORT_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/trace/trace.h"

struct report_vm {
	uint32_t id;
	uint64_t regions;
	uint64_t walk_ns_per_s;
	uint64_t start_ns;
	uint64_t end_ns;
	char name[TRACE_NAME_MAX + 1];
};

struct report_facts {
	struct trace_costs costs;
	struct report_vm *vms; /* sorted by id */
	size_t nr_vms;
	size_t vms_capacity;
	uint64_t regions; /* of all VMs */
	uint64_t records;
	uint64_t end_ns;
};

/* Reads @reader to its end. Negative errno; in any case, free with report_facts_done(). */
int report_facts_read(struct trace_reader *reader, struct report_facts *ret);

void report_facts_done(struct report_facts *facts);

/* NULL when there is no such VM. */
const struct report_vm *report_facts_vm(const struct report_facts *facts, uint32_t vm_id);

/*
 * How long an interval has to be for a merge and the split after it to pay, for the VM with the
 * highest page-walk cost and for the one with the lowest. False: no VM has a page-walk cost.
 */
bool report_break_even(const struct report_facts *facts, double *ret_least_ns, double *ret_most_ns);

#endif
