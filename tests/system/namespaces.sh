#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon in a pid and in a time namespace: what it says of itself, and that it takes no process for another. Prints TAP.
set -u
ctl=$TDX_LPCTL generate=$TDX_LPAGE_BUILD/tests/traces/generate read_args=$TDX_LPAGE_BUILD/tests/system/read_args
here=${TDX_LPAGE_SRC:-$PWD}
dir=$(mktemp -d) daemon_pid= vmm=
export TDX_LPAGE_RUNTIME_DIR=$dir/run
mkdir "$dir/run"

cleanup() {
	[ -z "$daemon_pid" ] || stop
	[ -z "$vmm" ] || kill "$vmm"
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

. "$here/tests/lib/tap.sh"

user=()
[ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
pid_ns=(unshare "${user[@]}" --pid --fork --kill-child --mount-proc)
time_ns=(unshare "${user[@]}" --time --boottime 100000 --monotonic 5000 --fork --kill-child)

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}
[ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ] || skip_all 'this is a pid namespace already'
grep -q '[1-9]' /proc/self/timens_offsets 2>/dev/null && skip_all 'this is a time namespace already'
"${pid_ns[@]}" true 2>"$dir/err" || skip_all "no pid namespace can be had: $(head -n 1 "$dir/err")"
"${time_ns[@]}" true 2>"$dir/err" || skip_all "no time namespace can be had: $(head -n 1 "$dir/err")"

"$generate" periodic 3 0.2 >"$dir/trace"
echo 'version: 1' >"$dir/c.yaml"

# COMMAND...: starts the daemon by it, and waits for an answer.
start() {
	: >"$dir/log"
	"$@" "$TDX_LPAGED" --config "$dir/c.yaml" --runtime-dir "$dir/run" --link="sim:$dir/trace,speed=50,loop" 2>"$dir/log" &
	daemon_pid=$!
	wait_for -p $daemon_pid 'an answer of the daemon' "$ctl" status
}

# Ends unshare, which ignores other signals, and with it the daemon, which is nobody's child then.
stop() {
	kill -KILL "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null
	daemon_pid=
	wait_for 'the end of the daemon, which has the lock' flock -n "$dir/run/lock" true
}

# JQ-CONDITION: does it hold for the host?
host() { "$ctl" -o json status | jq -e ".host | $1"; }

# TEXT: whatever else is wrong here.
doctor() {
	"$ctl" doctor >"$dir/out"
	grep -A 1 'in a pid namespace' "$dir/out" | grep -q "$1"
}

start_ticks() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; }

# STATUS TEXT COMMAND...
ends() {
	local status=$1 text=$2 got
	shift 2
	"$@" >"$dir/out" 2>&1
	got=$?
	cat "$dir/out"
	[ $got -eq "$status" ] && grep -q "$text" "$dir/out"
}

check 'the daemon starts outside' start env
check 'in no namespace of its own' host '.pid_namespace == false and .time_namespace == false'
check 'which is nothing to say' ends 1 '^0$' grep -c namespace "$dir/log"
stop
check 'it starts in a pid namespace' start "${pid_ns[@]}"
check 'which JSON has' host '.pid_namespace and (.time_namespace | not)'
check 'status has' says 0 'PID NAMESPACE: processes of VMMs cannot be identified' status
check 'doctor has, with what to do' doctor 'hostPID'
check 'and the log, once' ends 0 '^1$' grep -c 'in a pid namespace: .* do not apply' "$dir/log"
stop
check 'it starts in a time namespace' start "${time_ns[@]}"
check 'which JSON has, too' host '(.pid_namespace | not) and .time_namespace'
check 'and the log' ends 0 '5000 s (monotonic) and 100000 s (boottime)' grep 'in a time namespace' "$dir/log"
stop

sleep infinity &
vmm=$!
ticks=$(start_ticks $vmm)
check 'a process is found by pid and time' ends 0 '^sleep$' "$read_args" $vmm "$ticks"
check 'but not by another time' ends 3 'No such process' "$read_args" $vmm $((ticks + 1))
check 'it is found in a time namespace, too' ends 0 '^sleep$' "${time_ns[@]}" "$read_args" $vmm "$ticks"
check 'where the time that is shown is not the one that counts' ends 3 'No such process' \
	"${time_ns[@]}" "$read_args" $vmm $((ticks + 100000 * $(getconf CLK_TCK)))
# Pid 1 of the namespace, which is the shell: right number, right time, wrong process.
# shellcheck disable=SC2016
check 'in a pid namespace, nobody is taken for another' ends 18 'Invalid cross-device link' \
	"${pid_ns[@]}" bash -c 'ticks=$(sed "s/.*) //" /proc/1/stat | cut -d " " -f 20); "$0" 1 "$ticks"; exit $?' "$read_args"
# The numbers of /proc are those of the outside then, but whose they are is not known.
check 'nor with a /proc that is not its own' ends 18 'Invalid cross-device link' \
	unshare "${user[@]}" --pid --fork --kill-child "$read_args" $vmm "$ticks"
echo "1..$n"
