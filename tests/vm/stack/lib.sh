# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the steps of the stack test, in the guest. Sourced by bash.
set -euo pipefail
# The report (see guest/run): progress of a step, while it runs.
say() { printf '# %s\n' "$*" >/dev/ttyS1; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: \"$BASH_COMMAND\" failed" >&2' ERR
shopt -s inherit_errexit

# WHAT ACTUAL OPERATOR EXPECTED, operators of `[`: reports the figure, fails unless it holds.
expect() {
	test "$2" "$3" "$4" || fail "$1: is \"$2\", expected $3 \"$4\""
	say "$1: $2 ($3 $4)"
}

# WHAT SECONDS COMMAND...: waits until the command succeeds, at most so long.
wait_for() {
	local what=$1 limit=$2 begin=$SECONDS
	shift 2
	until "$@" >/tmp/wait.out 2>&1; do
		if [ $((SECONDS - begin)) -ge "$limit" ]; then
			cat /tmp/wait.out >&2
			fail "$what: not within $limit s"
		fi
		sleep 0.2 # between two looks at the condition
	done
	say "$what ($((SECONDS - begin)) s)"
}

# ---- the daemon ----

ctl() { tdx-lpctl -o json "$@"; }

# JQ-FILTER: of the daemon's status.
status() { ctl status | jq -er "$1"; }

# NAME JQ-FILTER: of a VM as the daemon shows it.
vm() { ctl vm show "$1" | jq -er "$2"; }

unit() { systemctl show --value -p "$1" tdx-lpaged.service; }

# KEY: VALUE...: writes a configuration in which nothing but the given defaults decides.
configure() {
	{
		echo 'version: 1'
		echo 'global: {cpu-budget: 1000%, merge-rate: 100000/s, log-interval: 1s}'
		echo 'defaults:'
		printf '  %s\n' 'policy: threshold' 'max-stall: 1s' 'learn-costs: false' "$@"
	} >/etc/tdx-lpage.yaml
}

# Puts a new configuration in force: `daemon_with "quiet-time: 2s"`.
daemon_with() {
	configure "$@"
	systemctl restart tdx-lpaged.service
}

# NAME: percent of the mapped private regions that are large, rounded down. One answer, so that both figures agree.
coverage() { vm "$1" '.regions | (.large + .table) as $n | if $n == 0 then 0 else (100 * .large / $n | floor) end'; }
coverage_at_least() { [ "$(coverage "$1")" -ge "$2" ]; }
coverage_below() { [ "$(coverage "$1")" -lt "$2" ]; }

# ---- the kernel without the daemon: its own netlink client and our spec ----

ynl_cli=(python3 /vm/linux/tools/net/ynl/pyynl/cli.py --family kvm_lpage --output-json)
ynl() { "${ynl_cli[@]}" "$@"; }

# NAME JQ-FILTER: of a VM as the kernel shows it. What is zero is left out there.
kernel_vm() {
	ynl --dump vm-get | jq -er --arg name "$1" \
		'[.[] | select(.name == $name)] | if length == 1 then .[0] else error("\(length) VMs are called \($name)") end
		| {large: 0, table: 0, mixed: 0, merges: 0, splits: 0} + . | '"$2"
}
kernel_coverage() { kernel_vm "$1" '(.large + .table) as $n | if $n == 0 then 0 else (100 * .large / $n | floor) end'; }

# ---- guests ----

guests=/run/guests

# NAME [ARGUMENT...]: starts a guest that converts memory, as a service of its own in machine.slice.
guest_start() {
	local name=$1
	shift
	mkdir -p $guests
	rm -f "$guests/$name".*
	systemd-run --quiet --unit="guest-$name" --slice=machine.slice -p RemainAfterExit=yes \
		-p StandardOutput="file:$guests/$name.out" -p StandardError="file:$guests/$name.err" \
		/vm/selftests/lpage_workload --name "$name" --json "$@"
}

guest_unit() { systemctl show --value -p "$2" "guest-$1.service"; }
guest_ended() { [ "$(guest_unit "$1" SubState)" != running ]; }

# NAME LINES: it has reported more often than that.
guest_reported() { [ "$(wc -l <"$guests/$1.out")" -gt "$2" ]; }

# NAME PHASE: waits until the guest says that it is there: touched, converting, quiet, end.
guest_in_phase() { jq -en --arg phase "$2" 'first(inputs | select(.phase == $phase))' "$guests/$1.out"; }
guest_phase() { wait_for "guest $1 is in phase $2" 180 guest_in_phase "$1" "$2"; }

# NAME: prints the guest's own counts, now.
guest_counts() {
	local lines
	lines=$(wc -l <"$guests/$1.out")
	systemctl kill -s USR1 "guest-$1.service"
	wait_for "guest $1 reported" 60 guest_reported "$1" "$lines"
	tail -n 1 "$guests/$1.out"
}

# NAME ROUNDS: waits until the guest has verified and rewritten all its memory that many times more.
guest_verified() { [ "$(guest_counts "$1" | jq -er .rounds)" -ge "$2" ]; }
guest_rounds() {
	local now
	now=$(guest_counts "$1" | jq -er .rounds)
	wait_for "guest $1 went through all its memory $2 times" 180 guest_verified "$1" $((now + $2))
}

# NAME SECONDS: waits for its end; it must have found all its data intact.
guest_end() {
	wait_for "guest $1 ended" "$2" guest_ended "$1"
	[ "$(guest_unit "$1" Result)" = success ] || { cat "$guests/$1".{out,err} >&2; fail "guest $1: $(guest_unit "$1" Result)"; }
	expect "guest $1: pages with wrong data" "$(tail -n 1 "$guests/$1.out" | jq -er .errors)" = 0
	systemctl stop "guest-$1.service"
}

# NAME...: ends guests that a step no longer needs.
guest_stop() {
	local name
	for name; do
		systemctl stop "guest-$name.service"
	done
}
