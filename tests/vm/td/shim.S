/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accepts the memory, copies the kernel and its data there, and leaves for it. Runs at STAGING_GPA with no stack.
 *   %rdi: struct td_shim
 */
#include "shim.h"

#define MEMORY 0(%r15)
#define NR_COPIES 8(%r15)
#define CR3 16(%r15)
#define ENTRY 24(%r15)
#define BOOT_PARAMS 32(%r15)
#define SWITCH_TO 40(%r15)
#define COPIES 48
#define COPY_SIZE 24

#define TDG_MEM_PAGE_ACCEPT 6
#define LEVEL_2M 1
#define SIZE_4K 0x1000
#define SIZE_2M 0x200000

	.section .rodata
	.globl td_shim_start, td_shim_switch, td_shim_end

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

6:	movq CR3, %rax
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

	/* Runs from private memory, which both sets of tables map. */
td_shim_switch:
	movq %rax, %cr3
	jmp *%rdx
td_shim_end:

	.section .note.GNU-stack, "", @progbits
