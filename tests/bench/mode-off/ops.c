// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in a guest kernel whose clock counts instructions: what do the operations cost that the series touches, in a VM whose
 * kvm-lpage mode is off? Prints `NAME INSTRUCTIONS`, the least of many samples, so that a timer tick in between does not count.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	 4096ull
#define PAGES	 2048ull
#define BASE_GPA 0x100000000ull
#define SAMPLES	 400

struct vm {
	int fd;
	int vcpu;
	int gmem;
	struct kvm_run *run;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int call(int fd, unsigned long request, void *arg, const char *what)
{
	int r = ioctl(fd, request, arg);

	if (r < 0)
		err(1, "%s", what);
	return r;
}

static void convert(struct vm *vm, uint64_t page, uint64_t pages, uint64_t attributes)
{
	struct kvm_memory_attributes set = {
		.address = BASE_GPA + page * PAGE,
		.size = pages * PAGE,
		.attributes = attributes,
	};

	call(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &set, "KVM_SET_MEMORY_ATTRIBUTES");
}

static void open_vm(struct vm *vm)
{
	struct kvm_create_guest_memfd gmem = {.size = PAGES * PAGE};
	struct kvm_userspace_memory_region2 slot = {
		.slot = 1,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = BASE_GPA,
		.memory_size = PAGES * PAGE,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int size;

	if (kvm < 0)
		err(1, "/dev/kvm");
	vm->fd = call(kvm, KVM_CREATE_VM, (void *)(uintptr_t)KVM_X86_SW_PROTECTED_VM,
		      "KVM_CREATE_VM");
	vm->gmem = call(vm->fd, KVM_CREATE_GUEST_MEMFD, &gmem, "KVM_CREATE_GUEST_MEMFD");
	slot.guest_memfd = (uint32_t)vm->gmem;
	slot.userspace_addr = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	call(vm->fd, KVM_SET_USER_MEMORY_REGION2, &slot, "KVM_SET_USER_MEMORY_REGION2");
	vm->vcpu = call(vm->fd, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	size = call(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		err(1, "kvm_run");
	convert(vm, 0, PAGES, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static void fault(struct vm *vm, uint64_t page)
{
	struct kvm_pre_fault_memory range = {.gpa = BASE_GPA + page * PAGE, .size = PAGE};

	call(vm->vcpu, KVM_PRE_FAULT_MEMORY, &range, "KVM_PRE_FAULT_MEMORY");
}

static void fault_op(struct vm *vm, uint64_t i)
{
	fault(vm, i + 1);
}

static void to_shared(struct vm *vm, uint64_t i)
{
	convert(vm, i + 1, 1, 0);
}

static void to_private(struct vm *vm, uint64_t i)
{
	convert(vm, i + 1, 1, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static void punch(struct vm *vm, uint64_t i)
{
	if (fallocate(vm->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)((i + 1) * PAGE),
		      PAGE))
		err(1, "FALLOC_FL_PUNCH_HOLE");
}

/* KVM_RUN up to where it looks at immediate_exit. */
static void run_op(struct vm *vm, uint64_t i)
{
	(void)i;
	vm->run->immediate_exit = 1;
	ioctl(vm->vcpu, KVM_RUN, NULL);
}

static void measure(struct vm *vm, const char *name, void (*op)(struct vm *vm, uint64_t i))
{
	uint64_t least = UINT64_MAX;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t begin = now_ns();
		uint64_t took;

		op(vm, i);
		took = now_ns() - begin;
		if (took < least)
			least = took;
	}
	printf("%s %llu\n", name, (unsigned long long)least);
}

int main(void)
{
	struct vm vm;

	open_vm(&vm);
	/* The upper levels of the page tables, and slabs. */
	fault(&vm, 0);
	run_op(&vm, 0);
	measure(&vm, "fault-private", fault_op);
	measure(&vm, "fault-again", fault_op);
	measure(&vm, "to-shared", to_shared);
	measure(&vm, "to-private", to_private);
	measure(&vm, "fault-back", fault_op);
	measure(&vm, "punch-hole", punch);
	measure(&vm, "kvm-run", run_op);
	return 0;
}
