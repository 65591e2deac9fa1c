/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest to measure on: private memory in one slot, a vCPU in 32-bit mode that reads or writes one word of each page when it
 * is told to. Functions end the program by err() where the host fails them.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES   4096ull
#define REGION_BYTES (2ull << 20)
#define REGION_PAGES 512ull

struct machine {
	int kvm, vm, vcpu, gmem;
	struct kvm_run *run;
	uint64_t base;	     /* GPA of the private slot, a multiple of 1 GiB */
	uint64_t bytes;	     /* of the slot */
	void *shared;	     /* the slot's shared side */
	uint8_t *low;	     /* what the guest runs, at GPA 0 */
	uint32_t vcpu_bytes; /* of @run */
};

/* @gmem_flags: of KVM_CREATE_GUEST_MEMFD. All memory is shared as yet: see machine_convert(). */
void machine_open(struct machine *m, uint64_t bytes, uint64_t gmem_flags);
void machine_close(struct machine *m);

/* Pages [@page, @page + @pages) of the slot become private or shared; shared ones are not punched out. */
void machine_convert(struct machine *m, uint64_t page, uint64_t pages, bool to_private);
/* Gives the host back what the guest_memfd has there. */
void machine_punch(struct machine *m, uint64_t page, uint64_t pages);
/* Maps a page as if the guest had touched it. */
void machine_fault(struct machine *m, uint64_t page);

enum touch { TOUCH_WRITE, TOUCH_READ };

/*
 * The guest touches @pages pages, in an order in which neighbours are a region and a page apart, beginning with the slot's
 * first one. The slot must have a power of two of regions, 512 at most.
 */
void machine_touch(struct machine *m, enum touch how, uint64_t pages);

/* A counter of KVM's binary statistics, of a VM's or a vCPU's descriptor. */
uint64_t kvm_stat(int fd, const char *name);

uint64_t now_ns(void);
int call(int fd, unsigned long request, void *arg, const char *what);

#endif
