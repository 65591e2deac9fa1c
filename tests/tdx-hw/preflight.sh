# SPDX-License-Identifier: GPL-2.0-or-later
# What has to be there before a TD can be tested. Sourced by run; finds what is missing, changes nothing.

# The places where distributions put firmware for TDX guests.
firmware_places="/usr/share/ovmf/OVMF.inteltdx.fd /usr/share/ovmf/OVMF.inteltdx.ms.fd /usr/share/edk2/ovmf/OVMF.inteltdx.fd
	/usr/share/edk2/ovmf/OVMF.inteltdx.secboot.fd /usr/share/ovmf/OVMF.tdx.fd /usr/share/qemu/OVMF.fd /usr/share/ovmf/OVMF.fd"
# e47a6535-984a-4798-865e-4685a7bf8ec2, under which QEMU looks for the TDX metadata of a firmware (hw/i386/tdvf.c).
firmware_guid='\x35\x65\x7a\xe4\x4a\x98\x98\x47\x86\x5e\x46\x85\xa7\xbf\x8e\xc2'

nr_missing=0
# WHAT REMEDY
missing() {
	nr_missing=$((nr_missing + 1))
	printf '%smissing%s  %s\n         -> %s\n' "$red" "$off" "$1" "$2"
}
note() { printf '%snote%s     %s\n' "$yellow" "$off" "$1"; }

# MODULE PARAMETER WANTED(a shell pattern) WHAT-IT-MEANS REMEDY
need_parameter() {
	local value
	value=$(first_line "/sys/module/$1/parameters/$2")
	if [ -z "$value" ]; then
		missing "$1.$2: this kernel has no such parameter" "boot a kernel with the whole series (make -C kernel deb)"
		return
	fi
	# shellcheck disable=SC2254 # a pattern on purpose
	case $value in
	$3) ;;
	*) missing "$1.$2 is $value: $4" "$5" ;;
	esac
}

check_user() {
	[ "${TDX_HW_UID:-$(id -u)}" -eq 0 ] || missing "not root" "run it as root: netlink, /dev/kvm and the kernel's log need that"
}

check_programs() {
	local program
	for program in gcc make jq cpio busybox dmesg; do
		command -v $program >/dev/null || missing "$program" "make deps FOR=tdx-hw"
	done
	for program in "$lpctl" "$lpaged"; do
		[ -x "$program" ] || missing "$program is not built" "make"
	done
}

check_kvm() {
	if [ ! -d "$sysroot/sys/module/kvm" ]; then
		missing "kvm is not loaded" "modprobe kvm gmem_2m=1 lpage_mode=managed, then modprobe kvm_intel tdx=1"
		return
	fi
	need_parameter kvm tdp_mmu '[Y1]' "mirror page tables need the TDP MMU" "load kvm with tdp_mmu=1"
	need_parameter kvm lpage_mode '@(managed|fault)' "conversions are not counted from the first page on" \
		"echo managed >/sys/module/kvm/parameters/lpage_mode"
	need_parameter kvm gmem_2m '[Y1]' "private memory stays at 4 KiB" "echo 1 >/sys/module/kvm/parameters/gmem_2m"
	[ -c "$sysroot/dev/kvm" ] || [ -n "$sysroot" ] || missing "no /dev/kvm" "modprobe kvm_intel tdx=1"
}

check_tdx() {
	local tdx
	if [ ! -d "$sysroot/sys/module/kvm_intel" ]; then
		missing "kvm_intel is not loaded: this host has no Intel VMX, or it is off in the firmware" "modprobe kvm_intel tdx=1"
		return
	fi
	tdx=$(first_line /sys/module/kvm_intel/parameters/tdx)
	case $tdx in
	[Y1])
		need_parameter kvm_intel tdx_huge_pages '[Y1]' "TDX memory is mapped at 4 KiB" \
			"echo 1 >/sys/module/kvm_intel/parameters/tdx_huge_pages"
		case $(first_line /sys/module/kvm/parameters/nx_huge_pages) in
		[Y1]) missing "kvm.nx_huge_pages is on: TDX memory is mapped at 4 KiB" "load kvm with nx_huge_pages=off" ;;
		esac
		case $(first_line /sys/module/kvm_intel/parameters/tdx_demote_uninterrupted) in
		[N0]) note "this TDX module may interrupt splits (bit 51 of TDX_FEATURES0 is not set): some may be refused" ;;
		esac
		;;
	'') missing "kvm_intel.tdx: this kernel was built without TDX" "boot a kernel with CONFIG_INTEL_TDX_HOST=y and CONFIG_KVM_INTEL_TDX=y" ;;
	*)
		missing "kvm_intel.tdx is $tdx: no TDX guest can run here" \
			"turn TDX on in the firmware, load kvm_intel with tdx=1, and see: dmesg | grep -i tdx"
		;;
	esac
}

