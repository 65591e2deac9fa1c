// SPDX-License-Identifier: GPL-2.0-or-later
#include <tdx-lpage/base.h>

#include "daemon/report/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_vm(struct report_facts *facts, const struct trace_record *record)
{
	struct report_vm *vm;

	if (array_reserve(&facts->vms, &facts->vms_capacity, facts->nr_vms + 1,
			  sizeof(*facts->vms)) < 0)
		return -ENOMEM;
	vm = &facts->vms[facts->nr_vms++];
	*vm = (struct report_vm){
		.id = record->vm_id,
		.regions = record->regions,
		.walk_ns_per_s = record->walk_ns_per_s,
		.start_ns = record->t_ns,
		.end_ns = UINT64_MAX,
	};
	memcpy(vm->name, record->name, sizeof(vm->name));
	facts->regions += record->regions;
	return 0;
}

/* VMs end seldom; they are not sorted yet. */
static void end_vm(struct report_facts *facts, const struct trace_record *record)
{
	for (size_t i = 0; i < facts->nr_vms; i++)
		if (facts->vms[i].id == record->vm_id)
			facts->vms[i].end_ns = record->t_ns;
}

static void end_all(struct report_facts *facts, uint64_t end_ns)
{
	facts->end_ns = end_ns;
	for (size_t i = 0; i < facts->nr_vms; i++)
		if (facts->vms[i].end_ns > end_ns)
			facts->vms[i].end_ns = end_ns;
}

static int by_id(const void *a, const void *b)
{
	const struct report_vm *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

int report_facts_read(struct trace_reader *reader, struct report_facts *ret)
{
	struct trace_record record;
	int more, err = 0;

	*ret = (struct report_facts){.costs = *trace_costs(reader)};
	while (!err && (more = trace_next(reader, &record)) > 0) {
		ret->records++;
		if (record.op == TRACE_VM)
			err = add_vm(ret, &record);
		else if (record.op == TRACE_VM_GONE)
			end_vm(ret, &record);
		else if (record.op == TRACE_END)
			end_all(ret, record.t_ns);
	}
	if (err || more < 0)
		return err ? err : more;
	if (ret->nr_vms)
		qsort(ret->vms, ret->nr_vms, sizeof(*ret->vms), by_id);
	return 0;
}

void report_facts_done(struct report_facts *facts)
{
	free(facts->vms);
	*facts = (struct report_facts){0};
}

const struct report_vm *report_facts_vm(const struct report_facts *facts, uint32_t vm_id)
{
	const struct report_vm key = {.id = vm_id};

	if (!facts->nr_vms)
		return NULL;
	return bsearch(&key, facts->vms, facts->nr_vms, sizeof(*facts->vms), by_id);
}

bool report_break_even(const struct report_facts *facts, double *ret_least_ns, double *ret_most_ns)
{
	double paid = (double)facts->costs.merge_ns + (double)facts->costs.split_ns;
	bool found = false;

	for (size_t i = 0; i < facts->nr_vms; i++) {
		double ns = 1e9 * paid / (double)facts->vms[i].walk_ns_per_s;

		if (!facts->vms[i].walk_ns_per_s)
			continue;
		if (!found || ns < *ret_least_ns)
			*ret_least_ns = ns;
		if (!found || ns > *ret_most_ns)
			*ret_most_ns = ns;
		found = true;
	}
	return found;
}
