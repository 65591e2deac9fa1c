/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMs that have due regions, served in turn. */
#ifndef TDX_LPAGE_POLICY_RING_H
#define TDX_LPAGE_POLICY_RING_H

struct policy_vm;

/* Enters a VM, to be served last of those that wait; one that is in the ring already stays where it is. */
void ring_add(struct policy_vm *vm);
void ring_remove(struct policy_vm *vm);

#endif
