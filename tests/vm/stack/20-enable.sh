#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The one command of the README: the daemon is up, says so truthfully, and a second one leaves it alone.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

configure "quiet-time: 2s"
systemctl enable --now tdx-lpaged.service
expect "unit" "$(unit ActiveState)" = active
expect "unit at boot" "$(systemctl is-enabled tdx-lpaged.service)" = enabled
expect "degraded" "$(status .degraded)" = false
expect "link" "$(status .link)" = netlink
expect "VMs" "$(status .vms)" = 0
say "status text: $(unit StatusText)"
systemctl status --no-pager tdx-lpaged.service >/tmp/status.before

# The text follows the truth.
guest_start early --memory 16M
shows_one_vm() { unit StatusText | grep -Eq '(^|[^0-9])1 VM'; }
wait_for "status text counts it" 30 shows_one_vm
say "status text: $(unit StatusText)"
guest_end early
shows_no_vm() { unit StatusText | grep -Eq '(^|[^0-9])(0|no) VM'; }
wait_for "status text forgets it" 30 shows_no_vm

# A second daemon on this host says in one line who is there, and harms nothing.
pid=$(unit MainPID)
if tdx-lpaged --runtime-dir /run/tdx-lpage-second >/tmp/second.out 2>&1; then
	fail "a second daemon started"
fi
expect "lines of the second daemon" "$(wc -l </tmp/second.out)" = 1
grep -qw "$pid" /tmp/second.out || fail "it does not name process $pid: $(cat /tmp/second.out)"
expect "the first daemon's process" "$(unit MainPID)" = "$pid"
