#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's own netlink client, with nothing but our spec, agrees with tdx-lpctl about VMs and regions, and gets events.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

daemon_with "quiet-time: 1h"
guest_start client --vcpus 2 --memory 32M --seed 9 --mode managed
guest_converts client
kernel=$(kernel_vm client)
daemon=$(vm client .)
id=$(jq .id <<<"$kernel")
for field in large table mixed; do
	expect "$field" "$(jq .$field <<<"$kernel")" = "$(jq .regions.$field <<<"$daemon")"
done
pages=$(jq '.["to-shared-pages"]' <<<"$kernel")
expect "converted pages" "$pages" = "$(jq .to_shared_pages <<<"$daemon")"

ynl --dump region-get --json "{\"vm-id\": $id}" | jq '[.[].region[]?]' >/tmp/kernel.regions
ctl region list client | jq '[.. | objects | select(has("rfn"))]' >/tmp/daemon.regions
expect "regions listed" "$(jq length /tmp/kernel.regions)" -ge 8
kernel=$(jq -c '[.[] | select(.state == "table") | .rfn] | sort' /tmp/kernel.regions)
daemon=$(jq -c '[.[] | select(.state == "table") | .rfn] | sort' /tmp/daemon.regions)
expect "regions with a page table" "$daemon" = "$kernel"
expect "sum of the regions' conversions" "$(jq '[.[]["to-shared-pages"] // 0] | add' /tmp/kernel.regions)" = "$pages"

# An operation by hand: its cookie comes back in the event, with one region merged.
rfn=$(jq -r '[.[] | select(.state == "table") | .rfn][0]' /tmp/kernel.regions)
python3 -u "${ynl_cli[@]:1}" --subscribe events --duration 120 >/tmp/events 2>&1 &
listener=$!
# Its port is its process; a group is set.
listening() { awk -v pid=$listener '$2 == 16 && $3 == pid && $4 != "00000000" { n++ } END { exit !n }' /proc/net/netlink; }
wait_for "the client listens" 90 listening
cookie=$(ynl --do merge --json "{\"vm-id\": $id, \"range\": [{\"start-rfn\": $rfn}]}" | jq -er .cookie)
# A cookie is one of its VM's.
came() { jq -en --argjson cookie "$cookie" --argjson id "$id" 'first(inputs | select(.name == "op-done-ntf" and .msg["vm-id"] == $id and .msg.cookie == $cookie))' /tmp/events; }
wait_for "op-done-ntf with cookie $cookie came" 30 came
expect "regions merged, it says" "$(came | jq -er '[.msg.result[].done] | add')" = 1
state=$(ynl --dump region-get --json "{\"vm-id\": $id, \"start-rfn\": $rfn, \"nr-regions\": 1, \"states\": [\"large\"]}" |
	jq -er '.[0].region[0].state')
expect "region $rfn" "$state" = large
guest_end client

# A VM whose VMM wants none of it: no task in its process, and requests are refused at once.
guest_start calm --vcpus 1 --memory 4M --seed 4 --mode off
runs() { kernel_vm calm | jq -e .running; }
wait_for "calm runs" 60 runs
id=$(kernel_vm calm | jq .id)
expect "tasks of kvm-lpage in calm" "$(ps -T -o comm= -p "$(kernel_vm calm | jq .pid)" | grep -c '^kvm-lpage$')" = 0
cookie=$(ynl --do merge --json "{\"vm-id\": $id, \"range\": [{\"start-rfn\": $rfn}]}" | jq -er .cookie)
wait_for "op-done-ntf with cookie $cookie came" 30 came
kill $listener
expect "reason" "$(came | jq -er '.msg.result[0].reason')" = mode-off
guest_end calm
