#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The counter-proof: with the daemon stopped, the same guest does not get its coverage back. It does as soon as the daemon runs.
. "$(dirname "$0")/lib.sh"

configure "quiet-time: 1s"
systemctl stop tdx-lpaged.service
guest_start alone --pattern boot --vcpus 2 --memory 64M --seed 1 --duration 120s
guest_phase alone quiet
before=$(kernel_coverage alone)
expect "no daemon, converted: coverage" "$before" -lt 60
# Quiet for longer than it took anybody to merge everything, and the guest touches all its memory meanwhile.
guest_rounds alone 3
expect "no daemon, still quiet: coverage" "$(kernel_coverage alone)" -le "$before"
expect "no daemon: merges" "$(kernel_vm alone .merges)" = 0
systemctl start tdx-lpaged.service
wait_for "with the daemon: coverage is back at 95 %" 60 coverage_at_least alone 95
systemctl kill -s TERM guest-alone.service
guest_end alone 60
