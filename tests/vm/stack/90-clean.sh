#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After all that: one daemon, not restarted but by us, no failed unit, and it stops at once.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

systemctl stop tdx-lpaged.service
expect "result of the unit" "$(unit Result)" = success
expect "failed units" "$(systemctl --failed --no-legend --plain | wc -l)" = 0
# What the bad file of 50-reload.sh has to cause, and nothing else.
wanted='parsecs|reload failed, the old configuration remains in force|Reload failed for tdx-lpaged.service'
errors=$(journalctl -q -b -u tdx-lpaged -p err --no-pager | grep -Ev "$wanted") || :
[ -z "$errors" ] || fail "errors in the daemon's journal: $errors"
say "no error in the daemon's journal"
