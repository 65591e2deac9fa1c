#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The job: guests lose coverage by conversions and get it back from the daemon; counts are exact; data stay intact; a guest
# that never rests is left alone.
. "$(dirname "$0")/lib.sh"

daemon_with "quiet-time: 3s"
guest_start thrash --pattern thrash --vcpus 1 --memory 16M --seed 3 --duration 600s
guest_start one --pattern boot --vcpus 2 --memory 64M --seed 1 --duration 60s
guest_start two --pattern boot --vcpus 2 --memory 64M --seed 2 --duration 60s

for g in one two; do
	guest_phase $g touched
	expect "guest $g, all touched: coverage" "$(coverage $g)" -ge 95
done
for g in one two; do
	guest_phase $g quiet
	# Many regions were hit, and nothing else could merge them.
	expect "guest $g, converted: splits" "$(kernel_vm $g .splits)" -ge 16
done
for g in one two; do
	wait_for "guest $g: coverage is back at 95 %" 60 coverage_at_least $g 95
	expect "guest $g: merges" "$(vm $g .merges)" -ge 16
	counts=$(guest_counts $g)
	for field in to_shared_pages to_private_pages to_shared_events to_private_events; do
		expect "guest $g: $field" "$(vm $g .$field)" = "$(jq -er .$field <<<"$counts")"
	done
done
expect "the thrashing guest: merges" "$(vm thrash .merges)" = 0
expect "the thrashing guest: conversions" "$(vm thrash .to_shared_events)" -ge 100
guest_end one 120
guest_end two 120
systemctl kill -s TERM guest-thrash.service
guest_end thrash 60

# One summary a guest and interval in the journal, and it counts the merges.
journalctl -q -u tdx-lpaged --since "$(unit ActiveEnterTimestamp | cut -d ' ' -f 2-3)" --no-pager >/tmp/journal
grep -E 'one.*merged|merged.*one' /tmp/journal >/tmp/summary || fail "no summary of guest one: $(tail -n 20 /tmp/journal)"
say "journal: $(head -n 1 /tmp/summary)"
