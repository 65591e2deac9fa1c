// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOW_BYTES 0x10000u
#define CODE_GPA  0x1000u

/* EDI: address, ESI: step, EBX: end of the slot, EDX: its size, ECX: how many. */
#define TOUCH_LOOP(name, access)                                                                   \
	name ":\n"                                                                                 \
	     "1:	" access "\n"                                                              \
	     "	addl %esi, %edi\n"                                                                  \
	     "	cmpl %ebx, %edi\n"                                                                  \
	     "	jb 2f\n"                                                                            \
	     "	subl %edx, %edi\n"                                                                  \
	     "2:	decl %ecx\n"                                                                      \
	     "	jnz 1b\n"                                                                           \
	     "	hlt\n"

__asm__(".pushsection .rodata\n"
	".code32\n" TOUCH_LOOP("touch_write", "movl %ecx, (%edi)")
		TOUCH_LOOP("touch_read", "movl (%edi), %eax") "touch_end:\n"
							      ".code64\n"
							      ".popsection\n");
extern const uint8_t touch_write[], touch_read[], touch_end[];

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int call(int fd, unsigned long request, void *arg, const char *what)
{
	int r = ioctl(fd, request, arg);

	if (r < 0)
		err(1, "%s", what);
	return r;
}

static void *map(uint64_t bytes, int flags, int fd)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* 2 MiB mappings need the userspace address congruent with the GPA. The shared side itself is of small pages. */
static void *map_aligned(uint64_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint64_t at = (uintptr_t)map(bytes + REGION_BYTES, flags, -1);
	uint64_t aligned = (at + REGION_BYTES - 1) & ~(REGION_BYTES - 1);

	if (aligned > at)
		munmap((void *)at, aligned - at);
	if (aligned < at + REGION_BYTES)
		munmap((void *)(aligned + bytes), at + REGION_BYTES - aligned);
	if (madvise((void *)aligned, bytes, MADV_NOHUGEPAGE) && errno != EINVAL)
		err(1, "MADV_NOHUGEPAGE");
	return (void *)aligned;
}

static void add_slots(struct machine *m)
{
	struct kvm_userspace_memory_region2 low = {
		.memory_size = LOW_BYTES,
		.userspace_addr = (uintptr_t)m->low,
	};
	struct kvm_userspace_memory_region2 slot = {
		.slot = 1,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = m->base,
		.memory_size = m->bytes,
		.userspace_addr = (uintptr_t)m->shared,
		.guest_memfd = (uint32_t)m->gmem,
	};

	call(m->vm, KVM_SET_USER_MEMORY_REGION2, &low, "KVM_SET_USER_MEMORY_REGION2");
	call(m->vm, KVM_SET_USER_MEMORY_REGION2, &slot, "KVM_SET_USER_MEMORY_REGION2");
}

static void set_segment(struct kvm_segment *s, uint8_t type, uint16_t selector)
{
	*s = (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

/* Flat segments, no paging: a guest's address is a GPA. */
static void enter_protected_mode(struct machine *m)
{
	struct kvm_sregs sregs;

	call(m->vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cr0 |= 1;
	set_segment(&sregs.cs, 0xb, 8);
	set_segment(&sregs.ds, 3, 16);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	call(m->vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

void machine_open(struct machine *m, uint64_t bytes, uint64_t gmem_flags)
{
	struct kvm_create_guest_memfd gmem = {.size = bytes, .flags = gmem_flags};

	*m = (struct machine){.base = 1ull << 30, .bytes = bytes};
	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->kvm < 0)
		err(1, "/dev/kvm");
	m->vm = call(m->kvm, KVM_CREATE_VM, (void *)(uintptr_t)KVM_X86_SW_PROTECTED_VM,
		     "KVM_CREATE_VM");
	m->gmem = call(m->vm, KVM_CREATE_GUEST_MEMFD, &gmem, "KVM_CREATE_GUEST_MEMFD");
	m->low = map(LOW_BYTES, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memcpy(m->low + CODE_GPA, touch_write, (size_t)(touch_end - touch_write));
	m->shared = map_aligned(bytes);
	add_slots(m);
	m->vcpu = call(m->vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	m->vcpu_bytes =
		(uint32_t)call(m->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	m->run = map(m->vcpu_bytes, MAP_SHARED, m->vcpu);
	enter_protected_mode(m);
}

void machine_close(struct machine *m)
{
	munmap(m->run, m->vcpu_bytes);
	close(m->vcpu);
	close(m->gmem);
	close(m->vm);
	close(m->kvm);
	munmap(m->shared, m->bytes);
	munmap(m->low, LOW_BYTES);
}

void machine_convert(struct machine *m, uint64_t page, uint64_t pages, bool to_private)
{
	struct kvm_memory_attributes set = {
		.address = m->base + page * PAGE_BYTES,
		.size = pages * PAGE_BYTES,
		.attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	call(m->vm, KVM_SET_MEMORY_ATTRIBUTES, &set, "KVM_SET_MEMORY_ATTRIBUTES");
}

void machine_punch(struct machine *m, uint64_t page, uint64_t pages)
{
	if (fallocate(m->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(page * PAGE_BYTES), (off_t)(pages * PAGE_BYTES)))
		err(1, "FALLOC_FL_PUNCH_HOLE");
}

void machine_fault(struct machine *m, uint64_t page)
{
	struct kvm_pre_fault_memory range = {
		.gpa = m->base + page * PAGE_BYTES,
		.size = PAGE_BYTES,
	};

	call(m->vcpu, KVM_PRE_FAULT_MEMORY, &range, "KVM_PRE_FAULT_MEMORY");
}

void machine_touch(struct machine *m, enum touch how, uint64_t pages)
{
	const uint8_t *code = how == TOUCH_WRITE ? touch_write : touch_read;
	struct kvm_regs regs = {
		.rip = CODE_GPA + (uint64_t)(code - touch_write),
		.rflags = 2,
		.rdi = m->base,
		.rsi = REGION_BYTES + PAGE_BYTES,
		.rbx = m->base + m->bytes,
		.rdx = m->bytes,
		.rcx = pages,
	};

	call(m->vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	call(m->vcpu, KVM_RUN, NULL, "KVM_RUN");
	if (m->run->exit_reason != KVM_EXIT_HLT)
		errx(1, "the guest left for reason %u", m->run->exit_reason);
}

static void read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	if (pread(fd, buffer, bytes, (off_t)offset) != (ssize_t)bytes)
		err(1, "statistics of KVM");
}

uint64_t kvm_stat(int fd, const char *name)
{
	int stats = call(fd, KVM_GET_STATS_FD, NULL, "KVM_GET_STATS_FD");
	struct kvm_stats_header header;
	uint64_t value = 0;
	bool found = false;

	read_at(stats, &header, sizeof(header), 0);
	size_t bytes = sizeof(struct kvm_stats_desc) + header.name_size;
	struct kvm_stats_desc *desc = malloc(bytes);
	if (!desc)
		err(1, "malloc");
	for (uint32_t i = 0; i < header.num_desc && !found; i++) {
		read_at(stats, desc, bytes, header.desc_offset + i * bytes);
		found = strcmp(desc->name, name) == 0;
	}
	if (!found)
		errx(1, "KVM counts no \"%s\"", name);
	read_at(stats, &value, sizeof(value), header.data_offset + desc->offset);
	free(desc);
	close(stats);
	return value;
}
