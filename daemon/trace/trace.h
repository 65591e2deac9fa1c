/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversion traces in the format lptrace 1: a text file with one record per line.
 *
 *	lptrace 1
 *	cost merge_ns=30000 split_ns=45000 fail_ns=12000
 *	vm 1 name=web-1 regions=4096 walk_ns_per_s=12000
 *	<t> S <vm> <gfn> <npages>	private to shared
 *	<t> P <vm> <gfn> <npages>	back to private, not yet accepted
 *	<t> A <vm> <gfn> <npages>	accepted by the guest
 *	<t> W <vm> <rfn> <ns_per_s>	true page-walk cost of a region from now on
 *	<t> N <vm> name=.. regions=.. walk_ns_per_s=..	a VM started later
 *	<t> X <vm>			VM gone
 *	end <t>				required
 *
 * Times are ns from the start and do not decrease. # starts a comment line. Lines may end in CR LF. Everything else is an
 * error. Reading and writing are streaming: memory does not grow with the length of a trace, only
 * with the number of its VMs.
 */
#ifndef TDX_LPAGE_TRACE_TRACE_H
#define TDX_LPAGE_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_NAME_MAX	  63
#define TRACE_REGIONS_MAX ((UINT64_C(1) << 31) - 1)
#define TRACE_COST_MAX	  UINT64_C(1000000000000)
#define TRACE_TIME_MAX	  (UINT64_C(1) << 62)
#define TRACE_LINE_MAX	  4096

enum trace_op {
	TRACE_TO_SHARED,  /* S */
	TRACE_TO_PRIVATE, /* P */
	TRACE_ACCEPT,	  /* A */
	TRACE_WALK,	  /* W */
	TRACE_VM,	  /* N, and the header's vm lines with time 0 */
	TRACE_VM_GONE,	  /* X */
	TRACE_END,
};

struct trace_costs {
	uint64_t merge_ns;
	uint64_t split_ns;
	uint64_t fail_ns;
};

struct trace_record {
	uint64_t t_ns;
	enum trace_op op;
	uint32_t vm_id;
	union {
		struct {
			uint64_t gfn;
			uint64_t npages;
		};
		struct {
			uint64_t rfn;
			uint64_t walk_ns_per_s; /* of the region; of all regions for TRACE_VM */
			uint64_t regions;	/* TRACE_VM */
		};
	};
	char name[TRACE_NAME_MAX + 1]; /* TRACE_VM only, else not set */
};

struct trace_reader;

/*
 * Opens the trace at @path ("-": standard input) and reads its header up to the costs. Negative
 * errno, with one line in trace_error() when *@ret is set all the same: free it in any case.
 */
int trace_open(const char *path, struct trace_reader **ret);

/* The same on @len bytes at @text, which the caller keeps; @name is for messages. */
int trace_open_buffer(const char *name, const char *text, size_t len, struct trace_reader **ret);

/* NULL-safe; returns NULL. */
struct trace_reader *trace_close(struct trace_reader *reader);

static inline void trace_closep(struct trace_reader **reader)
{
	trace_close(*reader);
}

const struct trace_costs *trace_costs(const struct trace_reader *reader);

/*
 * Reads the next record. Returns 1 and the record (TRACE_END is the last), 0 after it, -EINVAL with
 * "FILE:LINE: what" in trace_error(), or another negative errno when reading failed.
 */
int trace_next(struct trace_reader *reader, struct trace_record *ret);

/*
 * From now on, a trace without "end", as a kill or a full disk leaves it, ends after its last whole
 * record: trace_next() returns a TRACE_END with the time of that one.
 */
void trace_salvage(struct trace_reader *reader);

/* Was it cut off? "FILE:LINE: what", of a trace that was read to its end; "" when it was not. */
const char *trace_cut(const struct trace_reader *reader);

/* Where the last whole line that was read ends, in bytes, and the time of its record. */
uint64_t trace_whole_bytes(const struct trace_reader *reader, uint64_t *ret_last_ns);

/* What is wrong, one line; "" when nothing is. */
const char *trace_error(const struct trace_reader *reader);

/* Writes the header's first two lines. The functions return 0 or the negative errno of @f. */
int trace_write_header(FILE *f, const struct trace_costs *costs);

/* Writes one record; a TRACE_VM at time 0 before any other record becomes a header line. */
int trace_write_record(FILE *f, const struct trace_record *record, bool header);

/*
 * Writes a TRACE_VM whose number of regions can be raised later: it is padded with zeros. *ret_at is
 * where it stands in @f, which has to be seekable.
 */
int trace_write_vm(FILE *f, const struct trace_record *record, bool header, long *ret_at);

/* Raises the number of regions of a VM that trace_write_vm() wrote. Flushes @f. */
int trace_raise_regions(FILE *f, long at, uint64_t regions);

/* Is @name one that a trace can hold? */
bool trace_name_ok(const char *name, size_t len);

#endif
