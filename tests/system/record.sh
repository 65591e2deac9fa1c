#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tdx-lpctl record against the real daemon on a simulated host: how a recording ends, what is in it, and that simulate
# comes to the same on it as on the host's own trace. Prints TAP.
set -u
daemon=$TDX_LPAGED ctl=$TDX_LPCTL generate=$TDX_LPAGE_BUILD/tests/traces/generate
dir=$(mktemp -d) pid=
export TDX_LPAGE_RUNTIME_DIR=$dir/run
mkdir "$dir/run"
cd "$dir" || exit 1

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

. "${TDX_LPAGE_SRC:-.}/tests/lib/tap.sh"

# SPEC: starts the daemon on a host whose time stands still until there is a file go.
start_still() {
	rm -f go
	"$daemon" --config c.yaml --runtime-dir run --link="sim:$dir/$1,steady,start=$dir/go" 2>log &
	pid=$!
	wait_for -p $pid 'an answer of the daemon' "$ctl" status
}

# ARGUMENT...: begins to record in the background; it waits for its VM.
begin_before() {
	"$ctl" -o json record "$@" >json 2>err &
	recorder=$!
	wait_for -p $recorder 'a recorder that waits for its VM' grep 'no such VM yet' err || { cat err json; return 1; }
}

# Lets the host's time pass until its trace has ended.
play() {
	: >go
	wait_for -p $pid 'the score, at the end of the trace' test -s score
}

# TRACE SPEED: starts the daemon on it, and waits until its guest is known by name, or it would come later in a recording.
start() {
	local name
	name=$(sed -n 's/^vm .* name=\([^ ]*\).*/\1/p' "$1" | head -n 1)
	"$daemon" --config c.yaml --runtime-dir run --link="sim:$dir/$1,speed=$2" 2>log &
	pid=$!
	wait_for -p $pid "VM $name" "$ctl" vm show "$name"
}

stop() {
	local status
	kill "$pid"
	wait "$pid"
	status=$?
	pid=
	return $status
}

# JQ-CONDITION: holds it for what record wrote to json?
told() { cat json; jq -e "$1" json; }

# FILE: can simulate read it, and is there something in it?
readable() { "$ctl" simulate --trace "$1" -o json >sim && cat sim && jq -e '.intervals > 0 and .ratio >= 1' sim; }

# Begins to record in the background, and waits until there is a conversion in the file.
begin() {
	"$ctl" -o json record "$@" >json 2>err &
	recorder=$!
	wait_for -p $recorder "a conversion in ${!#}" grep ' S ' "${!#}" || { cat err json; return 1; }
}

# CODE: ends it so?
ends() {
	local status
	wait "$recorder"
	status=$?
	cat err
	[ $status -eq "$1" ] || { echo "exit status $status, wanted $1"; return 1; }
}

near() { jq -n --argjson a "$1" --argjson b "$2" -e '(($a.ratio / $b.ratio - 1) | fabs) < 0.1'; }

echo 'version: 1' >c.yaml
check 'no daemon, no file' bash -c "! '$ctl' record none 2>err && grep -q 'Is it running' err && [ ! -e none ]"

