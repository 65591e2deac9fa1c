#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `mode: fault`: the kernel merges by itself after the guest's own faults, with a daemon that decides nothing; `mode: off`: nobody does.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

POLICY=never daemon_with "mode: fault" "min-quiet: 1s"
guest_start fault --vcpus 2 --memory 32M --seed 11
guest_filled fault
in_mode_fault() { [ "$(vm fault .mode)" = fault ]; }
wait_for "the guest is in mode fault" 30 in_mode_fault
guest_to fault convert
guest_to fault quiet
wait_for "mode fault: coverage is back at 95 %" 90 coverage_at_least fault 95
expect "mode fault: merges that the daemon asked for" "$(vm fault .tally.merged)" = 0
expect "mode fault: merges" "$(vm fault .merges)" -ge 14
guest_end fault
