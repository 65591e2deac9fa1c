# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# The machine that runs the patched kernel in QEMU: options of QEMU and of the kernel. Sourced by bash scripts.
#   TCG_THREAD=single   for -icount

# Guests of KVM may not run on the first processor. When any processor loads x87 state (FXRSTOR, XRSTOR), QEMU clears IGNNE# of the
# first one: cpu_clear_ignne() loads its hflags2 and stores them again, from another thread. If the first processor has changed them
# in between, the change is lost: HF2_NPT_MASK at VMRUN or #VMEXIT, HF2_GIF_MASK at STGI. Seen: a guest has no nested
# paging and ends in a triple fault, or KVM's own instructions have it, and what #VMEXIT has saved is overwritten by state of the
# host. By QEMU's source, a lost STGI leaves interrupts off. The busier this system, the longer the thread may stand still in between.
machine=(-M q35 -accel "tcg,thread=${TCG_THREAD:-multi}" -cpu EPYC,+svm,+npt,phys-bits=48 -smp 3 -m 3G
	-display none -audio none -no-reboot)

# no_timer_check: on a busy system an emulated timer is too slow for the kernel's check of it, and the kernel would panic.
machine_append=no_timer_check
# The first process of an initramfs uses taskset.
[ "${TCG_THREAD-}" = single ] || machine_append+=' systemd.cpu_affinity=1-2'
