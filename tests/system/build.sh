#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make` compiles for somebody who only wants to use it. Prints TAP.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$TDX_LPAGE_SRC" || exit 1
# Those of the make that runs this test are not for the one asked here.
unset MAKEFLAGS MFLAGS MAKELEVEL

# TARGET: do all the sources that it compiles from nothing do without the packages of `make check`?
builds_alone() {
	make -n DEPS=skip BUILD="$dir/build" "$1" |
		sed -nE 's/^(gcc .*) -MMD -MP -c -o [^ ]+ ([^ ]+\.c)$/\1 -M \2/p' >"$dir/commands"
	grep -q 'daemon/main\.c$' "$dir/commands" || { echo "make -n $1 does not say what it compiles"; return 1; }
	sh -e "$dir/commands" >"$dir/includes" || return 1
	! grep -w 'cmocka\.h' "$dir/includes"
}

# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
echo 1..2
check 'make needs no package of the tests' builds_alone all
check 'nor does make demo' builds_alone demo
