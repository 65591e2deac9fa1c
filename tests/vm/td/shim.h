/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the shim is told. It runs in the guest, in shared memory, before Linux. */
#ifndef TD_SHIM_H
#define TD_SHIM_H

#define TD_SHIM_ARGUMENT    0x1000 /* offset in the staging area */
#define TD_SHIM_COPIES	    9
#define TD_SHIM_FAILED_PORT 0xf4

/* Private memory that the shim leaves to the kernel, which takes both over. */
#define TD_SWITCH_GPA 0x7000
#define TD_GDT_GPA    0x8000

/* Private memory that is not the kernel's to use: ACPI tables, the mailbox, and the loop of vCPUs that wait for its words. */
#define TD_ACPI_GPA    0x9c000
#define TD_MAILBOX_GPA 0x9e000
#define TD_WAIT_GPA    0x9f000
/* CR3 of the shim, and of vCPUs that wait: tables in the staging area, which no kernel touches. */
#define TD_SHIM_CR3 0x800100002000

#ifndef __ASSEMBLER__
#include <stdint.h>

struct td_shim_copy {
	uint64_t to;   /* private GPA, mapped by itself */
	uint64_t from; /* in the staging area, mapped by itself */
	uint64_t bytes;
};

/* shim.S knows the offsets. */
struct td_shim {
	uint64_t memory; /* bytes to accept from 0 on */
	uint64_t nr_copies;
	uint64_t cr3;	      /* tables in private memory */
	uint64_t entry;	      /* of the kernel */
	uint64_t boot_params; /* its argument */
	uint64_t switch_to;   /* where the end of the shim was copied to */
	uint64_t ready;	      /* memory can be used: set by the first vCPU */
	struct td_shim_copy copies[TD_SHIM_COPIES];
};

extern const uint8_t td_shim_start[], td_shim_secondary[], td_shim_wait[], td_shim_switch[],
	td_shim_end[];
#endif

#endif
