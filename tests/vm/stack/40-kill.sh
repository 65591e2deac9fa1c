#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 in the middle of the work: systemd restarts the daemon, it rebuilds its picture out of the kernel and goes on.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

# Slow enough to be caught in the act: a merge a second. The restarted daemon reads a file without that limit.
daemon_with "quiet-time: 1s" "merge-rate: 1/s" "batch: 1"
guest_start victim --vcpus 2 --memory 64M --seed 5 --mode managed
guest_converts victim
merging() { [ "$(vm victim .merges)" -ge "$1" ]; }
wait_for "merges are under way" 60 merging 2
configure "quiet-time: 1s"
pid=$(unit MainPID)
restarts=$(unit NRestarts)
figures=$(vm victim .)
kill -KILL "$pid"
merges=$(jq .merges <<<"$figures")
expect "killed with work left: regions with a page table" "$(jq .regions.table <<<"$figures")" -ge 8
restarted() { [ "$(unit NRestarts)" -eq $((restarts + 1)) ] && [ "$(unit ActiveState)" = active ]; }
wait_for "systemd restarted it" 60 restarted
expect "process" "$(unit MainPID)" -ne "$pid"
expect "the new daemon knows the guest: regions" "$(vm victim '.regions.large + .regions.table')" = "$(kernel_vm victim '.large + .table')"
wait_for "it goes on: coverage is back at 95 %" 90 coverage_at_least victim 95
expect "merges, counted across the restart" "$(vm victim .merges)" -ge $((merges + 8))
counts=$(guest_counts victim)
expect "conversions, counted across the restart" "$(vm victim .to_shared_pages)" = "$(jq -er .to_shared_pages <<<"$counts")"
guest_end victim
