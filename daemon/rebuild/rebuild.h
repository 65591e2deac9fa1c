/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reconstructs a conversion trace (lptrace 1) from the kernel's counters. No I/O, no clock.
 *
 * KVM counts conversions per region and direction, and keeps the time of the last one of each. From
 * one observation of a region to the next, the following is reconstructed:
 *
 *  - A single conversion per direction is exact: its time is the kernel's. Several ones are spread
 *    evenly between the previous observation and the kernel's times.
 *  - Only the number of converted pages is known: pages are counted from the start of the region.
 *  - A (accepted by the guest) is not visible to KVM. It is assumed to follow P immediately, unless a
 *    merge was refused after the P because the guest had not accepted; then A is placed halfway
 *    between the last such refusal and the first sign of acceptance, or omitted.
 *  - A region that is at 4 KiB or shared at the start of the recording gets an S, or S, P and A, at
 *    that time.
 *
 * Records are written in order of time, LAG_NS late; later once a refusal has come too late for that. A record that is older than what was written
 * already is moved to the time reached, and counted as late.
 */
#ifndef TDX_LPAGE_REBUILD_REBUILD_H
#define TDX_LPAGE_REBUILD_REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/trace/trace.h"

#define REBUILD_NEVER	   INT64_MIN
#define REBUILD_CYCLES_MAX 100 /* hidden cycles written per region and observation */

/* A region as observed. Times in ns since the start of the recording, negative before it. */
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
	bool is_new; /* no region was known when it was first reported */
};

/* Why a record, or what follows it, is not an observation. */
enum rebuild_mark {
	REBUILD_SEEN,
	REBUILD_WAS_TABLE,  /* at 4 KiB at the start of the recording, or of its VM */
	REBUILD_WAS_SHARED, /* some page shared at that time */
	REBUILD_BECAME_TABLE,
	REBUILD_HIDDEN, /* @number conversions between two observations, up to @until_ns */
	REBUILD_TRIED,	/* an A, inferred from a refusal at @until_ns */
	REBUILD_VM,	/* of the kernel's id @number; raw recordings only */
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
	/* Writes a record. Any value but 0 ends the reconstruction and is returned. */
	int (*write)(void *ctx, const struct rebuild_out *out);
	/* A VM that was already written has more regions. */
	int (*widen)(void *ctx, uint32_t trace_vm, uint64_t regions);
	void *ctx;
};

struct rebuild_stats {
	uint64_t vms;
	uint64_t records;
	uint64_t accepts_assumed;
	uint64_t accepts_tried;	       /* inferred from refusals */
	uint64_t accepts_contradicted; /* refused after the A was written */
	uint64_t initial;	       /* regions */
	uint64_t hidden;	       /* conversions spread between observations */
	uint64_t left_out;	       /* hidden conversions beyond REBUILD_CYCLES_MAX */
	uint64_t late;
	uint64_t lost;
};

struct rebuild;

struct rebuild *rebuild_new(const struct rebuild_options *options);
/* NULL-safe; returns NULL. */
struct rebuild *rebuild_free(struct rebuild *rebuild);

/*
 * Input. Each returns 0, -ENOMEM, or what @write or @widen returned. @now_ns is the time of the
 * report and does not decrease.
 */
int rebuild_vm(struct rebuild *rebuild, uint64_t now_ns, const struct rebuild_vm *vm);
int rebuild_vm_gone(struct rebuild *rebuild, uint64_t now_ns, uint32_t vm_id);
/* Observations of unknown VMs are ignored. */
int rebuild_observe(struct rebuild *rebuild, uint64_t now_ns, uint32_t vm_id,
		    const struct rebuild_observation *observations, size_t nr);
/* All regions known at the start have been reported. */
void rebuild_synced(struct rebuild *rebuild);
/* @mark: REBUILD_OBSERVATIONS_LOST or REBUILD_EVENTS_LOST. */
int rebuild_gap(struct rebuild *rebuild, uint64_t now_ns, enum rebuild_mark mark, uint64_t number);
/* Nothing was reported until @now_ns: writes the records that are due. */
int rebuild_advance(struct rebuild *rebuild, uint64_t now_ns);

/* Writes the remaining records and the end. */
int rebuild_end(struct rebuild *rebuild, uint64_t now_ns);

/* Time of the last record that was written. */
uint64_t rebuild_reached_ns(const struct rebuild *rebuild);

const struct rebuild_stats *rebuild_stats(const struct rebuild *rebuild);

#endif
