#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# To look at: guests lose 2M coverage by conversions and get it back, as `tdx-lpctl` shows it. Ends by itself, about a minute
# after boot; fails when no guest lost coverage or not all of them regained it.
. "$(dirname "$0")/lib.sh"

begin=$SECONDS
show() {
	say "--- $((SECONDS - begin)) s after the start: tdx-lpctl status${1:+, $1}"
	tdx-lpctl status | sed 's/^/# /' >/dev/ttyS1
}

# What the daemon knows of web and db: lines of name, large regions, regions with a page table.
figures() { ctl status | jq -r '.vms[] | select(.name == "web" or .name == "db") | [.name, .regions.large, .regions.table] | @tsv'; }

configure "quiet-time: 8s"
systemctl enable --now tdx-lpaged.service
guest_start web --vcpus 2 --memory 64M --seed 1
guest_start db --vcpus 2 --memory 128M --seed 2
guest_start busy --pattern thrash --memory 16M --seed 3
for g in web db busy; do
	guest_filled $g
	wait_for "guest $g: under the daemon" 60 managed $g
done
show "all memory is touched"
say "now web and db convert pages in most of their regions and back, four times; busy goes on for ever"
for g in web db busy; do
	guest_signal $g USR2
done

# A picture at each change of web and db.
before='' lost=no regained=no
until [ $regained = yes ]; do
	now=$(figures)
	[ "$now" = "$before" ] || show
	before=$now
	large=$(awk '{ n += $2 } END { print n }' <<<"$now")
	if [ "$large" -lt 48 ]; then
		lost=yes
	elif [ $lost = yes ] && [ "$large" -eq 96 ]; then
		regained=yes
	fi
done
guest_end web db busy
say "the daemon's own words:"
journalctl -q -u tdx-lpaged --no-pager -o cat | tail -n 12 | sed 's/^/# /' >/dev/ttyS1
