// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "daemon/trace/trace.h"

static int result(FILE *f, int written)
{
	(void)f;
	return written < 0 ? -(errno ? errno : EIO) : 0;
}

int trace_write_header(FILE *f, const struct trace_costs *costs)
{
	return result(f, fprintf(f,
				 "lptrace 1\ncost merge_ns=%" PRIu64 " split_ns=%" PRIu64
				 " fail_ns=%" PRIu64 "\n",
				 costs->merge_ns, costs->split_ns, costs->fail_ns));
}

static int write_vm(FILE *f, const struct trace_record *record, bool header)
{
	if (header)
		fputs("vm", f);
	else
		fprintf(f, "%" PRIu64 " N", record->t_ns);
	return fprintf(f, " %" PRIu32 " name=%s regions=%" PRIu64 " walk_ns_per_s=%" PRIu64 "\n",
		       record->vm_id, record->name, record->regions, record->walk_ns_per_s);
}

int trace_write_record(FILE *f, const struct trace_record *record, bool header)
{
	static const char letters[] = {'S', 'P', 'A'};

	switch (record->op) {
	case TRACE_VM:
		return result(f, write_vm(f, record, header));
	case TRACE_WALK:
		return result(f, fprintf(f, "%" PRIu64 " W %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
					 record->t_ns, record->vm_id, record->rfn,
					 record->walk_ns_per_s));
	case TRACE_VM_GONE:
		return result(f, fprintf(f, "%" PRIu64 " X %" PRIu32 "\n", record->t_ns,
					 record->vm_id));
	case TRACE_END:
		return result(f, fprintf(f, "end %" PRIu64 "\n", record->t_ns));
	default:
		return result(f, fprintf(f, "%" PRIu64 " %c %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
					 record->t_ns, letters[record->op], record->vm_id,
					 record->gfn, record->npages));
	}
}

int trace_write_vm(FILE *f, const struct trace_record *record, bool header, long *ret_at)
{
	if (header)
		fprintf(f, "vm %" PRIu32, record->vm_id);
	else
		fprintf(f, "%" PRIu64 " N %" PRIu32, record->t_ns, record->vm_id);
	fprintf(f, " name=%s walk_ns_per_s=%" PRIu64 " regions=", record->name,
		record->walk_ns_per_s);
	*ret_at = ftell(f);
	if (*ret_at < 0)
		return -errno;
	return result(f, fprintf(f, "%010" PRIu64 "\n", record->regions));
}

int trace_raise_regions(FILE *f, long at, uint64_t regions)
{
	char digits[16];
	int len = snprintf(digits, sizeof(digits), "%010" PRIu64, regions);

	if (fflush(f) == EOF)
		return -errno;
	if (pwrite(fileno(f), digits, (size_t)len, at) != len)
		return -(errno ? errno : EIO);
	return 0;
}
