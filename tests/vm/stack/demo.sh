#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# To look at: guests lose 2M coverage by conversions and get it back, as `tdx-lpctl` shows it. Ends by itself, about a minute
# after boot; fails when no guest lost coverage or not all of them regained it.
. "$(dirname "$0")/lib.sh"

begin=$SECONDS
show() {
	say "--- $((SECONDS - begin)) s after the start: tdx-lpctl status; tdx-lpctl vm list"
	{ tdx-lpctl status && tdx-lpctl vm list; } | sed 's/^/# /' >/dev/ttyS1
}
state() { ctl vm list | jq -c '[.vms[] | [.name, .regions.large, .regions.table, .regions.mixed]]'; }

configure "quiet-time: 5s"
systemctl enable --now tdx-lpaged.service
show
guest_start web --vcpus 2 --memory 64M --seed 1
guest_start db --vcpus 2 --memory 128M --seed 2
guest_start busy --pattern thrash --memory 16M --seed 3
for g in web db busy; do
	guest_filled $g
	wait_for "guest $g: under the daemon" 30 managed $g
done
show
for g in busy web db; do
	guest_to $g convert
done
guest_to web quiet
guest_to db quiet
show
expect "db lost coverage: percent" "$(coverage db)" -lt 60

# A picture at each change, every second at most.
before=
until coverage_at_least web 95 && coverage_at_least db 95; do
	now=$(state)
	[ "$now" = "$before" ] || show
	before=$now
	sleep 1
done
show
expect "db regained coverage: percent" "$(coverage db)" -ge 95
guest_end web db busy
say "the daemon's own words:"
journalctl -q -u tdx-lpaged --no-pager -o cat | tail -n 12 | sed 's/^/# /' >/dev/ttyS1
