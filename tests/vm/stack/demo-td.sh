#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# To look at: a Linux TD, a distribution's own kernel, whose I/O splits its memory while the daemon merges it again. Ends by
# itself some minutes after boot; fails unless a region was split and merged.
. "$(dirname "$0")/lib.sh"

begin=$SECONDS
show() {
	say "--- $((SECONDS - begin)) s after the start: tdx-lpctl status"
	tdx-lpctl status | sed 's/^/# /' >/dev/ttyS1
}

daemon_with "quiet-time: 4s"
td_start linux
say "an unmodified Linux boots as a software TD; its console:"
wait_for "Linux has booted" 600 td_said linux 'is a TDX guest'
td_words linux | sed 's/^/#   /' >/dev/ttyS1
wait_for "it checks its memory, its disk and its driver" 120 td_said linux 'td: working'
show

# What the daemon knows: regions that have a page table, splits and merges.
figures() { ctl status | jq -r '.vms[0] | [.regions.table, .splits, .merges] | @tsv'; }
fell=no before='' back=no
until [ $back = yes ]; do
	now=$(figures)
	read -r table splits merges <<<"$now"
	[ "$now" = "$before" ] || show
	before=$now
	[ "$splits" -eq 0 ] || fell=yes
	if [ $fell = yes ] && [ "$merges" -ge 1 ] && [ "$table" -le 2 ]; then
		back=yes
	fi
	td_said linux 'td: working' || fail "the guest is gone"
	sleep 1 # between two looks
done
td_stop linux
say "now the guest starts anew by kexec, which makes all its memory private again"
wait_for "phase 2 ended with its data intact" 600 td_said linux 'td: OK'
wait_for "the guest has reset itself" 60 guest_has_ended linux
td_words linux | grep -E 'memory:|rounds|reset' | sed 's/^/#   /' >/dev/ttyS1
say "the daemon's own words:"
journalctl -q -u tdx-lpaged --no-pager -o cat | tail -n 8 | sed 's/^/#   /' >/dev/ttyS1
