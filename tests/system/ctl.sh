#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The real tdx-lpctl against the real tdx-lpaged, on a kernel without the family and on a simulated host, and bash's
# completion. Prints TAP.
set -u
daemon=${TDX_LPAGED:-build/san/tdx-lpaged} ctl=${TDX_LPCTL:-build/san/tdx-lpctl}
src=${TDX_LPAGE_SRC:-.}
dir=$(mktemp -d) pid= holder=
export TDX_LPAGE_RUNTIME_DIR=$dir/run
mkdir "$dir/run"
# Nothing of what follows may touch a daemon of this machine, or what it left behind.
machine_run() { find /run/tdx-lpage -printf '%p %i %T@\n' 2>/dev/null | sort; }
machine_run >"$dir/before"

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	[ -z "$holder" ] || kill -9 "$holder" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

. "${TDX_LPAGE_SRC:-.}/tests/lib/tap.sh"

# JQ-CONDITION ARGUMENT...: holds it for the JSON output?
json() {
	local condition=$1
	shift
	"$ctl" -o json "$@" >"$dir/out" || return 1
	cat "$dir/out"
	jq -e "$condition" "$dir/out"
}

# [ARGUMENT...]: of the daemon
start() {
	"$daemon" --config "$dir/c.yaml" --runtime-dir "$dir/run" "$@" 2>"$dir/log" &
	pid=$!
	wait_for -p $pid 'an answer of the daemon' "$ctl" status && return 0
	cat "$dir/log"
	return 1
}

stop() {
	kill "$pid" && wait "$pid"
	local status=$?
	pid=
	return $status
}

write() { printf '%s\n' "$@" >"$dir/c.yaml"; }

completes() {
	local want=$1
	shift
	# The function asks for the program under its own name.
	COMP_WORDS=("$ctl" "$@") COMP_CWORD=$# COMPREPLY=()
	_tdx_lpctl
	echo "${COMPREPLY[*]}"
	[ "${COMPREPLY[*]}" = "$want" ]
}

check "no daemon: exit status 3, and what to try" says 3 'systemctl status tdx-lpaged' status
write 'version: 1' 'defaults: {batch: 7}'
check "a good file passes the check" says 0 'valid, 0 rules' config check "$dir/c.yaml"
check "the shipped file passes the check" says 0 'valid' config check "$src/etc/tdx-lpage.yaml"
# ARGUMENT...: is it told that nothing can be written, and as an object where one is asked for?
full() {
	timeout 60 "$ctl" "$@" >/dev/full 2>"$dir/full"
	[ $? -eq 1 ] && grep 'standard output: No space left' "$dir/full" || return 1
	timeout 60 "$ctl" -o json "$@" >/dev/full 2>"$dir/full"
	[ $? -eq 1 ] && jq -e '.exit == 1 and (.text | test("standard output: No space left"))' "$dir/full"
}
check "a full disk is told" full config check "$dir/c.yaml"
check "the daemon comes up" start
check "status says that the kernel lacks the family" says 0 '^DEGRADED: ' status
check "a full disk for the status" full status
check "for a check that fails" full doctor
check "status in JSON" json '.schema == 1 and .host.degraded and .vms == [] and (.host.config_missing | not)' status
check "the configuration in force is the file's" json '.config.defaults.batch == 7' config show
write 'version: 1' 'defaults: {batch: 65}' 'rulez: []'
check "a bad file is refused, with every mistake" says 1 'c.yaml:2:19: defaults.batch: "65"' reload
check "the second mistake too" grep -q 'c.yaml:3:1: rulez: unknown key' "$dir/out"
check "the old configuration stays in force" json '.config.defaults.batch == 7' config show
check "status tells of the failed reload" says 0 '^LAST RELOAD FAILED: ' status
write 'version: 1' 'defaults: {batch: 9}' 'rules: [{name: a, match: {uid: 1}}]'
check "a good file is taken" says 0 'loaded .*c.yaml, 1 rule$' reload
check "it is in force" json '.config.defaults.batch == 9 and .config.rules[0].match.uid == ["1"]' config show
check "status tells of no failed reload" json '.host.config_error == null and .host.rules == 1' status
check "pause" says 0 '' pause
check "dry-run" says 0 '' dry-run on
check "no such VM" says 1 'no VM has the id or name "1"' vm show 1
check "the kernel cannot be asked" says 1 'ENOTCONN' status --fresh
check "a merge is refused" says 1 'no VM has' merge 1 2G
check "doctor finds the cause" says 1 'failed +netlink family: kvm-lpage' doctor
check "wait waits for the kernel too" says 1 'timed out: kernel has no kvm-lpage family' wait --timeout 1s
check "a second daemon is refused" bash -c "! '$daemon' --config '$dir/c.yaml' --runtime-dir '$dir/run'"
check "the first one is still there" says 0 '^PAUSED' status
check "it stops" stop
check "it starts again" start
check "pause and dry-run are remembered" json '.host.paused and .host.dry_run' status
check "the pause ends in half an hour" says 0 '' pause --for 30m
check "status says when" says 0 '^PAUSED: decisions are not carried out for (30m|29m[0-9]+s) more$' status
check "it stops in the meantime" stop
check "it starts once more" start
check "what is left of the half hour is remembered" json '.host.pause_left_us > 1000000000 and .host.pause_left_us <= 1800000000' status
check "a pause of a second" says 0 '' pause --for 1s
check "it ends by itself" wait_for 'the end of the pause' json '.host.paused | not' status
check "resume" says 0 '' resume
check "dry-run off" says 0 '' dry-run off
check "both are off" json '(.host.paused or .host.dry_run) | not' status

