/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accepts the memory, copies the kernel and its data there, and leaves for it. Runs at STAGING_GPA with no stack. Other vCPUs wait
 * until the kernel wants them, without PAUSE: each would exit to KVM.
 *   %rdi: struct td_shim
 */
#include "shim.h"

#define MEMORY 0(%r15)
#define NR_COPIES 8(%r15)
#define CR3 16(%r15)
#define ENTRY 24(%r15)
#define BOOT_PARAMS 32(%r15)
#define SWITCH_TO 40(%r15)
#define READY 48
#define COPIES 56
#define COPY_SIZE 24

/* The mailbox, and what it can say (ACPI 6.4, 5.2.12.19) */
#define COMMAND TD_MAILBOX_GPA
#define APIC_ID (TD_MAILBOX_GPA + 4)
#define WAKEUP_VECTOR (TD_MAILBOX_GPA + 8)
#define NOOP 0
#define WAKEUP 1
#define TEST 2

#define MSR_X2APIC_ID 0x802
#define TDG_MEM_PAGE_ACCEPT 6
#define LEVEL_2M 1
#define SIZE_4K 0x1000
#define SIZE_2M 0x200000

	.section .rodata
	.globl td_shim_start, td_shim_secondary, td_shim_wait, td_shim_switch, td_shim_end

	.macro accept
	movl $TDG_MEM_PAGE_ACCEPT, %eax
	.byte 0x66, 0x0f, 0x01, 0xcc	/* TDCALL */
	testq %rax, %rax
	.endm

td_shim_start:
	cld
	movq %rdi, %r15
	xorl %ebx, %ebx
1:	cmpq MEMORY, %rbx
	jae 4f
	leaq LEVEL_2M(%rbx), %rcx
	accept
	jz 3f
	xorl %ebp, %ebp
2:	leaq (%rbx, %rbp), %rcx
	accept
	jnz 7f
	addq $SIZE_4K, %rbp
	cmpq $SIZE_2M, %rbp
	jb 2b
3:	addq $SIZE_2M, %rbx
	jmp 1b

4:	movq NR_COPIES, %r14
	leaq COPIES(%r15), %r13
5:	testq %r14, %r14
	jz 6f
	movq 0(%r13), %rdi
	movq 8(%r13), %rsi
	movq 16(%r13), %rcx
	rep movsb
	addq $COPY_SIZE, %r13
	decq %r14
	jmp 5b

6:	movq $1, READY(%r15)
	movq CR3, %rax
	movq ENTRY, %rdx
	movq BOOT_PARAMS, %rsi
	jmp *SWITCH_TO

	/* A page that is neither accepted at 2M nor at 4K: the VMM prints status and GPA. */
7:	movl $TD_SHIM_FAILED_PORT, %edx
	shrq $32, %rax
	outl %eax, %dx
	movq %rcx, %rax
	shrq $12, %rax
	outl %eax, %dx
8:	hlt
	jmp 8b

	/* A vCPU but the first one: private memory cannot be used before all of it is accepted. */
td_shim_secondary:
1:	cmpq $0, READY(%rdi)
	je 1b
	movl $TD_WAIT_GPA, %eax
	jmp *%rax

	/* Runs at TD_WAIT_GPA, with no stack; the kernel jumps here with a vCPU that it stops, whatever its tables are then. */
td_shim_wait:
	cli
	movabsq $TD_SHIM_CR3, %rax
	movq %rax, %cr3
	movl $MSR_X2APIC_ID, %ecx
	rdmsr
	movl %eax, %ebx
1:	movzwl COMMAND, %eax
	testl %eax, %eax
	jz 1b
	cmpl APIC_ID, %ebx
	jne 1b
	/* Anew: that command was another vCPU's if the id was written in between. */
	movzwl COMMAND, %eax
	cmpl $TEST, %eax
	je 2f
	cmpl $WAKEUP, %eax
	jne 1b
	movq WAKEUP_VECTOR, %rdx
	movw $NOOP, COMMAND
	jmp *%rdx
2:	movw $NOOP, COMMAND
	jmp 1b

	/* Runs from private memory, which both sets of tables map. */
td_shim_switch:
	movq %rax, %cr3
	jmp *%rdx
td_shim_end:

	.section .note.GNU-stack, "", @progbits
