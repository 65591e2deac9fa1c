#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The job: guests lose coverage by conversions and get it back from the daemon; counts are exact; data stay intact; a guest
# that never rests is left alone.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

# Every conversion of a TD takes several calls of its module, in emulation.
regions=32
[ ${#flavour[@]} -eq 0 ] || regions=8
# The last eighth of a guest's regions is never converted.
hit=$((regions * 7 / 8))

# Longer than a busy host keeps a guest from running at all, for that is quiet too.
daemon_with "quiet-time: 8s"
guest_start busy --pattern thrash --memory 4M --seed 3
guest_start one --vcpus 2 --memory $((2 * regions))M --seed 1
guest_start two --vcpus 2 --memory $((2 * regions))M --seed 2 --punch
for g in busy one two; do
	guest_filled $g
	wait_for "guest $g: under the daemon" 30 managed $g
	expect "guest $g, all touched: coverage" "$(coverage $g)" -ge 95
done
guest_to busy convert
for g in one two; do
	guest_to $g convert
	expect "guest $g, converted: splits" "$(vm $g .splits)" -ge $hit
	guest_to $g quiet
done
for g in one two; do
	wait_for "guest $g, quiet: coverage is back at 95 %" 60 coverage_at_least $g 95
	expect "guest $g: merges" "$(vm $g .merges)" -ge $hit
	counts=$(guest_counts $g)
	for field in to_shared_pages to_private_pages to_shared_events to_private_events; do
		expect "guest $g: $field" "$(vm $g .$field)" = "$(jq -er .$field <<<"$counts")"
	done
	known() { [ "$(vm_known $g .to_shared_pages)" = "$(jq .to_shared_pages <<<"$counts")" ]; }
	wait_for "guest $g: the daemon knows without being told to ask" 10 known
	expect "guest $g: converted pages" "$(vm $g .to_shared_pages)" -ge $((4 * hit))
done
expect "the busy guest: conversions" "$(vm busy .to_shared_events)" -ge 100
expect "the busy guest: merges" "$(vm busy .merges)" = 0
guest_end busy one two

# One line of summary for each guest and interval, which counts what was merged.
summary() { journalctl -q -u tdx-lpaged --no-pager -o cat | grep -E '(^|[^[:alnum:]])one([^[:alnum:]]|$).*merge' | tail -n 1; }
wait_for "the journal sums up guest one" 20 summary
say "journal: $(summary)"
