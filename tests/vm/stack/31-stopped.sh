#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The counter-proof: with the daemon stopped, the same guest does not get its coverage back. It does as soon as the daemon runs.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

configure "quiet-time: 1s"
systemctl stop tdx-lpaged.service
guest_start alone --vcpus 2 --memory 64M --seed 1 --mode managed
guest_filled alone
expect "no daemon, all touched: coverage" "$(kernel_vm alone .coverage)" -ge 95
guest_to alone convert
guest_to alone quiet
expect "no daemon, converted: coverage" "$(kernel_vm alone .coverage)" -lt 60
# With the daemon it came back within a few passes over the memory: what brings it back must not be the guest's own faults.
guest_uses_memory alone 20
kernel=$(kernel_vm alone)
expect "no daemon, quiet: coverage" "$(jq .coverage <<<"$kernel")" -lt 60
expect "no daemon: merges" "$(jq .merges <<<"$kernel")" = 0
systemctl start tdx-lpaged.service
wait_for "with the daemon: coverage is back at 95 %" 60 coverage_at_least alone 95
guest_end alone
