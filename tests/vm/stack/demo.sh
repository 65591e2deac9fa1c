#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# To look at: guests lose 2M coverage by conversions and get it back, as `tdx-lpctl` shows it. Ends by itself, about a minute
# after boot; fails when no guest lost or not all of them regained.
. "$(dirname "$0")/lib.sh"

begin=$SECONDS
show() {
	say "--- $((SECONDS - begin)) s after the start: tdx-lpctl status; tdx-lpctl vm list"
	{ tdx-lpctl status && tdx-lpctl vm list; } | sed 's/^/# /' >/dev/ttyS1
}
state() { ctl vm list | jq -c '[.. | objects | select(has("large")) | [.name, .large, .table, .mixed]]'; }

configure "quiet-time: 5s"
systemctl enable --now tdx-lpaged.service
show
guest_start web --pattern boot --vcpus 2 --memory 64M --seed 1 --duration 40s
guest_start db --pattern boot --vcpus 2 --memory 128M --seed 2 --duration 40s
guest_start busy --pattern thrash --vcpus 1 --memory 16M --seed 3 --duration 40s

# A picture at each change, every second at most.
before=
lost=no
until guest_ended web && guest_ended db; do
	now=$(state)
	if [ "$now" != "$before" ]; then
		show
		before=$now
		! coverage_below db 60 || lost=yes
		! coverage_at_least db 95 || [ $lost = no ] || regained=yes
	fi
	sleep 1
done
show
guest_end web 30
guest_end db 30
guest_end busy 60
expect "a guest lost coverage" "$lost" = yes
expect "and regained it" "${regained-no}" = yes
say "the daemon's own words:"
journalctl -q -u tdx-lpaged --no-pager -o cat | tail -n 12 | sed 's/^/# /' >/dev/ttyS1
