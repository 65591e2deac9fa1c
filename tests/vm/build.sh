# SPDX-License-Identifier: GPL-2.0-or-later
# Where the stages get kernels and tools from. Sourced after lib.sh.
# VM_KERNEL, VM_KERNEL_MOD: other kernels than kernel/patches make, folders as kernel's build prints them;
# VM_TREE: the git tree that belongs to them.

# vm, mod or gcov: prints the folder with the kernel, which is built when it has to be.
kernel() {
	case $1 in
	vm) [ -z "${VM_KERNEL-}" ] || { echo "$VM_KERNEL"; return; } ;;
	mod) [ -z "${VM_KERNEL_MOD-}" ] || { echo "$VM_KERNEL_MOD"; return; } ;;
	esac
	make -s -C "$top/kernel" build KERNEL="$1" DEPS=skip
}

# The folder with what the patched tree gives to the guests.
tools() {
	local tree=${VM_TREE-}
	[ -n "$tree" ] || tree=$(make -s -C "$top/kernel" tree DEPS=skip)
	"$vm/mktools" "$tree" "$(kernel vm)/usr/include"
}
