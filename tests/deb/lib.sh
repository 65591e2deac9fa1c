# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Shared by check and debian13: the package, and a root for it. Sourced with $top set, in $top.
. "$top/tests/vm/lib.sh"
out=$(dirname "${TDX_LPAGE_BUILD:-$top/build/san}")/deb
dir=$(mktemp -d) root=
trap 'rm -rf "$dir"' EXIT
. "$top/tests/lib/tap.sh"

# OPTION...: of dpkg-buildpackage
builds() { "$top/scripts/deb" "$out" "$@"; }

# SUITE DEPENDS PURPOSE...: sets root
has_root() { root=$("$top/scripts/debian-root" "$@"); }

# What the steps within the root read, from /mnt.
given() {
	mkdir "$dir/given" && cp -r tests/deb tests/lib/tap.sh "$dir/given" && cp --parents -r debian/tests tests/traces/recorded "$dir/given" &&
		cp "$@" "$dir/given"
}

# SCRIPT ARGUMENT...: of tests/deb, in the root, in place of this one
enter() {
	as_root "$top/scripts/in-root" -m "$dir/given" "$root" bash "/mnt/deb/$1" "${@:2}"
}