# What the doctor says of the host; the daemon does not run yet.
check_doctor() {
	local found
	[ -x "$lpctl" ] || return 0
	found=$("$lpctl" --socket "$socket" -o json doctor 2>/dev/null | jq -r '.checks[]
		| select(.verdict == "failed" and .name == "netlink family") | .text + "\t" + .remedy') || :
	[ -z "$found" ] || missing "tdx-lpctl doctor: ${found%%$'\t'*}" "${found#*$'\t'}"
}

check_qemu() {
	if ! command -v "$qemu" >/dev/null; then
		missing "QEMU: there is no $qemu" "install QEMU 10.1 or later, or say where it is: --qemu PATH"
	elif ! "$qemu" -object help 2>/dev/null | grep -qw tdx-guest; then
		missing "$qemu ($("$qemu" --version | head -n 1)) has no object tdx-guest" "use QEMU 10.1 or later: --qemu PATH"
	fi
}

check_firmware() {
	if [ -z "$firmware" ]; then
		missing "no firmware for TDX guests in the usual places" "install OVMF built for TDX (TDVF), or say where it is: --firmware FILE"
	elif [ ! -r "$firmware" ]; then
		missing "firmware $firmware cannot be read" "--firmware FILE"
	elif ! has_metadata "$firmware"; then
		missing "firmware $firmware has no TDX metadata" "use an OVMF built for TDX (TDVF): --firmware FILE"
	fi
}

has_metadata() { LC_ALL=C grep -aqP "$firmware_guid" "$1"; }

# The first firmware in its usual place that can start a TD; else nothing.
find_firmware() {
	local place
	for place in $firmware_places; do
		if [ -r "$sysroot$place" ] && has_metadata "$sysroot$place"; then
			echo "$sysroot$place"
			return
		fi
	done
}

# OPTION...: those that the guest's kernel must have built in. CONFIG_INTEL_TDX_GUEST is left out with --guest-only.
check_config() {
	local option config='' place
	for place in "$build/.config" "$sysroot/boot/config-$release"; do
		[ ! -r "$place" ] || config=${config:-$place}
	done
	if [ -z "$config" ]; then
		missing "the configuration of the guest's kernel $release" "put it to $build/.config or /boot/config-$release"
		return
	fi
	for option; do
		grep -q "^CONFIG_$option=y" "$config" ||
			missing "the guest's kernel $release lacks CONFIG_$option=y ($config)" "use another one: --image BZIMAGE --build TREE"
	done
	grep -q '^CONFIG_UNACCEPTED_MEMORY=y' "$config" ||
		note "the guest's kernel has no CONFIG_UNACCEPTED_MEMORY: the firmware accepts all memory, at its own page size"
}

check_guest_kernel() {
	if [ -z "$release" ]; then
		missing "guest kernel $image: not readable, or not a bzImage" "--image BZIMAGE"
		return
	fi
	{ [ -r "$build/Makefile" ] && [ -r "$build/Module.symvers" ]; } ||
		missing "no tree to build modules for $release in $build" "install its headers (linux-headers-$release), or --build TREE"
	check_config MODULES DEBUG_FS BLK_DEV_INITRD DEVTMPFS SERIAL_8250_CONSOLE "$@"
}

# Free blocks of 2 MiB: the columns of orders 9 and 10.
check_memory() {
	local free need=$(((memory >> 21) * 105 / 100))
	free=$(awk '{ n += $14 + 2 * $15 } END { print n + 0 }' "$sysroot/proc/buddyinfo")
	[ "$free" -ge "$need" ] ||
		missing "free memory: $free blocks of 2 MiB, a guest of $((memory >> 20)) MiB needs $need" \
			"echo 1 >/proc/sys/vm/compact_memory, end other programs, or use a smaller guest: --memory"
}

check_daemon() {
	local running=no
	[ ! -S "$sysroot/run/tdx-lpage/control" ] || ! ctl_running status >/dev/null 2>&1 || running=yes
	case $own_daemon:$running in
	yes:yes)
		missing "a tdx-lpaged is running, and the test starts its own with its own configuration" \
			"systemctl stop tdx-lpaged for as long as the test takes, or test that one as it is: --use-daemon"
		;;
	no:no) missing "no tdx-lpaged is running, though --use-daemon says so" "systemctl start tdx-lpaged" ;;
	esac
}
ctl_running() { "$lpctl" --socket "$sysroot/run/tdx-lpage/control" "$@"; }

# All that is missing, each with what helps. Returns 1 when anything is.
preflight() {
	check_programs
	if [ "$guest_only" = yes ]; then
		check_guest_kernel
	else
		check_user
		check_kvm
		check_tdx
		check_doctor
		check_daemon
		check_qemu
		check_firmware
		check_guest_kernel INTEL_TDX_GUEST
		check_memory
	fi
	[ $nr_missing -eq 0 ]
}
