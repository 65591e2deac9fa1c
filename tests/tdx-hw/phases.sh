# SPDX-License-Identifier: GPL-2.0-or-later
# What is done with the guest, and what is written down of it; judged later, by checks.jq. Sourced by run.

# What the daemon knows of the VM, after it asked the kernel; "regions" are those that the guest's module converts.
look() {
	local us=${EPOCHREALTIME/[.,]/}

	ctl vm show --fresh "$name" >"$work/vm" && ctl region list --fresh "$name" >"$work/list" &&
		ctl explain "$name" >"$work/explain" &&
		jq -n --slurpfile vm "$work/vm" --slurpfile list "$work/list" --slurpfile explain "$work/explain" \
			--slurpfile gpas "$work/gpas" --argjson hot "$hot" --argjson second "$((SECONDS - begin))" --argjson us "$us" '
			($gpas[0] | map({key: tostring, value: true}) | from_entries) as $ours |
			{second: $second, us: $us, vm: ($vm[0].vm | del(.command)), gates: $explain[0].gates,
			 inhibited: [$list[0].regions[] | select(.inhibited)] | length,
			 regions: [$list[0].regions[] | select($ours[.gpa | tostring])
				| {gpa, hot: (.gpa | IN($gpas[0][:$hot][])), state, inhibited, last_op, last_reason, last_op_age_us,
				   to_shared_pages, to_shared_events, to_private_pages, to_private_events}]}' >"$work/look"
}

# NAME: looks, and keeps what it saw under that name, with the guest's last answer.
sample() {
	look || broken "tdx-lpctl cannot tell about $name ($1)"
	jq -c --slurpfile guest "$work/answer" '. + {guest: $guest[0]}' "$work/look" >"$work/samples/$1.json"
	say "$1: $(jq -r '"coverage \(.vm.coverage_percent // 0)%, \(.vm.regions.large) large, \(.vm.regions.table) table, \(.vm.regions.mixed) mixed"' "$work/look")"
}

# Is all that the guest's module has mapped by 2 MiB, and 95 % of the whole? Leaves a point of the curve of coverage.
is_back() {
	look || return 1
	jq -c '[.second, .vm.coverage_percent, .vm.regions.large, .vm.regions.table, .vm.regions.mixed]' "$work/look" >>"$work/curve"
	jq -e --argjson want "$back_percent" '.vm.coverage_percent >= $want and all(.regions[]; .state == "large")' "$work/look"
}

# NAME: waits until coverage is back, as long as --duration says, and keeps how it was then.
sample_back() {
	wait_for "coverage of $back_percent % ($1)" "$duration" is_back || say "it is not back after $duration s"
	guest_passes 1
	sample "$1"
}

# One page of each region to shared and back, while nobody merges.
phase_one() {
	ctl pause "$name" >/dev/null
	guest_do one-shared
	sample one-shared
	guest_do pages-private
	sample one-private
	guest_passes 3
	sample one-paused
	ctl resume "$name" >/dev/null
	sample_back one-back
}

# A few regions all the time, while the daemon may merge.
phase_hot() {
	local seconds=$((quiet_s * 5))
	guest_do hot-start
	wait_for "the hot regions were converted some times" 60 hot_goes_on
	sample hot-begin
	wait_for "$seconds s of conversions" $((seconds + 60)) hot_lasted $((SECONDS + seconds))
	guest_do verify
	sample hot-end
	guest_do hot-stop
	sample_back hot-back
}
hot_goes_on() { guest_do verify && jq -e '.module.hot_rounds >= 3' "$work/answer"; }
hot_lasted() { [ "$SECONDS" -ge "$1" ]; }

# Whole regions there and back; then there as a whole, and back page by page, as in a guest that accepts 4 KiB at a time.
phase_whole() {
	ctl pause "$name" >/dev/null
	guest_do whole-shared
	sample whole-shared
	guest_do whole-private
	guest_passes 1
	sample whole-private
	guest_do whole-shared
	guest_do pages-private
	guest_passes 1
	sample pages-private
	ctl resume "$name" >/dev/null
	sample_back pages-back
}

# The kernel merges by itself, and the daemon decides nothing.
phase_fault() {
	daemon_config fault never
	ctl reload >/dev/null
	wait_for "mode fault is in force" 30 mode_is fault || broken "the VM did not get mode fault"
	sample fault-begin
	guest_do one-shared
	guest_do pages-private
	sample_back fault-back
}
vm_is_known() { ctl vm show "$name"; }
mode_is() { ctl vm show "$name" | jq -e --arg mode "$1" '.vm.mode == $mode'; }

# The guest ends by itself, and leaves nothing behind.
phase_end() {
	guest_do facts
	guest_passes 1
	sample end
	guest_do poweroff
	local status=0 ended=yes gone=no
	wait_for_end || { ended=no; kill "$qemu_pid"; }
	wait "$qemu_pid" || status=$?
	qemu_pid=''
	wait_for "the daemon forgets the VM" 60 vm_is_gone && gone=yes
	jq -n --argjson status $status --arg ended $ended --arg gone $gone \
		'{qemu_status: $status, ended: ($ended == "yes"), gone: ($gone == "yes")}' >"$work/samples/teardown.json"
}
wait_for_end() {
	local from=$SECONDS
	while guest_lives; do
		[ $((SECONDS - from)) -lt "$duration" ] || return 1
		sleep 0.2 # between two looks at the process
	done
}
vm_is_gone() { ctl vm list --fresh | jq -e --arg name "$name" 'all(.vms[]; .name != $name)'; }
