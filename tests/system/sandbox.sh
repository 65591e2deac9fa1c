#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon under exactly the system calls that its unit allows: every one of its features. Prints TAP.
# With TDX_LPAGE_TRACE=FILE it runs under strace instead, which writes to FILE.*: scripts/syscalls.
set -u
ctl=$TDX_LPCTL generate=$TDX_LPAGE_BUILD/tests/traces/generate
# As it is installed: a sanitizer has calls of its own.
daemon=${TDX_LPAGE_BUILD%/san}/normal/tdx-lpaged
here=${TDX_LPAGE_SRC:-$PWD}
dir=$(mktemp -d) pid=
export TDX_LPAGE_RUNTIME_DIR=$dir/run
mkdir "$dir/run"
case $daemon in /*) ;; *) daemon=$here/$daemon ;; esac

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

. "$here/tests/lib/tap.sh"

if [ -n "${TDX_LPAGE_TRACE:-}" ]; then
	# -D: the tracer is no parent of the daemon, which is killed by its pid.
	filtered=(strace -D -ff -qqq -o "$TDX_LPAGE_TRACE")
else
	filtered=(python3 "$here/tests/system/in_filter.py" "$here/systemd/tdx-lpaged.service")
	"${filtered[@]}" /bin/true 2>"$dir/err"
	if [ $? -eq 77 ]; then
		echo "1..0 # SKIP $(head -n 1 "$dir/err")"
		exit 0
	fi
fi
as_service=(python3 "$here/tests/system/as_service.py" "$dir/run")

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$generate" periodic 3 0.2 >"$dir/trace"
name=$(sed -n 's/^vm .* name=\([^ ]*\).*/\1/p' "$dir/trace" | head -n 1)
# CONFIG...: writes the file, which has a drop-in beside it.
mkdir "$dir/c.d"
printf '%s\n' 'version: 1' 'defaults: {quiet-time: 4s}' >"$dir/c.d/a.yaml"
config() { printf '%s\n' 'version: 1' "$@" >"$dir/c.yaml"; }

# LINK [PREFIX...]: starts the daemon there, and waits for an answer.
start() {
	local link=$1
	shift
	"$@" "${filtered[@]}" "$daemon" --config "$dir/c.yaml" --runtime-dir "$dir/run" --link="$link" 2>>"$dir/log" &
	pid=$!
	wait_for -p $pid 'an answer of the daemon' "$ctl" status
}

# SIGNAL: ends it. Exit status 0 where it may clean up.
stop() {
	local status
	kill -"$1" "$pid"
	wait "$pid"
	status=$?
	pid=
	[ "$1" = KILL ] || return $status
}

# JQ-CONDITION ARGUMENT...: does it hold for what tdx-lpctl says?
json() {
	local condition=$1
	shift
	"$ctl" -o json "$@" | tee "$dir/out" | jq -e "$condition" >/dev/null || { cat "$dir/out"; return 1; }
}

# JQ-CONDITION: waits until it holds for the status.
until_status() { wait_for -p "$pid" "$1" json "$1" status; }

scrapes() {
	python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())' \
		"http://127.0.0.1:$port/metrics" | grep -q '^# TYPE'
}

refused() {
	"${filtered[@]}" "$(command -v python3)" -c 'import ctypes; ctypes.CDLL(None).unshare(0)'
	[ $? -eq 159 ] # by SIGSYS
}

# The command line is read by another process.
identified() {
	wait_for -p "$pid" 'the command line' json '.vm | .command == "bash" and .cgroup_known' vm show "$name"
}

held_by_a_client() {
	"$ctl" hold "$name" --attached --owner client >/dev/null &
	local client=$! status
	wait_for -p $client 'its hold' says 0 client vm show "$name"
	status=$?
	kill $client
	wait $client
	return $status
}

# Whether the region lets it or not: VERB...
tried() {
	"$ctl" "$@" >"$dir/out"
	grep -q 'regions\? done' "$dir/out"
}

watched() { timeout 5 "$ctl" watch | grep -m 1 -q .; }

if [ -z "${TDX_LPAGE_TRACE:-}" ]; then
	check 'a call that the unit does not allow ends a program' refused
fi
config 'global: {log-interval: 1s}'
check 'the daemon starts on a simulated host' start "sim:$dir/trace,speed=50,loop,pid=$$"
check 'it merges' until_status '.host.tally.merged > 0'
check 'it shows a VM' says 0 '' vm show "$name"
if [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ]; then
	check 'it knows the process of a VM' identified
else
	n=$((n + 1))
	echo "ok $n - it knows the process of a VM # SKIP this is a pid namespace"
fi
check 'it lists regions' says 0 '' region list "$name" --limit 3
check 'it explains' says 0 '' explain "$name"
check 'it plans' says 0 '' plan "$name"
check 'it merges on request' says 0 '' merge "$name" 0-2M
check 'it splits' tried split "$name" 0-2M
check 'it probes' says 0 '' probe "$name" 0-2M
check 'it is watched' watched
check 'it holds a VM for a client' held_by_a_client
check 'it holds a VM' says 0 'held by me' hold "$name" --for 1h --owner me
check 'it pauses' says 0 '' pause
check 'it records' says 0 'of 1 VM' record --duration 1s "$dir/rec"
config "global: {log-interval: 1s, metrics: \"127.0.0.1:$port\"}" 'rules: [{name: some, match: {vm-name: "*"}, quiet-time: 2s}]'
check 'it reloads' says 0 '' reload
check 'it serves metrics' scrapes
config 'nonsense'
check 'it refuses what is wrong' says 1 '' reload
kill -HUP "$pid"
config 'global: {log-interval: 1s}'
check 'it still answers' says 0 '' status
check 'it is killed' stop KILL
check 'it starts again' start "sim:$dir/trace,speed=50,loop"
check 'and is paused as before' until_status '.host.paused'
check 'it stops' stop TERM
rm -f "$dir/run"/{control,read}
echo nonsense >"$dir/run/state/switches"
check 'it starts as a service' start "sim:$dir/trace,speed=50,loop" env WATCHDOG_USEC=200000 "${as_service[@]}"
check 'what it cannot read is kept aside' test -s "$dir/run/state/switches.bad"
check 'it resumes' says 0 '' resume
check 'it is in dry-run' says 0 '' dry-run on
check 'it merges no more' until_status '.host.dry_run'
check 'it stops as a service' stop TERM
rm -f "$dir/run"/{control,read,notify}
check 'it starts on the kernel' start netlink
check 'it answers' says 0 'degraded|DEGRADED' status
check 'it stops, too' stop TERM
echo "1..$n"
