// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "shim.h"
#include "td.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the clock of the local APICs */
#define CRYSTAL_KHZ 25000

enum { SLOT_RAM, SLOT_STAGING };

static int checked_ioctl(int fd, unsigned long request, void *argument, const char *name)
{
	int r = ioctl(fd, request, argument);

	if (r < 0)
		die("%s: %s", name, strerror(errno));
	return r;
}

#define IOCTL(fd, request, argument)                                                               \
	checked_ioctl(fd, request, (void *)(uintptr_t)(argument), #request)

static uint8_t *map_anonymous(uint64_t bytes)
{
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("no memory for the guest: %s", strerror(errno));
	return p;
}

static void add_memory(struct td *td)
{
	struct kvm_create_guest_memfd gmem = {.size = td->memory,
					      .flags = GUEST_MEMFD_FLAG_HUGE_2M};
	struct kvm_userspace_memory_region2 ram = {
		.slot = SLOT_RAM,
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = td->memory,
		.userspace_addr = (uintptr_t)td->shared,
	};
	struct kvm_userspace_memory_region2 staging = {
		.slot = SLOT_STAGING,
		.guest_phys_addr = STAGING_GPA,
		.memory_size = td->staging_size,
		.userspace_addr = (uintptr_t)td->staging,
	};
	struct kvm_memory_attributes attributes = {
		.size = td->memory,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};

	td->gmem = IOCTL(td->vm, KVM_CREATE_GUEST_MEMFD, &gmem);
	ram.guest_memfd = (uint32_t)td->gmem;
	IOCTL(td->vm, KVM_SET_USER_MEMORY_REGION2, &ram);
	IOCTL(td->vm, KVM_SET_USER_MEMORY_REGION2, &staging);
	IOCTL(td->vm, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
}

void td_create(struct td *td, uint64_t memory, uint64_t staging_size, unsigned int nr_cpus)
{
	struct kvm_enable_cap exits = {.cap = KVM_CAP_EXIT_HYPERCALL,
				       .args = {1 << KVM_HC_MAP_GPA_RANGE}};
	struct kvm_enable_cap apic_clock = {.cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS,
					    .args = {1000000 / CRYSTAL_KHZ}};
	struct kvm_pit_config pit = {0};

	*td = (struct td){.memory = memory, .staging_size = staging_size, .nr_cpus = nr_cpus};
	td->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (td->kvm < 0)
		die("/dev/kvm: %s", strerror(errno));
	if (!(IOCTL(td->kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) & 1 << KVM_X86_TDX_VM))
		die("KVM has no TDs here: boot the host with kvm_intel.sw_td=1");
	td->vm = IOCTL(td->kvm, KVM_CREATE_VM, KVM_X86_TDX_VM);
	td->shared = map_anonymous(memory);
	td->staging = map_anonymous(staging_size);
	add_memory(td);
	IOCTL(td->vm, KVM_ENABLE_CAP, &exits);
	IOCTL(td->vm, KVM_CREATE_IRQCHIP, 0);
	IOCTL(td->vm, KVM_ENABLE_CAP, &apic_clock);
	/* The rate by now: the default is that of when KVM was loaded, and where they differ no deadline of TSC ever comes. */
	IOCTL(td->vm, KVM_SET_TSC_KHZ, 0);
	IOCTL(td->vm, KVM_CREATE_PIT2, &pit);
}

void td_set_name(struct td *td, const char *name)
{
	struct kvm_lpage arg = {.cmd = KVM_LPAGE_SET_NAME};

	if (strlen(name) >= sizeof(arg.name))
		die("--name: at most %zu bytes", sizeof(arg.name) - 1);
	strcpy(arg.name, name);
	IOCTL(td->vm, KVM_LPAGE, &arg);
}

/* ---- the vCPU ---- */

#define CPUID_ENTRIES 128
#define NEW_ENTRIES   2

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
};

static struct kvm_cpuid_entry2 *find_leaf(struct cpuid *cpuid, uint32_t leaf)
{
	for (uint32_t i = 0; i < cpuid->head.nent; i++) {
		if (cpuid->entries[i].function == leaf)
			return &cpuid->entries[i];
	}
	die("KVM tells nothing of CPUID leaf 0x%x", leaf);
}

/* Leaf, register (0 to 3: EAX to EDX), bits that the guest must not see. */
static const struct {
	uint32_t leaf, reg, bits;
} hidden[] = {
	{1, 2,
	 1 << 3 | 1 << 12 | 1 << 26 | 1 << 27 | 1 << 28 |
		 1 << 29},			     /* MONITOR, FMA, XSAVE, OSXSAVE, AVX, F16C */
	{7, 1, 1 << 5},				     /* AVX2 */
	{7, 2, 1 << 9 | 1 << 10},		     /* VAES, VPCLMULQDQ */
	{0x80000001, 2, 1 << 2 | 1 << 11 | 1 << 16}, /* SVM, XOP, FMA4 */
};

static void hide_features(struct cpuid *cpuid)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, hidden[i].leaf);
		uint32_t *regs[] = {&leaf->eax, &leaf->ebx, &leaf->ecx, &leaf->edx};

		*regs[hidden[i].reg] &= ~hidden[i].bits;
	}
}

/*
 * No paravirtual clock, no nested guests, no encryption by the guest, no XSAVE, whose layout is not that of the CPUID here, no
 * topology of the host.
 */
static void drop_leaves(struct cpuid *cpuid)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->head.nent; i++) {
		uint32_t function = cpuid->entries[i].function;

		if (function >> 16 != 0x4000 && function != 0x8000000a && function != 0x8000001f &&
		    function != 0xb && function != 0xd)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->head.nent = kept;
}

