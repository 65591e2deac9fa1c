# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scripts of this folder. Sourced by bash under `set -euo pipefail`.

hw=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$hw/../.." && pwd)
# Of the make that called us: its flags are not those of the makes that we call.
unset MAKEFLAGS MFLAGS MAKELEVEL
# For tests: where /sys, /proc, /dev, /boot and /lib/modules are looked up, and the programs under test.
sysroot=${TDX_HW_SYSROOT-}
lpctl=${TDX_LPCTL:-$top/build/tdx-lpctl}
lpaged=${TDX_LPAGED:-$top/build/tdx-lpaged}

if [ -t 1 ]; then
	green=$'\033[32m' red=$'\033[31m' yellow=$'\033[33m' off=$'\033[0m'
else
	green='' red='' yellow='' off=''
fi

begin=$SECONDS
say() { printf '%4d s  %s\n' "$((SECONDS - begin))" "$*"; }
# What went wrong with the run itself; the report says it too.
broken() { printf '%s\n' "$*" >"$work/broken"; printf '%s%s%s\n' "$red" "$*" "$off" >&2; exit 1; }

# WHAT SECONDS COMMAND...: waits until the command succeeds. Returns 1 when it has not within so many seconds.
wait_for() {
	local limit=$2 from=$SECONDS
	say "waiting for $1"
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $((SECONDS - from)) -lt "$limit" ] || return 1
		guest_lives || return 1
		sleep 0.2 # between two looks at the condition
	done
}

# "8G", "512M" -> bytes. Fails on anything else.
bytes_of() {
	local number=${1%[MG]}
	case $number in '' | *[!0-9]* | ???????*) return 1 ;; esac
	case $1 in
	*G) echo $((number << 30)) ;;
	*M) echo $((number << 20)) ;;
	*) return 1 ;;
	esac
}

# FILE: the release of a kernel in a bzImage; its header says where the text is.
release_of() {
	local at
	[ "$(dd if="$1" bs=1 skip=514 count=4 status=none 2>/dev/null)" = HdrS ] || return 1
	at=$(od -An -tu2 -j 526 -N 2 "$1")
	dd if="$1" bs=1 skip=$((at + 512)) count=128 status=none | tr '\0' ' ' | awk '{ print $1; exit }'
}

# FILE: its first line, below the system's root; nothing when there is none.
first_line() { [ ! -r "$sysroot$1" ] || head -n 1 "$sysroot$1"; }

ctl() { "$lpctl" --socket "$socket" -o json "$@"; }
