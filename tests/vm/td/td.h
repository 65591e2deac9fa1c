/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small VMM for software TDs: what an unmodified Linux TDX guest needs to boot, and no more.
 *
 * Functions that return nothing end the program by die() where the host fails them: a VMM without its VM has nothing left
 * to do. Addresses of guest memory are GPAs without the shared bit.
 */
#ifndef TD_H
#define TD_H

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TD_SHARED_BIT (1ULL << 47)
#define PAGE_4K	      0x1000ULL
#define PAGE_2M	      0x200000ULL
#define TD_MAX_CPUS   4

/* Where the shim, its page tables and what it copies are: shared memory, outside of what the guest takes for RAM. */
#define STAGING_GPA 0x100000000ULL

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- memory.c: the VM and its memory ---- */

struct td_counts {
	uint64_t to_shared_pages, to_private_pages; /* asked for by MapGPA */
	uint64_t faults;			    /* conversions that the guest did not ask for */
};

struct td_vcpu {
	int fd;
	struct kvm_run *run;
};

struct td {
	int kvm, vm, gmem;
	unsigned int nr_cpus;
	struct td_vcpu cpus[TD_MAX_CPUS];
	uint8_t *shared;  /* [0, memory) as far as it is shared */
	uint8_t *staging; /* at STAGING_GPA */
	uint64_t memory, staging_size;
	struct td_counts counts;
};

/* @memory: bytes of RAM, a multiple of 2 MiB, all private; @staging_size: likewise, shared; @nr_cpus: 1 to TD_MAX_CPUS */
void td_create(struct td *td, uint64_t memory, uint64_t staging_size, unsigned int nr_cpus);
/* What KVM calls the VM. */
void td_set_name(struct td *td, const char *name);
/* vCPU @nr, in 64-bit mode at @rip, with @argument in RDI; @cr3: in shared memory */
void td_create_vcpu(struct td *td, unsigned int nr, uint64_t rip, uint64_t argument, uint64_t cr3);

/* Makes pages shared or private, whole pages of [0, memory). The side that is left is given back to the host. */
int td_convert(struct td *td, uint64_t gpa, uint64_t bytes, bool to_private);

/*
 * Shared memory as the device sees it: NULL unless all of it is RAM. What of it is private reads as it was left: the device
 * sees no data of the guest then.
 */
void *td_shared(struct td *td, uint64_t gpa, uint64_t bytes);

/* ---- boot.c ---- */

struct td_boot {
	const char *kernel; /* bzImage */
	const char *initrd;
	const char *command_line;
};

/* Bytes that td_boot_load() needs in the staging area, a multiple of 2 MiB. */
uint64_t td_boot_size(const struct td_boot *boot);
/* Fills the staging area and creates the vCPUs, which start in the shim. */
void td_boot_load(struct td *td, const struct td_boot *boot);

/* ---- ports.c: devices. Callers serialize all calls. ---- */

struct td_devices;

/* @disk: image of a virtio disk, or NULL; @net: with a network card? */
struct td_devices *td_devices_new(struct td *td, const char *disk, bool net);
/* Of KVM_EXIT_IO. False: the guest asked for a reset. */
bool td_port_io(struct td_devices *devices, const struct kvm_run *run);

/* Of KVM_EXIT_MMIO, that is of a VMCALL after #VE. Where no device is, reads give all ones. */
void td_mmio(struct td_devices *devices, struct kvm_run *run);
/* How many of them a device has answered. */
uint64_t td_mmio_reads(const struct td_devices *devices);
/* Datagrams that the other end of the network has sent back. */
uint64_t td_echoed(const struct td_devices *devices);

void td_irq(struct td *td, unsigned int irq, bool level);

#endif
