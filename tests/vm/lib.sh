# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scripts of this folder, on the host. Sourced by bash under `set -euo pipefail`.

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm/../.." && pwd)
cache=${TDX_LPAGE_CACHE:-$HOME/.cache/tdx-lpage}
out=$top/build/vm
# What the make that called us has exported: its job server and its flags are not for the makes that we call.
unset MAKEFLAGS MFLAGS MAKELEVEL

if [ -t 1 ]; then
	green=$'\033[32m' red=$'\033[31m' bold=$'\033[1m' off=$'\033[0m'
else
	green='' red='' bold='' off=''
fi

# Progress goes to stderr: some scripts print a path on stdout.
say() { printf '%s\n' "$*" >&2; }
die() { printf '%s%s%s\n' "$red" "$*" "$off" >&2; exit 1; }

# Prints a short hash of its input.
hash_of() { sha256sum | cut -c 1-16; }

# Prints a hash of the names, modes and contents of all files below the given paths.
hash_files() { find "$@" -type f -printf '%p %m\n' -exec sha256sum {} + | sort | hash_of; }

# Runs a command as root: the files of a root file system belong to root.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "needs root for: $1; run this as root, or install sudo"
		sudo "$@"
	fi
}