. "$src/etc/bash-completion/tdx-lpctl"
check "completion of verbs" completes 'region release resume reload record' re
check "completion of second words" completes 'list show' vm ''
check "completion of options" completes '--for' hold x --f
check "completion of formats" completes 'table json' -o ''
check "it stops again" stop

# A guest of 130 regions that uses one of them, and another one now and then.
{
	printf 'lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n'
	printf 'vm 1 name=web regions=130 walk_ns_per_s=0\n0 W 1 3 12000\n'
	for second in $(seq 600); do
		printf '%d000000000 S 1 64 1\n%d000001000 P 1 64 1\n%d000002000 A 1 64 1\n' "$second" "$second" "$second"
	done
	echo 'end 1000000000000'
} >"$dir/trace"
check "a simulated host" start "--link=sim:$dir/trace"
check "its VM" wait_for 'VM web' "$ctl" vm show web
full_for_events() {
	local worker r
	while "$ctl" pause web && "$ctl" resume web; do sleep 0.1; done &
	worker=$!
	full watch --limit 1
	r=$?
	kill $worker
	wait $worker 2>/dev/null
	"$ctl" resume web
	return $r
}
check "a full disk for events" full_for_events
check "and for a merge that is refused" full merge web 0
check "a probe of two regions" json '.untouched == 1 and .touched == 1 and .unknown == 0 and
	[.regions[] | .touched] == [false, true] and .regions[1].first_touch_age_us != null' probe web 4M-8M --window 10ms
check "all regions, in three windows, those that are touched" json '.untouched == 128 and .touched == 2 and
	[.regions[].rfn] == [0, 3] and .batches.count == 3' probe web 0-260M --window 2s --hot
check "beyond the end of memory" says 1 '\? +- +bad-range' probe web 260M --window 10ms
# What tdx-lpage-wait@NAME.service runs, with the values of the unit.
unit_waits() {
	local unit="$src/systemd/tdx-lpage-wait@.service" line COVERAGE TIMEOUT
	line=$(sed -n 's/^ExecStart=//p' "$unit")
	eval "$(sed -n 's/^Environment=//p' "$unit" | sed 's/%%/%/g' | tr ' ' '\n')"
	line=${line//'%i'/$1} line=${line//'${COVERAGE}'/$COVERAGE} line=${line//'${TIMEOUT}'/${2:-$TIMEOUT}}
	$ctl ${line#/usr/bin/tdx-lpctl }
}
is_told() { ! unit_waits nobody 1s 2>"$dir/told" && grep 'timed out: no VM has the id or name "nobody"' "$dir/told"; }
check "the unit for it waits for its coverage" unit_waits web
check "and for its start" is_told
check "a hold of the VM" says 0 '^VM [0-9]+ is held by libvirt for 5m$' hold web --for 5m --owner libvirt
"$ctl" hold web --attached --owner backup >"$dir/attached" &
holder=$!
check "and another one, while its owner runs" wait_for 'both holds' says 0 'held by libvirt \(.*\), backup \(attached\)$' status
check "a held VM is not merged" says 1 'the VM is held' merge web 0
kill -9 "$holder" && holder=
check "the hold of an owner that is killed ends" wait_for 'the end of its hold' says 0 'held by libvirt \([0-9a-z]*\)$' status
check "a hold is released" json '.released == 1' release web --owner libvirt
check "nobody holds it" json '.vms[0].holds == [] and .host.vm_holds == 0' status
check "a plan" json '.vm > 0 and .cut == false and .plan.table >= .plan.merges and .plan.goal_percent == 95' plan web
check "what it lists" says 0 '^1 region touched within 2s' probe web --window 2s
check "dry-run" says 0 '' dry-run on
check "no requests are sent to the kernel" says 1 'dry-run is on' probe web 0
check "the simulated host stops" stop
on_a_terminal() {
	script -qec "'$daemon' --runtime-dir '$dir/run' --link=sim:$dir/none" /dev/null </dev/null >"$dir/out"
	cat "$dir/out"
	grep -q "^tdx-lpaged: --link: $dir/none: No such file" "$dir/out" && ! grep -q '<[0-7]>' "$dir/out"
}
# CODE [FILE]: both programs say the same of it, and end with that status.
same_check() {
	local code=$1 got
	shift
	"$daemon" ${1:+--config "$1"} --check-config >"$dir/by-daemon" 2>&1
	got=$?
	"$ctl" config check ${1:+"$1"} >"$dir/by-ctl" 2>&1
	[ "$?" -eq $got ] && { [ "$code" = any ] || [ $got -eq "$code" ]; } && diff "$dir/by-daemon" "$dir/by-ctl"
}
mkdir "$dir/check.d"
printf 'version: 1\n' >"$dir/check.yaml"
printf 'version: 1\nrules: [{name: a, match: {uid: 1}}, {name: b, match: {uid: 1}}]\n' >"$dir/check.d/more.yaml"
printf 'version: 1\nnonsense: 1\ndefaults: {batch: none}\n' >"$dir/bad.yaml"
# With a file there, or without it.
check "config check and --check-config agree: no file named" same_check any
check "a named file is missing" same_check 1 "$dir/none.yaml"
check "a good one, with a drop-in and a warning" same_check 0 "$dir/check.yaml"
check "a bad one" same_check 1 "$dir/bad.yaml"
check "a folder" same_check 1 "$dir/check.d"
check "a terminal gets the log without priorities" on_a_terminal
check "the sockets are gone" bash -c "! ls '$dir/run/control' '$dir/run/read'"
check "the machine's own /run/tdx-lpage is untouched" bash -c "$(declare -f machine_run); machine_run | diff '$dir/before' -"
echo "1..$n"
