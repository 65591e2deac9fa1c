# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the shell tests of tdx-lpctl share; they print TAP. Sourced with $dir, a folder of the test's own, and $ctl set. A
# daemon's log in $dir/log is shown with what failed.
# shellcheck disable=SC2154
n=0

# WHAT COMMAND...: one test.
check() {
	local what=$1
	shift
	n=$((n + 1))
	if "$@" >"$dir/said" 2>&1; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		sed 's/^/# /' "$dir/said"
		[ ! -s "$dir/log" ] || tail -n 5 "$dir/log" | sed 's/^/# log: /'
	fi
}

# CODE TEXT ARGUMENT...: does the command line end so, with that text (a regular expression, "": any) in what it writes?
says() {
	local code=$1 text=$2 got
	shift 2
	"$ctl" "$@" >"$dir/out" 2>&1
	got=$?
	cat "$dir/out"
	[ $got -eq "$code" ] || { echo "exit status $got, wanted $code"; return 1; }
	[ -z "$text" ] || grep -Eq -- "$text" "$dir/out" || { echo "wanted: $text"; return 1; }
}
