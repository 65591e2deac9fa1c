#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Figures for tests/bench/vm/run, one JSON object per report line "#@ ".
#   bench.sh load           KVM's modules
#   bench.sh modes PATTERN  lpage_workload in each mode: what becomes of its coverage
#   bench.sh td             Linux as a software TD in each mode
#   bench.sh time           of figures.c, before there is a daemon, which would limit the rate
#   bench.sh vms            a hundred guests beneath the daemon
. "$(dirname "$0")/lib.sh"

put() { printf '#@ %s\n' "$*" >/dev/ttyS1; }

# MODE: the daemon as it is installed. In mode fault it is the kernel that decides; in mode off, nobody does.
daemon_in() {
	local policy=adaptive
	[ "$1" = managed ] || policy=never
	printf 'version: 1\ndefaults: {mode: %s, policy: %s}\n' "$1" $policy >/etc/tdx-lpage.yaml
	systemctl restart tdx-lpaged.service
}

# NAME: KVM's counters of it, which are there in every mode.
counters_of() { echo /sys/kernel/debug/kvm/"$(guest_unit "$1" MainPID)"-*; }
now_ms() { awk '{ printf "%d", 1000 * $1 }' /proc/uptime; }

# GUEST NAME MODE SECONDS: its coverage every half second, and what happened meanwhile.
watch_coverage() {
	local guest=$1 name=$2 mode=$3 counters begin exits end
	counters=$(counters_of "$name")
	[ -r "$counters/exits" ] || fail "no counters of guest $name: $counters"
	begin=$(now_ms) end=$(($(now_ms) + 1000 * $4))
	exits=$(<"$counters/exits")
	while [ "$(now_ms)" -lt $end ]; do
		put "$(jq -nc --arg guest "$guest" --arg mode "$mode" --argjson ms $(($(now_ms) - begin)) \
			--argjson large "$(<"$counters/pages_2m")" --argjson small "$(<"$counters/pages_4k")" \
			'{figure: "coverage", $guest, $mode, $ms, percent: (51200 * $large / ([512 * $large + $small, 1] | max) * 10 | round / 10)}')"
		sleep 0.5 # between two samples
	done
	exits=$(($(<"$counters/exits") - exits))
	put "$(vm "$name" '{merges, splits, refusals}' | jq -c --arg guest "$guest" --arg mode "$mode" --argjson exits $exits \
		--argjson seconds "$4" '{figure: "mode", $guest, $mode, $seconds, $exits} + .')"
}

modes() {
	local mode verified
	for mode in off fault managed; do
		daemon_in $mode
		guest_start bench --pattern "$1" --memory 128M --seed 1
		guest_filled bench
		in_mode() { [ "$(vm bench .mode)" = $mode ]; }
		wait_for "the guest is in mode $mode" 60 in_mode
		verified=$(guest_counts bench | jq -er .verified_pages)
		guest_signal bench USR2
		watch_coverage "$1" bench $mode 30
		verified=$(($(guest_counts bench | jq -er .verified_pages) - verified))
		put "$(jq -nc --arg guest "$1" --arg mode $mode --argjson pages $verified '{figure: "work", $guest, $mode, verified_pages: $pages}')"
		guest_end bench
	done
}

td() {
	local mode
	for mode in off fault managed; do
		daemon_in $mode
		td_start linux
		wait_for "mode $mode: Linux works" 600 td_said linux 'td: working'
		watch_coverage linux-td linux $mode 60
		td_said linux 'td: working' || fail "the guest is gone"
		systemctl stop guest-linux.service
	done
}

# Until the daemon knows all of them, and what it costs to keep them.
many_vms() {
	local mode begin cpu
	daemon_in managed
	for mode in off managed; do
		mkfifo /run/hold
		/vm/selftests/figures vms 100 $mode </run/hold >/run/vms.json &
		exec 7>/run/hold
		all_there() { [ -s /run/vms.json ] && [ "$(status .vms)" = 100 ]; }
		wait_for "100 VMs, mode $mode" 300 all_there
		put "$(cat /run/vms.json)"
		if [ $mode = managed ]; then
			begin=$(now_ms)
			ctl status --fresh >/run/status.json
			put "{\"figure\":\"status\",\"vms\":100,\"fresh_ms\":$(($(now_ms) - begin)),\"daemon_rss_kib\":$(awk '/^VmRSS/ { print $2 }' "/proc/$(unit MainPID)/status")}"
			cpu=$(unit CPUUsageNSec)
			sleep 20 # what is measured is a daemon that has nothing to do
			put "{\"figure\":\"idle\",\"vms\":100,\"seconds\":20,\"daemon_cpu_ns\":$(($(unit CPUUsageNSec) - cpu))}"
		fi
		exec 7>&-
		wait $!
		rm /run/hold
		all_gone() { [ "$(status .vms)" = 0 ]; }
		wait_for "they are gone" 120 all_gone
	done
}

case $1 in
load)
	modprobe kvm gmem_2m=1
	modprobe kvm-amd
	;;
modes) modes "$2" ;;
td) td ;;
time) /vm/selftests/figures time | sed 's/^/#@ /' >/dev/ttyS1 ;;
vms) many_vms ;;
*) fail "$1: load, modes, td, time or vms" ;;
esac
