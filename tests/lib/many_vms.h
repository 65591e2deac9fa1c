/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many guests that start at the same time and then do nothing: what the manager makes of them. */
#ifndef TDX_LPAGE_TESTS_MANY_VMS_H
#define TDX_LPAGE_TESTS_MANY_VMS_H

#include <stdint.h>

struct many_vms {
	unsigned int nr_vms;
	uint64_t regions; /* of each guest's memory */
	unsigned int seconds;
};

struct many_counts {
	uint64_t known; /* VMs that were listed, have a name, limits and a complete dump of regions */
	uint64_t bytes; /* that the manager allocated and keeps */
	uint64_t requests;
	uint64_t failed_requests;
	uint64_t lost; /* events, and requests without an outcome */
	uint64_t lines;
	uint64_t warnings; /* of them, and worse */
	uint64_t turns;
	/* Wall time of what looks at every VM in one turn of the loop. */
	uint64_t status_ns; /* the status, ledgers of all VMs included */
	uint64_t behind_ns; /* that all VMs are to be read again */
};

/*
 * Starts the guests at one time, with a log interval of 10 s, and lets @vms->seconds pass. Bytes
 * are those of a host with a manager less those of the same host without one. Negative errno.
 */
int many_vms_run(const struct many_vms *vms, struct many_counts *ret);

#endif
