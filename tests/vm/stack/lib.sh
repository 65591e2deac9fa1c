# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the steps of the stack test, in the guest. Sourced by bash.
set -euo pipefail
# The report (see guest/run): progress of a step, while it runs.
say() { printf '# %s\n' "$*" >/dev/ttyS1; }
# Also from a condition of wait_for, whose own output is kept elsewhere.
exec {errors}>&2
fail() { printf '%s\n' "$*" >&$errors; exit 1; }
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: \"$BASH_COMMAND\" failed" >&2' ERR
shopt -s inherit_errexit

# A step that fails shows what the daemon and the guests had to say, and leaves no guest behind.
tell_why() {
	[ $? -ne 0 ] || return 0
	local words
	for words in "$guests"/*.{out,err}; do
		[ ! -s "$words" ] || { echo "== $words"; tail -n 40 "$words" | tr -d '\r'; } >&$errors
	done
	journalctl -q -b -u tdx-lpaged --no-pager -o short-monotonic -n 25 >&$errors
	systemctl stop 'guest-*'
}
trap tell_why EXIT

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

# JQ-FILTER of a JSON document on standard input; null is an error, false is not.
field() { jq -r "($1) | if . == null then error(\"no value\") else . end"; }

# JQ-FILTER: of the daemon's status.
status() { ctl status | field ".host | ($1)"; }

# NAME JQ-FILTER: of a VM as the daemon shows it; what it asks the kernel for first, and what it knew last.
vm() { ctl vm show --fresh "$1" | field ".vm | ($2)"; }
vm_known() { ctl vm show "$1" | field ".vm | ($2)"; }

unit() { systemctl show --value -p "$1" tdx-lpaged.service; }

# KEY: VALUE...: writes a configuration in which nothing but the given defaults decides. POLICY=: another than threshold.
configure() {
	{
		echo 'version: 1'
		echo 'global: {cpu-budget: 1000%, merge-rate: 100000/s, log-interval: 1s}'
		echo 'defaults:'
		printf '  %s\n' "policy: ${POLICY-threshold}" 'max-stall: 1s' 'learn-costs: false' "$@"
	} >/etc/tdx-lpage.yaml
}

# Puts a new configuration in force: `daemon_with "quiet-time: 2s"`.
daemon_with() {
	configure "$@"
	systemctl restart tdx-lpaged.service
}

# NAME: percent of the mapped private regions that are large, rounded down. One answer, so that both figures agree.
coverage() { vm "$1" '.regions | (.large + .table) as $n | if $n == 0 then 0 else (100 * .large / $n | floor) end'; }
# NAME: does the daemon know it, and is what is asked of the kernel in force?
managed() { [ "$(vm "$1" .mode)" = managed ]; }
coverage_at_least() { [ "$(coverage "$1")" -ge "$2" ]; }

# ---- the kernel without the daemon: its own netlink client and our spec ----

ynl_cli=(python3 /vm/linux/tools/net/ynl/pyynl/cli.py --family kvm_lpage --output-json)
ynl() { "${ynl_cli[@]}" "$@"; }

# NAME [JQ-FILTER]: of a VM as the kernel shows it. What is zero is left out there.
kernel_vm() {
	ynl --dump vm-get | jq -cr --arg name "$1" \
		'[.[] | select(.name == $name)] | if length == 1 then .[0] else error("\(length) VMs are called \($name)") end
		| {large: 0, table: 0, mixed: 0, merges: 0, splits: 0} + . | .coverage = 100 * .large / ([.large + .table, 1] | max)
		| .coverage |= floor | '"${2-.}"
}

# ---- guests: lpage_workload, see its --help ----

guests=/run/guests
# GUESTS=td: they are software TDs, which KVM has to be loaded for; else VMs whose memory KVM maps itself.
flavour=()
case ${GUESTS-direct} in
direct) ;;
td) flavour=(--td) ;;
*) fail "GUESTS=$GUESTS: neither direct nor td" ;;
esac

# NAME [ARGUMENT...]: starts a guest, as a service of its own in machine.slice. It fills its memory, and then waits to be told.
guest_start() {
	local name=$1
	shift
	mkdir -p $guests
	rm -f "$guests/$name".*
	systemd-run --quiet --unit="guest-$name" --slice=machine.slice -p RemainAfterExit=yes \
		-p StandardOutput="file:$guests/$name.out" -p StandardError="file:$guests/$name.err" \
		/vm/selftests/lpage_workload --name "$name" --json --step --until-signal --pause 100 "${flavour[@]}" "$@"
}

guest_signal() { systemctl kill --kill-who=main -s "$2" "guest-$1.service"; }
guest_unit() { systemctl show --value -p "$2" "guest-$1.service"; }
guest_lines() { wc -l <"$guests/$1.out"; }

# NAME LINE JQ-CONDITION: has it reported that, since so many lines?
guest_said() { guest_reports "$1" $(($2 + 1)) | jq -en "first(inputs | select($3))"; }

# NAME [LINE]: its reports from that line on. The selftest library writes a line of its own before them.
guest_reports() { tail -n "+${2-1}" "$guests/$1.out" | grep '^{'; }

# NAME LINE JQ-CONDITION WHAT: waits for it, unless the guest dies.
guest_waits() {
	local begin=$SECONDS
	until guest_said "$1" "$2" "$3" >/dev/null 2>&1; do
		if [ "$(guest_unit "$1" SubState)" != running ] || [ $((SECONDS - begin)) -ge 180 ]; then
			cat "$guests/$1".{out,err} >&2
			fail "guest $1: $4: ended (or not within 180 s)"
		fi
		sleep 0.2 # between two looks at its reports
	done
}

# NAME: waits until it has written all of its memory.
guest_filled() {
	guest_waits "$1" 0 '.event == "phase-done" and .phase == "fill"' "fill all memory"
	say "guest $1 has touched all its memory"
}

# NAME PHASE: sends it on, and waits until every vCPU has done what the phase is about.
guest_to() {
	local lines
	lines=$(guest_lines "$1")
	guest_signal "$1" USR2
	guest_waits "$1" "$lines" ".event == \"phase-done\" and .phase == \"$2\"" "phase $2"
}

# NAME: has it convert pages in most of its regions, to shared and back, four times. Then it rests: it only uses its memory.
guest_converts() {
	guest_filled "$1"
	guest_to "$1" convert
	guest_to "$1" quiet
	say "guest $1 has converted pages to shared and back"
}

# NAME: prints the guest's own counts, now.
guest_counts() {
	local lines
	lines=$(guest_lines "$1")
	guest_signal "$1" USR1
	guest_waits "$1" "$lines" '.event == "report"' "report"
	guest_said "$1" "$lines" '.event == "report"'
}

# NAME TIMES: waits until the guest has verified and rewritten all its memory that many times more.
guest_uses_memory() {
	local begin counts goal
	counts=$(guest_counts "$1")
	begin=$(jq -er .verified_pages <<<"$counts")
	goal=$(jq -er ".verified_pages + $2 * .memory_bytes / 4096" <<<"$counts")
	until [ "$(guest_counts "$1" | jq -er .verified_pages)" -ge "$goal" ]; do
		sleep 0.2 # between two looks at its progress
	done
	say "guest $1 went through its memory $2 times more, from $begin to $goal pages"
}

# NAME...: ends guests. Each must have found all its data intact, to the end.
guest_end() {
	local name
	for name; do
		guest_signal "$name" TERM
	done
	for name; do
		wait_for "guest $name ended" 120 guest_has_ended "$name"
		[ "$(guest_unit "$name" Result)" = success ] || { cat "$guests/$name".{out,err} >&2; fail "guest $name failed"; }
		guest_reports "$name" | jq -en 'last(inputs) | .event == "end" and .ok' >/dev/null ||
			{ cat "$guests/$name.out" >&2; fail "guest $name: its data is not intact"; }
		say "guest $name: data intact, $(guest_reports "$name" | jq -n 'last(inputs) | .verified_pages') pages verified"
		systemctl stop "guest-$name.service"
	done
}
guest_has_ended() { [ "$(guest_unit "$1" SubState)" != running ]; }

# ---- Linux as a software TD: td/td-linux, its guest's words are lines with `td:` ----

# NAME: starts it, as a service of its own in machine.slice, with a disk that tells it when to stop.
td_start() {
	mkdir -p $guests
	rm -f "$guests/$1".*
	truncate -s 8M "$guests/$1.img"
	systemd-run --quiet --unit="guest-$1" --slice=machine.slice -p RemainAfterExit=yes \
		-p StandardOutput="file:$guests/$1.out" -p StandardError="file:$guests/$1.err" \
		/vm/td/td-linux --name "$1" --kernel /vm/td/vmlinuz --initrd /vm/td/guest.cpio --disk "$guests/$1.img" --net --cpus 2 \
		--memory 320 --append "quiet swiotlb=8192 td.phase=1 td.check_mib=96"
}

td_words() { tr -d '\r' <"$guests/$1.out" | grep -a 'td: ' || [ $? -eq 1 ]; }

# NAME TEXT: has it said that? One process per look, as the guest needs the processors. The step fails when the guest or its VMM gave
# up, or when the guest has reset without having said so.
td_said() {
	[ ! -s "$guests/$1.err" ] || fail "guest $1: its VMM gave up"
	grep -aqF -e "$2" -e 'td: FAIL' -e 'td-linux: reset' "$guests/$1.out" || return 1
	! grep -aqF 'td: FAIL' "$guests/$1.out" || fail "guest $1 gave up"
	grep -aqF "$2" "$guests/$1.out" || fail "guest $1 reset before it said \"$2\""
}

td_stop() { printf stop | dd of="$guests/$1.img" bs=512 seek=$((8 * 2048 - 1)) conv=notrunc status=none; }

# NAME: what an administrator may do to a guest that works, on all of its memory.
administer_td() {
	local done
	# Regions that it has shared something of are refused.
	ctl split "$1" 0+320M >/tmp/split || expect "exit status of a split with refusals" $? -eq 1
	done=$(jq .done /tmp/split)
	expect "guest $1: regions split by hand" "$done" -ge 32
	probed() { ctl probe "$1" --window 2s >/tmp/probed && [ "$(jq .touched /tmp/probed)" -ge 8 ]; }
	wait_for "guest $1: a probe sees it use memory" 120 probed "$1"
	say "guest $1: $(jq -c '[.touched, .untouched, .unknown]' /tmp/probed) regions touched, untouched, unknown"
	ctl hold "$1" 0+64M --for 5s >/tmp/held
	merged() { [ "$(vm "$1" .merges)" -ge "$2" ]; }
	wait_for "guest $1: the daemon has merged again what was split" 300 merged "$1" $((done / 2))
}
