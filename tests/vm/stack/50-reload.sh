#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reload: a new quiet time is in force at once; a bad file fails, is named with line and key, and changes nothing.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

daemon_with "quiet-time: 1h"
pid=$(unit MainPID)
guest_start reload --vcpus 2 --memory 32M --seed 7 --mode managed
guest_converts reload
guest_uses_memory reload 10
expect "quiet time 1h: merges" "$(vm reload .merges)" = 0

# A bad file: two lines below the top of `defaults`, a unit that there is none.
configure "quiet-time: 5parsecs"
line=$(grep -n parsecs /etc/tdx-lpage.yaml | cut -d : -f 1)
since=$(date +%s)
if systemctl reload tdx-lpaged.service 2>/tmp/reload.err; then
	fail "reload of a bad file says that it worked"
fi
says_why() { journalctl -q -u tdx-lpaged --since "@$since" --no-pager | grep -E "tdx-lpage.yaml:$line:[0-9]+:.*quiet-time"; }
wait_for "the unit's journal names file, line and key" 10 says_why
say "journal: $(says_why | head -n 1 | sed 's/^.*\]: //')"
expect "unit after the bad file" "$(unit ActiveState)" = active
guest_uses_memory reload 10
expect "the old quiet time stays: merges" "$(vm reload .merges)" = 0

configure "quiet-time: 1s"
systemctl reload tdx-lpaged.service
wait_for "quiet time 1s is in force: coverage is back at 95 %" 60 coverage_at_least reload 95
expect "process, all the time" "$(unit MainPID)" = "$pid"
guest_end reload