/* Linux takes a TD on an AMD CPU for a guest with SEV: it has the name of an Intel CPU, of a model that has TDX. */
static void make_intel(struct cpuid *cpuid)
{
	enum { LEAF_TDX = 0x21, SAPPHIRE_RAPIDS = 0x806f8 };
	struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, 0);

	leaf->eax = LEAF_TDX;
	leaf->ebx = 0x756e6547; /* Genu */
	leaf->edx = 0x49656e69; /* ineI */
	leaf->ecx = 0x6c65746e; /* ntel */
	find_leaf(cpuid, 1)->eax = SAPPHIRE_RAPIDS;
	cpuid->entries[cpuid->head.nent++] = (struct kvm_cpuid_entry2){
		.function = LEAF_TDX,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.ebx = 0x65746e49, /* Inte */
		.edx = 0x5844546c, /* lTDX */
		.ecx = 0x20202020,
	};
}

/* The rate of TSC, as a TD is told it: by a crystal, which is the clock of the local APIC, too. */
static void set_tsc_rate(struct cpuid *cpuid, uint32_t tsc_khz)
{
	enum { LEAF_TSC = 0x15, PARTS = 100 };

	/* Linux multiplies in 32 bits. */
	cpuid->entries[cpuid->head.nent++] = (struct kvm_cpuid_entry2){
		.function = LEAF_TSC,
		.eax = PARTS,
		.ebx = tsc_khz / (CRYSTAL_KHZ / PARTS),
		.ecx = CRYSTAL_KHZ * 1000,
	};
}

static void set_apic_id(struct cpuid *cpuid, unsigned int id, unsigned int nr_cpus)
{
	enum { HTT = 1 << 28 };
	struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, 1);

	leaf->ebx = (leaf->ebx & 0xffff) | id << 24 | nr_cpus << 16;
	leaf->edx = (leaf->edx & ~HTT) | (nr_cpus > 1 ? HTT : 0);
}

static void set_cpuid(struct td *td, unsigned int nr)
{
	struct cpuid cpuid = {.head.nent = CPUID_ENTRIES - NEW_ENTRIES};

	IOCTL(td->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
	drop_leaves(&cpuid);
	hide_features(&cpuid);
	make_intel(&cpuid);
	set_apic_id(&cpuid, nr, td->nr_cpus);
	set_tsc_rate(&cpuid, (uint32_t)IOCTL(td->cpus[nr].fd, KVM_GET_TSC_KHZ, 0));
	IOCTL(td->cpus[nr].fd, KVM_SET_CPUID2, &cpuid);
}

/*
 * 64-bit mode with flat segments, as Linux's boot protocol wants it; the GDT is there once the shim has copied it. The local APIC
 * is in x2APIC mode, as that of every TD.
 */
static void set_registers(int vcpu, uint64_t rip, uint64_t argument, uint64_t cr3)
{
	enum {
		CR0_PE = 1 << 0,
		CR0_ET = 1 << 4,
		CR0_PG = 1U << 31,
		CR4_PAE = 1 << 5,
		EFER_LME = 1 << 8,
		EFER_LMA = 1 << 10,
		EFER_NXE = 1 << 11,
		APIC_BASE_X2APIC = 1 << 10
	};
	const struct kvm_segment code = {
		.limit = ~0U,
		.selector = 0x10,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	const struct kvm_segment data = {
		.limit = ~0U,
		.selector = 0x18,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	struct kvm_mp_state runnable = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_regs regs = {.rip = rip, .rdi = argument, .rflags = 2};
	struct kvm_sregs sregs;

	IOCTL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.cr3 = cr3;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA | EFER_NXE;
	sregs.apic_base |= APIC_BASE_X2APIC;
	sregs.gdt.base = TD_GDT_GPA;
	sregs.gdt.limit = 4 * 8 - 1;
	IOCTL(vcpu, KVM_SET_SREGS, &sregs);
	IOCTL(vcpu, KVM_SET_REGS, &regs);
	IOCTL(vcpu, KVM_SET_MP_STATE, &runnable);
}

void td_create_vcpu(struct td *td, unsigned int nr, uint64_t rip, uint64_t argument, uint64_t cr3)
{
	size_t run_size = (size_t)IOCTL(td->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct td_vcpu *vcpu = &td->cpus[nr];

	vcpu->fd = IOCTL(td->vm, KVM_CREATE_VCPU, nr);
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of vCPU %u: %s", nr, strerror(errno));
	set_cpuid(td, nr);
	set_registers(vcpu->fd, rip, argument, cr3);
}

void td_irq(struct td *td, unsigned int irq, bool level)
{
	struct kvm_irq_level line = {.irq = irq, .level = level};

	IOCTL(td->vm, KVM_IRQ_LINE, &line);
}

/* ---- conversions ---- */

static bool in_ram(const struct td *td, uint64_t gpa, uint64_t bytes)
{
	return gpa <= td->memory && bytes <= td->memory - gpa;
}

int td_convert(struct td *td, uint64_t gpa, uint64_t bytes, bool to_private)
{
	struct kvm_memory_attributes attributes = {
		.address = gpa,
		.size = bytes,
		.attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	if (!in_ram(td, gpa, bytes))
		return -EINVAL;
	if (ioctl(td->vm, KVM_SET_MEMORY_ATTRIBUTES, &attributes) < 0)
		return -errno;
	if (to_private)
		return madvise(td->shared + gpa, bytes, MADV_DONTNEED) < 0 ? -errno : 0;
	return fallocate(td->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)gpa,
			 (off_t)bytes) < 0 ?
		       -errno :
		       0;
}

void *td_shared(struct td *td, uint64_t gpa, uint64_t bytes)
{
	gpa &= ~TD_SHARED_BIT;
	return in_ram(td, gpa, bytes) ? td->shared + gpa : NULL;
}
