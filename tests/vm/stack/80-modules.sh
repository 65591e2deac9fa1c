#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# KVM as modules, which come and go under a running daemon.   80-modules.sh absent|load|unload|again
# Seen failing: absent and unload, on a kernel with KVM built in.
. "$(dirname "$0")/lib.sh"

is_degraded() { [ "$(status .degraded)" = "$1" ]; }

# A guest loses and regains coverage.
one_guest() {
	guest_start "$1" --vcpus 2 --memory 32M --mode managed
	guest_converts "$1"
	expect "splits" "$(vm "$1" .splits)" -ge 14
	wait_for "coverage is back at 95 %" 90 coverage_at_least "$1" 95
	guest_end "$1"
}

load() {
	modprobe kvm gmem_2m=1 lpage_mode=managed
	modprobe kvm-amd
	wait_for "the daemon has the family" 30 is_degraded false
	expect "process" "$(unit MainPID)" = "$(cat /run/daemon.pid)"
	/vm/selftests/private_mem_conversions_test
	say "private_mem_conversions_test passed"
	one_guest "$1"
}

case $1 in
absent)
	[ ! -e /dev/kvm ] || fail "KVM is there before it was loaded"
	configure "quiet-time: 1s"
	systemctl enable --now tdx-lpaged.service
	expect "unit" "$(unit ActiveState)" = active
	expect "degraded" "$(status .degraded)" = true
	unit MainPID >/run/daemon.pid
	say "status text: $(unit StatusText)"
	;;
load) load first ;;
unload)
	modprobe -r kvm-amd
	[ ! -e /sys/module/kvm ] || modprobe -r kvm
	[ ! -e /dev/kvm ] || fail "KVM is still there"
	wait_for "the daemon lost the family" 30 is_degraded true
	expect "VMs" "$(status .vms)" = 0
	expect "process" "$(unit MainPID)" = "$(cat /run/daemon.pid)"
	;;
again) load second ;;
*) fail "$1: absent, load, unload or again" ;;
esac
