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

# How long wait_for waits, in seconds.
wait_s=120

# [-p PID] WHAT COMMAND...: waits until the command succeeds, as long as the process runs. Says what it has waited for in vain,
# and what the command said last.
wait_for() {
	local process= what end
	[ "$1" != -p ] || { process=$2; shift 2; }
	what=$1 end=$((SECONDS + wait_s))
	shift
	until "$@" >"$dir/waited" 2>&1; do
		if [ -n "$process" ] && ! kill -0 "$process" 2>/dev/null; then
			echo "process $process ended before: $what"
		elif [ $SECONDS -ge $end ]; then
			echo "waited $wait_s s in vain for: $what"
		else
			sleep 0.05 # between two looks at the condition
			continue
		fi
		cat "$dir/waited"
		return 1
	done
}