# A short host, whole: 64 regions, 40 of them convert once or more. Its guest ends with it: how late the recording does not
# matter.
"$generate" periodic 3 0.05 | sed 's/ name=[^ ]*/ name=secret-db/' >host.lptrace
sed 's/^end \(.*\)/\1 X 1\n&/' host.lptrace >gone.lptrace
check 'the daemon comes up' start_still "gone.lptrace,speed=50,score=$dir/score"
check 'a recording begins' begin_before --vm secret-db whole.rec
check 'the host runs' play
kill -INT "$recorder"
check 'the recording ends' ends 0
check 'and says so' told '.ended == "signal" and .vms == 1 and .records > 100 and .lost == 0 and .file == "whole.rec"'
check 'for its owner alone' test "$(stat -c %a whole.rec)" = 600
check 'anonymous' bash -c '! grep -q secret whole.rec && grep -q "^[0-9]* N 1 name=vm-1 " whole.rec || { grep -v "^#" whole.rec | head -5; false; }'
check 'simulate reads it' readable whole.rec
cp sim whole.json
"$ctl" simulate --trace gone.lptrace -o json --observe 100ms >host.json
check 'and comes to nearly the same as on the host' near "$(cat whole.json)" "$(cat host.json)"
check 'the daemon stops' stop
check 'and comes up on a guest that stays' start host.lptrace 50
check 'it is not written over' says 1 'whole.rec exists; use --force' record --duration 1s whole.rec
check 'nor changed' cmp -s <(jq -S . whole.json) <("$ctl" simulate --trace whole.rec -o json | jq -S .)
check 'unless by force' says 0 'whole.rec: .* of 1 VM' record --force --duration 1s whole.rec
check 'it ends by itself' bash -c "'$ctl' -o json record --duration 1s by-time.rec | jq -e '.ended == \"duration\"'"
check 'a directory is no file' says 1 'run: .*' record --force --duration 1s run
check 'no such id' says 1 'no VM has the id or name "99"' record --vm 99 --duration 1s none
check 'and no file' test ! -e none
check 'a name may come later' says 0 'no such VM yet' record --vm later --vm other --duration 1s later.rec
check 'a size that is too small' says 2 'max-size 1K: must be a size.*allowed: 4K' record --max-size 1K none
check 'raw is not for the read socket' says 1 'this socket is read-only' --socket run/read record --raw --duration 1s none
check 'raw keeps the name' says 0 'raw.rec: ' record --raw --duration 1s raw.rec
check 'and the id' bash -c 'grep -q "name=secret-db" raw.rec && grep -q "^# VM 1 is the host.s VM 2$" raw.rec'
check 'to a pipe' bash -c "set -o pipefail; '$ctl' record --vm secret-db --duration 1s - 2>err | '$ctl' simulate --trace - -o json | jq -e '.events >= 0'"
check 'of which it tells elsewhere' grep -q '^-: ' err
head -c 2000 host.lptrace >cut.rec
check 'a recording that is cut off is read' bash -c "'$ctl' simulate --trace cut.rec -o json 2>err | jq -e '.events > 0'"
check 'with a warning' grep -q '^cut.rec:[0-9]*: the trace is cut off; it is read up to its last whole record$' err
check 'and completed' says 0 'cut.rec: kept .*, and wrote the end' record --salvage cut.rec
check 'once' says 0 'cut.rec is complete' record --salvage cut.rec
check 'simulate reads it without a word' bash -c "'$ctl' simulate --trace cut.rec 2>&1 >/dev/null | (! grep .)"
check 'the daemon is stopping' stop

# Hot regions: an endless stream.
"$generate" thrash 4 0.2 >hot.lptrace
check 'the daemon comes up again' start hot.lptrace 5
for signal in INT TERM; do
	check "a recording, to be ended by SIG$signal" begin $signal.rec
	kill -$signal "$recorder"
	check 'it ends well' ends 0
	check 'and says so' told '.ended == "signal"'
	check 'simulate reads it' readable $signal.rec
done
check 'a recording of limited size' begin --max-size 20K small.rec
check 'ends well' ends 0
check 'and says so' told '.ended == "size" and .bytes <= 20480'
check 'it is no longer than that' test "$(stat -c %s small.rec)" -le 20480
check 'simulate reads it' readable small.rec
check 'for people' says 0 'truncated at --max-size' record --max-size 8K small2.rec
check 'a recording whose daemon goes' begin gone.rec
check 'the daemon goes' stop
check 'it ends with exit status 3' ends 3
check 'and says so' told '.ended == "daemon"'
check 'simulate reads it' readable gone.rec
echo "1..$n"
