#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Probes: of a guest that uses all its memory, every region is touched; of one that rests, none is. The kernel counts them.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

daemon_with "quiet-time: 1h"
guest_start user --vcpus 2 --memory 32M --seed 11 --mode managed
guest_converts user
wait_for "guest user: under the daemon" 30 managed user

# Without ranges: what the daemon lists. A pass over the memory takes the guest as long as the host lets it.
listed=$(ctl region list user --fresh --state large,table | jq '.regions | length')
expect "regions listed" "$listed" -ge 8
all_touched() { ctl probe user --window 5s >/tmp/probed && jq -e ".touched == $listed and .unknown == 0" /tmp/probed; }
wait_for "all of them are touched" 120 all_touched
expect "regions shown of those that are not" "$(jq '[.regions[] | select(.touched | not)] | length' /tmp/probed)" = 0
# The TDX module tells when, direct page tables do not.
when=(= 0)
[ ${#flavour[@]} -eq 0 ] || when=(-ge 1)
expect "touches with a time" "$(jq '[.regions[] | select(.first_touch_age_us != null)] | length' /tmp/probed)" "${when[@]}"
expect "regions probed, says the kernel" "$(kernel_vm user '.probes')" -ge "$listed"
expect "touches, says the kernel" "$(kernel_vm user '.["probe-touches"]')" -ge "$listed"

# It rests for a minute after each pass over its memory, which begins at a multiple of 1 GiB, as that of the other one does.
base=$((($(jq '[.regions[].gpa] | min' /tmp/probed) >> 30) << 30))
guest_start idle --memory 16M --seed 12 --mode managed --pause 60000
guest_filled idle
wait_for "guest idle: under the daemon" 30 managed idle
ctl probe idle "$base+16M" --window 500ms >/tmp/probed
expect "guest idle: touched" "$(jq .touched /tmp/probed)" = 0
expect "guest idle: not touched" "$(jq .untouched /tmp/probed)" = 8
expect "guest idle: shown as cold" "$(ctl probe idle "$base+16M" --window 10ms --cold | jq '.regions | length')" = 8

# The kernel's own client, with an answer in the event for each region, and a word on what is out of range.
id=$(kernel_vm idle .id)
python3 -u "${ynl_cli[@]:1}" --subscribe events --duration 120 >/tmp/events 2>&1 &
listener=$!
listening() { awk -v pid=$listener '$2 == 16 && $3 == pid && $4 != "00000000" { n++ } END { exit !n }' /proc/net/netlink; }
wait_for "the client listens" 90 listening
request="\"vm-id\": $id, \"range\": [{\"start-rfn\": $((base >> 21)), \"nr-regions\": 8}, {\"start-rfn\": 0}]"
cookie=$(ynl --do probe --json "{$request, \"window-ns\": 1000000}" | jq -er .cookie)
came() { jq -en --argjson cookie "$cookie" 'first(inputs | select(.name == "op-done-ntf" and .msg.cookie == $cookie)) | .msg' /tmp/events; }
wait_for "op-done-ntf with cookie $cookie came" 30 came
kill $listener
expect "operation" "$(came | jq -r .op)" = probe
expect "regions with an answer" "$(came | jq '.probed | length')" = 9
expect "region 0" "$(came | jq -r '.probed[8].reason')" = bad-range
expect "done, refused" "$(came | jq -c '[.result[] | .done // 0, .refused // 0]')" = '[8,0,0,1]'
! ynl --do probe --json "{$request, \"window-ns\": 9999}" >/tmp/refused 2>&1 || fail "a window of 9999 ns is taken"
expect "words on a window of 9999 ns" "$(grep -o 'window-ns is not within 10000..10000000000' /tmp/refused)" != ''
guest_end user idle
