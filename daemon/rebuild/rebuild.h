/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a conversion trace (lptrace 1) out of what the kernel counts. Pure.
 *
 * KVM counts conversions per region and direction, and stamps the last one of each; a region is
 * looked at now and then. From one look to the next, this is rebuilt:
 *
 *  - One conversion in each direction, or in one, is exact: its time is the stamp. More than that
 *    are spread evenly from the look before to the stamps.
 *  - Which pages were converted is not known, only how many: pages are taken from the region's
 *    start.
 *  - A (accepted by the guest) is not seen by KVM. It is assumed to follow P at once, unless a merge
 *    was refused after the P because the guest had not accepted; then A comes half-way between
 *    the last such refusal and the first sign that it was accepted, or not at all.
 *  - A region that is at 4 KiB or shared when the recording begins gets an S, or S, P and A, at that
 *    time.
 *
 * Records come out in the order of their times, LAG_NS late: what is told after that is moved to the
 * time that was reached, and counted.
 */
#ifndef TDX_LPAGE_REBUILD_REBUILD_H
#define TDX_LPAGE_REBUILD_REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/trace/trace.h"

#define REBUILD_NEVER	   INT64_MIN
#define REBUILD_CYCLES_MAX 100 /* hidden ones that are written, per region and look */

/* A region at one look. Times are ns from the begin of the recording, before it negative. */
struct rebuild_observation {
	uint64_t rfn;
	uint32_t state; /* KVM_LPAGE_STATE_* */
	bool shared;	/* no page is private */
	uint32_t to_shared_pages;
	uint32_t to_private_pages;
	uint32_t to_shared_events;
	uint32_t to_private_events;
	int64_t to_shared_ns; /* REBUILD_NEVER */
	int64_t to_private_ns;
	uint32_t last_op;
	uint32_t last_reason;
	int64_t last_op_ns;
};

struct rebuild_vm {
	uint32_t id;	  /* the kernel's */
	const char *name; /* NULL: vm-N */
	uint64_t memory_bytes;
	uint64_t walk_ns_per_s;
	uint64_t notify_interval_ns;
	bool is_new; /* nothing was known of its regions when it was first told of */
};

/* Why a record, or what follows, is not what was seen. */
enum rebuild_mark {
	REBUILD_SEEN,
	REBUILD_WAS_TABLE,  /* at 4 KiB when the recording (or its VM) began */
	REBUILD_WAS_SHARED, /* some page shared then */
	REBUILD_BECAME_TABLE,
	REBUILD_HIDDEN,		   /* @number conversions between two looks, up to @until_ns */
	REBUILD_TRIED,		   /* an A, known from tries: refused at @until_ns */
	REBUILD_VM,		   /* of the kernel's id @number; raw recordings only */
	REBUILD_OBSERVATIONS_LOST, /* @number observations; no record */
	REBUILD_EVENTS_LOST,	   /* the kernel's events were lost; no record */
};

struct rebuild_out {
	struct trace_record record;
	enum rebuild_mark mark;
	uint64_t rfn; /* index of the region in the trace */
	uint64_t number;
	uint64_t until_ns;
	bool only_mark; /* there is no record */
};

struct rebuild_options {
	bool raw;	/* keep names and region numbers */
	uint64_t speed; /* of the host's clock, for a simulated one; 0 or 1: as ours */
	/* Takes what comes out. A negative errno ends the rebuilding; so does any other value. */
	int (*write)(void *ctx, const struct rebuild_out *out);
	/* A VM that was written turns out to have more regions. */
	int (*widen)(void *ctx, uint32_t trace_vm, uint64_t regions);
	void *ctx;
};

struct rebuild_stats {
	uint64_t vms;
	uint64_t records;
	uint64_t accepts_assumed;
	uint64_t accepts_tried;	       /* placed by tries */
	uint64_t accepts_contradicted; /* a refusal came after the A was written */
	uint64_t initial;	       /* regions */
	uint64_t hidden;	       /* conversions that were spread */
	uint64_t left_out;	       /* hidden ones beyond the most that are written */
	uint64_t late;
	uint64_t lost;
};

struct rebuild;

struct rebuild *rebuild_new(const struct rebuild_options *options);
/* NULL-safe; returns NULL. */
struct rebuild *rebuild_free(struct rebuild *rebuild);

/*
 * What is told. Each returns 0, -ENOMEM, or what @write or @widen returned. @now_ns is the time of
 * telling, which does not decrease.
 */
int rebuild_vm(struct rebuild *rebuild, uint64_t now_ns, const struct rebuild_vm *vm);
int rebuild_vm_gone(struct rebuild *rebuild, uint64_t now_ns, uint32_t vm_id);
/* Looks at regions of a VM that was not told of are left out. */
int rebuild_observe(struct rebuild *rebuild, uint64_t now_ns, uint32_t vm_id,
		    const struct rebuild_observation *observations, size_t nr);
/* All regions that were known have been told. */
void rebuild_synced(struct rebuild *rebuild);
/* @mark: REBUILD_OBSERVATIONS_LOST or REBUILD_EVENTS_LOST. */
int rebuild_gap(struct rebuild *rebuild, uint64_t now_ns, enum rebuild_mark mark, uint64_t number);
/* Nothing was told until now: writes what is old enough. */
int rebuild_advance(struct rebuild *rebuild, uint64_t now_ns);

/* Writes what is left, and the end. */
int rebuild_end(struct rebuild *rebuild, uint64_t now_ns);

/* Time of the last record that was written. */
uint64_t rebuild_reached_ns(const struct rebuild *rebuild);

const struct rebuild_stats *rebuild_stats(const struct rebuild *rebuild);

#endif
