#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the shell tests wait with: that it says what was waited for in vain. Prints TAP.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. "${TDX_LPAGE_SRC:-.}/tests/lib/tap.sh"

comes_late() {
	echo look >>"$dir/looks"
	[ "$(wc -l <"$dir/looks")" -ge 3 ]
}

never() {
	echo "no $*"
	return 1
}

in_vain() {
	local wait_s=0
	! wait_for 'the end of time' never again >"$dir/told" && printf '%s\n' 'waited 0 s in vain for: the end of time' 'no again' | diff - "$dir/told"
}

after_its_process() {
	true &
	local process=$!
	wait $process
	! wait_for -p $process 'its answer' never again >"$dir/told" &&
		printf '%s\n' "process $process ended before: its answer" 'no again' | diff - "$dir/told"
}

check 'what is there is not waited for' wait_for 'nothing' true
check 'what comes late is waited for' wait_for 'three looks' comes_late
check 'as long as its process runs' wait_for -p $$ 'nothing' true
check 'in vain, it says for what, and what was said last' in_vain
check 'it does not outlive its process' after_its_process
echo "1..$n"
